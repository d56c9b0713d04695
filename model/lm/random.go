package lm

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// NewRandom returns a network of this shape with random weights, untied, for
// training from the start and for tests. kind is the storage type of the
// matrices; norms and the embedding are F32. Weights are normal with
// deviation 1/sqrt(in), the same for the same seed.
func NewRandom(c Config, kind tensor.DType, seed uint64) (*Llama, error) {
	if c.Layers < 1 || c.Width < 1 || c.MLP < 1 || c.Vocabulary < 1 || c.Heads < 1 || c.KVHeads < 1 || c.Heads%c.KVHeads != 0 ||
		c.HeadDim < 2 || c.HeadDim > maxHeadDim || c.RopeDim < 0 || c.RopeDim%2 != 0 || c.RopeDim > c.HeadDim {
		return nil, fmt.Errorf("lm: configuration %+v is not a network", c)
	}
	return assemble(c, &randomizer{rng: rand.New(rand.NewPCG(seed, 0)), kind: kind}, false)
}

// Weights returns every weight of the network, in the order of the layers.
func (n *Llama) Weights() []*op.Weight {
	w := []*op.Weight{n.embed.W}
	add := func(l nn.Layer) {
		if l, ok := l.(*nn.Linear); ok && l.W != n.embed.W {
			w = append(w, l.W)
		}
	}
	for i := range n.blocks {
		b := &n.blocks[i]
		w = append(w, b.attnNorm.W, b.mlpNorm.W)
		for _, l := range b.linear {
			add(l)
		}
	}
	w = append(w, n.norm.W)
	add(n.unembed)
	return w
}

type randomizer struct {
	rng  *rand.Rand
	kind tensor.DType
	err  error
}

func (r *randomizer) normal(n int, deviation float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.rng.NormFloat64() * deviation)
	}
	return x
}

func (r *randomizer) linear(name string, out, in int) nn.Layer {
	x := r.normal(out*in, 1/math.Sqrt(float64(in)))
	s := tensor.FromFloat32(out, in, x)
	if r.kind != tensor.F32 {
		q, err := tensor.Quantize(r.kind, out, in, x)
		if err != nil {
			r.err = fmt.Errorf("lm: %s: %w", name, err)
			return nil
		}
		s = q
	}
	return &nn.Linear{W: op.NewWeight(name, s)}
}

func (r *randomizer) failed() error { return r.err }

func (r *randomizer) embedding(name string, rows, width int) *nn.Embedding {
	return &nn.Embedding{W: op.NewWeight(name, tensor.FromFloat32(rows, width, r.normal(rows*width, 1)))}
}

func (r *randomizer) norm(name string, width int, eps float32) *nn.RMSNorm {
	x := make([]float32, width)
	for i := range x {
		x[i] = 1
	}
	return &nn.RMSNorm{W: op.NewWeight(name, tensor.FromFloat32(1, width, x)), Eps: eps}
}
