package op

import (
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/internal/kernel/norm"
	"github.com/micaml/mica/internal/kernel/qgemm"
)

// Linear is y = x Wᵀ. x [T, in], w [out, in] in any storage type -> [T, out].
//
// In Fast mode a quantised w meets rows of x that are quantised to 8 bits;
// otherwise x stays float32 and w is expanded a panel at a time. The gradient
// with respect to x reads a frozen quantised w the same way, so the matrix is
// never expanded whole; in Fast mode it is the straight-through one.
func Linear(c *Ctx, x Val, w *Weight) Val {
	return c.record(Entry{Op: linearOp{}, Out: c.linear(x, w), In: [3]Val{x}, W: w})
}

// linear is the product of Linear, not recorded.
func (c *Ctx) linear(x Val, w *Weight) Val {
	s := c.Shape(x)
	if s.Width() != w.Cols {
		return c.failf("linear", "%s is %d x %d and the rows are %d wide", w.Name, w.Rows, w.Cols, s.Width())
	}
	y := c.Out(MakeShape(s.Rows(), w.Rows))
	if c.err != nil {
		return Val{}
	}
	if c.mode == Fast && qgemm.Supports(w.DType) {
		qgemm.MulT(c.pool, c.Data(y), s.Rows(), w.Rows, c.quantised(x), w.Storage)
	} else {
		gemm.MulT(c.pool, &c.kernels.gemm, c.Data(y), s.Rows(), w.Rows, w.Cols, c.Data(x), w.Storage, false)
	}
	return y
}

// quantised returns the 8-bit form of x's rows.
func (c *Ctx) quantised(x Val) *qgemm.Acts {
	if c.actsOf != x {
		s := c.Shape(x)
		c.acts.Quantize(c.pool, c.Data(x), s.Rows(), s.Width())
		c.actsOf = x
	}
	return &c.acts
}

type linearOp struct{}

func (linearOp) Name() string { return "linear" }

func (linearOp) Backward(c *Ctx, e *Entry, g Grads) {
	x, w := e.In[0], e.W
	dy, t := g.Of(e.Out), c.Shape(x).Rows()
	if dx, add := g.Set(x); dx != nil {
		gemm.Mul(c.pool, &c.kernels.gemm, dx, t, w.Cols, w.Rows, dy, w.Storage, add)
	}
	if w.Grad != nil {
		gemm.MulAT(c.pool, &c.kernels.gemm, w.Grad, w.Rows, w.Cols, t, dy, c.Data(x), true)
	}
}

func (linearOp) Cost(c *Ctx, e *Entry) Cost {
	t, n, k := int64(c.Shape(e.Out).Rows()), int64(e.W.Rows), int64(e.W.Cols)
	cost := Cost{Bytes: int64(len(e.W.Bytes())) + 4*t*(n+k)}
	if c.mode == Fast && qgemm.Supports(e.W.DType) {
		cost.ByteOps = 2 * t * n * k
	} else {
		cost.Flops = 2 * t * n * k
	}
	return cost
}

// kernels is the scratch that kernels keep between calls.
type kernels struct {
	gemm     gemm.Scratch
	norm     norm.Scratch
	attn     attention
	attnBack attentionBack
	each     each
	rows     rowLoop
	meeting  meeting
	drops    drops
	rotate   rotate
	conv     convScratch
}
