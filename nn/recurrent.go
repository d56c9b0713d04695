package nn

import "github.com/micaml/mica/op"

// Recurrent maps rows of sequences to rows, in order, and carries a state. The
// rows of several sequences are packed one after another: runs holds the number
// of rows of each, and state what each begins with, and then what it ends with;
// zeros begin a sequence. In a network these are pass.State's Recurrent.
type Recurrent interface {
	Apply(c *op.Ctx, x op.Val, runs []int32, state [][]float32) op.Val
	State() int // numbers of a sequence's state
}

// RNN is a plain recurrent layer, of tanh or ReLU. X maps the input to [H], W [H,
// H] and B [1, H], which may be nil, are of the recurrence: PyTorch's weight_ih and
// bias_ih, weight_hh, and bias_hh.
type RNN struct {
	X    Layer
	W, B *op.Weight
	ReLU bool
}

// Apply maps x [T, In] to [T, H].
func (l *RNN) Apply(c *op.Ctx, x op.Val, runs []int32, state [][]float32) op.Val {
	return op.RNN(c, l.X.Apply(c, x), l.W, l.B, l.ReLU, runs, state)
}

// State is H.
func (l *RNN) State() int { return l.W.Cols }

// GRU is a layer of gated recurrent units. X maps the input to the three gates
// [3H], W [3H, H] and B [1, 3H], which may be nil, are of the recurrence.
type GRU struct {
	X    Layer
	W, B *op.Weight
}

// Apply maps x [T, In] to [T, H].
func (l *GRU) Apply(c *op.Ctx, x op.Val, runs []int32, state [][]float32) op.Val {
	return op.GRU(c, l.X.Apply(c, x), l.W, l.B, runs, state)
}

// State is H.
func (l *GRU) State() int { return l.W.Cols }

// LSTM is a layer of long short-term memory. X maps the input to the four gates
// [4H], W [4H, H] and B [1, 4H], which may be nil, are of the recurrence.
type LSTM struct {
	X    Layer
	W, B *op.Weight
}

// Apply maps x [T, In] to [T, H].
func (l *LSTM) Apply(c *op.Ctx, x op.Val, runs []int32, state [][]float32) op.Val {
	return op.LSTM(c, l.X.Apply(c, x), l.W, l.B, runs, state)
}

// State is 2H.
func (l *LSTM) State() int { return 2 * l.W.Cols }
