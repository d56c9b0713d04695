package op

import (
	"fmt"
	"math"

	"github.com/micaml/mica/internal/kernel/act"
)

// ResizeMode is how pixels of another grid are made of those at hand.
type ResizeMode uint8

const (
	// ResizeNearest takes pixel floor(i*H/OutH), PyTorch's "nearest".
	ResizeNearest ResizeMode = iota
	// ResizeLinear weights the neighbours by their distance: PyTorch's "bilinear",
	// or "linear" of images of one row.
	ResizeLinear
	// ResizeArea averages the pixels from floor(i*H/OutH) to ceil((i+1)*H/OutH):
	// PyTorch's "area", which is adaptive average pooling.
	ResizeArea
)

// ResizeSpec says what a resizing is; it must not change while a tape has it.
// Images are of H x W pixels and become OutH x OutW; a sequence has H and OutH 1.
type ResizeSpec struct {
	H, W, OutH, OutW int
	Mode             ResizeMode
	// AlignCorners, for ResizeLinear, lays the corner pixels' centres on each
	// other; otherwise the images' edges, PyTorch's default.
	AlignCorners bool
}

// Resize gives images another number of pixels: x [N*H*W, C], packed as in [Window],
// -> [N*OutH*OutW, C].
func Resize(c *Ctx, x Val, spec *ResizeSpec) Val {
	s := c.Shape(x)
	if c.err != nil {
		return Val{}
	}
	if err := spec.check(s.Rows()); err != nil {
		return c.failf("resize", "%w", err)
	}
	images := s.Rows() / (spec.H * spec.W)
	y := c.Out(MakeShape(images*spec.OutH*spec.OutW, s.Width()))
	if c.err != nil {
		return Val{}
	}
	t := &resample{dst: c.Data(y), x: c.Data(x), width: s.Width(), h: spec.axis(spec.H, spec.OutH), w: spec.axis(spec.W, spec.OutW), fromH: spec.H, fromW: spec.W}
	t.run(c, images)
	return c.record(Entry{Op: resizeOp{}, Out: y, In: [3]Val{x}, Attr: Attr{Spec: spec}})
}

// most bounds what a spec may ask for: pixels of an image are counted in int32.
func (s *ResizeSpec) check(rows int) error {
	const most = math.MaxInt32
	for _, n := range [][2]int{{s.H, s.W}, {s.OutH, s.OutW}} {
		if n[0] < 1 || n[1] < 1 || n[0] > most/n[1] {
			return fmt.Errorf("images of %d x %d pixels to %d x %d", s.H, s.W, s.OutH, s.OutW)
		}
	}
	if rows%(s.H*s.W) != 0 {
		return fmt.Errorf("%d rows are no images of %d x %d", rows, s.H, s.W)
	}
	if images := rows / (s.H * s.W); images > 0 && s.OutH*s.OutW > most/images {
		return fmt.Errorf("%d images of %d x %d pixels", images, s.OutH, s.OutW)
	}
	if s.Mode > ResizeArea || s.AlignCorners && s.Mode != ResizeLinear {
		return fmt.Errorf("mode %d with align-corners %v", s.Mode, s.AlignCorners)
	}
	return nil
}

// taps says for each place of one axis which places of the other it is the
// weighted sum of: those of place i are at [start[i], start[i+1]).
type taps struct {
	start, from []int32
	weight      []float32
}

func (t *taps) add(from int, weight float64) {
	if weight != 0 { // a pixel that doesn't count must not bring its NaN along
		t.from, t.weight = append(t.from, int32(from)), append(t.weight, float32(weight))
	}
}

