package tokenizer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// scored orders merges as SentencePiece and llama.cpp do: two neighbours that
// together are a token may merge, those that make the token with the highest score
// first, and among equals the leftmost.
type scored struct {
	ranks   []uint32 // per id; equal scores have equal ranks
	longest int      // bytes of the longest token
}

// setScores turns scores into ranks.
func (t *BPE) setScores(c *Config) error {
	if len(c.Scores) == 0 {
		return fmt.Errorf("scores: empty, and there are no merges")
	}
	order := make([]int32, len(c.Scores))
	for id, s := range c.Scores {
		if math.IsNaN(float64(s)) {
			return fmt.Errorf("scores[%d]: not a number", id)
		}
		order[id] = int32(id)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(c.Scores[b], c.Scores[a]) })
	t.scored = &scored{ranks: make([]uint32, len(order))}
	rank := uint32(0)
	for i, id := range order {
		if i > 0 && c.Scores[id] != c.Scores[order[i-1]] {
			rank++
		}
		t.scored.ranks[id] = rank
	}
	for w := range t.words {
		t.scored.longest = max(t.scored.longest, len(w))
	}
	return nil
}

// span is a piece of a word that is still being merged; end is begin once it is
// part of the span to its left.
type span struct {
	begin, end int32
	prev, next int32 // -1 at the ends
}

// byScore appends the tokens of word to dst. What it costs is that of merger.long.
func (m *merger) byScore(dst []int32, t *BPE, word string) []int32 {
	// Places are 32-bit; a single word of 2 GiB is cut, which keeps its bytes.
	for len(word) > math.MaxInt32 {
		dst = m.byScore(dst, t, word[:math.MaxInt32])
		word = word[math.MaxInt32:]
	}
	if word == "" {
		return dst
	}
	m.spans, m.heap = m.spans[:0], m.heap[:0]
	for i := 0; i < len(word); {
		_, n := utf8.DecodeRuneInString(word[i:])
		k := int32(len(m.spans))
		m.spans = append(m.spans, span{int32(i), int32(i + n), k - 1, k + 1})
		i += n
	}
	m.spans[len(m.spans)-1].next = -1
	for i := range len(m.spans) - 1 {
		if rank := m.rankAt(t, word, int32(i)); rank != noRank {
			m.heap = append(m.heap, candidate(rank, int32(i)))
		}
	}
	m.steps += len(m.heap)
	m.heap.order()
	for len(m.heap) > 0 {
		c := m.heap.pop()
		at := int32(uint32(c))
		if m.rankAt(t, word, at) != uint32(c>>32) {
			continue // one of the two has grown since, or is gone
		}
		left := &m.spans[at]
		right := &m.spans[left.next]
		left.end, right.end = right.end, right.begin
		left.next = right.next
		if left.next >= 0 {
			m.spans[left.next].prev = at
			m.offerSpan(t, word, at)
		}
		if left.prev >= 0 {
			m.offerSpan(t, word, left.prev)
		}
	}
	for i := int32(0); i >= 0; i = m.spans[i].next {
		part := word[m.spans[i].begin:m.spans[i].end]
		if id, ok := t.words[part]; ok {
			dst = append(dst, id)
		} else {
			dst = appendBytes(dst, part, &t.symbol)
		}
	}
	if cap(m.spans) > keepSymbols {
		m.spans = nil
	}
	return dst
}

// rankAt returns the rank of the token that the span at place and the one to its
// right make, or noRank.
func (m *merger) rankAt(t *BPE, word string, place int32) uint32 {
	s := m.spans[place]
	if s.begin == s.end || s.next < 0 || int(m.spans[s.next].end-s.begin) > t.scored.longest {
		return noRank
	}
	id, ok := t.words[word[s.begin:m.spans[s.next].end]]
	if !ok {
		return noRank
	}
	return t.scored.ranks[id]
}

func (m *merger) offerSpan(t *BPE, word string, place int32) {
	if rank := m.rankAt(t, word, place); rank != noRank {
		m.steps++
		m.heap.push(candidate(rank, place))
	}
}
