package op

import "github.com/micaml/mica/internal/kernel/norm"

// GroupNorm is y = (x - mean) / sqrt(var + eps) * w + b, with the mean and the
// variance of each image's group of channels (Wu & He 2018). x [N*H*W, C], channels
// last, w and b [1, C] float32 -> [N*H*W, C]; b may be nil. samples is N, the images,
// one after another, of as many rows each; groups are of neighbouring channels, as
// many in each. A group for each channel is instance normalisation.
func GroupNorm(c *Ctx, x Val, w, b *Weight, samples, groups int, eps float32) Val {
	s := c.Shape(x)
	gain, bias, ok := c.gainAndBias("group norm", w, b, s.Width())
	if !ok {
		return Val{}
	}
	if samples < 1 || s.Rows()%samples != 0 || s.Rows() == 0 || groups < 1 || s.Width()%groups != 0 {
		return c.failf("group norm", "%d samples and %d groups don't divide %v", samples, groups, s)
	}
	y, m := c.Out(s), c.Out(MakeShape(2, samples, s.Width()))
	if c.err != nil {
		return Val{}
	}
	moments, cells := c.Data(m), groupCells(s, samples, groups)
	mean, variance := moments[:len(moments)/2], moments[len(moments)/2:]
	norm.Moments(c.pool, &c.kernels.norm, mean, variance, c.Data(x), cells)
	norm.Standard(c.pool, &c.kernels.norm, c.Data(y), c.Data(x), mean, variance, gain, bias, cells, eps)
	return c.record(Entry{Op: groupNormOp{}, Out: y, In: [3]Val{x}, W: w, B: b, Attr: Attr{F: eps, N: groups, Aux: m}})
}

func groupCells(s Shape, samples, groups int) norm.Cells {
	return norm.Cells{Rows: s.Rows() / samples, Width: s.Width(), Groups: groups}
}

type groupNormOp struct{}

func (groupNormOp) Name() string { return "group-norm" }

func (groupNormOp) Backward(c *Ctx, e *Entry, g Grads) {
	c.standardBackward(e, g, groupCells(c.Shape(e.Out), c.Shape(e.Attr.Aux).Dim(1), e.Attr.N), false)
}

func (groupNormOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 6, 3) }
