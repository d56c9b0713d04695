package op

import "github.com/micaml/mica/internal/kernel/act"

// Softmax is exp(x) / sum(exp(x)) over each row. x [T, V] -> [T, V]. A temperature
// t is Scale(c, x, 1/t) before it; -Inf, which [Add] can bring in, leaves a number out.
func Softmax(c *Ctx, x Val) Val {
	s := c.Shape(x)
	y := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	c.rows(s.Rows(), rowLoop{row: softmaxRow, width: s.Width(), dst: c.Data(y), x: c.Data(x)})
	return c.record(Entry{Op: softmaxOp{}, Out: y, In: [3]Val{x}})
}

func softmaxRow(t *rowLoop, i int) { act.Softmax(t.of(t.dst, i), t.of(t.x, i)) }

type softmaxOp struct{}

func (softmaxOp) Name() string { return "softmax" }

// Backward: dx = p * (dy - sum(p * dy)).
func (softmaxOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.Out)
	c.rows(s.Rows(), rowLoop{row: softmaxBackwardRow, width: s.Width(), dst: g.Into(e.In[0]), x: g.Of(e.Out), y: c.Data(e.Out)})
}

func softmaxBackwardRow(t *rowLoop, i int) {
	act.SoftmaxBackward(t.of(t.dst, i), t.of(t.x, i), t.of(t.y, i))
}

func (softmaxOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 5, 2) }
