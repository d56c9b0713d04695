package op

import (
	"fmt"

	"github.com/micaml/mica/internal/kernel/conv"
)

// Window is how a kernel moves over images of H x W pixels. Images are packed as
// rows: a pixel is a row, row by row of an image, image after image, and a channel
// is a column. So a value [N*H*W, C] is N images, and N is not part of the Window,
// which serves any batch. A sequence is an image of one row, H = 1. Sizes of 0,
// the padding apart, mean 1.
type Window struct {
	H, W                     int // pixels of x
	KernelH, KernelW         int
	StrideH, StrideW         int
	DilationH, DilationW     int
	Top, Left, Bottom, Right int // padding
}

// Square is the window of a square kernel that is padded alike on all sides.
func Square(h, w, kernel, stride, padding int) Window {
	return Window{H: h, W: w, KernelH: kernel, KernelW: kernel, StrideH: stride, StrideW: stride,
		Top: padding, Left: padding, Bottom: padding, Right: padding}
}

// Causal is the window of a kernel over sequences of t, whose result at a place
// depends on that place and earlier ones.
func Causal(t, kernel, dilation int) Window {
	return Window{H: 1, W: t, KernelW: kernel, DilationW: dilation, Left: (kernel - 1) * max(1, dilation)}
}

// shape is the window's without channels.
func (w *Window) shape(rows int) conv.Shape {
	one := func(n int) int {
		if n == 0 {
			return 1
		}
		return n
	}
	s := conv.Shape{H: one(w.H), W: one(w.W), KH: one(w.KernelH), KW: one(w.KernelW), StrideH: one(w.StrideH), StrideW: one(w.StrideW),
		DilationH: one(w.DilationH), DilationW: one(w.DilationW), Top: w.Top, Left: w.Left, Bottom: w.Bottom, Right: w.Right, Groups: 1}
	if s.H > 0 && s.W > 0 && rows%(s.H*s.W) == 0 {
		s.N = rows / (s.H * s.W)
	}
	return s
}

// ConvSpec says what a convolution is; it must not change while a tape has it.
type ConvSpec struct {
	Window
	// Groups divides the channels; as many groups as channels of x and of the
	// result are a depthwise convolution. 0 means 1.
	Groups int
	// Transposed makes it the adjoint of the convolution from the result to x.
	// The result has stride*(H-1) + dilation*(kernel-1) + 1 - top - bottom rows;
	// PyTorch's output_padding is taken off Bottom and Right, which may become
	// negative.
	Transposed bool
}

// geometry returns the kernel's shape for x of these rows and width; that of a
// transposed one is of the convolution it is the adjoint of.
func (s *ConvSpec) geometry(rows, width int, w *Weight) (g conv.Shape, err error) {
	g = s.shape(rows)
	if g.N == 0 {
		return g, fmt.Errorf("%d rows are no images of %d x %d", rows, g.H, g.W)
	}
	if s.Groups != 0 {
		g.Groups = s.Groups
	}
	g.In, g.Out = width, w.Rows
	if s.Transposed {
		g.Out = width
		if g.Groups > 0 && g.KH > 0 && g.KW > 0 {
			g.In = w.Cols / (g.KH * g.KW) * g.Groups
		}
		g.H = (g.H-1)*g.StrideH + g.DilationH*(g.KH-1) + 1 - g.Top - g.Bottom
		g.W = (g.W-1)*g.StrideW + g.DilationW*(g.KW-1) + 1 - g.Left - g.Right
	}
	if err := g.Complete(); err != nil {
		return g, err
	}
	if w.Rows != g.Out || w.Cols != g.Terms() {
		return g, fmt.Errorf("%s is %d x %d, want %d x %d", w.Name, w.Rows, w.Cols, g.Out, g.Terms())
	}
	return g, nil
}

// Conv is the convolution of the images x [N*H*W, In] with w -> [N*OutH*OutW,
// Out]; in the words of signal processing, the correlation.
//
// w is [Out, KernelH*KernelW*In/groups] float32, its columns in the order (kernel
// row, kernel column, channel): PyTorch's weight.permute(0, 2, 3, 1), flattened.
// Of a transposed one it is [In, KernelH*KernelW*Out/groups], which is the same
// permutation of PyTorch's weight of a transposed convolution. A kernel of one
// pixel gives Linear's numbers, bit by bit. The bias is Bias.
func Conv(c *Ctx, x Val, w *Weight, spec *ConvSpec) Val {
	k := &c.kernels.conv
	kernel, err := k.prepare(c, x, w, spec)
	if err != nil {
		return c.failf("conv", "%w", err)
	}
	if spec.Transposed {
		y := c.Out(MakeShape(k.shape.N*k.shape.H*k.shape.W, k.shape.In))
		if c.err != nil {
			return Val{}
		}
		conv.Adjoint(c.pool, &k.conv, &k.shape, c.Data(y), c.Data(x), kernel, false)
		return c.record(Entry{Op: convOp{}, Out: y, In: [3]Val{x}, W: w, Attr: Attr{Spec: spec}})
	}
	y := c.Out(MakeShape(k.shape.N*k.shape.OutH*k.shape.OutW, k.shape.Out))
	if c.err != nil {
		return Val{}
	}
	conv.Forward(c.pool, &k.conv, &k.shape, c.Data(y), c.Data(x), kernel, false)
	return c.record(Entry{Op: convOp{}, Out: y, In: [3]Val{x}, W: w, Attr: Attr{Spec: spec}})
}

// prepare sets k.shape and returns w's numbers.
func (k *convScratch) prepare(c *Ctx, x Val, w *Weight, spec *ConvSpec) ([]float32, error) {
	kernel, ok := w.F32()
	if !ok {
		return nil, fmt.Errorf("%s is %v, want float32", w.Name, w.DType)
	}
	s := c.Shape(x)
	if c.err != nil {
		return nil, c.err
	}
	var err error
	k.shape, err = spec.geometry(s.Rows(), s.Width(), w)
	return kernel, err
}

type convOp struct{}

func (convOp) Name() string { return "conv" }

// Backward: x and the result change places in a transposed one.
func (convOp) Backward(c *Ctx, e *Entry, g Grads) {
	k, spec := &c.kernels.conv, e.Attr.Spec.(*ConvSpec)
	kernel, err := k.prepare(c, e.In[0], e.W, spec)
	if err != nil {
		c.failf("conv", "%w", err)
		return
	}
	dy := g.Of(e.Out)
	if dx, add := g.Set(e.In[0]); dx != nil {
		if spec.Transposed {
			conv.Forward(c.pool, &k.conv, &k.shape, dx, dy, kernel, add)
		} else {
			conv.Adjoint(c.pool, &k.conv, &k.shape, dx, dy, kernel, add)
		}
	}
	if e.W.Grad != nil {
		in, out := c.Data(e.In[0]), dy
		if spec.Transposed {
			in, out = out, in
		}
		conv.Gradient(c.pool, &k.conv, &k.shape, e.W.Grad, out, in)
	}
}

func (convOp) Cost(c *Ctx, e *Entry) Cost {
	x, y, spec := c.Shape(e.In[0]), c.Shape(e.Out), e.Attr.Spec.(*ConvSpec)
	// Each weight meets each pixel of the result, or of x in a transposed one,
	// taps in the padding included.
	pixels := y.Rows()
	if spec.Transposed {
		pixels = x.Rows()
	}
	weights := int64(e.W.Rows) * int64(e.W.Cols)
	return Cost{Flops: 2 * int64(pixels) * weights, Bytes: 4 * (int64(x.Len()) + int64(y.Len()) + weights)}
}
