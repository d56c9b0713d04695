package recipe

import (
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// maxNumbers is how many numbers a network from the start may have: 8 GiB.
const maxNumbers = 1 << 31

// network is a pass.Net with its weights.
type network interface {
	pass.Net
	Weights() []*op.Weight
}

// classifier makes a network that tells the classes of a set.
func (r *Recipe) classifier(s dataset.Set) (network, error) {
	n, dims := &r.Network, s.Dims()
	rng := rand.New(rand.NewPCG(r.Seed, streamWeights))
	if n.Kind == "mlp" {
		inputs, numbers := 1, 0.0
		for _, d := range dims {
			inputs *= d
		}
		in := inputs
		for _, w := range append(append([]int(nil), n.Hidden...), s.Classes()) {
			numbers += float64(in) * float64(w)
			in = w
		}
		if err := bounded(numbers); err != nil {
			return nil, err
		}
		return vision.NewMLP(rng, vision.MLP{Inputs: inputs, Hidden: n.Hidden, Classes: s.Classes(), Dropout: float32(n.Dropout)})
	}
	if len(dims) != 3 {
		return nil, fmt.Errorf("network.kind %q takes pictures [height, width, channels], and the examples of data.kind %q are %v", n.Kind, r.dataName(), dims)
	}
	h, w, c := dims[0], dims[1], dims[2]
	if n.Kind == "cnn" {
		m, numbers, in := vision.CNN{Height: h, Width: w, Channels: c, Classes: s.Classes(), Dropout: float32(n.Dropout)}, 0.0, c
		for _, b := range n.Blocks {
			m.Blocks = append(m.Blocks, vision.Block(b))
			numbers += 9 * float64(in) * float64(b.Channels)
			in = b.Channels
		}
		if err := bounded(numbers); err != nil {
			return nil, err
		}
		return vision.NewCNN(rng, m)
	}
	if h%n.Patch != 0 || w%n.Patch != 0 {
		return nil, fmt.Errorf("network.patch: pictures of %dx%d of data.kind %q don't make patches of %dx%d", h, w, r.dataName(), n.Patch, n.Patch)
	}
	mlp := n.MLP
	if mlp == 0 {
		mlp = 4 * n.Width
	}
	if err := bounded(float64(n.Layers) * float64(n.Width) * float64(4*n.Width+2*mlp)); err != nil {
		return nil, err
	}
	return vision.NewViT(rng, vision.ViT{Height: h, Width: w, Channels: c, Patch: n.Patch, Layers: n.Layers, Dim: n.Width,
		Heads: n.Heads, MLP: mlp, Classes: s.Classes()})
}

// llama makes a language model with random weights.
func (r *Recipe) llama(vocabulary int) (*lm.Decoder, error) {
	n := &r.Network
	kv, mlp, context := n.KVHeads, n.MLP, n.Context
	if kv == 0 {
		kv = n.Heads
	}
	if mlp == 0 {
		mlp = (n.Width*8/3 + 31) / 32 * 32
	}
	if context == 0 {
		context = r.Data.Length
	}
	if err := bounded(float64(n.Layers)*float64(n.Width)*float64(4*n.Width+3*mlp) + 2*float64(vocabulary)*float64(n.Width)); err != nil {
		return nil, err
	}
	return lm.NewRandom(lm.Config{
		Name: "mica", Architecture: "llama", Layers: n.Layers, Width: n.Width, Heads: n.Heads, KVHeads: kv, HeadDim: n.Width / n.Heads,
		MLP: mlp, Vocabulary: vocabulary, Context: context, RopeBase: 10000, RopeDim: n.Width / n.Heads, Eps: 1e-5,
	}, tensor.F32, r.Seed)
}

// bounded refuses networks that no machine takes, before anything is allocated.
func bounded(numbers float64) error {
	if numbers > maxNumbers {
		return fmt.Errorf("network: about %.0f numbers, at most %.0f are accepted: make it narrower or less deep", numbers, float64(maxNumbers))
	}
	return nil
}
