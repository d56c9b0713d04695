package op

import "github.com/micaml/mica/internal/kernel/act"

// CumSum adds up along each row, or down each column: a number becomes the sum of
// it and those before it. axis is [EachRow] or [EachColumn]. x [T, D] -> [T, D].
func CumSum(c *Ctx, x Val, axis Axis) Val {
	if axis != EachRow && axis != EachColumn && c.err == nil {
		return c.failf("cumsum", "neither along rows nor down columns")
	}
	s := c.Shape(x)
	y := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	xd, yd, w := c.Data(x), c.Data(y), s.Width()
	if axis == EachRow {
		c.rows(s.Rows(), rowLoop{row: cumSumRow, width: w, dst: yd, x: xd})
	} else {
		copy(yd, xd[:min(w, len(xd))])
		for i := w; i < len(xd); i += w {
			act.Add(yd[i:i+w], yd[i-w:i], xd[i:i+w])
		}
	}
	return c.record(Entry{Op: cumSumOp{}, Out: y, In: [3]Val{x}, Attr: Attr{N: int(axis)}})
}

func cumSumRow(t *rowLoop, i int) {
	y, sum := t.of(t.dst, i), float32(0)
	for j, v := range t.of(t.x, i) {
		sum += v
		y[j] = sum
	}
}

type cumSumOp struct{}

func (cumSumOp) Name() string { return "cumsum" }

// Backward adds up from the end.
func (cumSumOp) Backward(c *Ctx, e *Entry, g Grads) {
	dx, dy, s := g.Into(e.In[0]), g.Of(e.Out), c.Shape(e.Out)
	w := s.Width()
	if Axis(e.Attr.N) == EachRow {
		c.rows(s.Rows(), rowLoop{row: cumSumBackwardRow, width: w, dst: dx, x: dy})
		return
	}
	if len(dy) == 0 {
		return
	}
	scope := c.Open()
	defer c.Close(scope)
	sum := c.Data(c.Out(MakeShape(1, w)))
	clear(sum)
	for i := len(dy) - w; i >= 0; i -= w {
		act.Add(sum, sum, dy[i:i+w])
		act.Add(dx[i:i+w], dx[i:i+w], sum)
	}
}

func cumSumBackwardRow(t *rowLoop, i int) {
	dx, dy, sum := t.of(t.dst, i), t.of(t.x, i), float32(0)
	for j := len(dy) - 1; j >= 0; j-- {
		sum += dy[j]
		dx[j] += sum
	}
}

func (cumSumOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 2) }
