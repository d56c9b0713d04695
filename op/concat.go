package op

import "github.com/micaml/mica/internal/kernel/act"

// ConcatRows puts tensors of one width below each other: [T, D], [U, D], ... ->
// [T+U+..., D].
func ConcatRows(c *Ctx, x ...Val) Val { return concat(c, x, 0) }

// ConcatColumns puts tensors of as many rows side by side: [T, D], [T, E], ... ->
// [T, D+E+...]. [SliceColumns] takes them apart.
func ConcatColumns(c *Ctx, x ...Val) Val { return concat(c, x, 1) }

// concat joins three at a time, as many as an entry has inputs.
func concat(c *Ctx, x []Val, side int) Val {
	for len(x) > 3 {
		var next []Val
		for len(x) > 0 {
			n := min(3, len(x))
			next = append(next, concat(c, x[:n], side))
			x = x[n:]
		}
		x = next
	}
	if len(x) == 0 {
		return c.failf("concat", "of nothing")
	}
	var in [3]Val
	copy(in[:], x)
	var at [3]int
	rows, width := c.Shape(x[0]).Rows(), c.Shape(x[0]).Width()
	for i, v := range x[1:] {
		s := c.Shape(v)
		switch {
		case side == 0 && s.Width() == width:
			at[i+1] = rows
			rows += s.Rows()
		case side == 1 && s.Rows() == rows:
			at[i+1] = width
			width += s.Width()
		case c.err == nil:
			return c.failf("concat", "%v beside %v", s, c.Shape(x[0]))
		}
	}
	z := c.Out(MakeShape(rows, width))
	if c.err != nil {
		return Val{}
	}
	zd := c.Data(z)
	for i, v := range x {
		xd, w := c.Data(v), c.Shape(v).Width()
		for r := range c.Shape(v).Rows() {
			copy(zd[concatAt(at[i], r, width, side):][:w], xd[r*w:])
		}
	}
	return c.record(Entry{Op: concatOp{}, Out: z, In: in, Attr: Attr{N: side}})
}

// concatAt is where row r of a part begins in the whole.
func concatAt(first, r, width, side int) int {
	if side == 0 {
		return (first + r) * width
	}
	return r*width + first
}

type concatOp struct{}

func (concatOp) Name() string { return "concat" }

func (concatOp) Backward(c *Ctx, e *Entry, g Grads) {
	dz, width, side, at := g.Of(e.Out), c.Shape(e.Out).Width(), e.Attr.N, 0
	for _, v := range e.In {
		if !v.Valid() {
			break
		}
		s := c.Shape(v)
		if dx, w := g.Into(v), s.Width(); dx != nil {
			for r := range s.Rows() {
				to := dx[r*w : (r+1)*w]
				act.Add(to, to, dz[concatAt(at, r, width, side):][:w])
			}
		}
		if side == 0 {
			at += s.Rows()
		} else {
			at += s.Width()
		}
	}
}

func (concatOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 0, 2) }

// SliceColumns takes columns from one on, up to another: x [T, D] -> [T, to-from].
func SliceColumns(c *Ctx, x Val, from, to int) Val {
	s := c.Shape(x)
	if c.err == nil && (from < 0 || from > to || to > s.Width()) {
		return c.failf("slice-columns", "[%d, %d) of %d", from, to, s.Width())
	}
	w := to - from
	y := c.Out(MakeShape(s.Rows(), w))
	if c.err != nil {
		return Val{}
	}
	xd, yd := c.Data(x), c.Data(y)
	for r := range s.Rows() {
		copy(yd[r*w:(r+1)*w], xd[r*s.Width()+from:])
	}
	return c.record(Entry{Op: sliceColumnsOp{}, Out: y, In: [3]Val{x}, Attr: Attr{N: from}})
}

type sliceColumnsOp struct{}

func (sliceColumnsOp) Name() string { return "slice-columns" }

func (sliceColumnsOp) Backward(c *Ctx, e *Entry, g Grads) {
	dx, dy := g.Into(e.In[0]), g.Of(e.Out)
	w, width := c.Shape(e.Out).Width(), c.Shape(e.In[0]).Width()
	for r := range c.Shape(e.Out).Rows() {
		to := dx[r*width+e.Attr.N:][:w]
		act.Add(to, to, dy[r*w:(r+1)*w])
	}
}

func (sliceColumnsOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 0, 2) }
