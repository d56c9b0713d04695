package lm

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
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
	r := &randomizer{rng: rand.New(rand.NewPCG(seed, 0)), kind: kind}
	n := &Llama{Config: c, blocks: make([]block, c.Layers)}
	n.embed = &nn.Embedding{W: op.NewWeight("token_embd.weight", tensor.FromFloat32(c.Vocabulary, c.Width, r.normal(c.Vocabulary*c.Width, 1)))}
	qw, kvw := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	for i := range n.blocks {
		b, at := &n.blocks[i], fmt.Sprintf("blk.%d.", i)
		b.attnNorm = ones(at+"attn_norm.weight", c.Width, c.Eps)
		b.mlpNorm = ones(at+"ffn_norm.weight", c.Width, c.Eps)
		b.linear = [pass.Unembed]nn.Layer{
			pass.QueryProj:  r.linear(at+"attn_q.weight", qw, c.Width),
			pass.KeyProj:    r.linear(at+"attn_k.weight", kvw, c.Width),
			pass.ValueProj:  r.linear(at+"attn_v.weight", kvw, c.Width),
			pass.OutputProj: r.linear(at+"attn_output.weight", c.Width, qw),
			pass.GateProj:   r.linear(at+"ffn_gate.weight", c.MLP, c.Width),
			pass.UpProj:     r.linear(at+"ffn_up.weight", c.MLP, c.Width),
			pass.DownProj:   r.linear(at+"ffn_down.weight", c.Width, c.MLP),
		}
	}
	n.norm = ones("output_norm.weight", c.Width, c.Eps)
	n.unembed = r.linear("output.weight", c.Vocabulary, c.Width)
	if r.err != nil {
		return nil, r.err
	}
	n.rotary = op.NewRotary(op.Interleaved, c.HeadDim, c.RopeDim, c.RopeBase)
	n.finish()
	return n, nil
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

func ones(name string, width int, eps float32) *nn.RMSNorm {
	x := make([]float32, width)
	for i := range x {
		x[i] = 1
	}
	return &nn.RMSNorm{W: op.NewWeight(name, tensor.FromFloat32(1, width, x)), Eps: eps}
}
