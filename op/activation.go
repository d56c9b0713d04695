package op

import "github.com/micaml/mica/internal/kernel/act"

// SiLU is x * sigmoid(x), element by element.
func SiLU(c *Ctx, x Val) Val {
	y := c.Out(c.Shape(x))
	if c.err != nil {
		return Val{}
	}
	c.each1(act.SiLU, c.Data(y), c.Data(x))
	return c.record(Entry{Op: siluOp{}, Out: y, In: [3]Val{x}})
}

type siluOp struct{}

func (siluOp) Name() string { return "silu" }

func (siluOp) Backward(c *Ctx, e *Entry, g Grads) {
	c.each2(act.SiLUBackward, g.Into(e.In[0]), g.Of(e.Out), c.Data(e.In[0]))
}

func (siluOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 4, 2) }

// Softmax is exp(x) / sum(exp(x)) over each row. x [T, V] -> [T, V].
func Softmax(c *Ctx, x Val) Val {
	s := c.Shape(x)
	y := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	w, xd, yd := s.Width(), c.Data(x), c.Data(y)
	for i := range s.Rows() {
		act.Softmax(yd[i*w:(i+1)*w], xd[i*w:(i+1)*w])
	}
	return c.record(Entry{Op: softmaxOp{}, Out: y, In: [3]Val{x}})
}

type softmaxOp struct{}

func (softmaxOp) Name() string { return "softmax" }

// Backward: dx = p * (dy - sum(p * dy)).
func (softmaxOp) Backward(c *Ctx, e *Entry, g Grads) {
	dx, dy, p := g.Into(e.In[0]), g.Of(e.Out), c.Data(e.Out)
	w := c.Shape(e.Out).Width()
	for lo := 0; lo < len(p); lo += w {
		hi := lo + w
		dot := act.Dot(p[lo:hi], dy[lo:hi])
		for j := lo; j < hi; j++ {
			dx[j] += float32(p[j] * (dy[j] - dot))
		}
	}
}

func (softmaxOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 5, 2) }

// SwiGLU is silu(g) * u, the gated hidden layer of the Llama family (Shazeer
// 2020). g, u [T, F] -> [T, F].
func SwiGLU(c *Ctx, g, u Val) Val {
	y, ok := c.like("swiglu", g, u)
	if !ok {
		return Val{}
	}
	c.each2(act.SwiGLU, c.Data(y), c.Data(g), c.Data(u))
	return c.record(Entry{Op: swigluOp{}, Out: y, In: [3]Val{g, u}})
}

type swigluOp struct{}

func (swigluOp) Name() string { return "swiglu" }

func (swigluOp) Backward(c *Ctx, e *Entry, gr Grads) {
	dy, g, u := gr.Of(e.Out), c.Data(e.In[0]), c.Data(e.In[1])
	dg, du := gr.Into(e.In[0]), gr.Into(e.In[1]) // before the scope: they outlive it
	scope := c.Open()
	t := c.Data(c.Out(c.Shape(e.Out)))
	if dg != nil {
		c.each2(act.Mul, t, dy, u)
		c.each2(act.SiLUBackward, dg, t, g)
	}
	if du != nil {
		c.each1(act.SiLU, t, g)
		c.each2(act.Mul, t, t, dy)
		c.each2(act.Add, du, du, t)
	}
	c.Close(scope)
}

func (swigluOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 5, 3) }
