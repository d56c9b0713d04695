// Package grad is the tape: it remembers the ops of a forward pass and walks
// them backwards.
//
//	t := grad.Start(c)           // ops record from here on
//	loss := op.CrossEntropy(c, logits, targets)
//	err := t.Backward(loss)      // weights' Grad, and leaves', are added to
//	t.End()                      // everything made since Start is given back
//
// The rules for each op are beside its forward pass in package op. Gradients
// are the same bits for any number of threads.
package grad

import (
	"errors"
	"fmt"

	"github.com/micaml/mica/op"
)

// Tape records the ops of one context, from Start to End.
type Tape struct {
	c       *op.Ctx
	scope   op.Scope
	entries []op.Entry
	grads   []gradient // by index of the value that they belong to
	outer   int        // values below this index outlive the span that runs again
	ended   bool
	one     [1]float32
}

type gradient struct {
	data []float32
	seed bool // the caller's numbers, which are read and not added to
}

// Start begins a tape on c. There is one tape at a time on a context. The context
// keeps a tape that has ended, and Start begins it again: so a tape is not to be
// used after its End, but for another End, which does nothing until the next Start.
func Start(c *op.Ctx) *Tape {
	t, ok := c.Spare(nil).(*Tape)
	if !ok {
		t = &Tape{c: c}
	}
	t.scope, t.ended = c.Open(), false
	c.Record(t)
	return t
}

// Add records an entry. Ops call it through the context.
func (t *Tape) Add(e op.Entry) { t.entries = append(t.entries, e) }

// Len returns the number of recorded ops.
func (t *Tape) Len() int { return len(t.entries) }

// ErrNoPath says that the loss doesn't depend on anything that wants a
// gradient.
var ErrNoPath = errors.New("grad: the value depends on nothing that wants a gradient")

// Backward adds d loss / d leaf to every leaf and weight that wants it. The
// loss must be a single number.
func (t *Tape) Backward(loss op.Val) error {
	if n := t.c.Shape(loss).Len(); n != 1 {
		return fmt.Errorf("grad: backward from a value of %d numbers needs its gradient: use BackwardFrom", n)
	}
	t.one[0] = 1
	return t.BackwardFrom(Seed{loss, t.one[:]})
}

// Seed is the gradient with respect to a value, row-major, that a backward
// pass starts from. The tape may read Grad until it ends, and never writes to it.
type Seed struct {
	Val  op.Val
	Grad []float32
}

// BackwardFrom continues a backward pass that came from outside: from the
// streams that cross a boundary, say. The spans of a network can so be walked
// one at a time, each on a tape of its own.
func (t *Tape) BackwardFrom(seeds ...Seed) error {
	if err := t.c.Err(); err != nil {
		return err
	}
	reached := false
	for _, s := range seeds {
		if !t.c.Wants(s.Val) {
			continue
		}
		if n := t.c.Shape(s.Val).Len(); n != len(s.Grad) {
			return fmt.Errorf("grad: gradient of %d numbers for a value of %d", len(s.Grad), n)
		}
		reached = true
		t.seed(s.Val, s.Grad)
	}
	if !reached {
		return ErrNoPath
	}
	t.c.Record(nil) // what backward computes isn't recorded itself
	defer t.c.Record(t)
	t.walk(0)
	return t.c.Err()
}

// seed adds g to the gradient with respect to v.
func (t *Tape) seed(v op.Val, g []float32) {
	if p := t.at(v); p.data == nil {
		*p = gradient{g, true}
		return
	}
	for into, i := t.Into(v), 0; i < len(into); i++ {
		into[i] += g[i]
	}
}

// walk goes backwards through the entries from base on, and takes them away: a
// second walk would count twice.
func (t *Tape) walk(base int) {
	for n := len(t.entries); n > base && t.c.Err() == nil; n = len(t.entries) {
		e := &t.entries[n-1]
		t.entries = t.entries[:n-1]
		if s, ok := e.Attr.Spec.(*span); ok {
			t.again(s)
		} else if t.Of(e.Out) != nil {
			t.c.Back(e, t)
		}
	}
}

// Of returns the gradient with respect to v as far as the walk has come, or
// nil if none has reached it.
func (t *Tape) Of(v op.Val) []float32 {
	if i := v.Index(); i >= 0 && i < len(t.grads) {
		return t.grads[i].data
	}
	return nil
}

// Into returns the buffer that collects the gradient with respect to v, or
// nil if v wants none.
func (t *Tape) Into(v op.Val) []float32 {
	into, add := t.Set(v)
	if !add {
		clear(into)
	}
	return into
}

// Set returns the buffer that collects the gradient with respect to v, or nil
// if v wants none. If add is false the buffer is new, and the caller sets every
// number of it.
func (t *Tape) Set(v op.Val) (into []float32, add bool) {
	if !t.c.Wants(v) {
		return nil, false
	}
	g := t.at(v)
	add = g.data != nil
	if !add || g.seed {
		into := t.buffer(v)
		copy(into, g.data)
		*g = gradient{data: into}
	}
	return g.data, add
}

// buffer returns room for the gradient with respect to v.
func (t *Tape) buffer(v op.Val) []float32 {
	s := t.c.Shape(v)
	if v.Index() < t.outer {
		return make([]float32, s.Len()) // the context's would go with the span
	}
	return t.c.Data(t.c.Out(s))
}

// at returns the place of the gradient with respect to v.
func (t *Tape) at(v op.Val) *gradient {
	i := v.Index()
	for len(t.grads) <= i {
		t.grads = append(t.grads, gradient{})
	}
	return &t.grads[i]
}

// End stops recording and gives back every value that was made since Start. A
// second End does nothing.
func (t *Tape) End() {
	if t.ended {
		return
	}
	t.ended = true
	t.c.Record(nil)
	t.c.Close(t.scope)
	clear(t.entries[:cap(t.entries)]) // to hold on to nothing
	clear(t.grads[:cap(t.grads)])
	t.entries, t.grads, t.outer = t.entries[:0], t.grads[:0], 0
	t.c.Spare(t)
}
