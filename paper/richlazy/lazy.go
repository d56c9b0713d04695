package richlazy

import (
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

// linearised is a network's first-order expansion around its first weights, f_0 + J_0 (w -
// w_0), which learns w - w_0: as lazy as can be, since its features never change. It is
// what a train.Loop learns.
//
// The tangent of the states goes through the network that it began as: dh' is 0 where a
// unit is off, and elsewhere dWx x + dWh h + Wh dh.
type linearised struct {
	at      *network // frozen
	x, h, y *nn.Linear
	mask    []float32
}

// newLinearised begins with no change.
func newLinearised(n *network) *linearised {
	zero := func(w *op.Weight) *nn.Linear { return &nn.Linear{W: nn.Constant(w.Name+".change", w.Rows, w.Cols, 0)} }
	ws := n.Weights()
	return &linearised{at: n, x: zero(ws[0]), h: zero(ws[1]), y: zero(ws[2])}
}

// Weights are the changes of the three matrices.
func (l *linearised) Weights() []*op.Weight { return []*op.Weight{l.x.W, l.h.W, l.y.W} }

// NewCtx is the network's.
func (l *linearised) NewCtx() *op.Ctx { return l.at.NewCtx() }

// Loss is the mean cross-entropy over the steps.
func (l *linearised) Loss(c *op.Ctx, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	var terms []train.Term
	wanted := l.at.wanted(b.Labels)
	for t, y := range l.outputs(c, b.X, b.Len()) {
		targets := make([]int32, 0, b.Len())
		for i := range b.Len() {
			targets = append(targets, wanted[i*l.at.steps+t])
		}
		terms = append(terms, train.Term{Name: "cross_entropy", Val: op.CrossEntropy(c, y, targets), Weight: 1 / float32(l.at.steps)})
	}
	return terms, c.Err()
}

// outputs are the outputs of trials x at each step, [trials, outputs].
func (l *linearised) outputs(c *op.Ctx, x []float32, trials int) []op.Val {
	steps, width := l.at.steps, l.at.rnn.State()
	rows := trials * steps
	states := l.at.hidden(c, x, trials)
	if c.Err() != nil {
		return nil
	}
	h := c.Data(states)
	l.mask = append(l.mask[:0], h...)
	for i, v := range l.mask {
		l.mask[i] = 0
		if v > 0 {
			l.mask[i] = 1
		}
	}
	earlier := c.Out(op.MakeShape(rows, width))
	if c.Err() != nil {
		return nil
	}
	for i, d := 0, c.Data(earlier); i < rows; i++ {
		if i%steps == 0 {
			clear(d[i*width : (i+1)*width])
		} else {
			copy(d[i*width:(i+1)*width], h[(i-1)*width:i*width])
		}
	}
	gate := c.View(l.mask, rows, width)
	drive := op.Add(c, l.x.Apply(c, c.View(x, rows, len(x)/rows)), l.h.Apply(c, earlier))
	recurrent := &nn.Linear{W: l.at.rnn.W}
	var change op.Val
	var ys []op.Val
	for t := range steps {
		at := make([]int32, 0, trials)
		for i := range trials {
			at = append(at, int32(i*steps+t))
		}
		in := op.Rows(c, drive, at)
		if t > 0 {
			in = op.Add(c, in, recurrent.Apply(c, change))
		}
		change = op.Mul(c, in, op.Rows(c, gate, at))
		state := op.Rows(c, states, at)
		y := op.Add(c, l.at.out.Apply(c, op.Add(c, state, change)), l.y.Apply(c, state))
		ys = append(ys, y)
	}
	return ys
}

// look measures the loss and the accuracy at the last step.
func (l *linearised) look(b *dataset.Batch) (loss, accuracy float64, err error) {
	c := l.NewCtx()
	terms, err := l.Loss(c, b, train.Step{})
	if err != nil {
		return 0, 0, err
	}
	for _, t := range terms {
		loss += float64(t.Weight) * float64(c.Data(t.Val)[0])
	}
	c.Reset()
	ys := l.outputs(c, b.X, b.Len())
	if err := c.Err(); err != nil {
		return 0, 0, err
	}
	y := c.Data(ys[len(ys)-1])
	for i, label := range b.Labels {
		if int32(train.Likeliest(y[i*len(y)/b.Len():(i+1)*len(y)/b.Len()])) == label {
			accuracy += 1 / float64(b.Len())
		}
	}
	return loss, accuracy, nil
}
