package op

import "github.com/micaml/mica/internal/philox"

// Draw names a stretch of random numbers: the same names give the same numbers, for
// any number of threads, after a resume and when a span is computed again.
type Draw struct {
	Seed uint64
	Step uint64 // of training: new numbers each time
	Site uint32 // of the network: layers that draw have one each
}

// block returns the numbers 4i to 4i+3 of a stretch, uniform in [0, 2^32).
func (d *Draw) block(i int) [4]uint32 {
	return philox.Block([2]uint32{uint32(d.Seed), uint32(d.Seed >> 32)},
		[4]uint32{uint32(i), d.Site, uint32(d.Step), uint32(d.Step >> 32)})
}

// Dropout sets each number of x to 0 with the probability p, from 0 to below 1, and
// divides the others by 1 - p (Srivastava et al. 2014). To drop whole rows, multiply
// by the dropout of a column of ones.
func Dropout(c *Ctx, x Val, p float32, draw Draw) Val {
	if !(p >= 0 && p < 1) {
		return c.failf("dropout", "probability %v is not in [0, 1)", p)
	}
	y := c.Out(c.Shape(x))
	if c.err != nil {
		return Val{}
	}
	c.drop(c.Data(y), c.Data(x), p, draw, false)
	e := Entry{Op: dropoutOp{}, Out: y, In: [3]Val{x}, Attr: Attr{F: p}}
	if c.rec != nil {
		kept := &Room[Draw](c, 1)[0]
		*kept = draw
		e.Attr.Spec = kept
	}
	return c.record(e)
}

// drop writes or adds the dropout of src.
func (c *Ctx) drop(dst, src []float32, p float32, draw Draw, add bool) {
	c.kernels.drops = drops{dst: dst, src: src, draw: draw, below: uint32(float64(p) * (1 << 32)), scale: 1 / (1 - p), add: add}
	c.pool.For((len(dst)+3)/4, eachGrain/16, &c.kernels.drops)
	c.kernels.drops = drops{}
}

// drops is a loop over blocks of four numbers.
type drops struct {
	dst, src []float32
	draw     Draw
	below    uint32 // random numbers below it drop
	scale    float32
	add      bool
}

func (t *drops) Do(_, lo, hi int) {
	for b := lo; b < hi; b++ {
		r := t.draw.block(b)
		for i := 4 * b; i < min(4*b+4, len(t.dst)); i++ {
			v := float32(0)
			if r[i&3] >= t.below {
				v = t.src[i] * t.scale
			}
			if t.add {
				v += t.dst[i]
			}
			t.dst[i] = v
		}
	}
}

type dropoutOp struct{}

func (dropoutOp) Name() string { return "dropout" }

func (dropoutOp) Backward(c *Ctx, e *Entry, g Grads) {
	dx, add := g.Set(e.In[0])
	c.drop(dx, g.Of(e.Out), e.Attr.F, *e.Attr.Spec.(*Draw), add)
}

func (dropoutOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 2) }
