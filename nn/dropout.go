package nn

import "github.com/micaml/mica/op"

// Clock says where a training run is. Layers that draw random numbers share one, so
// that a run which resumes at a step draws what it would have drawn.
type Clock struct {
	Seed, Step uint64
	// Still ends all drawing, for an evaluation between steps.
	Still bool
}

// Dropout sets numbers to 0 with the probability P, from 0 to below 1, and divides
// the others by 1 - P. Without a clock, or with one that stands still, it changes
// nothing.
type Dropout struct {
	P     float32
	Site  uint32 // another one for each layer of a network that draws
	Clock *Clock
}

func (l *Dropout) still() bool { return l.P == 0 || l.Clock == nil || l.Clock.Still }

func (l *Dropout) draw() op.Draw {
	return op.Draw{Seed: l.Clock.Seed, Step: l.Clock.Step, Site: l.Site}
}

// Apply drops numbers of x, of any shape.
func (l *Dropout) Apply(c *op.Ctx, x op.Val) op.Val {
	if l.still() {
		return x
	}
	return op.Dropout(c, x, l.P, l.draw())
}

// Paths drops whole samples of x [n*T, D], n of T rows each, where x is what a
// residual block adds: stochastic depth (Huang et al. 2016).
func (l *Dropout) Paths(c *op.Ctx, x op.Val, n int) op.Val {
	if l.still() {
		return x
	}
	ones := make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	factors := op.Dropout(c, c.From(ones, n, 1), l.P, l.draw())
	s := c.Shape(x)
	if c.Err() != nil || s.Len() == 0 {
		return x
	}
	y := op.Mul(c, op.Reshape(c, x, n, s.Len()/n), factors)
	return op.Reshape(c, y, s.Rows(), s.Width())
}
