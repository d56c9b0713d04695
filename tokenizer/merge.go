package tokenizer

import (
	"math"
	"slices"
)

// shortWord is the number of symbols up to which looking through all pairs for
// the most urgent beats a heap.
const shortWord = 24

// merger is the scratch space for merging one word.
type merger struct {
	ids     []int32
	ranks   [shortWord]uint32
	symbols []symbol
	spans   []span
	heap    minHeap
	steps   int // candidates queued so far, for the test that this stays linear
}

// symbol is a token of a long word that is still being merged. Its place in the
// slice is that of its first byte, so places grow from left to right.
type symbol struct {
	id         int32 // None once it is part of the symbol to its left
	prev, next int32 // -1 at the ends
}

// A candidate is a pair that may be merged, as one number: rank<<32 | place of
// the left symbol. The most urgent is the least, and among one rank the leftmost.
func candidate(rank uint32, place int32) uint64 { return uint64(rank)<<32 | uint64(place) }

// merge appends the tokens of word, which is not empty, to dst. Bytes without a
// symbol are left out before merging, as the reference does without an unknown token.
func (m *merger) merge(dst []int32, t *BPE, word string) []int32 {
	m.ids = m.ids[:0]
	if t.sentence != nil {
		m.ids = t.sentence.appendSymbols(m.ids, word, &t.symbol)
	} else {
		for i := range len(word) {
			if id := t.symbol[word[i]]; id != None {
				m.ids = append(m.ids, id)
			}
		}
	}
	// Places are 32-bit; a single word of 2 GiB is cut, which keeps its bytes.
	for len(m.ids) > math.MaxInt32 {
		dst = m.long(dst, t, m.ids[:math.MaxInt32])
		m.ids = m.ids[math.MaxInt32:]
	}
	if len(m.ids) <= shortWord {
		return append(dst, m.short(t, m.ids)...)
	}
	return m.long(dst, t, m.ids)
}

// short merges ids in place: at most shortWord rounds of at most shortWord steps.
func (m *merger) short(t *BPE, ids []int32) []int32 {
	if len(ids) < 2 {
		return ids
	}
	ranks := m.ranks[:len(ids)-1]
	for i := range ranks {
		ranks[i] = t.pairs.rank(ids[i], ids[i+1])
	}
	for {
		at, best := 0, noRank
		for i, r := range ranks {
			if r < best {
				at, best = i, r
			}
		}
		if best == noRank {
			return ids
		}
		ids[at] = t.made[best]
		ids = append(ids[:at+1], ids[at+2:]...)
		ranks = append(ranks[:at], ranks[at+1:]...)
		if at > 0 {
			ranks[at-1] = t.pairs.rank(ids[at-1], ids[at])
		}
		if at < len(ranks) {
			ranks[at] = t.pairs.rank(ids[at], ids[at+1])
		}
	}
}

// long merges with a heap. Every merge removes a symbol and queues at most two
// candidates, so n symbols queue fewer than 3n: O(n log n) in all.
func (m *merger) long(dst []int32, t *BPE, ids []int32) []int32 {
	m.symbols, m.heap = slices.Grow(m.symbols[:0], len(ids)), slices.Grow(m.heap[:0], len(ids))
	for i, id := range ids {
		m.symbols = append(m.symbols, symbol{id, int32(i) - 1, int32(i) + 1})
	}
	m.symbols[len(ids)-1].next = -1
	for i := range len(ids) - 1 {
		if rank := t.pairs.rank(ids[i], ids[i+1]); rank != noRank {
			m.heap = append(m.heap, candidate(rank, int32(i)))
		}
	}
	m.steps += len(m.heap)
	m.heap.order()
	for len(m.heap) > 0 {
		c := m.heap.pop()
		rank, at := c>>32, int32(uint32(c))
		left := &m.symbols[at]
		if left.id == None || left.next < 0 {
			continue
		}
		right := &m.symbols[left.next]
		if pairOf(left.id, right.id) != t.joins[rank] {
			continue // one of the two has grown since
		}
		left.id, right.id = t.made[rank], None
		left.next = right.next
		if left.next >= 0 {
			m.symbols[left.next].prev = at
			m.offer(t, at, left.id, m.symbols[left.next].id)
		}
		if left.prev >= 0 {
			m.offer(t, left.prev, m.symbols[left.prev].id, left.id)
		}
	}
	for i := int32(0); i >= 0; i = m.symbols[i].next {
		dst = append(dst, m.symbols[i].id)
	}
	return dst
}

// offer queues the pair of the symbol at place and the one to its right, if a
// merge joins them.
func (m *merger) offer(t *BPE, place, left, right int32) {
	if rank := t.pairs.rank(left, right); rank != noRank {
		m.steps++
		m.heap.push(candidate(rank, place))
	}
}
