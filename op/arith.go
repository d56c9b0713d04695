package op

import (
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/norm"
)

// Add returns x + y, element by element; shapes must be equal.
func Add(c *Ctx, x, y Val) Val {
	z, ok := c.like("add", x, y)
	if !ok {
		return Val{}
	}
	c.each2(act.Add, c.Data(z), c.Data(x), c.Data(y))
	return c.record(Entry{Op: addOp{}, Out: z, In: [3]Val{x, y}})
}

type addOp struct{}

func (addOp) Name() string { return "add" }

func (addOp) Backward(c *Ctx, e *Entry, g Grads) {
	dz := g.Of(e.Out)
	for _, v := range e.In[:2] {
		c.passOn(g, v, dz)
	}
}

func (addOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 3) }

// Mul returns x * y, element by element; shapes must be equal.
func Mul(c *Ctx, x, y Val) Val {
	z, ok := c.like("mul", x, y)
	if !ok {
		return Val{}
	}
	c.each2(act.Mul, c.Data(z), c.Data(x), c.Data(y))
	return c.record(Entry{Op: mulOp{}, Out: z, In: [3]Val{x, y}})
}

type mulOp struct{}

func (mulOp) Name() string { return "mul" }

func (mulOp) Backward(c *Ctx, e *Entry, g Grads) {
	dz, x, y := g.Of(e.Out), c.Data(e.In[0]), c.Data(e.In[1])
	if d := g.Into(e.In[0]); d != nil {
		c.each2(act.MulAdd, d, dz, y)
	}
	if d := g.Into(e.In[1]); d != nil {
		c.each2(act.MulAdd, d, dz, x)
	}
}

func (mulOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 3) }

// Scale returns f * x, element by element.
func Scale(c *Ctx, x Val, f float32) Val {
	y := c.Out(c.Shape(x))
	if c.err != nil {
		return Val{}
	}
	c.eachScale(act.Scale, c.Data(y), c.Data(x), f)
	return c.record(Entry{Op: scaleOp{}, Out: y, In: [3]Val{x}, Attr: Attr{F: f}})
}

type scaleOp struct{}

func (scaleOp) Name() string { return "scale" }

func (scaleOp) Backward(c *Ctx, e *Entry, g Grads) {
	c.eachScale(addScaled, g.Into(e.In[0]), g.Of(e.Out), e.Attr.F)
}

func addScaled(dst, x []float32, s float32) { act.AXPY(dst, s, x) }

func (scaleOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 2) }

// like makes a tensor of the shape that x and y must share, or reports an
// error and false.
func (c *Ctx) like(op string, x, y Val) (Val, bool) {
	s, t := c.Shape(x), c.Shape(y)
	if c.err != nil {
		return Val{}, false
	}
	if s != t {
		c.failf(op, "shapes %v and %v differ", s, t)
		return Val{}, false
	}
	return c.Out(s), true
}

func elementwise(c *Ctx, e *Entry, flops, tensors int64) Cost {
	n := int64(c.Shape(e.Out).Len())
	return Cost{Flops: flops * n, Bytes: 4 * tensors * n}
}

// Bias adds a row to each row: y = x + b. x [T, D], b [1, D] float32.
func Bias(c *Ctx, x Val, b *Weight) Val {
	s := c.Shape(x)
	row, ok := b.F32()
	if !ok || len(row) != s.Width() {
		return c.failf("bias", "%s is %v %d x %d for width %d", b.Name, b.DType, b.Rows, b.Cols, s.Width())
	}
	y := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	c.rows(s.Rows(), rowLoop{row: biasRow, width: s.Width(), dst: c.Data(y), x: c.Data(x), y: row})
	return c.record(Entry{Op: biasOp{}, Out: y, In: [3]Val{x}, W: b})
}

func biasRow(t *rowLoop, i int) { act.Add(t.of(t.dst, i), t.of(t.x, i), t.y) }

type biasOp struct{}

func (biasOp) Name() string { return "bias" }

func (biasOp) Backward(c *Ctx, e *Entry, g Grads) {
	dy := g.Of(e.Out)
	c.passOn(g, e.In[0], dy)
	if e.W.Grad != nil {
		norm.SumRows(c.pool, &c.kernels.norm, e.W.Grad, dy)
	}
}

func (biasOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 2) }
