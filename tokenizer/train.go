package tokenizer

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// TrainOptions say what [Train] makes.
type TrainOptions struct {
	// Vocabulary is how many tokens there are at most: the special ones, the 256
	// bytes, and what the merges make.
	Vocabulary int
	// Least is how often a pair must come to be merged; 0 means 1.
	Least int
	// Special are the control tokens, the first ids. The first of them ends a text;
	// none means "<|endoftext|>".
	Special []string
}

// maxSpecial is how many control tokens a vocabulary may begin with.
const maxSpecial = 1 << 12

// Train learns a byte-level vocabulary from texts: byte-pair encoding (Sennrich, Haddow
// & Birch 2016) of words that GPT-2's expression cuts, whose most frequent pair of
// neighbours becomes a token, again and again. Merges and ids are those of the
// BpeTrainer of Hugging Face tokenizers with the ByteLevel pre-tokenizer and its whole
// alphabet, ties included. The texts are read once; what is kept of them is their
// different words. The time is linear in the texts but for a logarithm.
func Train(texts iter.Seq[string], o TrainOptions) (Config, error) {
	if len(o.Special) == 0 {
		o.Special = []string{"<|endoftext|>"}
	}
	c := Config{Model: ByteLevel, Pre: "gpt-2", BOS: None, EOS: 0, Unknown: None, Pad: None}
	if len(o.Special) > maxSpecial {
		return c, fmt.Errorf("tokenizer: %d special tokens, at most %d are accepted", len(o.Special), maxSpecial)
	}
	if least := 256 + len(o.Special); o.Vocabulary < least || o.Vocabulary > maxTokens {
		return c, fmt.Errorf("tokenizer: a vocabulary of %d: from %d, the bytes and %d special tokens, to %d", o.Vocabulary, least, len(o.Special), maxTokens)
	}
	for i, s := range o.Special {
		if s == "" || len(s) > maxMarkerBytes || slices.Contains(o.Special[:i], s) {
			return c, fmt.Errorf("tokenizer: special token %q is empty, too long or there twice", clip(s))
		}
		c.Types = append(c.Types, int32(KindControl))
	}
	alphabet := slices.Sorted(slices.Values(byteSymbols[:]))
	t := &trainer{counts: map[pair]int64{}, ids: map[string]int32{}, places: map[pair]*places{}, ranks: map[pair]int{}}
	for _, s := range o.Special {
		t.add(s)
	}
	for _, r := range alphabet {
		if _, ok := t.ids[string(r)]; ok {
			return c, fmt.Errorf("tokenizer: special token %q is a byte's own", string(r))
		}
		t.add(string(r))
	}
	t.read(texts)
	t.merge(o.Vocabulary, int64(max(1, o.Least)))

	c.Tokens = t.tokens
	for len(c.Types) < len(c.Tokens) {
		c.Types = append(c.Types, int32(KindNormal))
	}
	for _, p := range slices.SortedFunc(maps.Keys(t.ranks), func(a, b pair) int { return t.ranks[a] - t.ranks[b] }) {
		c.Merges = append(c.Merges, c.Tokens[p.left]+" "+c.Tokens[p.right])
	}
	return c, nil
}

// pair is two neighbours in a word.
type pair struct{ left, right int32 }

// places are the words that a pair is in.
type places struct{ words []int32 }

// add notes a word, once as long as words come one after the other.
func (p *places) add(word int32) {
	if n := len(p.words); n == 0 || p.words[n-1] != word {
		p.words = append(p.words, word)
	}
}

// trainer counts pairs and merges them.
type trainer struct {
	tokens []string
	ids    map[string]int32
	words  [][]int32
	times  []int64        // that each word comes
	counts map[pair]int64 // as neighbours
	places map[pair]*places
	queue  []job
	ranks  map[pair]int // of a merge; the last one if a pair is merged twice
}

// job is a pair to merge in some words.
type job struct {
	count int64
	pair  pair
	at    *places
}

func (t *trainer) add(token string) int32 {
	id := int32(len(t.tokens))
	t.tokens, t.ids[token] = append(t.tokens, token), id
	return id
}