// axis returns the taps of an axis of out places over n.
func (s *ResizeSpec) axis(n, out int) taps {
	t := taps{start: make([]int32, 1, out+1)}
	for i := range out {
		switch s.Mode {
		case ResizeNearest:
			t.add(int(int64(i)*int64(n)/int64(out)), 1)
		case ResizeLinear:
			at := max(0, (float64(i)+0.5)*float64(n)/float64(out)-0.5)
			if s.AlignCorners {
				at = float64(i) * float64(n-1) / float64(max(1, out-1))
			}
			low := min(int(at), n-1)
			f := at - float64(low)
			if low == n-1 {
				f = 0
			}
			t.add(low, 1-f)
			t.add(low+1, f)
		case ResizeArea:
			from, to := int64(i)*int64(n)/int64(out), (int64(i+1)*int64(n)+int64(out)-1)/int64(out)
			for j := from; j < to; j++ {
				t.add(int(j), 1/float64(to-from))
			}
		}
		t.start = append(t.start, int32(len(t.from)))
	}
	return t
}

// transposed returns, for each of n places, those that are made of it, in order.
func (t taps) transposed(n int) taps {
	b := taps{start: make([]int32, n+1), from: make([]int32, len(t.from)), weight: make([]float32, len(t.from))}
	for _, f := range t.from {
		b.start[f+1]++
	}
	for i := range n {
		b.start[i+1] += b.start[i]
	}
	next := append([]int32(nil), b.start...)
	for i := range len(t.start) - 1 {
		for j := t.start[i]; j < t.start[i+1]; j++ {
			k := &next[t.from[j]]
			b.from[*k], b.weight[*k] = int32(i), t.weight[j]
			*k++
		}
	}
	return b
}

// resample is a loop over pixels, each a weighted sum of pixels of x.
type resample struct {
	dst, x       []float32
	add          bool
	width        int
	h, w         taps
	fromH, fromW int // pixels of x
}

func (t *resample) run(c *Ctx, images int) {
	c.pool.For(images*(len(t.h.start)-1)*(len(t.w.start)-1), max(1, eachGrain/max(t.width, 1)), t)
}

func (t *resample) Do(_, lo, hi int) {
	outH, outW := len(t.h.start)-1, len(t.w.start)-1
	for p := lo; p < hi; p++ {
		image, i, j := p/(outH*outW), p/outW%outH, p%outW
		d := t.dst[p*t.width : (p+1)*t.width]
		if !t.add {
			clear(d)
		}
		for a := t.h.start[i]; a < t.h.start[i+1]; a++ {
			row := (image*t.fromH + int(t.h.from[a])) * t.fromW
			for b := t.w.start[j]; b < t.w.start[j+1]; b++ {
				at := (row + int(t.w.from[b])) * t.width
				act.AXPY(d, t.h.weight[a]*t.w.weight[b], t.x[at:at+t.width])
			}
		}
	}
}

type resizeOp struct{}

func (resizeOp) Name() string { return "resize" }

// Backward resamples the gradient by the transposed taps.
func (resizeOp) Backward(c *Ctx, e *Entry, g Grads) {
	spec := e.Attr.Spec.(*ResizeSpec)
	dx, add := g.Set(e.In[0])
	t := &resample{dst: dx, add: add, x: g.Of(e.Out), width: c.Shape(e.Out).Width(), fromH: spec.OutH, fromW: spec.OutW,
		h: spec.axis(spec.H, spec.OutH).transposed(spec.H), w: spec.axis(spec.W, spec.OutW).transposed(spec.W)}
	t.run(c, c.Shape(e.In[0]).Rows()/(spec.H*spec.W))
}

func (resizeOp) Cost(c *Ctx, e *Entry) Cost {
	spec := e.Attr.Spec.(*ResizeSpec)
	x, y := int64(c.Shape(e.In[0]).Len()), int64(c.Shape(e.Out).Len())
	taps := len(spec.axis(spec.H, spec.OutH).from) * len(spec.axis(spec.W, spec.OutW).from)
	return Cost{Flops: 2 * y * int64(taps) / int64(spec.OutH*spec.OutW), Bytes: 4 * (x + y)}
}
