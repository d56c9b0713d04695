package op

import "github.com/micaml/mica/internal/kernel/act"

// LSTM is long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997,
// Gers et al. 2000), its gates in PyTorch's order:
//
//	i, f, o = sigmoid(x + w h + b) of each,  g = tanh(x[g] + w[g] h + b[g])
//	c' = f c + i g,  h' = o tanh(c')
//
// x [T, 4H] is what the input has to say to i, f, g and o: Linear, with its bias.
// w [4H, H] in any storage type and b [1, 4H] float32, which may be nil, are of the
// recurrence -> h' [T, H]. Rows of different sequences are packed one after
// another: runs holds the number of rows of each, and state its h and c, [2H],
// before the first and, when the op has run, after the last of them.
//
// Gradients flow to x, w and b; a state that comes in is a constant.
func LSTM(c *Ctx, x Val, w, b *Weight, runs []int32, state [][]float32) Val {
	return lstm.run(c, lstmOp{}, x, w, b, runs, state)
}

var lstm = &cell{name: "lstm", gates: 4, memory: 2, saved: 5, step: lstmStep, back: lstmBack}

// lstmStep saves i, f, g, o and c'.
func lstmStep(next, saved, x, hidden, prev []float32) {
	h := len(next) / 2
	gates := saved[:4*h]
	act.Add(gates, x, hidden)
	act.Sigmoid(gates[:2*h], gates[:2*h])
	act.Tanh(gates[2*h:3*h], gates[2*h:3*h])
	act.Sigmoid(gates[3*h:], gates[3*h:])
	i, f, g, o := saved[:h], saved[h:2*h], saved[2*h:3*h], saved[3*h:4*h]
	c, was := saved[4*h:], prev[h:]
	for j := range c {
		c[j] = float32(f[j]*was[j]) + float32(i[j]*g[j])
	}
	act.Tanh(next[:h], c)
	act.Mul(next[:h], next[:h], o)
	copy(next[h:], c)
}

func lstmBack(dprev, dx, dhidden, dnext, saved, prev []float32) {
	h := len(prev) / 2
	i, f, g, o := saved[:h], saved[h:2*h], saved[2*h:3*h], saved[3*h:4*h]
	was, t := prev[h:], dprev[h:] // room for tanh(c') until c's gradient goes there
	act.Tanh(t, saved[4*h:])
	for j := range h {
		do := dnext[j] * t[j]
		dc := dnext[h+j] + float32(float32(dnext[j]*o[j])*(1-float32(t[j]*t[j])))
		di, df, dg := dc*g[j], dc*was[j], dc*i[j]
		dx[j] = float32(di*i[j]) * (1 - i[j])
		dx[h+j] = float32(df*f[j]) * (1 - f[j])
		dx[2*h+j] = dg * (1 - float32(g[j]*g[j]))
		dx[3*h+j] = float32(do*o[j]) * (1 - o[j])
		dprev[j], dprev[h+j] = 0, dc*f[j]
	}
	copy(dhidden, dx)
}

type lstmOp struct{}

func (lstmOp) Name() string { return "lstm" }

func (lstmOp) Backward(c *Ctx, e *Entry, g Grads) { lstm.backward(c, e, g) }

func (lstmOp) Cost(c *Ctx, e *Entry) Cost { return lstm.cost(c, e) }
