package op

import (
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/internal/kernel/qgemm"
)

// LowRank adds a product of low rank to y: y + scale·(x Aᵀ) Bᵀ (Hu et al. 2021,
// LoRA, equation 3). y [T, out], x [T, in], a [r, in], b [out, r] in float32 ->
// [T, out].
func LowRank(c *Ctx, y, x Val, a, b *Weight, scale float32) Val {
	s := c.Shape(y)
	if c.err == nil && (s.Rows() != c.Shape(x).Rows() || s.Width() != b.Rows) {
		return c.failf("low-rank", "%s is %d x %d and adds to %v", b.Name, b.Rows, b.Cols, s)
	}
	z := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	c.each1(copyTo, c.Data(z), c.Data(y))
	return lowRank(c, z, y, x, nil, a, b, scale)
}

// LinearLowRank is LowRank of Linear(c, x, w): the same bits, forward and back. Where w is frozen it
// takes less memory and time, since the product with w is neither kept nor copied,
// and nor is its gradient.
func LinearLowRank(c *Ctx, x Val, w, a, b *Weight, scale float32) Val {
	if w.Grad != nil {
		return LowRank(c, Linear(c, x, w), x, a, b, scale)
	}
	if b.Rows != w.Rows {
		return c.failf("low-rank", "%s is %d x %d and adds to %s, %d x %d", b.Name, b.Rows, b.Cols, w.Name, w.Rows, w.Cols)
	}
	return lowRank(c, c.linear(x, w), Val{}, x, w, a, b, scale)
}

// lowRank adds to z, which holds y or else the product of x and w.
func lowRank(c *Ctx, z, y, x Val, w, a, b *Weight, scale float32) Val {
	s := c.Shape(x)
	switch {
	case c.err != nil:
		return Val{}
	case a.Cols != s.Width() || a.Rows != b.Cols:
		return c.failf("low-rank", "%s is %d x %d, %s is %d x %d, and the rows are %d wide", a.Name, a.Rows, a.Cols, b.Name, b.Rows, b.Cols, s.Width())
	case !a.DType.IsFloat() || !b.DType.IsFloat():
		return c.failf("low-rank", "%s is %v and %s is %v", a.Name, a.DType, b.Name, b.DType)
	}
	t := s.Rows()
	u := c.Out(MakeShape(t, a.Rows)) // scale·x Aᵀ
	gemm.MulT(c.pool, &c.kernels.gemm, c.Data(u), t, a.Rows, a.Cols, c.Data(x), a.Storage, false)
	times(c.Data(u), scale)
	gemm.MulT(c.pool, &c.kernels.gemm, c.Data(z), t, b.Rows, b.Cols, c.Data(u), b.Storage, true)
	e := Entry{Op: lowRankOp{}, Out: z, In: [3]Val{x, y}, W: a, B: b, Attr: Attr{F: scale, Aux: u}}
	if w != nil {
		e.Attr.Spec = w
	}
	return c.record(e)
}

// times multiplies a few numbers for each row: not worth sharing out.
func times(x []float32, by float32) {
	if by == 1 {
		return
	}
	for i := range x {
		x[i] *= by
	}
}

type lowRankOp struct{}

func (lowRankOp) Name() string { return "low-rank" }

func (lowRankOp) Backward(c *Ctx, e *Entry, g Grads) {
	x, y, a, b := e.In[0], e.In[1], e.W, e.B
	dz, t := g.Of(e.Out), c.Shape(x).Rows()
	if y.Valid() {
		c.passOn(g, y, dz)
	}
	dx, add := g.Set(x)
	if b.Grad != nil {
		gemm.MulAT(c.pool, &c.kernels.gemm, b.Grad, b.Rows, b.Cols, t, dz, c.Data(e.Attr.Aux), true)
	}
	if dx == nil && a.Grad == nil {
		return
	}
	scope := c.Open()
	defer c.Close(scope)
	du := c.Data(c.Out(MakeShape(t, a.Rows)))
	gemm.Mul(c.pool, &c.kernels.gemm, du, t, b.Cols, b.Rows, dz, b.Storage, false)
	times(du, e.Attr.F)
	if a.Grad != nil {
		gemm.MulAT(c.pool, &c.kernels.gemm, a.Grad, a.Rows, a.Cols, t, du, c.Data(x), true)
	}
	if dx == nil {
		return
	}
	// In the order in which the walk would come by two ops.
	gemm.Mul(c.pool, &c.kernels.gemm, dx, t, a.Cols, a.Rows, du, a.Storage, add)
	if w, ok := e.Attr.Spec.(*Weight); ok {
		gemm.Mul(c.pool, &c.kernels.gemm, dx, t, w.Cols, w.Rows, dz, w.Storage, true)
	}
}

// Cost of a call that makes y itself includes the product for it.
func (lowRankOp) Cost(c *Ctx, e *Entry) Cost {
	s := c.Shape(e.In[0])
	t, in, out, r := int64(s.Rows()), int64(s.Width()), int64(e.B.Rows), int64(e.W.Rows)
	cost := Cost{Flops: 2 * t * r * (in + out), Bytes: 4 * (t*(in+2*out) + r*(in+out))}
	w, ok := e.Attr.Spec.(*Weight)
	if !ok {
		return cost
	}
	cost.Bytes += int64(len(w.Bytes())) - 4*t*out
	if c.mode == Fast && qgemm.Supports(w.DType) {
		cost.ByteOps = 2 * t * out * in
	} else {
		cost.Flops += 2 * t * out * in
	}
	return cost
}
