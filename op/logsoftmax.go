package op

import (
	"math"

	"github.com/micaml/mica/internal/kernel/act"
)

// LogSoftmax is log(softmax(x)) over each row, also where softmax is 0.
// x [T, V] -> [T, V].
func LogSoftmax(c *Ctx, x Val) Val {
	s := c.Shape(x)
	y := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	c.rows(s.Rows(), rowLoop{row: logSoftmaxRow, width: s.Width(), dst: c.Data(y), x: c.Data(x)})
	return c.record(Entry{Op: logSoftmaxOp{}, Out: y, In: [3]Val{x}})
}

func logSoftmaxRow(t *rowLoop, i int) {
	y, x := t.of(t.dst, i), t.of(t.x, i)
	top, sum := act.LogSumExp(x)
	rest := float32(math.Log(float64(sum)))
	for j, v := range x {
		y[j] = v - top - rest
	}
}

type logSoftmaxOp struct{}

func (logSoftmaxOp) Name() string { return "log-softmax" }

// Backward: dx = dy - p sum(dy).
func (logSoftmaxOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.Out)
	c.rows(s.Rows(), rowLoop{row: logSoftmaxBackwardRow, width: s.Width(), dst: g.Into(e.In[0]), x: g.Of(e.Out), y: c.Data(e.Out)})
}

func logSoftmaxBackwardRow(t *rowLoop, i int) {
	dx, dy := t.of(t.dst, i), t.of(t.x, i)
	act.Add(dx, dx, dy)
	act.ExpAXPY(dx, -act.Sum(dy), t.of(t.y, i), 0)
}

func (logSoftmaxOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 4, 2) }
