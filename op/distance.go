package op

import (
	"math"

	"github.com/micaml/mica/internal/kernel/act"
)

// Norm is the length of each row, sqrt(sum(x²)): x [T, D] -> [T, 1]. The gradient of
// a row of zeros is 0.
func Norm(c *Ctx, x Val) Val {
	s := c.Shape(x)
	y := c.Out(MakeShape(s.Rows(), 1))
	if c.err != nil {
		return Val{}
	}
	c.rows(s.Rows(), rowLoop{row: normRow, width: s.Width(), stat: c.Data(y), x: c.Data(x)})
	return c.record(Entry{Op: normOp{}, Out: y, In: [3]Val{x}})
}

func normRow(t *rowLoop, i int) {
	x := t.of(t.x, i)
	t.stat[i] = float32(math.Sqrt(float64(act.Dot(x, x))))
}

type normOp struct{}

func (normOp) Name() string { return "norm" }

// Backward: dx = dy x / |x|.
func (normOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.In[0])
	c.rows(s.Rows(), rowLoop{row: normBackwardRow, width: s.Width(), dst: g.Into(e.In[0]),
		x: c.Data(e.In[0]), y: g.Of(e.Out), stat: c.Data(e.Out)})
}

func normBackwardRow(t *rowLoop, i int) {
	if t.stat[i] > 0 {
		act.AXPY(t.of(t.dst, i), t.y[i]/t.stat[i], t.of(t.x, i))
	}
}

func (normOp) Cost(c *Ctx, e *Entry) Cost { return reduction(c, e) }

// Normalize brings each row to the length 1; rows shorter than eps are divided by
// eps. x [T, D] -> [T, D].
func Normalize(c *Ctx, x Val, eps float32) Val {
	return Div(c, x, Clamp(c, Norm(c, x), eps, math.MaxFloat32))
}

// Cosine is the cosine of the angle between the rows of x and those of y, [T, D] or
// [1, D] -> [T, 1]. Lengths below eps count as eps.
func Cosine(c *Ctx, x, y Val, eps float32) Val {
	return Sum(c, Mul(c, Normalize(c, x, eps), Normalize(c, y, eps)), EachRow)
}
