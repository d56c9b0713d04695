package op

import (
	"math"
	"sync"

	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/rope"
)

// RotaryLayout says which two dimensions of a head turn together.
type RotaryLayout uint8

const (
	Interleaved RotaryLayout = iota // (2i, 2i+1): the Llama weights of GGUF files
	Halves                          // (i, i + rotary/2): GPT-NeoX, Qwen, Gemma
)

// Rotary is rotary position embedding (Su et al. 2021): pair i of a head
// turns by the angle pos * base^(-2i/rotary). It is safe for concurrent use.
type Rotary struct {
	layout      RotaryLayout
	head        int // Dh
	rotary      int // leading dimensions that turn
	frequencies []float64

	mu    sync.Mutex
	pages map[int32]*[]float32 // cos and sin of page positions [page][rotary/2][2]
}

// page is how many positions a table holds.
const page = 256

// NewRotary returns the embedding for heads of dimension head, of which the
// leading rotary (even) turn.
func NewRotary(layout RotaryLayout, head, rotary int, base float32) *Rotary {
	r := &Rotary{layout: layout, head: head, rotary: rotary, pages: map[int32]*[]float32{}}
	for i := range rotary / 2 {
		r.frequencies = append(r.frequencies, math.Pow(float64(base), -2*float64(i)/float64(rotary)))
	}
	return r
}

// table returns cos and sin of a position, [rotary/2] pairs. Angles are
// computed in float64: at position 8000 a float32 angle is off by 5e-4.
func (r *Rotary) table(pos int32) []float32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.pages[pos/page]
	if t == nil {
		p := make([]float32, 0, page*r.rotary)
		for at := pos / page * page; at < (pos/page+1)*page; at++ {
			for _, f := range r.frequencies {
				sin, cos := math.Sincos(float64(at) * f)
				p = append(p, float32(cos), float32(sin))
			}
		}
		t = &p
		r.pages[pos/page] = t
	}
	at := int(pos%page) * r.rotary
	return (*t)[at : at+r.rotary]
}

// Rotate turns each head of each row by its row's position. x [T, n*Dh],
// positions of length T -> [T, n*Dh].
func Rotate(c *Ctx, x Val, r *Rotary, positions []int32) Val {
	s := c.Shape(x)
	if s.Width()%r.head != 0 || s.Rows() != len(positions) {
		return c.failf("rotate", "%v with %d positions for heads of %d", s, len(positions), r.head)
	}
	for i, p := range positions {
		if p < 0 {
			return c.failf("rotate", "position %d at row %d", p, i)
		}
	}
	y := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	c.rotate(rotate{r, c.Data(y), c.Data(x), s.Width(), positions, 1})
	return c.record(Entry{Op: rotateOp{}, Out: y, In: [3]Val{x}, Attr: Attr{IDs: positions, Spec: r}})
}

// rotate is a loop over rows that turns them by sign times their angle.
type rotate struct {
	*Rotary
	dst, src  []float32
	width     int
	positions []int32
	sign      float32
}

func (c *Ctx) rotate(t rotate) {
	c.kernels.rotate = t
	c.pool.For(len(t.positions), max(1, eachGrain/max(1, t.width)), &c.kernels.rotate)
	c.kernels.rotate = rotate{}
}

func (t *rotate) Do(_, from, to int) {
	for i := from; i < to; i++ {
		table := t.table(t.positions[i])
		for lo := i * t.width; lo < (i+1)*t.width; lo += t.head {
			d, s := t.dst[lo:lo+t.head], t.src[lo:lo+t.head]
			if t.layout == Interleaved {
				rope.Interleaved(d, s, table, t.sign)
			} else {
				rope.Halves(d, s, table, t.sign)
			}
			copy(d[t.rotary:], s[t.rotary:])
		}
	}
}

type rotateOp struct{}

func (rotateOp) Name() string { return "rotate" }

// Backward turns the gradient back.
func (rotateOp) Backward(c *Ctx, e *Entry, g Grads) {
	dy, dx := g.Of(e.Out), g.Into(e.In[0])
	s := c.Shape(e.Out)
	scope := c.Open()
	back := c.Data(c.Out(s))
	c.rotate(rotate{e.Attr.Spec.(*Rotary), back, dy, s.Width(), e.Attr.IDs, -1})
	c.each2(act.Add, dx, dx, back)
	c.Close(scope)
}

func (rotateOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 3, 2) }
