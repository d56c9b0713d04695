package op

import "github.com/micaml/mica/internal/kernel/norm"

// LayerNorm is y = (x - mean(x)) / sqrt(var(x) + eps) * w + b for each row (Ba,
// Kiros & Hinton 2016). x [T, D], w and b [1, D] float32 -> [T, D]. b may be nil.
func LayerNorm(c *Ctx, x Val, w, b *Weight, eps float32) Val {
	s := c.Shape(x)
	gain, bias, ok := c.gainAndBias("layer norm", w, b, s.Width())
	if !ok {
		return Val{}
	}
	y, stats := c.Out(s), c.Out(MakeShape(s.Rows(), 2))
	if c.err != nil {
		return Val{}
	}
	norm.Layer(c.pool, &c.kernels.norm, c.Data(y), c.Data(x), gain, bias, c.Data(stats), eps)
	return c.record(Entry{Op: layerNormOp{}, Out: y, In: [3]Val{x}, W: w, B: b, Attr: Attr{Aux: stats}})
}

// gainAndBias returns the numbers of a normalisation's weights, each as wide as
// the rows; bias is nil if b is. Otherwise it reports an error and false.
func (c *Ctx) gainAndBias(op string, w, b *Weight, width int) (gain, bias []float32, ok bool) {
	for i, v := range [2]*Weight{w, b} {
		if v == nil && i == 1 {
			break
		}
		if v == nil {
			c.failf(op, "no gain")
			return nil, nil, false
		}
		row, f32 := v.F32()
		if !f32 || len(row) != width {
			c.failf(op, "%s is %v %d x %d for width %d", v.Name, v.DType, v.Rows, v.Cols, width)
			return nil, nil, false
		}
		if i == 0 {
			gain = row
		} else {
			bias = row
		}
	}
	return gain, bias, true
}

// grad is where w's gradient is added up, or nil.
func (w *Weight) grad() []float32 {
	if w == nil {
		return nil
	}
	return w.Grad
}

type layerNormOp struct{}

func (layerNormOp) Name() string { return "layer-norm" }

func (layerNormOp) Backward(c *Ctx, e *Entry, g Grads) {
	gain, _ := e.W.F32()
	dx, add := g.Set(e.In[0])
	norm.LayerBackward(c.pool, &c.kernels.norm, dx, e.W.grad(), e.B.grad(),
		g.Of(e.Out), c.Data(e.In[0]), gain, c.Data(e.Attr.Aux), add)
}

func (layerNormOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 7, 2) }
