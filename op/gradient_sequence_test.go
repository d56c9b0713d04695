package op_test

import (
	"math"

	"github.com/micaml/mica/op"
)

// packed draws the lengths of some sequences, none and empty ones among them, and
// states of a width for them to begin with.
func (in *inputs) packed(width int) (runs []int32, rows int, state [][]float32) {
	for i := range in.some(3) {
		n := in.some(5)
		if in.rng.IntN(12) == 0 {
			n = 66 // more than are held at a time
		}
		runs, rows = append(runs, int32(n)), rows+n
		s := make([]float32, width)
		for j := range s {
			s[j] = float32(math.Sin(float64(3*i + j)))
		}
		state = append(state, s)
	}
	return runs, rows, state
}

var sequenceGradCases = []gradCase{
	{"selective-scan", func(c *op.Ctx, in *inputs) op.Val {
		e, n := in.dim(4), in.dim(4)
		if in.rng.IntN(4) == 0 {
			e += 15 // more than go through time together
		}
		runs, t, state := in.packed(e * n)
		var d *op.Weight
		if in.rng.IntN(3) > 0 {
			d = in.weight("d", 1, e)
		}
		u, delta, bc := in.leaf("u", t, e), in.leaf("delta", t, e), in.leaf("bc", t, 2*n)
		delta = op.Scale(c, op.Sigmoid(c, delta), 0.7) // of positive numbers
		return op.SelectiveScan(c, u, delta, bc, in.weight("alog", e, n), d, runs, state)
	}},
	{"linear-attention", func(c *op.Ctx, in *inputs) op.Val {
		g := in.dim(2)
		spec := &op.LinearAttentionSpec{Heads: op.Heads{KV: g, Query: g * in.dim(3), Dim: in.dim(5)}, Values: in.some(4), Causal: in.rng.IntN(3) > 0}
		dv := spec.Values
		if dv == 0 {
			dv = spec.Heads.Dim
		}
		runs, t, state := in.packed(g * spec.Heads.Dim * dv)
		spec.Runs = runs
		if spec.Causal {
			if in.rng.IntN(3) > 0 {
				spec.State = state
			}
			if in.rng.IntN(3) > 0 {
				spec.Decay = []float32{0.9, 0.5}[:g]
			}
		}
		y := op.LinearAttention(c, in.leaf("q", t, spec.Heads.Query*spec.Heads.Dim), in.leaf("k", t, g*spec.Heads.Dim), in.leaf("v", t, g*dv), spec)
		return op.Scale(c, y, 1.0/8) // sums of many rows are large, and so are their roundings
	}},
	{"causal-conv", func(c *op.Ctx, in *inputs) op.Val {
		d, k := in.dim(19), in.dim(4)
		runs, t, state := in.packed((k - 1) * d)
		return op.CausalConv(c, in.leaf("x", t, d), in.weight("w", d, k), runs, state)
	}},
	{"rnn", func(c *op.Ctx, in *inputs) op.Val {
		h := in.dim(6)
		runs, t, state := in.packed(h)
		return op.RNN(c, in.leaf("x", t, h), in.weight("w", h, h), in.bias(h), false, runs, state) // ReLU has kinks
	}},
	{"gru", func(c *op.Ctx, in *inputs) op.Val {
		h := in.dim(6)
		runs, t, state := in.packed(h)
		return op.GRU(c, in.leaf("x", t, 3*h), in.weight("w", 3*h, h), in.bias(3*h), runs, state)
	}},
	{"lstm", func(c *op.Ctx, in *inputs) op.Val {
		h := in.dim(6)
		runs, t, state := in.packed(2 * h)
		return op.LSTM(c, in.leaf("x", t, 4*h), in.weight("w", 4*h, h), in.bias(4*h), runs, state)
	}},
	{"resize", func(c *op.Ctx, in *inputs) op.Val {
		s := &op.ResizeSpec{H: in.dim(5), W: in.dim(5), OutH: in.dim(6), OutW: in.dim(6), Mode: op.ResizeMode(in.rng.IntN(3))}
		s.AlignCorners = s.Mode == op.ResizeLinear && in.rng.IntN(2) == 0
		return op.Resize(c, in.leaf("x", in.some(2)*s.H*s.W, in.some(18)), s)
	}},
	{"planes", func(c *op.Ctx, in *inputs) op.Val {
		s := &op.PlaneSpec{Pixels: in.dim(4), Kernel: in.dim(3), Stride: in.dim(3), Dilation: in.dim(2), Front: in.some(2), Back: in.some(2)}
		s.Depth = s.Dilation*(s.Kernel-1) + in.dim(4)
		return op.Planes(c, in.leaf("x", in.some(2)*s.Depth*s.Pixels, in.some(18)), s)
	}},
	{"gradient", func(c *op.Ctx, in *inputs) op.Val {
		return op.Gradient(c, in.leaf("x", in.some(5), in.some(9)), func([]float32) {})
	}},
}
