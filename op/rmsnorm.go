package op

import "github.com/micaml/mica/internal/kernel/norm"

// RMSNorm is y = x / sqrt(mean(x²) + eps) * w for each row (Zhang & Sennrich
// 2019). x [T, D], w [1, D] float32 -> [T, D].
func RMSNorm(c *Ctx, x Val, w *Weight, eps float32) Val {
	s := c.Shape(x)
	gain, ok := w.F32()
	if !ok || len(gain) != s.Width() {
		return c.failf("rms norm", "gain %s is %v %d x %d for width %d", w.Name, w.DType, w.Rows, w.Cols, s.Width())
	}
	y := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	norm.RMS(c.pool, &c.kernels.norm, c.Data(y), c.Data(x), gain, eps)
	return c.record(Entry{Op: rmsNormOp{}, Out: y, In: [3]Val{x}, W: w, Attr: Attr{F: eps}})
}

type rmsNormOp struct{}

func (rmsNormOp) Name() string { return "rms-norm" }

func (rmsNormOp) Backward(c *Ctx, e *Entry, g Grads) {
	gain, _ := e.W.F32()
	norm.RMSBackward(c.pool, &c.kernels.norm, g.Into(e.In[0]), e.W.Grad, g.Of(e.Out), c.Data(e.In[0]), gain, e.Attr.F)
}

func (rmsNormOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 4, 2) }
