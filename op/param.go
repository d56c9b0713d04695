package op

import "github.com/micaml/mica/internal/kernel/act"

// Param is a weight as a value, [rows, columns]: a gate, a scale of channels or
// learned tokens, for ops that take values. A float32 weight is used in place, so it
// must not change while the value is in use.
func Param(c *Ctx, w *Weight) Val {
	if c.err != nil {
		return Val{}
	}
	x, ok := w.F32()
	if !ok {
		x = c.Data(c.Out(MakeShape(w.Rows, w.Cols)))
		for i := range w.Rows {
			if err := w.DequantRow(i, x[i*w.Cols:(i+1)*w.Cols]); err != nil {
				return c.failf("param", "%w", err)
			}
		}
	}
	return c.record(Entry{Op: paramOp{}, Out: c.View(x, w.Rows, w.Cols), W: w})
}

type paramOp struct{}

func (paramOp) Name() string { return "param" }

func (paramOp) Backward(c *Ctx, e *Entry, g Grads) {
	if e.W.Grad != nil {
		c.each2(act.Add, e.W.Grad, e.W.Grad, g.Of(e.Out))
	}
}

func (paramOp) Cost(*Ctx, *Entry) Cost { return Cost{} }
