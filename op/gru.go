package op

import "github.com/micaml/mica/internal/kernel/act"

// GRU is the gated recurrent unit (Cho et al. 2014, in the form of PyTorch and
// cuDNN, whose reset gate stands behind the recurrent matrix):
//
//	r, z = sigmoid(x[r] + w[r] h + b[r]), the same of z
//	n = tanh(x[n] + r (w[n] h + b[n]))
//	h' = (1-z) n + z h
//
// x [T, 3H] is what the input has to say to r, z and n: Linear, with its bias. w
// [3H, H] in any storage type and b [1, 3H] float32, which may be nil, are of the
// recurrence -> h' [T, H]. Rows of different sequences are packed one after
// another: runs holds the number of rows of each, and state its h, [H], before the
// first and, when the op has run, after the last of them.
//
// Gradients flow to x, w and b; a state that comes in is a constant.
func GRU(c *Ctx, x Val, w, b *Weight, runs []int32, state [][]float32) Val {
	return gru.run(c, gruOp{}, x, w, b, runs, state)
}

var gru = &cell{name: "gru", gates: 3, memory: 1, saved: 4, step: gruStep, back: gruBack}

// gruStep saves r, z, n and what the recurrent matrix makes for n.
func gruStep(next, saved, x, hidden, prev []float32) {
	h := len(next)
	r, z, n, m := saved[:h], saved[h:2*h], saved[2*h:3*h], saved[3*h:]
	gates := saved[:2*h]
	act.Add(gates, x[:2*h], hidden[:2*h])
	act.Sigmoid(gates, gates)
	copy(m, hidden[2*h:])
	act.Mul(n, r, m)
	act.Add(n, n, x[2*h:])
	act.Tanh(n, n)
	for j := range next {
		next[j] = n[j] + float32(z[j]*(prev[j]-n[j]))
	}
}

func gruBack(dprev, dx, dhidden, dnext, saved, prev []float32) {
	h := len(prev)
	r, z, n, m := saved[:h], saved[h:2*h], saved[2*h:3*h], saved[3*h:]
	for j, d := range dnext {
		dz := d * (prev[j] - n[j])
		dn := float32(d*(1-z[j])) * (1 - float32(n[j]*n[j]))
		dr := dn * m[j]
		dx[j] = float32(dr*r[j]) * (1 - r[j])
		dx[h+j] = float32(dz*z[j]) * (1 - z[j])
		dx[2*h+j] = dn
		dprev[j] = d * z[j]
		dhidden[2*h+j] = dn * r[j]
	}
	copy(dhidden, dx[:2*h])
}

type gruOp struct{}

func (gruOp) Name() string { return "gru" }

func (gruOp) Backward(c *Ctx, e *Entry, g Grads) { gru.backward(c, e, g) }

func (gruOp) Cost(c *Ctx, e *Entry) Cost { return gru.cost(c, e) }
