package op

import (
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/tensor"
)

// MatMul is x y for each of n pairs of matrices, which lie one below the other:
// x [n*T, K], y [n*K, D] -> [n*T, D]. Where y is a weight, it is [Linear].
func MatMul(c *Ctx, x, y Val, n int) Val {
	s, t := c.Shape(x), c.Shape(y)
	if !c.divides("matmul", s.Rows(), n) || !c.divides("matmul", t.Rows(), n) {
		return Val{}
	}
	if t.Rows()/n != s.Width() {
		return c.failf("matmul", "%d of %v by %v", n, s, t)
	}
	z := c.Out(MakeShape(s.Rows(), t.Width()))
	if c.err != nil {
		return Val{}
	}
	p := products{n: n, t: s.Rows() / n, k: s.Width(), d: t.Width()}
	xd, yd, zd := c.Data(x), c.Data(y), c.Data(z)
	if p.empty() {
		clear(zd)
		p.n = 0
	}
	for i := range p.n {
		gemm.Mul(c.pool, &c.kernels.gemm, p.z(zd, i), p.t, p.d, p.k, p.x(xd, i), matrix(p.y(yd, i), p.k, p.d), false)
	}
	return c.record(Entry{Op: matMulOp{}, Out: z, In: [3]Val{x, y}, Attr: Attr{N: n}})
}

// products are the sizes of n products [t, k] [k, d] -> [t, d].
type products struct{ n, t, k, d int }

func (p products) x(m []float32, i int) []float32 { return m[i*p.t*p.k : (i+1)*p.t*p.k] }
func (p products) y(m []float32, i int) []float32 { return m[i*p.k*p.d : (i+1)*p.k*p.d] }
func (p products) z(m []float32, i int) []float32 { return m[i*p.t*p.d : (i+1)*p.t*p.d] }

// empty reports whether nothing is to be multiplied.
func (p products) empty() bool { return p.t == 0 || p.k == 0 || p.d == 0 }

func matrix(x []float32, rows, cols int) *tensor.Storage { return tensor.FromFloat32(rows, cols, x) }

type matMulOp struct{}

func (matMulOp) Name() string { return "matmul" }

func (matMulOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.In[0])
	p := products{n: e.Attr.N, t: s.Rows() / e.Attr.N, k: s.Width(), d: c.Shape(e.Out).Width()}
	dz, x, y := g.Of(e.Out), c.Data(e.In[0]), c.Data(e.In[1])
	dx, dy := g.Into(e.In[0]), g.Into(e.In[1])
	if p.empty() {
		return
	}
	for i := range p.n {
		if dx != nil {
			gemm.MulT(c.pool, &c.kernels.gemm, p.x(dx, i), p.t, p.k, p.d, p.z(dz, i), matrix(p.y(y, i), p.k, p.d), true)
		}
		if dy != nil {
			gemm.MulAT(c.pool, &c.kernels.gemm, p.y(dy, i), p.k, p.d, p.t, p.x(x, i), p.z(dz, i), true)
		}
	}
}

func (matMulOp) Cost(c *Ctx, e *Entry) Cost { return productCost(c, e) }

func productCost(c *Ctx, e *Entry) Cost {
	x, y, z := int64(c.Shape(e.In[0]).Len()), int64(c.Shape(e.In[1]).Len()), int64(c.Shape(e.Out).Len())
	return Cost{Flops: 2 * z * int64(c.Shape(e.In[0]).Width()), Bytes: 4 * (x + y + z)}
}

// MatMulT is x yᵀ for each of n pairs of matrices, which lie one below the other:
// x [n*T, K], y [n*D, K] -> [n*T, D].
func MatMulT(c *Ctx, x, y Val, n int) Val {
	s, t := c.Shape(x), c.Shape(y)
	if !c.divides("matmul-t", s.Rows(), n) || !c.divides("matmul-t", t.Rows(), n) {
		return Val{}
	}
	if t.Width() != s.Width() {
		return c.failf("matmul-t", "%v by %v", s, t)
	}
	p := products{n: n, t: s.Rows() / n, k: s.Width(), d: t.Rows() / n}
	z := c.Out(MakeShape(s.Rows(), p.d))
	if c.err != nil {
		return Val{}
	}
	xd, yd, zd := c.Data(x), c.Data(y), c.Data(z)
	if p.empty() {
		clear(zd)
		p.n = 0
	}
	for i := range p.n {
		gemm.MulT(c.pool, &c.kernels.gemm, p.z(zd, i), p.t, p.d, p.k, p.x(xd, i), matrix(p.y(yd, i), p.d, p.k), false)
	}
	return c.record(Entry{Op: matMulTOp{}, Out: z, In: [3]Val{x, y}, Attr: Attr{N: n}})
}

type matMulTOp struct{}

func (matMulTOp) Name() string { return "matmul-t" }

func (matMulTOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.In[0])
	p := products{n: e.Attr.N, t: s.Rows() / e.Attr.N, k: s.Width(), d: c.Shape(e.Out).Width()}
	dz, x, y := g.Of(e.Out), c.Data(e.In[0]), c.Data(e.In[1])
	dx, dy := g.Into(e.In[0]), g.Into(e.In[1])
	if p.empty() {
		return
	}
	for i := range p.n {
		if dx != nil {
			gemm.Mul(c.pool, &c.kernels.gemm, p.x(dx, i), p.t, p.k, p.d, p.z(dz, i), matrix(p.y(y, i), p.d, p.k), true)
		}
		if dy != nil {
			gemm.MulAT(c.pool, &c.kernels.gemm, p.y(dy, i), p.d, p.k, p.t, p.z(dz, i), p.x(x, i), true)
		}
	}
}

func (matMulTOp) Cost(c *Ctx, e *Entry) Cost { return productCost(c, e) }
