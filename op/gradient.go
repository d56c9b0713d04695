package op

// Gradient returns x, and calls f in the backward pass with the gradient with
// respect to what it returned, of x's shape. f may read it during the call. It
// makes x wanted, whether or not anything before it wants a gradient; if the
// loss doesn't depend on x, f isn't called. Without a tape it is x.
func Gradient(c *Ctx, x Val, f func(dx []float32)) Val {
	if c.rec == nil {
		return x
	}
	y := c.ViewShape(c.Data(x), c.Shape(x))
	if c.err != nil {
		return Val{}
	}
	c.Want(y)
	c.rec.Add(Entry{Op: gradientOp{}, Out: y, In: [3]Val{x}, Attr: Attr{Spec: f}})
	return y
}

type gradientOp struct{}

func (gradientOp) Name() string { return "gradient" }

func (gradientOp) Backward(c *Ctx, e *Entry, g Grads) {
	dy := g.Of(e.Out)
	e.Attr.Spec.(func([]float32))(dy)
	c.passOn(g, e.In[0], dy)
}

func (gradientOp) Cost(*Ctx, *Entry) Cost { return Cost{} }
