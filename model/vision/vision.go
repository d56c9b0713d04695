// Package vision holds networks that classify pictures and rows of numbers: MLPs,
// convolutional networks and vision transformers. They implement pass.Net, so the
// boundary between any two of their layers can be looked at, edited and trained.
//
//	n, err := vision.NewCNN(rng, vision.CNN{Height: 28, Width: 28, Channels: 1, Blocks: ..., Classes: 10})
//	eng := pass.NewEngine(n, pass.Options{})
//	seq := &pass.Seq{Input: pixels} // [28, 28, 1]: pixels are rows, channels last
//
// A picture is the input of a sequence of its own, and the head "logits" [classes]
// reads the first row that is left of it.
package vision

import (
	"fmt"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// net is what the networks here share.
type net struct {
	infos   []pass.LayerInfo
	weights []*op.Weight
	input   []int // shape of one example
	head    nn.Layer
	norms   []*nn.BatchNorm
	drops   []*nn.Dropout
	clock   *nn.Clock
}

// Layers describes the layers.
func (n *net) Layers() []pass.LayerInfo { return n.infos }

// Memory is none: a picture comes whole.
func (n *net) Memory(int, tensor.DType) pass.Memory { return nil }

// Weights returns all weights.
func (n *net) Weights() []*op.Weight { return n.weights }

// Running returns the running statistics of the batch norms, by the names of their
// weights: what a checkpoint keeps besides the weights.
func (n *net) Running() map[string]*op.Running {
	m := map[string]*op.Running{}
	for _, b := range n.norms {
		m[b.W.Name] = b.Run
	}
	return m
}

// Training makes batch norms take the statistics of the batch, and dropout draw by a
// clock, until Inference is called.
func (n *net) Training(c nn.Clock) { n.set(c, true) }

// Inference ends Training: batch norms use what they have learnt, and nothing drops.
func (n *net) Inference() { n.set(nn.Clock{Still: true}, false) }

func (n *net) set(c nn.Clock, training bool) {
	*n.clock = c
	for _, b := range n.norms {
		b.Training = training
	}
}

// Embed makes one row of each sequence's input, [B, numbers].
func (n *net) Embed(c *op.Ctx, s *pass.State, _ []int32) error {
	width := 1
	for _, d := range n.input {
		width *= d
	}
	x := c.Out(op.MakeShape(len(s.Rows), width))
	if c.Err() != nil {
		return c.Err()
	}
	for i, g := range s.Groups() {
		if len(g.Seq.Input) != width {
			return fmt.Errorf("vision: input of %d numbers, want %d of shape %v", len(g.Seq.Input), width, n.input)
		}
		copy(c.Data(x)[i*width:], g.Seq.Input)
	}
	s.X = x
	return nil
}

// logits reads rows with a head.
func (n *net) logits(c *op.Ctx, name string, x op.Val, rows []int32) (op.Val, error) {
	if name != "logits" {
		return op.Val{}, fmt.Errorf("vision: head %q: there is only \"logits\"", name)
	}
	return n.head.Apply(c, op.Rows(c, x, rows)), nil
}

// newNet returns a network of examples of this shape, in inference.
func newNet(input ...int) net { return net{input: input, clock: &nn.Clock{Still: true}} }

// add collects the weights of layers.
func (n *net) add(m ...nn.Module) {
	for _, m := range m {
		n.weights = append(n.weights, m.Weights()...)
	}
}

// dropout returns a layer that draws by n's clock, and numbers of its own.
func (n *net) dropout(p float32) *nn.Dropout {
	d := &nn.Dropout{P: p, Site: uint32(len(n.drops)), Clock: n.clock}
	n.drops = append(n.drops, d)
	return d
}

// positive checks sizes of a configuration.
func positive(what string, sizes ...int) error {
	for _, n := range sizes {
		if n <= 0 || n > 1<<20 {
			return fmt.Errorf("vision: %s of sizes %v", what, sizes)
		}
	}
	return nil
}

// checkDrop checks a probability to drop.
func checkDrop(p float32) error {
	if !(p >= 0 && p < 1) {
		return fmt.Errorf("vision: dropout of %v is not in [0, 1)", p)
	}
	return nil
}
