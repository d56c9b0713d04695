package richlazy

import (
	"context"
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/dataset/trial"
	"github.com/micaml/mica/look/kernel"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/nn/wiring"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/train"
	"gonum.org/v1/gonum/mat"
)

// network is the paper's: h' = ReLU(Wx x + Wh h) from h = 0, y = Wo h, without biases. It
// is what a train.Loop learns.
type network struct {
	rnn   *nn.RNN
	out   *nn.Linear
	steps int
	last  bool // the loss is of the last step alone, and not of all

	state   [][]float32
	runs    []int32
	targets []int32
}

// newNetwork draws input and readout from the seed alone, uniform up to 1/sqrt(fan-in),
// so that they are the same whatever the recurrent matrix is.
func newNetwork(seed uint64, t *task, recurrent mat.Matrix) *network {
	rng := rand.New(rand.NewPCG(seed, 61))
	h, _ := recurrent.Dims()
	return &network{
		rnn:   &nn.RNN{X: uniform(rng, "input", t.inputs, h), W: wiring.Weight("recurrent", recurrent), ReLU: true},
		out:   uniform(rng, "readout", h, t.outputs),
		steps: t.steps, last: t.last,
	}
}

func uniform(rng *rand.Rand, name string, in, out int) *nn.Linear {
	return &nn.Linear{W: nn.Uniform(rng, name, out, in, 1/sqrt(in))}
}

// Weights returns all three matrices.
func (n *network) Weights() []*op.Weight {
	return []*op.Weight{n.rnn.X.(*nn.Linear).W, n.rnn.W, n.out.W}
}

// NewCtx returns a context of one thread: trials are what runs side by side.
func (n *network) NewCtx() *op.Ctx { return op.NewCtx(op.Exact, nil) }

// hidden are the states of all steps of trials x, [trials*steps, H].
func (n *network) hidden(c *op.Ctx, x []float32, trials int) op.Val {
	h := n.rnn.State()
	for len(n.state) < trials {
		n.state, n.runs = append(n.state, make([]float32, h)), append(n.runs, int32(n.steps))
	}
	for _, s := range n.state[:trials] {
		clear(s)
	}
	rows := trials * n.steps
	return n.rnn.Apply(c, c.View(x, rows, len(x)/rows), n.runs[:trials], n.state[:trials])
}

// Loss is the cross-entropy of a batch, the mean over its steps.
func (n *network) Loss(c *op.Ctx, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	y := n.out.Apply(c, n.hidden(c, b.X, b.Len()))
	return []train.Term{{Name: "cross_entropy", Val: op.CrossEntropy(c, y, n.wanted(b.Labels)), Weight: 1}}, nil
}

// wanted are the right outputs of all steps.
func (n *network) wanted(labels []int32) []int32 {
	n.targets = trial.Targets(n.targets[:0], labels, n.steps)
	for i := range n.targets {
		if n.last && (i+1)%n.steps != 0 {
			n.targets[i] = op.Ignore
		}
	}
	return n.targets
}

// seen is what is looked at before and after training.
type seen struct {
	hidden   []float32 // at the last step, [trials, H]
	states   *mat.SymDense
	tangent  *mat.SymDense // of the recurrent matrix
	readout  *mat.SymDense // the tangent kernel of the readout
	loss     float64
	accuracy float64 // at the last step
	norm     float64 // of the recurrent matrix
	weights  []float32
}

// outputs are states and outputs of all steps of a batch.
func (n *network) outputs(c *op.Ctx, b *dataset.Batch) (h, y op.Val, err error) {
	h = n.hidden(c, b.X, b.Len())
	y = n.out.Apply(c, h)
	return h, y, c.Err()
}

// score is the loss of outputs and the accuracy at the last step.
func (n *network) score(c *op.Ctx, y op.Val, labels []int32) (loss, accuracy float64, err error) {
	l := op.CrossEntropy(c, y, n.wanted(labels))
	if err := c.Err(); err != nil {
		return 0, 0, err
	}
	outputs := n.out.Out()
	for i, label := range labels {
		row := (i+1)*n.steps - 1
		if int32(train.Likeliest(c.Data(y)[row*outputs:(row+1)*outputs])) == label {
			accuracy += 1 / float64(len(labels))
		}
	}
	return float64(c.Data(l)[0]), accuracy, nil
}

// outcome is the score of a batch.
func (n *network) outcome(b *dataset.Batch) (loss, accuracy float64, err error) {
	c := n.NewCtx()
	_, y, err := n.outputs(c, b)
	if err != nil {
		return 0, 0, err
	}
	return n.score(c, y, b.Labels)
}

// look measures the network on trials, and its tangent kernels on the first few.
func (n *network) look(b *dataset.Batch, few int) (*seen, error) {
	c := n.NewCtx()
	weights, _ := n.rnn.W.F32()
	s := &seen{weights: append([]float32(nil), weights...), norm: norm(weights)}
	h, y, err := n.outputs(c, b)
	if err != nil {
		return nil, err
	}
	width := n.rnn.State()
	for i := range b.Labels {
		row := (i+1)*n.steps - 1
		s.hidden = append(s.hidden, c.Data(h)[row*width:(row+1)*width]...)
	}
	if s.loss, s.accuracy, err = n.score(c, y, b.Labels); err != nil {
		return nil, err
	}
	if s.states, err = kernel.Gram(c, s.hidden, b.Len()); err != nil {
		return nil, err
	}
	// The gradients of all others would be computed for nothing.
	grads := make([][]float32, 0, 3)
	for _, w := range n.Weights() {
		grads, w.Grad = append(grads, w.Grad), nil
	}
	defer func() {
		for i, w := range n.Weights() {
			w.Grad = grads[i]
		}
	}()
	each := len(b.X) / b.Len()
	f := func(c *op.Ctx, i int) op.Val {
		h := n.hidden(c, b.X[i*each:(i+1)*each], 1)
		if n.last {
			h = op.Rows(c, h, []int32{int32(n.steps - 1)})
		}
		return n.out.Apply(c, h)
	}
	few = min(few, b.Len())
	if s.tangent, err = kernel.Tangent(c, n.rnn.W, few, 0, f); err != nil {
		return nil, err
	}
	s.readout, err = kernel.Tangent(c, n.out.W, few, 0, f)
	return s, err
}

// learn trains weights of a network by a task and returns the loss of each iteration. It
// ends early where the task says so.
func learn(ctx context.Context, what train.Task, trained []*op.Weight, t *task, seed uint64, rate float64) ([]float64, error) {
	for _, w := range trained {
		w.Train()
	}
	set, err := t.learned(t.iterations*t.batch, seed)
	if err != nil {
		return nil, err
	}
	data, err := dataset.NewLoader(set, dataset.Options{Batch: t.batch, Seed: seed, InOrder: t.fresh})
	if err != nil {
		return nil, err
	}
	defer data.Close()
	opt, err := optim.New(nil, optim.SGD{Momentum: 0.9}, trained)
	if err != nil {
		return nil, err
	}
	var losses []float64
	loop, err := train.New(what, data, opt, train.Options{Steps: t.iterations, Rate: optim.Constant(rate), Seed: seed,
		Progress: func(p train.Progress) { losses = append(losses, p.Loss) }})
	if err != nil {
		return nil, err
	}
	for step := 0; step < t.iterations; step += 20 {
		if err := loop.RunTo(ctx, min(step+20, t.iterations)); err != nil {
			return nil, err
		}
		if t.until > 0 && len(losses) >= t.tail && t.final(losses) <= t.until {
			break
		}
	}
	return losses, nil
}
