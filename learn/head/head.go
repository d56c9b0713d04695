// Package head holds projection heads: what stands between a representation and the
// loss while it is learnt, and is thrown away afterwards.
//
// Xue, Gan, Ni, Joshi, Mirzasoleiman, "Investigating the Benefits of Projection Head for
// Representation Learning", ICLR 2024 (arXiv 2403.11391), and the authors' released code.
//
//	h, err := head.New(rng, "head", head.Settings{Kind: head.MLP, In: 64})
//	task := &train.Classifier{Engine: eng, Trained: nn.Train(net, h),
//		Criterion: head.Projected{Head: h, Loss: contrast.NTXent{Temperature: 0.5}}}
//
// The network itself knows nothing of its head: its output is the representation before
// the projection, which is what goes on to be used.
package head

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

// The kinds of heads.
const (
	None     = "none"     // y = z
	Linear   = "linear"   // y = W z + b
	MLP      = "mlp"      // a hidden layer with ReLU
	MLP2     = "mlp2"     // two of them
	Identity = "identity" // a hidden layer with the symmetric ReLU that begins as y = z
	Fixed    = "fixed"    // y_i = z_i kappa^-i, without weights
)

// Kinds are all kinds.
var Kinds = []string{None, Linear, MLP, MLP2, Identity, Fixed}

// Head maps representations z [B, In] to y [B, Out], which the loss sees.
type Head interface {
	nn.Layer
	nn.Module
}

// Settings of a head.
type Settings struct {
	Kind   string
	In     int
	Hidden int     // width of hidden layers; 0: In
	Out    int     // 0: In, as heads that don't mix coordinates need it
	Kappa  float64 // of [Fixed]: 1.05 in the paper, or 1.001 to 1.1
}

// most is how wide a head can be.
const most = 1 << 20

// New returns a head for training. Its weights are called name.0.weight and so on.
func New(rng *rand.Rand, name string, s Settings) (Head, error) {
	if s.Hidden == 0 {
		s.Hidden = s.In
	}
	if s.Out == 0 {
		s.Out = s.In
	}
	for _, n := range []int{s.In, s.Hidden, s.Out} {
		if n <= 0 || n > most {
			return nil, fmt.Errorf("head: %s from %d through %d to %d", s.Kind, s.In, s.Hidden, s.Out)
		}
	}
	switch s.Kind {
	case None, Identity, Fixed:
		if s.Out != s.In || s.Kind == Identity && s.Hidden != s.In {
			return nil, fmt.Errorf("head: %s keeps the width %d: hidden %d, out %d", s.Kind, s.In, s.Hidden, s.Out)
		}
	}
	switch s.Kind {
	case None:
		return none(s.In), nil
	case Linear:
		return stack(rng, name, s.In, s.Out), nil
	case MLP:
		return stack(rng, name, s.In, s.Hidden, s.Out), nil
	case MLP2:
		return stack(rng, name, s.In, s.Hidden, s.Hidden, s.Out), nil
	case Identity:
		return newIdentity(name, s.In), nil
	case Fixed:
		return NewReweighting(s.In, s.Kappa)
	}
	return nil, fmt.Errorf("head: %q is none of %s", s.Kind, strings.Join(Kinds, ", "))
}

type none int

func (n none) Apply(_ *op.Ctx, z op.Val) op.Val { return z }
func (n none) In() int                          { return int(n) }
func (n none) Out() int                         { return int(n) }
func (n none) Weights() []*op.Weight            { return nil }

// perceptron is linear maps with ReLU between them.
type perceptron []*nn.Linear

// stack has He's weights before a ReLU and Xavier's in the last map.
func stack(rng *rand.Rand, name string, widths ...int) perceptron {
	var p perceptron
	for i := range widths[1:] {
		l := nn.NewLinear(rng, fmt.Sprintf("%s.%d", name, i), widths[i], widths[i+1])
		if i+2 < len(widths) {
			l.W = nn.He(rng, l.W.Name, widths[i+1], widths[i])
		}
		p = append(p, l)
	}
	return p
}

func (p perceptron) Apply(c *op.Ctx, z op.Val) op.Val {
	for i, l := range p {
		if i > 0 {
			z = op.ReLU(c, z)
		}
		z = l.Apply(c, z)
	}
	return z
}

func (p perceptron) In() int  { return p[0].In() }
func (p perceptron) Out() int { return p[len(p)-1].Out() }

func (p perceptron) Weights() (all []*op.Weight) {
	for _, l := range p {
		all = append(all, l.Weights()...)
	}
	return all
}

// identity is two maps that begin as the identity, with [SymmetricReLU] between them.
type identity struct {
	perceptron
	b *op.Weight // [1, 1]
}

func newIdentity(name string, width int) *identity {
	h := &identity{b: nn.Constant(name+".threshold", 1, 1, 0)}
	for i := range 2 {
		w := nn.Constant(fmt.Sprintf("%s.%d.weight", name, i), width, width, 0)
		x, _ := w.F32()
		for j := range width {
			x[j*width+j] = 1
		}
		h.perceptron = append(h.perceptron, &nn.Linear{W: w, B: nn.Constant(fmt.Sprintf("%s.%d.bias", name, i), 1, width, 0)})
	}
	return h
}

func (h *identity) Apply(c *op.Ctx, z op.Val) op.Val {
	u := h.perceptron[0].Apply(c, z)
	return h.perceptron[1].Apply(c, SymmetricReLU(c, u, op.Param(c, h.b)))
}

func (h *identity) Weights() []*op.Weight { return append(h.perceptron.Weights(), h.b) }

// SymmetricReLU is ReLU(x-b) - ReLU(-x-b), element by element, for a threshold b [1, 1]:
// 0 within b of 0, and of slope 1 outside. With b = 0 it is x.
func SymmetricReLU(c *op.Ctx, x, b op.Val) op.Val {
	return op.Sub(c, op.ReLU(c, op.Sub(c, x, b)), op.ReLU(c, op.Sub(c, op.Scale(c, x, -1), b)))
}

// Projected is the criterion of a head and the loss behind it. The network's logits are
// the representation before the head.
type Projected struct {
	Head Head
	Loss train.Criterion
}

// Terms are those of Loss.
func (p Projected) Terms(c *op.Ctx, z op.Val, b *dataset.Batch, s train.Step) ([]train.Term, error) {
	if p.Head == nil || p.Loss == nil {
		return nil, errors.New("head: a projection without a head or without a loss; for no head there is the kind \"none\"")
	}
	shape := c.Shape(z)
	if c.Err() != nil {
		return nil, c.Err()
	}
	if shape.Width() != p.Head.In() {
		return nil, fmt.Errorf("head: it takes representations of %d numbers, and the network's have %d", p.Head.In(), shape.Width())
	}
	return p.Loss.Terms(c, p.Head.Apply(c, z), b, s)
}

// Parts are those of Loss.
func (p Projected) Parts() map[string]checkpoint.Part {
	if s, ok := p.Loss.(train.Stateful); ok {
		return s.Parts()
	}
	return nil
}

// Project returns what a head makes of representations z [N, In]: [N, Out].
func Project(h Head, z []float32) ([]float32, error) {
	if h == nil {
		return nil, errors.New("head: the model has none")
	}
	in := h.In()
	if len(z)%in != 0 {
		return nil, fmt.Errorf("head: %d numbers are no representations of %d", len(z), in)
	}
	c := op.NewCtx(op.Exact, nil)
	y := h.Apply(c, c.View(z, len(z)/in, in))
	if c.Err() != nil {
		return nil, c.Err()
	}
	return append([]float32(nil), c.Data(y)...), nil
}
