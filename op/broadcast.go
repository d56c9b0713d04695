package op

import (
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/norm"
)

// Two tensors meet as matrices, [rows, width]. Where they differ in rows or in
// width, one of them must have 1, which is repeated: [T, D] meets [1, D], [T, 1]
// and a single number, and [T, 1] meets [1, D]. The result has the larger
// dimensions.

// meet makes the result of two tensors that meet, or reports an error and false.
func (c *Ctx) meet(op string, x, y Val) (Val, bool) {
	s, t := c.Shape(x), c.Shape(y)
	if c.err != nil {
		return Val{}, false
	}
	rows, ok := stretch(s.Rows(), t.Rows())
	width, fits := stretch(s.Width(), t.Width())
	if !ok || !fits {
		c.failf(op, "shapes %v and %v differ in a dimension that is 1 in neither", s, t)
		return Val{}, false
	}
	for _, u := range [2]Shape{s, t} {
		if u.Rows() == rows && u.Width() == width {
			return c.Out(u), true
		}
	}
	return c.Out(MakeShape(rows, width)), true
}

func stretch(a, b int) (int, bool) {
	if a == 1 {
		return b, true
	}
	return a, b == a || b == 1
}

// meeting is a loop over the rows of two tensors that meet.
type meeting struct {
	// f sets z; x and y are as long as z or a single number.
	f       func(z, x, y []float32)
	z, x, y []float32
	width   int
	// What a row of x and y is, and how far the next one is: 0 for a row that is
	// repeated.
	xWidth, xStep, yWidth, yStep int
}

func (t *meeting) Do(_, lo, hi int) {
	for i := lo; i < hi; i++ {
		t.f(t.z[i*t.width:(i+1)*t.width], t.x[i*t.xStep:][:t.xWidth], t.y[i*t.yStep:][:t.yWidth])
	}
}

// meetRows runs f over z of shape s, where x of shape sx meets y of shape sy.
func (c *Ctx) meetRows(f func(z, x, y []float32), z []float32, s Shape, x []float32, sx Shape, y []float32, sy Shape) {
	if len(z) == 0 {
		return
	}
	if len(x) == len(z) && len(y) == len(z) {
		c.each2(f, z, x, y)
		return
	}
	m := meeting{f: f, z: z, x: x, y: y, width: s.Width(), xWidth: sx.Width(), yWidth: sy.Width()}
	if sx.Rows() > 1 {
		m.xStep = m.xWidth
	}
	if sy.Rows() > 1 {
		m.yStep = m.yWidth
	}
	c.kernels.meeting = m // there, for an argument would escape to the heap
	c.pool.For(s.Rows(), max(1, eachGrain/m.width), &c.kernels.meeting)
	c.kernels.meeting = meeting{}
}

// fold adds full, of shape s, to dst, of a shape that meets s: what a repeated
// number is used for is summed up.
func (c *Ctx) fold(dst []float32, t Shape, full []float32, s Shape) {
	switch {
	case len(full) == 0:
	case len(dst) == len(full):
		c.each2(act.Add, dst, dst, full)
	case len(dst) == 1:
		dst[0] += c.total(full, s)
	case t.Rows() == 1:
		norm.SumRows(c.pool, &c.kernels.norm, dst, full)
	default:
		c.rows(s.Rows(), rowLoop{row: addSumRow, width: s.Width(), stat: dst, x: full})
	}
}

func addSumRow(t *rowLoop, i int) { t.stat[i] += act.Sum(t.of(t.x, i)) }

// total is the sum of all numbers: of each row, and of these in float64.
func (c *Ctx) total(x []float32, s Shape) float32 {
	scope := c.Open()
	defer c.Close(scope)
	rows := c.Data(c.Out(MakeShape(s.Rows())))
	clear(rows)
	c.rows(len(rows), rowLoop{row: addSumRow, width: s.Width(), stat: rows, x: x})
	sum := 0.0
	for _, r := range rows {
		sum += float64(r)
	}
	return float32(sum)
}

// addProduct adds dz * y to the gradient with respect to v.
func (c *Ctx) addProduct(g Grads, v Val, dz []float32, s Shape, y Val) {
	d, yd := g.Into(v), c.Data(y)
	if d == nil {
		return
	}
	if len(d) == len(dz) && len(yd) == len(dz) {
		c.each2(act.MulAdd, d, dz, yd)
		return
	}
	scope := c.Open()
	defer c.Close(scope)
	p := c.Data(c.Out(s))
	c.meetRows(mulRow, p, s, dz, s, yd, c.Shape(y))
	c.fold(d, c.Shape(v), p, s)
}