// read cuts texts into words and counts the words and their pairs.
func (t *trainer) read(texts iter.Seq[string]) {
	table, index := classes(), map[string]int32{}
	for text := range texts {
		for text != "" {
			n := nextGPT2(table, text)
			if i, ok := index[text[:n]]; ok {
				t.times[i]++
			} else {
				index[strings.Clone(text[:n])] = int32(len(t.times))
				t.times = append(t.times, 1)
			}
			text = text[n:]
		}
	}
	var symbols [256]int32
	for b, r := range byteSymbols {
		symbols[b] = t.ids[string(r)]
	}
	t.words = make([][]int32, len(t.times))
	for s, i := range index {
		word := make([]int32, len(s))
		for j := range len(s) {
			word[j] = symbols[s[j]]
		}
		t.words[i] = word
	}
	for i, word := range t.words {
		for j := range len(word) - 1 {
			p := pair{word[j], word[j+1]}
			t.counts[p] += t.times[i]
			t.note(p, int32(i))
		}
	}
	t.enqueue()
}

// note says that a pair is in a word.
func (t *trainer) note(p pair, word int32) {
	at := t.places[p]
	if at == nil {
		at = &places{}
		t.places[p] = at
	}
	at.add(word)
}

// enqueue makes jobs of the places noted since the last time.
func (t *trainer) enqueue() {
	for p, at := range t.places {
		if n := t.counts[p]; n > 0 {
			t.push(job{n, p, at})
		}
	}
	clear(t.places)
}

// merge merges until there are so many tokens. As in the reference, the count of a
// job is corrected when it comes up; a pair that is noted in further words later has a
// job for these, and a merge that comes again keeps its last rank.
func (t *trainer) merge(vocabulary int, least int64) {
	for n := 0; len(t.tokens) < vocabulary && len(t.queue) > 0; {
		top := t.pop()
		if now := t.counts[top.pair]; now != top.count {
			if top.count = now; now > 0 {
				t.push(top)
			}
			continue
		}
		if top.count < least {
			return
		}
		token := t.tokens[top.pair.left] + t.tokens[top.pair.right]
		id, ok := t.ids[token]
		if !ok {
			id = t.add(token)
		}
		t.ranks[top.pair] = n
		n++
		slices.Sort(top.at.words)
		for _, w := range top.at.words {
			t.mergeIn(w, top.pair, id)
		}
		t.enqueue()
	}
}

// mergeIn puts id in place of a pair in a word.
func (t *trainer) mergeIn(w int32, p pair, id int32) {
	word, times := t.words[w], t.times[w]
	change := func(p pair, by int64) {
		t.counts[p] += by * times
		if by > 0 {
			t.note(p, w)
		}
	}
	kept := word[:0] // what is behind the place that is looked at
	for i := 0; i < len(word); i++ {
		if word[i] != p.left || i+1 == len(word) || word[i+1] != p.right {
			kept = append(kept, word[i])
			continue
		}
		if n := len(kept); n > 0 {
			change(pair{kept[n-1], p.left}, -1)
			change(pair{kept[n-1], id}, 1)
		}
		if i+2 < len(word) {
			next := word[i+2]
			change(pair{p.right, next}, -1)
			change(pair{id, next}, 1)
		}
		kept = append(kept, id)
		i++
	}
	t.words[w] = kept
}

// before says which of two jobs comes first: more often, then the lesser pair.
func (j job) before(k job) bool {
	switch {
	case j.count != k.count:
		return j.count > k.count
	case j.pair.left != k.pair.left:
		return j.pair.left < k.pair.left
	}
	return j.pair.right < k.pair.right
}

func (t *trainer) push(j job) {
	q := append(t.queue, j)
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if !q[i].before(q[up]) {
			break
		}
		q[i], q[up] = q[up], q[i]
		i = up
	}
	t.queue = q
}

func (t *trainer) pop() job {
	q := t.queue
	top, last := q[0], len(q)-1
	q[0] = q[last]
	q[last] = job{}
	q = q[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && q[c+1].before(q[c]) {
			c++
		}
		if !q[c].before(q[i]) {
			break
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
	t.queue = q
	return top
}
