package op

import (
	"fmt"

	"github.com/micaml/mica/internal/kernel/conv"
	"github.com/micaml/mica/internal/kernel/pool"
)

// convScratch is the scratch of convolutions and poolings, and the shape of the
// call that runs.
type convScratch struct {
	conv  conv.Scratch
	pool  pool.Scratch
	shape conv.Shape
}

// PoolSpec says what a pooling is; it must not change while a tape has it.
// Strides of 0 mean the kernel's size.
type PoolSpec struct {
	Window
	// CountPadding makes an average divide by the size of the kernel, padding
	// included (PyTorch's default); otherwise by the pixels that are there.
	CountPadding bool
}

// windows sets k.shape for x, and returns the result's rows.
func (k *convScratch) windows(c *Ctx, x Val, spec *PoolSpec) (rows int, err error) {
	s := c.Shape(x)
	if c.err != nil {
		return 0, c.err
	}
	w := spec.Window
	if w.StrideH == 0 {
		w.StrideH = w.KernelH
	}
	if w.StrideW == 0 {
		w.StrideW = w.KernelW
	}
	k.shape = w.shape(s.Rows())
	g := &k.shape
	if g.N == 0 {
		return 0, fmt.Errorf("%d rows are no images of %d x %d", s.Rows(), g.H, g.W)
	}
	g.In, g.Out, g.Groups = s.Width(), s.Width(), s.Width()
	err = g.Complete()
	return g.N * g.OutH * g.OutW, err
}

// MaxPool is the largest number of each window, in each channel: x [N*H*W, C] ->
// [N*OutH*OutW, C]. Of equal ones the first, whose pixel the gradient goes to; a
// NaN is larger than any number. Padding has no numbers.
func MaxPool(c *Ctx, x Val, spec *PoolSpec) Val {
	k := &c.kernels.conv
	rows, err := k.windows(c, x, spec)
	if err != nil {
		return c.failf("max pool", "%w", err)
	}
	y, which := c.Out(MakeShape(rows, k.shape.In)), c.Out(MakeShape(rows, k.shape.In))
	if c.err != nil {
		return Val{}
	}
	pool.Max(c.pool, &k.pool, &k.shape, c.Data(y), c.Data(which), c.Data(x))
	return c.record(Entry{Op: maxPoolOp{}, Out: y, In: [3]Val{x}, Attr: Attr{Spec: spec, Aux: which}})
}

type maxPoolOp struct{}

func (maxPoolOp) Name() string { return "max-pool" }

func (maxPoolOp) Backward(c *Ctx, e *Entry, g Grads) {
	k := &c.kernels.conv
	if _, err := k.windows(c, e.In[0], e.Attr.Spec.(*PoolSpec)); err != nil {
		c.failf("max pool", "%w", err)
		return
	}
	dx, add := g.Set(e.In[0])
	pool.MaxBackward(c.pool, &k.pool, &k.shape, dx, g.Of(e.Out), c.Data(e.Attr.Aux), add)
}

func (maxPoolOp) Cost(c *Ctx, e *Entry) Cost { return poolCost(c, e, e.Attr.Spec.(*PoolSpec), 2) }

// AvgPool is the average of each window, in each channel: x [N*H*W, C] ->
// [N*OutH*OutW, C].
func AvgPool(c *Ctx, x Val, spec *PoolSpec) Val {
	return average(c, x, spec, Attr{Spec: spec})
}

// GlobalAvgPool is the average of all pixels of each image: x [N*pixels, C] ->
// [N, C].
func GlobalAvgPool(c *Ctx, x Val, pixels int) Val {
	spec := whole(pixels)
	return average(c, x, &spec, Attr{N: pixels})
}

// whole is the window of all pixels of an image.
func whole(pixels int) PoolSpec {
	return PoolSpec{Window: Window{W: pixels, KernelW: pixels}, CountPadding: true}
}

// spec is what an average was called with.
func (avgPoolOp) spec(e *Entry) PoolSpec {
	if s, ok := e.Attr.Spec.(*PoolSpec); ok {
		return *s
	}
	return whole(e.Attr.N)
}

func average(c *Ctx, x Val, spec *PoolSpec, a Attr) Val {
	k := &c.kernels.conv
	rows, err := k.windows(c, x, spec)
	if err != nil {
		return c.failf("avg pool", "%w", err)
	}
	y := c.Out(MakeShape(rows, k.shape.In))
	if c.err != nil {
		return Val{}
	}
	pool.Average(c.pool, &k.pool, &k.shape, c.Data(y), c.Data(x), spec.CountPadding)
	return c.record(Entry{Op: avgPoolOp{}, Out: y, In: [3]Val{x}, Attr: a})
}

type avgPoolOp struct{}

func (avgPoolOp) Name() string { return "avg-pool" }

func (o avgPoolOp) Backward(c *Ctx, e *Entry, g Grads) {
	k, spec := &c.kernels.conv, o.spec(e)
	if _, err := k.windows(c, e.In[0], &spec); err != nil {
		c.failf("avg pool", "%w", err)
		return
	}
	dx, add := g.Set(e.In[0])
	pool.AverageBackward(c.pool, &k.pool, &k.shape, dx, g.Of(e.Out), spec.CountPadding, add)
}

func (o avgPoolOp) Cost(c *Ctx, e *Entry) Cost {
	spec := o.spec(e)
	return poolCost(c, e, &spec, 1)
}

// poolCost counts a comparison or an addition for each tap, and tensors that the
// result's size is written of.
func poolCost(c *Ctx, e *Entry, s *PoolSpec, tensors int64) Cost {
	y := int64(c.Shape(e.Out).Len())
	return Cost{Flops: y * int64(max(1, s.KernelH)) * int64(max(1, s.KernelW)), Bytes: 4 * (int64(c.Shape(e.In[0]).Len()) + tensors*y)}
}
