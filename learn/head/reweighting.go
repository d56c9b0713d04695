package head

import (
	"fmt"
	"math"

	"github.com/micaml/mica/op"
)

// Reweighting is the head without weights: y_i = z_i Kappa^-i. It takes the place of
// what training makes of a trained head, which weighs features unequally (section 5).
type Reweighting struct {
	scale []float32
	tiny  int // how many of them
	lost  int
}

// NewReweighting returns the head for width coordinates. The factors are computed in
// float64.
func NewReweighting(width int, kappa float64) (*Reweighting, error) {
	if width <= 0 || width > most {
		return nil, fmt.Errorf("head: reweighting of %d coordinates", width)
	}
	if !(kappa > 0) || math.IsInf(kappa, 0) || math.IsInf(math.Pow(kappa, -float64(width-1)), 0) {
		return nil, fmt.Errorf("head: kappa %v for %d coordinates: it is above 0, about 1.05", kappa, width)
	}
	h := &Reweighting{scale: make([]float32, width)}
	for i := range h.scale {
		x := math.Pow(kappa, -float64(i))
		h.scale[i] = float32(x)
		if math.IsInf(float64(h.scale[i]), 0) {
			return nil, fmt.Errorf("head: kappa %v makes factor %d of %d larger than a float32", kappa, i, width)
		}
		if x < 0x1p-126 {
			h.lost++
		}
		if x < 0x1p-24 {
			h.tiny++
		}
	}
	return h, nil
}

// Warning says that kappa leaves nothing of many coordinates, or "".
func (h *Reweighting) Warning() string {
	if h.tiny == 0 {
		return ""
	}
	return fmt.Sprintf("head: %d of %d coordinates weigh less than 2^-24 of the first, which float32 can't add to it, and %d underflow: kappa is too large for this width",
		h.tiny, len(h.scale), h.lost)
}

// Apply maps z [B, width] to z times the factors.
func (h *Reweighting) Apply(c *op.Ctx, z op.Val) op.Val {
	return op.Mul(c, z, c.From(h.scale, 1, len(h.scale)))
}

// In is the width.
func (h *Reweighting) In() int { return len(h.scale) }

// Out is the width.
func (h *Reweighting) Out() int { return len(h.scale) }

// Weights are none.
func (h *Reweighting) Weights() []*op.Weight { return nil }
