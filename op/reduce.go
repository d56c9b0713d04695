package op

import (
	"github.com/micaml/mica/internal/kernel/norm"
)

// Axis says which numbers of a matrix [T, D] a reduction takes together.
type Axis uint8

const (
	// All takes all numbers: [T, D] -> [1].
	All Axis = iota
	// EachRow takes the numbers of each row: [T, D] -> [T, 1].
	EachRow
	// EachColumn takes the numbers of each column: [T, D] -> [1, D].
	EachColumn
)

// reduced is the shape of s reduced.
func (a Axis) reduced(s Shape) Shape {
	switch a {
	case EachRow:
		return MakeShape(s.Rows(), 1)
	case EachColumn:
		return MakeShape(1, s.Width())
	}
	return MakeShape(1)
}

// count is how many numbers of s come together.
func (a Axis) count(s Shape) int {
	switch a {
	case EachRow:
		return s.Width()
	case EachColumn:
		return s.Rows()
	}
	return s.Len()
}

// Sum adds up the numbers of each row, of each column, or all.
func Sum(c *Ctx, x Val, axis Axis) Val {
	s := c.Shape(x)
	y := c.Out(axis.reduced(s))
	if c.err != nil {
		return Val{}
	}
	yd, xd := c.Data(y), c.Data(x)
	clear(yd)
	switch axis {
	case EachRow:
		c.rows(s.Rows(), rowLoop{row: addSumRow, width: s.Width(), stat: yd, x: xd})
	case EachColumn:
		norm.SumRows(c.pool, &c.kernels.norm, yd, xd)
	default:
		yd[0] = c.total(xd, s)
	}
	return c.record(Entry{Op: sumOp{}, Out: y, In: [3]Val{x}})
}

type sumOp struct{}

func (sumOp) Name() string { return "sum" }

func (sumOp) Backward(c *Ctx, e *Entry, g Grads) {
	dx, s := g.Into(e.In[0]), c.Shape(e.In[0])
	c.meetRows(addRow, dx, s, dx, s, g.Of(e.Out), c.Shape(e.Out))
}

func (sumOp) Cost(c *Ctx, e *Entry) Cost { return reduction(c, e) }

func reduction(c *Ctx, e *Entry) Cost {
	n := int64(c.Shape(e.In[0]).Len())
	return Cost{Flops: n, Bytes: 4 * n}
}

// Mean is the mean of each row, of each column, or of all numbers.
func Mean(c *Ctx, x Val, axis Axis) Val {
	n := axis.count(c.Shape(x))
	if n == 0 && c.err == nil {
		return c.failf("mean", "of no numbers: %v", c.Shape(x))
	}
	return Scale(c, Sum(c, x, axis), 1/float32(n))
}

// Max is the largest number of each row, of each column, or of all. Of equal ones
// the gradient goes to the first; a NaN is larger than any number.
func Max(c *Ctx, x Val, axis Axis) Val {
	s := c.Shape(x)
	if axis.count(s) == 0 && c.err == nil {
		return c.failf("max", "of no numbers: %v", s)
	}
	y := c.Out(axis.reduced(s))
	if c.err != nil {
		return Val{}
	}
	yd, xd, w := c.Data(y), c.Data(x), s.Width()
	switch axis {
	case EachRow:
		for i := range yd {
			yd[i] = xd[i*w+largest(xd[i*w:(i+1)*w])]
		}
	case EachColumn:
		copy(yd, xd)
		for i := w; i < len(xd); i += w {
			for j, v := range xd[i : i+w] {
				if above(v, yd[j]) {
					yd[j] = v
				}
			}
		}
	default:
		yd[0] = xd[largest(xd)]
	}
	return c.record(Entry{Op: maxOp{}, Out: y, In: [3]Val{x}, Attr: Attr{N: int(axis)}})
}

// above reports whether v is larger than m, where a NaN is the largest.
func above(v, m float32) bool { return v > m || v != v && m == m }

// largest returns the place of the first of the largest numbers.
func largest(x []float32) int {
	at := 0
	for i, v := range x {
		if above(v, x[at]) {
			at = i
		}
	}
	return at
}

type maxOp struct{}

func (maxOp) Name() string { return "max" }

func (maxOp) Backward(c *Ctx, e *Entry, g Grads) {
	dx, dy, x, w := g.Into(e.In[0]), g.Of(e.Out), c.Data(e.In[0]), c.Shape(e.In[0]).Width()
	switch Axis(e.Attr.N) {
	case EachRow:
		for i, d := range dy {
			dx[i*w+largest(x[i*w:(i+1)*w])] += d
		}
	case EachColumn:
		for j, d := range dy {
			at := j
			for i := j + w; i < len(x); i += w {
				if above(x[i], x[at]) {
					at = i
				}
			}
			dx[at] += d
		}
	default:
		dx[largest(x)] += dy[0]
	}
}

func (maxOp) Cost(c *Ctx, e *Entry) Cost { return reduction(c, e) }

// LogSumExp is log(sum(e^x)) of each row, of each column, or of all numbers,
// without overflow. Numbers that are all -Inf give NaN.
func LogSumExp(c *Ctx, x Val, axis Axis) Val {
	top := Detach(c, Max(c, x, axis))
	return Add(c, Log(c, Sum(c, Exp(c, Sub(c, x, top)), axis)), top)
}

// Detach is x as a constant: no gradient flows through it.
func Detach(c *Ctx, x Val) Val {
	d := c.Data(x)
	if c.err != nil {
		return Val{}
	}
	return c.ViewShape(d, c.Shape(x))
}

// StraightThrough has the numbers of hard, up to a rounding, and passes its gradient
// to soft as if it had soft's (Bengio, Léonard and Courville 2013): soft + (hard -
// soft) with the difference a constant. For a rounding, a mask or another step whose
// own derivative is 0.
func StraightThrough(c *Ctx, hard, soft Val) Val {
	return Add(c, soft, Detach(c, Sub(c, hard, soft)))
}
