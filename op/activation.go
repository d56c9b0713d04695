package op

import "github.com/micaml/mica/internal/kernel/act"

// ReLU is max(x, 0), element by element.
func ReLU(c *Ctx, x Val) Val { return activate(c, &relu, x) }

// Sigmoid is 1 / (1 + exp(-x)), element by element.
func Sigmoid(c *Ctx, x Val) Val { return activate(c, &sigmoid, x) }

// Tanh is the hyperbolic tangent, element by element.
func Tanh(c *Ctx, x Val) Val { return activate(c, &tanh, x) }

// SiLU is x * sigmoid(x), element by element.
func SiLU(c *Ctx, x Val) Val { return activate(c, &silu, x) }

// GELU is x/2 * (1 + erf(x/√2)), element by element (Hendrycks and Gimpel 2016).
func GELU(c *Ctx, x Val) Val { return activate(c, &gelu, x) }

// GELUTanh is x/2 * (1 + tanh(√(2/π)(x + 0.044715x³))), the approximation of
// GELU that BERT and GPT-2 were trained with.
func GELUTanh(c *Ctx, x Val) Val { return activate(c, &geluTanh, x) }

// activation is an op of one tensor that works element by element.
type activation struct {
	name    string
	forward func(y, x []float32)
	// backward adds dy times the derivative to dx, given x, or the op's result
	// if ofResult is set.
	backward func(dx, dy, x []float32)
	set      func(dx, dy, x []float32) // does so if nothing is in dx yet
	ofResult bool
	flops    int64 // an element; an exponential counts as one
}

var (
	relu     = activation{"relu", act.ReLU, act.ReLUBackward, act.ReLUGradient, false, 1}
	sigmoid  = activation{"sigmoid", act.Sigmoid, act.SigmoidBackward, cleared(act.SigmoidBackward), true, 3}
	tanh     = activation{"tanh", act.Tanh, act.TanhBackward, cleared(act.TanhBackward), true, 4}
	silu     = activation{"silu", act.SiLU, act.SiLUBackward, cleared(act.SiLUBackward), false, 4}
	gelu     = activation{"gelu", act.GELU, act.GELUBackward, cleared(act.GELUBackward), false, 5}
	geluTanh = activation{"gelu-tanh", act.GELUTanh, act.GELUTanhBackward, cleared(act.GELUTanhBackward), false, 8}
)

func activate(c *Ctx, a *activation, x Val) Val {
	y := c.Out(c.Shape(x))
	if c.err != nil {
		return Val{}
	}
	c.each1(a.forward, c.Data(y), c.Data(x))
	return c.record(Entry{Op: a, Out: y, In: [3]Val{x}})
}

func (a *activation) Name() string { return a.name }

func (a *activation) Backward(c *Ctx, e *Entry, g Grads) {
	v := e.In[0]
	if a.ofResult {
		v = e.Out
	}
	dx, add := g.Set(e.In[0])
	f := a.set
	if add {
		f = a.backward
	}
	c.each2(f, dx, g.Of(e.Out), c.Data(v))
}

func (a *activation) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, a.flops, 2) }

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

func (swigluOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.Out)
	t := rowLoop{row: swigluBackwardRow, width: s.Width(), x: g.Of(e.Out), y: c.Data(e.In[0]), z: c.Data(e.In[1])}
	var add [2]bool
	t.dst, add[0] = g.Set(e.In[0])
	t.dst2, add[1] = g.Set(e.In[1])
	scope := c.Open()
	for _, d := range []*[]float32{&t.dst, &t.dst2} {
		if *d == nil { // nobody wants it, and one pass makes both
			*d = c.Data(c.Out(s))
		}
	}
	switch {
	case !add[0] && !add[1]:
		t.row = swigluSetRow
	case !add[0]:
		clear(t.dst)
	case !add[1]:
		clear(t.dst2)
	}
	c.rows(s.Rows(), t)
	c.Close(scope)
}

func swigluBackwardRow(t *rowLoop, i int) {
	act.SwiGLUBackward(t.of(t.dst, i), t.of(t.dst2, i), t.of(t.x, i), t.of(t.y, i), t.of(t.z, i))
}

// swigluSetRow is swigluBackwardRow where nothing is in the gradients yet.
func swigluSetRow(t *rowLoop, i int) {
	clear(t.of(t.dst, i))
	clear(t.of(t.dst2, i))
	swigluBackwardRow(t, i)
}

func (swigluOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 5, 3) }
