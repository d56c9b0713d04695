package keep

import (
	"fmt"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// Layer is a layer that a [Compressor] works on: the entries that it remembers
// of one sequence, and the attention that they have received.
type Layer struct {
	Index  int // of Depth layers
	Depth  int
	Prompt int  // tokens of the prompt
	Step   bool // a token has followed; otherwise the prompt has just ended
	Heads  pass.Heads

	kv   *pass.KV
	ctx  *op.Ctx
	tail []float32 // queries, [rows, H*Dh]

	index  []int
	scores []float32
	split  [][]int // by query head, what it keeps once PerQuery takes effect; nil: it has, or isn't wanted
}

// CacheHeads returns how many heads hold entries of their own: the KV heads,
// or the query heads after [Layer.PerQuery].
func (l *Layer) CacheHeads() int { return max(l.kv.Heads(), len(l.split)) }

// Share returns the query heads [from, to) that look at the entries of a
// cache head.
func (l *Layer) Share(head int) (from, to int) {
	g := l.Heads.Query / l.CacheHeads()
	return head * g, (head + 1) * g
}

// held returns the head of the memory that holds a cache head's entries.
func (l *Layer) held(head int) int { return head * l.kv.Heads() / l.CacheHeads() }

// Len returns the number of entries of a cache head.
func (l *Layer) Len(head int) int { return l.kv.Len(l.held(head)) }

// Positions returns the position of each entry of a cache head. It is not a
// copy.
func (l *Layer) Positions(head int) []int32 { return l.kv.Positions(l.held(head)) }

// Attention returns the attention probabilities of the last w queries, or of
// all if there are fewer, [H, w, n]: the last query sees all n entries, the one
// before it all but the newest, and so on. Heads with fewer entries have zeros at
// the end. w is at most the Plan's Queries.
func (l *Layer) Attention(w int) (p []float32, rows, n int, err error) {
	width := l.Heads.Query * l.Heads.Dim
	rows = len(l.tail) / width
	if w < rows {
		rows = w
	}
	q := l.ctx.ViewShape(l.tail[len(l.tail)-rows*width:], op.MakeShape(rows, width))
	v := op.Pattern(l.ctx, q, l.kv.Cache, l.Heads)
	if err := l.ctx.Err(); err != nil {
		return nil, 0, 0, err
	}
	return l.ctx.Data(v), rows, l.kv.Longest(), nil
}

// Received returns the attention that each entry has received from a query
// head since it came, [n]. It is not a copy.
func (l *Layer) Received(query int) []float32 { return l.kv.Received(query) }

// AddReceived adds the attention that each entry of a cache head has received to
// s, from its query heads in order.
func (l *Layer) AddReceived(s []float32, head int) {
	for q, to := l.Share(head); q < to; q++ {
		l.kv.AddReceived(s, q)
	}
}

// PerQuery gives each query head entries of its own, which it may then keep
// or drop alone. It takes memory: H instead of G times as many entries.
func (l *Layer) PerQuery() {
	if l.CacheHeads() != l.Heads.Query {
		l.split = make([][]int, l.Heads.Query)
	}
}

// settle carries out a PerQuery, for which it is best to know what each head
// keeps.
func (l *Layer) settle() error {
	if l.split == nil {
		return nil
	}
	for q, idx := range l.split {
		if idx == nil {
			for i := range l.Len(q) {
				l.split[q] = append(l.split[q], i)
			}
		}
	}
	idx := l.split
	l.split = nil
	return l.kv.Split(idx)
}

// Keep drops every entry of a cache head but those of idx, which ascends;
// head -1 is every head.
func (l *Layer) Keep(head int, idx []int) error {
	if l.split != nil && head >= 0 && head < len(l.split) && l.split[head] == nil {
		l.split[head] = append(make([]int, 0, len(idx)), idx...)
		return nil
	}
	err := l.settle()
	if err == nil {
		err = l.kv.Keep(head, idx)
	}
	if err != nil {
		return fmt.Errorf("layer %d: %w", l.Index, err)
	}
	return nil
}

// Drop drops one entry of a cache head; head -1 is every head.
func (l *Layer) Drop(head, i int) error {
	if err := l.settle(); err != nil {
		return fmt.Errorf("layer %d: %w", l.Index, err)
	}
	for h := range l.kv.Heads() {
		if head != -1 && head != h {
			continue
		}
		if err := l.kv.Drop(h, i); err != nil {
			return fmt.Errorf("layer %d: %w", l.Index, err)
		}
	}
	return nil
}

// KeepTop drops entries of a cache head (-1: of every head) until budget are
// left: the last recent ones, and of the older ones those of the largest
// scores, of which it takes one for each.
func (l *Layer) KeepTop(head int, scores []float32, budget, recent int) error {
	n := l.Len(max(0, head))
	switch {
	case n <= budget:
		return nil
	case n == budget+1: // as after each token
		return l.Drop(head, last(scores[:n-recent]))
	}
	l.index = appendTop(l.index[:0], scores[:n-recent], budget-recent)
	for i := n - recent; i < n; i++ {
		l.index = append(l.index, i)
	}
	return l.Keep(head, l.index)
}

// Scores returns n zeros to add scores up in, good until the next call.
func (l *Layer) Scores(n int) []float32 {
	if cap(l.scores) < n {
		l.scores = make([]float32, n)
	}
	l.scores = l.scores[:n]
	clear(l.scores)
	return l.scores
}

func (l *Layer) size() Size {
	s := Size{Bytes: l.kv.Bytes()}
	for h := range l.kv.Heads() {
		s.Entries += l.kv.Len(h)
	}
	return s
}
