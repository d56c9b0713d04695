package op

import (
	"fmt"
	"math"
)

// Finite is a [Tracer] that makes the context fail at the first op whose output
// is not finite, or whose backward pass makes a gradient so, with a
// [NotFiniteError]. It reads every number once more.
//
//	c.Trace(op.Finite{})
type Finite struct{}

// Trace looks at the output of a call.
func (Finite) Trace(c *Ctx, e Entry) {
	if i := notFinite(c.Data(e.Out)); i >= 0 {
		c.Fail(e.notFinite("output", c.Shape(e.Out), i, c.Data(e.Out)[i]))
	}
}

// TraceBackward looks at the gradients that a call's backward pass has added to.
func (Finite) TraceBackward(c *Ctx, e Entry, g Grads, _ int) {
	for k, v := range e.In {
		if !c.Wants(v) {
			continue
		}
		if d := g.Of(v); notFinite(d) >= 0 {
			i := notFinite(d)
			c.Fail(e.notFinite(fmt.Sprintf("gradient of input %d", k), c.Shape(v), i, d[i]))
		}
	}
	for _, w := range []*Weight{e.W, e.B} {
		if w == nil {
			continue
		}
		if i := notFinite(w.Grad); i >= 0 {
			c.Fail(e.notFinite("gradient of "+w.Name, MakeShape(w.Rows, w.Cols), i, w.Grad[i]))
		}
	}
}

func (e *Entry) notFinite(what string, s Shape, i int, x float32) error {
	f := &NotFiniteError{Op: e.Op.Name(), What: what, Shape: s, Index: i, Value: x}
	if e.W != nil {
		f.Weight = e.W.Name
	}
	return f
}

// NotFiniteError tells of the first number that wasn't finite.
type NotFiniteError struct {
	Op     string // its name
	Weight string // that the op was called with, or ""
	What   string // "output", "gradient of input 0", "gradient of w"
	Shape  Shape  // of what
	Index  int    // of the number, row-major
	Value  float32
	// Site is the first site of the layer that stands behind the op, or "". A
	// pass fills it in, and puts the layer before the error.
	Site string
}

func (e *NotFiniteError) Error() string {
	name, w := e.Op, max(1, e.Shape.Width())
	if e.Weight != "" {
		name += " by " + e.Weight
	}
	text := fmt.Sprintf("op: %s: %s %v holds %v at row %d, column %d", name, e.What, e.Shape, e.Value, e.Index/w, e.Index%w)
	if e.Site != "" {
		text += ", on the way to site " + e.Site
	}
	return text
}

// notFinite returns the index of the first NaN or infinity, or -1.
func notFinite(x []float32) int {
	const exponent = 0xff << 23
	for i, f := range x {
		if math.Float32bits(f)&exponent == exponent {
			return i
		}
	}
	return -1
}
