package optim

import (
	"math"

	"github.com/micaml/mica/internal/kernel/act"
)

// Clip returns the norm of all gradients of the optimizers as one vector. If it is
// greater than most, the next Step of each takes them shorter, so that the norm is
// most: by most/(norm+1e-6), as PyTorch does. Grad itself stays as it is, which
// saves a pass over it. (Pascanu, Mikolov & Bengio 2013.)
//
// A norm that is not finite makes the next step spread it over all weights: whoever
// can go on without this step looks at the norm first and leaves it out.
func Clip(most float64, optimizers ...*Optimizer) float64 {
	total := 0.0
	for _, o := range optimizers {
		o.each(task{})
		for _, s := range o.squares {
			total += s
		}
	}
	norm := math.Sqrt(total)
	scale := float32(most / (norm + 1e-6))
	if scale > 1 {
		scale = 1
	}
	for _, o := range optimizers {
		o.scale = scale
	}
	return norm
}

// sumSquares adds up the squares of a cut. Squares of numbers beyond 1e19 are
// infinite in float32, and so the norm.
func sumSquares(g []float32) float64 { return float64(act.Dot(g, g)) }

// Clip is the function Clip of this optimizer alone.
func (o *Optimizer) Clip(most float64) float64 { return Clip(most, o) }
