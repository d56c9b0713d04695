package op

import (
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/norm"
)

// Add returns x + y, element by element. Either may be repeated to fit the other:
// see [Mul].
func Add(c *Ctx, x, y Val) Val { return combine(c, addOp{}, addRow, x, y) }

// combine runs an op of two tensors that meet.
func combine(c *Ctx, o Op, f func(z, x, y []float32), x, y Val) Val {
	z, ok := c.meet(o.Name(), x, y)
	if !ok || c.err != nil {
		return Val{}
	}
	c.meetRows(f, c.Data(z), c.Shape(z), c.Data(x), c.Shape(x), c.Data(y), c.Shape(y))
	return c.record(Entry{Op: o, Out: z, In: [3]Val{x, y}})
}

func addRow(z, x, y []float32) {
	switch {
	case len(y) != len(z):
		shift(z, x, y[0])
	case len(x) != len(z):
		shift(z, y, x[0])
	default:
		act.Add(z, x, y)
	}
}

func shift(z, x []float32, by float32) {
	for j, v := range x {
		z[j] = v + by
	}
}

type addOp struct{}

func (addOp) Name() string { return "add" }

func (addOp) Backward(c *Ctx, e *Entry, g Grads) {
	dz, s := g.Of(e.Out), c.Shape(e.Out)
	for _, v := range e.In[:2] {
		if c.Shape(v).Len() == len(dz) {
			c.passOn(g, v, dz)
		} else if d := g.Into(v); d != nil {
			c.fold(d, c.Shape(v), dz, s)
		}
	}
}

func (addOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 3) }

// Sub returns x - y, element by element. Either may be repeated to fit the other:
// see [Mul].
func Sub(c *Ctx, x, y Val) Val { return combine(c, subOp{}, subRow, x, y) }

func subRow(z, x, y []float32) {
	switch {
	case len(y) != len(z):
		shift(z, x, -y[0])
	case len(x) != len(z):
		for j, v := range y {
			z[j] = x[0] - v
		}
	default:
		for j, v := range y {
			z[j] = x[j] - v
		}
	}
}

type subOp struct{}

func (subOp) Name() string { return "sub" }

func (subOp) Backward(c *Ctx, e *Entry, g Grads) {
	dz, s := g.Of(e.Out), c.Shape(e.Out)
	if d := g.Into(e.In[0]); d != nil {
		c.fold(d, c.Shape(e.In[0]), dz, s)
	}
	d := g.Into(e.In[1])
	if d == nil {
		return
	}
	if len(d) == len(dz) {
		c.eachScale(addScaled, d, dz, -1)
		return
	}
	scope := c.Open()
	defer c.Close(scope)
	minus := c.Data(c.Out(s))
	c.eachScale(act.Scale, minus, dz, -1)
	c.fold(d, c.Shape(e.In[1]), minus, s)
}

func (subOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 3) }

// Mul returns x * y, element by element. x and y are taken as matrices, [rows,
// width]; where they differ in rows or in width, one of them must have 1, which is
// repeated. So [T, D] meets [1, D], [T, 1] and a single number, and [T, 1] meets
// [1, D]: their product is [T, D].
func Mul(c *Ctx, x, y Val) Val { return combine(c, mulOp{}, mulRow, x, y) }

func mulRow(z, x, y []float32) {
	switch {
	case len(y) != len(z):
		act.Scale(z, x, y[0])
	case len(x) != len(z):
		act.Scale(z, y, x[0])
	default:
		act.Mul(z, x, y)
	}
}

type mulOp struct{}

func (mulOp) Name() string { return "mul" }

func (mulOp) Backward(c *Ctx, e *Entry, g Grads) {
	dz, s := g.Of(e.Out), c.Shape(e.Out)
	c.addProduct(g, e.In[0], dz, s, e.In[1])
	c.addProduct(g, e.In[1], dz, s, e.In[0])
}

func (mulOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 3) }

// Div returns x / y, element by element. Either may be repeated to fit the other:
// see [Mul].
func Div(c *Ctx, x, y Val) Val { return combine(c, divOp{}, divRow, x, y) }

func divRow(z, x, y []float32) {
	switch {
	case len(y) != len(z):
		act.Divide(z, x, y[0])
	case len(x) != len(z):
		for j, v := range y {
			z[j] = x[0] / v
		}
	default:
		for j, v := range y {
			z[j] = x[j] / v
		}
	}
}

type divOp struct{}

func (divOp) Name() string { return "div" }

// Backward: dx = dz / y, dy = -z dz / y.
func (divOp) Backward(c *Ctx, e *Entry, g Grads) {
	dz, s, x, y := g.Of(e.Out), c.Shape(e.Out), e.In[0], e.In[1]
	dx, dy := g.Into(x), g.Into(y)
	scope := c.Open()
	defer c.Close(scope)
	q := c.Data(c.Out(s))
	c.meetRows(divRow, q, s, dz, s, c.Data(y), c.Shape(y))
	if dx != nil {
		c.fold(dx, c.Shape(x), q, s)
	}
	if dy != nil {
		c.each2(minusProduct, q, q, c.Data(e.Out))
		c.fold(dy, c.Shape(y), q, s)
	}
}

func minusProduct(z, x, y []float32) {
	for j := range z {
		z[j] = -x[j] * y[j]
	}
}

func (divOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 3) }

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
