package lm

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// NewRandom returns a network of this shape with random weights, for
// training from the start and for tests. kind is the storage type of the
// matrices; all else is F32. Matrices are normal with deviation 1/sqrt(in),
// gains are 1 and biases normal with deviation 0.02, the same for the same
// seed.
func NewRandom(c Config, kind tensor.DType, seed uint64) (*Decoder, error) {
	f := familyOf(c.Architecture)
	if f == nil {
		return nil, fmt.Errorf("lm: architecture %q: not supported; supported are %s", c.Architecture, supported())
	}
	if c.Layers < 1 || c.Width < 1 || c.MLP < 1 || c.Vocabulary < 1 || c.Heads < 1 || c.KVHeads < 1 || c.Heads%c.KVHeads != 0 ||
		c.HeadDim < 2 || c.HeadDim > maxHeadDim || c.RopeDim < 0 || c.RopeDim%2 != 0 || c.RopeDim > c.HeadDim ||
		c.Window < 0 || c.Window > 0 && (c.Pattern < 1 || !f.sliding) || c.QueryDim < 0 || f.learned && c.Context < 1 {
		return nil, fmt.Errorf("lm: configuration %+v is not a network", c)
	}
	return assemble(c, &randomizer{rng: rand.New(rand.NewPCG(seed, 0)), kind: kind, one: c.Tied})
}

type randomizer struct {
	rng  *rand.Rand
	kind tensor.DType
	one  bool
	err  error
}

func (r *randomizer) failed() error                    { return r.err }
func (r *randomizer) tied() bool                       { return r.one }
func (r *randomizer) layout(f *family) op.RotaryLayout { return ggufLayout(f) }

func (r *randomizer) weight(name string, p part, rows, cols int) *op.Weight {
	x := make([]float32, rows*cols)
	deviation := map[part]float64{table: 1, matrix: 1 / math.Sqrt(float64(cols)), bias: 0.02}[p]
	for i := range x {
		if p == gain {
			x[i] = 1
		} else {
			x[i] = float32(r.rng.NormFloat64() * deviation)
		}
	}
	s := tensor.FromFloat32(rows, cols, x)
	if p == matrix && r.kind != tensor.F32 {
		q, err := tensor.Quantize(r.kind, rows, cols, x)
		if err != nil {
			r.err = fmt.Errorf("lm: %s: %w", name, err)
			return nil
		}
		s = q
	}
	return op.NewWeight(name, s)
}
