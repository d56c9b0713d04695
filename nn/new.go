package nn

import (
	"math/rand/v2"

	"github.com/micaml/mica/op"
)

// NewLinear returns a map for training, with [Xavier]'s matrix and a bias of zeros.
// Its weights are name.weight and name.bias.
func NewLinear(rng *rand.Rand, name string, in, out int) *Linear {
	return &Linear{W: Xavier(rng, name+".weight", out, in), B: Constant(name+".bias", 1, out, 0)}
}

// Weights returns the matrix and the bias.
func (l *Linear) Weights() []*op.Weight { return present(l.W, l.B) }

// NewConv returns a convolution for training, from in channels to out, with [He]'s
// kernel and no bias, since most are followed by a norm.
func NewConv(rng *rand.Rand, name string, in, out int, spec op.ConvSpec) *Conv {
	rows, inner := out, in
	if spec.Transposed {
		rows, inner = in, out
	}
	cols := max(1, spec.KernelH) * max(1, spec.KernelW) * inner / max(1, spec.Groups)
	return &Conv{W: He(rng, name+".weight", rows, cols), Spec: spec}
}

// Weights returns the kernel and the bias.
func (l *Conv) Weights() []*op.Weight { return present(l.W, l.B) }

// NewEmbedding returns a table of normal rows for training.
func NewEmbedding(rng *rand.Rand, name string, vocabulary, width int, deviation float64) *Embedding {
	return &Embedding{W: Normal(rng, name+".weight", vocabulary, width, deviation)}
}

// Weights returns the table.
func (l *Embedding) Weights() []*op.Weight { return present(l.W) }

// NewLayerNorm returns a norm for training, with gains of 1 and biases of 0.
func NewLayerNorm(name string, width int) *LayerNorm {
	w, b := gainAndBias(name, width)
	return &LayerNorm{W: w, B: b, Eps: 1e-5}
}

// Weights returns the gain and the bias.
func (l *LayerNorm) Weights() []*op.Weight { return present(l.W, l.B) }

// NewBatchNorm returns a norm that is in training, with gains of 1 and biases of 0.
func NewBatchNorm(name string, width int) *BatchNorm {
	w, b := gainAndBias(name, width)
	return &BatchNorm{W: w, B: b, Run: op.NewRunning(width), Eps: 1e-5, Training: true}
}

// Weights returns the gain and the bias; the running statistics are not trained.
func (l *BatchNorm) Weights() []*op.Weight { return present(l.W, l.B) }

// NewGroupNorm returns a norm for training, with gains of 1 and biases of 0. As many
// groups as channels make it instance normalisation.
func NewGroupNorm(name string, width, groups int) *GroupNorm {
	w, b := gainAndBias(name, width)
	return &GroupNorm{W: w, B: b, Groups: groups, Eps: 1e-5}
}

// Weights returns the gain and the bias.
func (l *GroupNorm) Weights() []*op.Weight { return present(l.W, l.B) }

// NewRMSNorm returns a norm for training, with gains of 1.
func NewRMSNorm(name string, width int) *RMSNorm {
	return &RMSNorm{W: Constant(name+".weight", 1, width, 1), Eps: 1e-5}
}

// Weights returns the gain.
func (l *RMSNorm) Weights() []*op.Weight { return present(l.W) }

func gainAndBias(name string, width int) (w, b *op.Weight) {
	return Constant(name+".weight", 1, width, 1), Constant(name+".bias", 1, width, 0)
}
