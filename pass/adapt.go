package pass

import (
	"fmt"
	"slices"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
)

// Adapter changes what linear maps give for the rows of a sequence that carries it,
// [Seq.Adapter], so that sequences with different adapters, and without any, go
// through one pass. It must be comparable: a pointer.
type Adapter interface {
	// Adapts says whether the adapter changes the map of a role in a layer.
	Adapts(layer int, r Role) bool
	// Adapt returns what a map shall give for rows x [n, In] instead of y [n, Out].
	Adapt(c *op.Ctx, layer int, r Role, x, y op.Val) op.Val
}

// Linear applies l, the map that plays role r in the layer, to x [T, In], and lets
// the adapters of sequences change their rows: [T, Out].
func (s *State) Linear(r Role, l nn.Layer, x op.Val) op.Val {
	y := l.Apply(s.p.c, x)
	if !s.p.adapted {
		return y
	}
	return s.adapt(s.layer, r, x, y, func(i int) *Seq { return s.p.seqs[s.Rows[i].Seq] })
}

// Unembed is Linear of a head: x are the given rows of the stream.
func (s *State) Unembed(l nn.Layer, x op.Val, rows []int32) op.Val {
	y := l.Apply(s.p.c, x)
	if !s.p.adapted {
		return y
	}
	return s.adapt(len(s.p.e.layers), Unembed, x, y, func(i int) *Seq { return s.p.seqs[s.Rows[rows[i]].Seq] })
}

// adapt hands each adapter its rows of x and y; of says whose row i is.
func (s *State) adapt(layer int, r Role, x, y op.Val, of func(i int) *Seq) op.Val {
	c := s.p.c
	n := c.Shape(x).Rows()
	for k, q := range s.p.seqs {
		a := q.Adapter
		if a == nil || !a.Adapts(layer, r) || slices.ContainsFunc(s.p.seqs[:k], func(q *Seq) bool { return q.Adapter == a }) {
			continue
		}
		var rows []int32 // a tape keeps it
		for i := range n {
			if of(i).Adapter == a {
				rows = append(rows, int32(i))
			}
		}
		switch {
		case len(rows) == n:
			y = a.Adapt(c, layer, r, x, y)
		case len(rows) > 0:
			y = op.Put(c, y, a.Adapt(c, layer, r, op.Rows(c, x, rows), op.Rows(c, y, rows)), rows)
		}
	}
	return y
}

// checkAdapter tells of an adapter that layers wouldn't ask.
func (q *Seq) checkAdapter(layers []LayerInfo) error {
	if q.Adapter == nil {
		return nil
	}
	for i, l := range layers {
		for r := range Unembed {
			if !l.Adapts && q.Adapter.Adapts(i, r) {
				return fmt.Errorf("pass: layer %d (%s) takes no adapter of a sequence: put it on the network with Overlay", i, l.Name)
			}
		}
	}
	return nil
}
