package op

import "github.com/micaml/mica/internal/kernel/act"

// Rows takes rows of x: y[i] = x[index[i]]. x [T, ...] -> [len(index), ...].
// An index may repeat.
func Rows(c *Ctx, x Val, index []int32) Val {
	s := c.Shape(x)
	for _, r := range index {
		if r < 0 || int(r) >= s.Rows() {
			return c.failf("rows", "row %d of %d", r, s.Rows())
		}
	}
	y := c.Out(s.WithRows(len(index)))
	w := s.Width()
	xd, yd := c.Data(x), c.Data(y)
	if yd == nil {
		return Val{}
	}
	for i, r := range index {
		copy(yd[i*w:(i+1)*w], xd[int(r)*w:])
	}
	return c.record(Entry{Op: rowsOp{}, Out: y, In: [3]Val{x}, Attr: Attr{IDs: index}})
}

type rowsOp struct{}

func (rowsOp) Name() string { return "rows" }

func (rowsOp) Backward(c *Ctx, e *Entry, g Grads) {
	dy, dx := g.Of(e.Out), g.Into(e.In[0])
	w := c.Shape(e.Out).Width()
	for i, r := range e.Attr.IDs {
		d := dx[int(r)*w : (int(r)+1)*w]
		act.Add(d, d, dy[i*w:(i+1)*w])
	}
}

func (rowsOp) Cost(c *Ctx, e *Entry) Cost {
	return Cost{Bytes: 8 * int64(c.Shape(e.Out).Len())}
}

// Put returns x with its rows index replaced by those of y: z[index[i]] =
// y[i]. x [T, ...], y [len(index), ...] -> [T, ...]. An index must not repeat.
func Put(c *Ctx, x, y Val, index []int32) Val {
	s, t := c.Shape(x), c.Shape(y)
	if t.Rows() != len(index) || t.Width() != s.Width() {
		return c.failf("put", "%v into %d rows of %v", t, len(index), s)
	}
	z := c.Out(s)
	zd, yd := c.Data(z), c.Data(y)
	if zd == nil {
		return Val{}
	}
	copy(zd, c.Data(x))
	w := s.Width()
	for i, r := range index {
		if r < 0 || int(r) >= s.Rows() {
			return c.failf("put", "row %d of %d", r, s.Rows())
		}
		copy(zd[int(r)*w:(int(r)+1)*w], yd[i*w:])
	}
	return c.record(Entry{Op: putOp{}, Out: z, In: [3]Val{x, y}, Attr: Attr{IDs: index}})
}

type putOp struct{}

func (putOp) Name() string { return "put" }

func (putOp) Backward(c *Ctx, e *Entry, g Grads) {
	dz, dx, dy := g.Of(e.Out), g.Into(e.In[0]), g.Into(e.In[1])
	w := c.Shape(e.Out).Width()
	defer c.Close(c.Open())
	replaced := Room[bool](c, c.Shape(e.Out).Rows())
	for i, r := range e.Attr.IDs {
		replaced[r] = true
		if dy != nil {
			d := dy[i*w : (i+1)*w]
			act.Add(d, d, dz[int(r)*w:(int(r)+1)*w])
		}
	}
	if dx == nil {
		return
	}
	for r := range c.Shape(e.Out).Rows() {
		if !replaced[r] {
			d := dx[r*w : (r+1)*w]
			act.Add(d, d, dz[r*w:(r+1)*w])
		}
	}
}

func (putOp) Cost(c *Ctx, e *Entry) Cost {
	return Cost{Bytes: 8 * int64(c.Shape(e.Out).Len())}
}

// Reshape views x with other dimensions of the same number of elements.
func Reshape(c *Ctx, x Val, dims ...int) Val {
	y := c.View(c.Data(x), dims...)
	return c.record(Entry{Op: reshapeOp{}, Out: y, In: [3]Val{x}})
}

type reshapeOp struct{}

func (reshapeOp) Name() string { return "reshape" }

func (reshapeOp) Backward(_ *Ctx, e *Entry, g Grads) {
	dx := g.Into(e.In[0])
	act.Add(dx, dx, g.Of(e.Out))
}

func (reshapeOp) Cost(*Ctx, *Entry) Cost { return Cost{} }
