package op

import "github.com/micaml/mica/internal/kernel/act"

// Transpose turns n matrices, which lie one below the other, over their diagonals:
// x [n*T, D] -> [n*D, T].
func Transpose(c *Ctx, x Val, n int) Val {
	s := c.Shape(x)
	if !c.divides("transpose", s.Rows(), n) {
		return Val{}
	}
	return swap(c, x, turn{n, s.Rows() / n, s.Width(), 1}, MakeShape(n*s.Width(), s.Rows()/n))
}

// SplitHeads brings the rows of each head together: x [n*T, H*Dh], n sequences of T
// rows -> [n*H*T, Dh], for products of the heads by [MatMul]. [MergeHeads] undoes it.
func SplitHeads(c *Ctx, x Val, n, heads int) Val {
	s := c.Shape(x)
	if !c.divides("transpose", s.Rows(), n) || !c.divides("transpose", s.Width(), heads) {
		return Val{}
	}
	dim := s.Width() / heads
	return swap(c, x, turn{n, s.Rows() / n, heads, dim}, MakeShape(s.Rows()*heads, dim))
}

// MergeHeads puts heads side by side: x [n*H*T, Dh] -> [n*T, H*Dh].
func MergeHeads(c *Ctx, x Val, n, heads int) Val {
	s := c.Shape(x)
	if !c.divides("transpose", s.Rows(), n*heads) {
		return Val{}
	}
	t := s.Rows() / (n * heads)
	return swap(c, x, turn{n, heads, t, s.Width()}, MakeShape(n*t, heads*s.Width()))
}

func (c *Ctx) divides(op string, n, by int) bool {
	if c.err == nil && (by < 1 || n%by != 0) {
		c.failf(op, "%d in %d equal parts", n, by)
	}
	return c.err == nil
}

// turn is a tensor [n, a, b, w] that becomes [n, b, a, w].
type turn struct{ n, a, b, w int }

func (t turn) run(dst, src []float32, add bool) {
	for m := range t.n {
		from := m * t.a * t.b * t.w
		// Some rows at a time, so that a cache line of src serves all its columns.
		for first := 0; first < t.a; first += turnRows {
			for j := range t.b {
				for i := first; i < min(first+turnRows, t.a); i++ {
					to, at := from+(j*t.a+i)*t.w, from+(i*t.b+j)*t.w
					switch {
					case t.w == 1 && add:
						dst[to] += src[at]
					case t.w == 1:
						dst[to] = src[at]
					case add:
						act.Add(dst[to:to+t.w], dst[to:to+t.w], src[at:at+t.w])
					default:
						copy(dst[to:to+t.w], src[at:at+t.w])
					}
				}
			}
		}
	}
}

// turnRows is a cache line of float32 numbers.
const turnRows = 16

func swap(c *Ctx, x Val, t turn, s Shape) Val {
	y := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	t.run(c.Data(y), c.Data(x), false)
	e := Entry{Op: transposeOp{}, Out: y, In: [3]Val{x}}
	if c.rec != nil {
		back := turn{t.n, t.b, t.a, t.w}
		e.Attr.Spec = &back
	}
	return c.record(e)
}

type transposeOp struct{}

func (transposeOp) Name() string { return "transpose" }

func (transposeOp) Backward(_ *Ctx, e *Entry, g Grads) {
	dx, add := g.Set(e.In[0])
	e.Attr.Spec.(*turn).run(dx, g.Of(e.Out), add)
}

func (transposeOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 0, 2) }
