package vision

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// MLP says what a multi-layer perceptron is: linear maps with ReLU between them.
type MLP struct {
	Inputs  int
	Hidden  []int // widths
	Classes int
	Dropout float32 // after each ReLU
}

// Perceptron is the network of an [MLP]. Its layer i is ReLU(x W_iᵀ + b_i); the last
// map is the head. A layer passes mlp.pre before its ReLU, and plays the role of
// pass.UpProj.
type Perceptron struct {
	net
	maps []nn.Layer
}

// NewMLP returns a perceptron with He's weights (He et al. 2015).
func NewMLP(rng *rand.Rand, m MLP) (*Perceptron, error) {
	if len(m.Hidden) == 0 {
		return nil, errors.New("vision: an MLP without hidden layers")
	}
	if err := errors.Join(positive("an MLP", append([]int{m.Inputs, m.Classes}, m.Hidden...)...), checkDrop(m.Dropout)); err != nil {
		return nil, err
	}
	n := &Perceptron{net: newNet(m.Inputs)}
	in := m.Inputs
	for i, out := range m.Hidden {
		l := he(rng, fmt.Sprintf("mlp.%d", i), in, out)
		n.add(l)
		n.maps = append(n.maps, l)
		n.dropout(m.Dropout)
		n.infos = append(n.infos, pass.LayerInfo{Name: fmt.Sprintf("mlp.%d", i), Width: in,
			Sites: []pass.Site{pass.ResidPre, pass.GateAct, pass.ResidPost}})
		in = out
	}
	head := nn.NewLinear(rng, "head", in, m.Classes)
	n.add(head)
	n.net.head = head
	n.Inference()
	return n, nil
}

// he is a linear map before a ReLU.
func he(rng *rand.Rand, name string, in, out int) *nn.Linear {
	return &nn.Linear{W: nn.He(rng, name+".weight", out, in), B: nn.Constant(name+".bias", 1, out, 0)}
}

// Layer is a linear map and a ReLU.
func (n *Perceptron) Layer(c *op.Ctx, i int, s *pass.State) error {
	x := s.At(pass.ResidPre, s.X)
	x = s.At(pass.GateAct, n.maps[i].Apply(c, x))
	s.X = s.At(pass.ResidPost, n.drops[i].Apply(c, op.ReLU(c, x)))
	return nil
}

// Head reads "logits".
func (n *Perceptron) Head(c *op.Ctx, name string, s *pass.State, rows []int32) (op.Val, error) {
	return n.logits(c, name, s.X, rows)
}

// Weight returns a layer's map, pass.UpProj, or the head's, pass.Unembed.
func (n *Perceptron) Weight(layer int, r pass.Role) nn.Layer {
	switch {
	case r == pass.UpProj && layer >= 0 && layer < len(n.maps):
		return n.maps[layer]
	case r == pass.Unembed && layer == len(n.maps):
		return n.net.head
	}
	return nil
}

// Wrap replaces linear maps: see pass.Net.
func (n *Perceptron) Wrap(wrap func(layer int, r pass.Role, l nn.Layer) nn.Layer) pass.Net {
	o := *n
	o.maps = nil
	for i, l := range n.maps {
		o.maps = append(o.maps, wrap(i, pass.UpProj, l))
	}
	o.net.head = wrap(len(n.maps), pass.Unembed, n.net.head)
	return &o
}
