package nn_test

import (
	"math"
	"testing"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
)

// One unit each, reckoned by hand in float64.
func TestRecurrentCells(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	c := op.NewCtx(op.Exact, nil)
	x := c.From([]float32{1, -2}, 2, 1)

	gru := &nn.GRU{X: linear(3, 1, 0.5, -0.3, 0.8), W: linear(3, 1, 0.2, 0.4, -0.6).W, B: linear(1, 3, 0.1, -0.2, 0.3).W}
	state := []float32{0.25}
	got := c.Data(gru.Apply(c, x, []int32{2}, [][]float32{state}))
	h := 0.25
	for i, x := range []float64{1, -2} {
		r, z := sigmoid(0.5*x+0.2*h+0.1), sigmoid(-0.3*x+0.4*h-0.2)
		h = (1-z)*math.Tanh(0.8*x+r*(-0.6*h+0.3)) + z*h
		near(t, "gru", got[i], h)
	}
	near(t, "gru's state", state[0], h)

	lstm := &nn.LSTM{X: linear(4, 1, 0.5, -0.3, 0.8, 0.7), W: linear(4, 1, 0.2, 0.4, -0.6, 0.9).W}
	state = []float32{0.25, -0.5}
	got = c.Data(lstm.Apply(c, x, []int32{2}, [][]float32{state}))
	h, m := 0.25, -0.5
	for i, x := range []float64{1, -2} {
		in, forget, out := sigmoid(0.5*x+0.2*h), sigmoid(-0.3*x+0.4*h), sigmoid(0.7*x+0.9*h)
		m = forget*m + in*math.Tanh(0.8*x-0.6*h)
		h = out * math.Tanh(m)
		near(t, "lstm", got[i], h)
	}
	near(t, "lstm's cell", state[1], m)
	rnn := &nn.RNN{X: linear(1, 1, 0.5), W: linear(1, 1, 0.9).W, ReLU: true}
	state = []float32{0.25}
	got = c.Data(rnn.Apply(c, x, []int32{2}, [][]float32{state}))
	near(t, "rnn", got[0], 0.5+0.9*0.25)
	near(t, "rnn", got[1], 0)

	if rnn.State() != 1 || gru.State() != 1 || lstm.State() != 2 {
		t.Errorf("states of %d and %d numbers", gru.State(), lstm.State())
	}
	if c.Err() != nil {
		t.Error(c.Err())
	}
}

func near(t *testing.T, what string, got float32, want float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > 1e-6 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
