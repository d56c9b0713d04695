package grad

import (
	"fmt"
	"slices"

	"github.com/micaml/mica/op"
)

// span is a call of op.Checkpoint: in place of what it recorded.
type span struct {
	f       func(c *op.Ctx, in []op.Val) []op.Val
	in, out []op.Val
	inside  []bool // the outputs that f made, and didn't only hand on; of one that is there twice, the first
}

// Checkpoint calls f and keeps of it what it returns: see [op.Checkpoint],
// which calls this.
func (t *Tape) Checkpoint(f func(c *op.Ctx, in []op.Val) []op.Val, in []op.Val) []op.Val {
	c, base := t.c, len(t.entries)
	scope, first := c.Open(), t.mark()
	out := slices.Clone(f(c, in))
	s := &span{f: f, in: slices.Clone(in), out: out, inside: make([]bool, len(out))}
	data, shapes, wanted := make([][]float32, len(out)), make([]op.Shape, len(out)), make([]bool, len(out))
	twin := make([]int, len(out)) // the first output that is the same value
	for i, v := range out {
		twin[i] = slices.Index(out, v)
		if s.inside[i] = v.Index() >= first && twin[i] == i; s.inside[i] {
			data[i], shapes[i], wanted[i] = slices.Clone(c.Data(v)), c.Shape(v), c.Wants(v)
		}
	}
	clear(t.entries[base:])
	t.entries = t.entries[:base]
	c.Record(nil) // for while a tape records, nothing is given back
	c.Close(scope)
	c.Record(t)
	for i := range out {
		if !s.inside[i] {
			out[i] = out[twin[i]] // its gradient is one sum, as it is without a span
			continue
		}
		if out[i] = c.ViewShape(data[i], shapes[i]); wanted[i] {
			c.Want(out[i])
		}
	}
	if slices.Contains(wanted, true) {
		t.Add(op.Entry{Attr: op.Attr{Spec: s}})
	}
	return slices.Clone(out) // the caller's own
}

// mark returns the index of the value that comes next.
func (t *Tape) mark() int { return t.c.Out(op.MakeShape(0)).Index() }

// again runs a span once more, recording it, and walks it.
func (t *Tape) again(s *span) {
	reached := false
	for i, v := range s.out {
		reached = reached || s.inside[i] && t.Of(v) != nil
	}
	if !reached {
		return
	}
	c, base, outer := t.c, len(t.entries), t.outer
	scope := c.Open()
	t.outer = t.mark()
	c.Record(t)
	var out []op.Val
	c.Repeat(func() { out = s.f(c, s.in) })
	c.Record(nil)
	if c.Err() == nil && len(out) != len(s.out) {
		c.Fail(fmt.Errorf("grad: a checkpointed span gave %d values, and %d before", len(out), len(s.out)))
	}
	if c.Err() == nil {
		for i, v := range s.out {
			if g := t.Of(v); s.inside[i] && g != nil && c.Wants(out[i]) {
				t.seed(out[i], g)
			}
		}
		t.walk(base)
	}
	if t.outer < len(t.grads) {
		clear(t.grads[t.outer:])
		t.grads = t.grads[:t.outer]
	}
	t.outer = outer
	c.Close(scope)
}
