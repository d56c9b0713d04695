package op

import (
	"fmt"

	"github.com/micaml/mica/internal/kernel/act"
)

// PlaneSpec says how a kernel moves over the planes of volumes, which are packed as
// rows: volume after volume, plane after plane, pixel after pixel. Sizes of 0, the
// padding apart, mean 1. It must not change while a tape has it.
type PlaneSpec struct {
	Depth, Pixels            int // planes of a volume, pixels of a plane
	Kernel, Stride, Dilation int
	Front, Back              int // padding
}

func (s *PlaneSpec) complete(rows int) (t PlaneSpec, volumes, out int, err error) {
	t = *s
	for _, n := range []*int{&t.Depth, &t.Pixels, &t.Kernel, &t.Stride, &t.Dilation} {
		if *n == 0 {
			*n = 1
		}
		if *n < 1 || *n > 1<<24 {
			return t, 0, 0, fmt.Errorf("a size is %d", *n)
		}
	}
	if t.Front < 0 || t.Back < 0 || t.Front > 1<<24 || t.Back > 1<<24 || rows%(t.Depth*t.Pixels) != 0 {
		return t, 0, 0, fmt.Errorf("%d rows are no volumes of %d planes of %d pixels, padded by %d and %d", rows, t.Depth, t.Pixels, t.Front, t.Back)
	}
	room := t.Depth + t.Front + t.Back - t.Dilation*(t.Kernel-1) - 1
	if room < 0 {
		return t, 0, 0, fmt.Errorf("a kernel of %d planes, dilated by %d, on %d", t.Kernel, t.Dilation, t.Depth)
	}
	return t, rows / (t.Depth * t.Pixels), room/t.Stride + 1, nil
}

// OutDepth returns the number of planes that the kernel has room for.
func (s *PlaneSpec) OutDepth() (int, error) {
	_, _, out, err := s.complete(0)
	return out, err
}

// Planes lays the planes that a kernel sees together side by side, so that a
// convolution of images is one of volumes: x [N*Depth*Pixels, C] ->
// [N*OutDepth*Pixels, Kernel*C], with zeros for planes of the padding.
func Planes(c *Ctx, x Val, spec *PlaneSpec) Val {
	s := c.Shape(x)
	if c.err != nil {
		return Val{}
	}
	t, volumes, out, err := spec.complete(s.Rows())
	if err != nil {
		return c.failf("planes", "%w", err)
	}
	y := c.Out(MakeShape(volumes*out*t.Pixels, t.Kernel*s.Width()))
	if c.err != nil {
		return Val{}
	}
	l := &planes{PlaneSpec: t, out: out, width: s.Width(), x: c.Data(x), y: c.Data(y)}
	c.pool.For(volumes*out, 1, l)
	return c.record(Entry{Op: planesOp{}, Out: y, In: [3]Val{x}, Attr: Attr{Spec: spec}})
}

// planes is a loop over planes of the result, or, backwards, of x.
type planes struct {
	PlaneSpec
	out, width int
	x, y       []float32 // or their gradients
	back       bool
}

func (t *planes) Do(_, lo, hi int) {
	for i := lo; i < hi; i++ {
		if t.back {
			t.collect(i/t.Depth, i%t.Depth)
		} else {
			t.lay(i/t.out, i%t.out)
		}
	}
}

// cell returns where a pixel's channels are in y at a plane of the kernel.
func (t *planes) cell(volume, plane, pixel, k int) []float32 {
	at := (((volume*t.out+plane)*t.Pixels+pixel)*t.Kernel + k) * t.width
	return t.y[at : at+t.width]
}

func (t *planes) lay(volume, plane int) {
	for k := range t.Kernel {
		from := plane*t.Stride + k*t.Dilation - t.Front
		for p := range t.Pixels {
			d := t.cell(volume, plane, p, k)
			if from < 0 || from >= t.Depth {
				clear(d)
			} else {
				copy(d, t.x[((volume*t.Depth+from)*t.Pixels+p)*t.width:])
			}
		}
	}
}

// collect adds up the gradient of a plane of x from where it was laid.
func (t *planes) collect(volume, plane int) {
	for k := range t.Kernel {
		at := plane + t.Front - k*t.Dilation
		if at < 0 || at%t.Stride != 0 || at/t.Stride >= t.out {
			continue
		}
		for p := range t.Pixels {
			d := t.x[((volume*t.Depth+plane)*t.Pixels+p)*t.width:][:t.width]
			act.Add(d, d, t.cell(volume, at/t.Stride, p, k))
		}
	}
}

type planesOp struct{}

func (planesOp) Name() string { return "planes" }

func (planesOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.In[0])
	t, volumes, out, err := e.Attr.Spec.(*PlaneSpec).complete(s.Rows())
	if err != nil {
		c.failf("planes", "%w", err)
		return
	}
	l := &planes{PlaneSpec: t, out: out, width: s.Width(), x: g.Into(e.In[0]), y: g.Of(e.Out), back: true}
	c.pool.For(volumes*t.Depth, 1, l)
}

func (planesOp) Cost(c *Ctx, e *Entry) Cost {
	return Cost{Bytes: 4 * (int64(c.Shape(e.In[0]).Len()) + int64(c.Shape(e.Out).Len()))}
}
