package op

import "github.com/micaml/mica/internal/kernel/act"

// RNN is the plain recurrent layer (Elman 1990): h' = f(x + w h + b), where f is
// ReLU if relu is set, and else tanh.
//
// x [T, H] is what the input has to say: Linear, with its bias. w [H, H] in any
// storage type and b [1, H] float32, which may be nil, are of the recurrence -> h'
// [T, H]. Rows of different sequences are packed one after another: runs holds the
// number of rows of each, and state its h, [H], before the first and, when the op
// has run, after the last of them.
//
// Gradients flow to x, w and b; a state that comes in is a constant.
func RNN(c *Ctx, x Val, w, b *Weight, relu bool, runs []int32, state [][]float32) Val {
	o := rnnOp{&rnnTanh}
	if relu {
		o.cell = &rnnReLU
	}
	return o.run(c, o, x, w, b, runs, state)
}

var (
	rnnTanh = cell{name: "rnn", gates: 1, memory: 1, saved: 1, step: rnnStep(act.Tanh), back: rnnBack(act.TanhBackward)}
	rnnReLU = cell{name: "rnn", gates: 1, memory: 1, saved: 1, step: rnnStep(act.ReLU), back: rnnBack(act.ReLUBackward)}
)

// rnnStep saves h'.
func rnnStep(f func(dst, x []float32)) func(next, saved, x, hidden, prev []float32) {
	return func(next, saved, x, hidden, prev []float32) {
		act.Add(saved, x, hidden)
		f(saved, saved)
		copy(next, saved)
	}
}

// rnnBack takes a derivative that the function's value tells: of ReLU its sign.
func rnnBack(f func(dx, dy, y []float32)) func(dprev, dx, dhidden, dnext, saved, prev []float32) {
	return func(dprev, dx, dhidden, dnext, saved, prev []float32) {
		clear(dx)
		f(dx, dnext, saved)
		copy(dhidden, dx)
		clear(dprev)
	}
}

type rnnOp struct{ *cell }

func (rnnOp) Name() string { return "rnn" }

func (o rnnOp) Backward(c *Ctx, e *Entry, g Grads) { o.backward(c, e, g) }

func (o rnnOp) Cost(c *Ctx, e *Entry) Cost { return o.cost(c, e) }
