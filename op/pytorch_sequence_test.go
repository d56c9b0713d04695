package op_test

import (
	"strings"

	"github.com/micaml/mica/op"
)

// ints is an input of whole numbers.
func (r *run) ints(name string) []int {
	var x []int
	for _, i := range decode[int32](r.Inputs[name].I32) {
		x = append(x, int(i))
	}
	return x
}

// begun returns the lengths of the packed sequences, and what each begins with.
func (r *run) begun() (runs []int32, state [][]float32) {
	runs = decode[int32](r.Inputs["runs"].I32)
	a := r.Inputs["state"]
	x, w := decode[float32](a.F32), a.Shape[1]
	for i := range runs {
		state = append(state, x[i*w:(i+1)*w])
	}
	return runs, state
}

var sequenceForward = map[string]func(r *run){
	"selective_scan": func(r *run) {
		runs, state := r.begun()
		r.check(op.SelectiveScan(r.c, r.leaf("u"), r.leaf("delta"), r.leaf("bc"), r.weight("alog"), r.optional("d"), runs, state))
	},
	"linear_attention": func(r *run) {
		s := r.ints("spec")
		spec := &op.LinearAttentionSpec{Heads: op.Heads{Query: s[0], KV: s[1], Dim: s[2]}, Values: s[3], Causal: s[4] == 1}
		spec.Runs, spec.State = r.begun()
		if d, ok := r.Inputs["decay"]; ok {
			spec.Decay = decode[float32](d.F32)
		} else {
			spec.State = nil // of zeros
		}
		r.check(op.LinearAttention(r.c, r.leaf("q"), r.leaf("k"), r.leaf("v"), spec))
	},
	"causal_conv": func(r *run) {
		runs, state := r.begun()
		r.check(op.CausalConv(r.c, r.leaf("x"), r.weight("w"), runs, state))
	},
	"rnn": func(r *run) {
		runs, state := r.begun()
		r.check(op.RNN(r.c, r.leaf("x"), r.weight("w"), r.optional("b"), strings.HasPrefix(r.Name, "relu"), runs, state))
	},
	"gru": func(r *run) {
		runs, state := r.begun()
		r.check(op.GRU(r.c, r.leaf("x"), r.weight("w"), r.optional("b"), runs, state))
	},
	"lstm": func(r *run) {
		runs, state := r.begun()
		r.check(op.LSTM(r.c, r.leaf("x"), r.weight("w"), r.optional("b"), runs, state))
	},
	"resize": func(r *run) {
		s := r.ints("spec")
		r.check(op.Resize(r.c, r.leaf("x"), &op.ResizeSpec{H: s[0], W: s[1], OutH: s[2], OutW: s[3], Mode: op.ResizeMode(s[4]), AlignCorners: s[5] == 1}))
	},
	"conv3d": volumeFixture,
	"conv1d": func(r *run) {
		s := r.ints("spec")
		w := op.Window{W: s[0], KernelW: s[1], StrideW: s[2], DilationW: s[3], Left: s[4], Right: s[4] - s[7]}
		r.check(op.Conv(r.c, r.leaf("x"), r.weight("w"), &op.ConvSpec{Window: w, Groups: s[5], Transposed: s[6] == 1}))
	},
}

// volumeFixture makes a convolution or a pooling of volumes of those of planes.
func volumeFixture(r *run) {
	s := r.ints("spec")
	depth, h, w := s[1], s[2], s[3]
	flat := op.Square(h, w, s[8], s[9], s[11])
	flat.DilationH, flat.DilationW = s[10], s[10]
	planes := &op.PlaneSpec{Depth: depth, Pixels: h * w, Kernel: s[4], Stride: s[5], Dilation: s[6], Front: s[7], Back: s[7]}
	x := r.leaf("x")
	if r.Name != "max_pool" {
		r.check(op.Conv(r.c, op.Planes(r.c, x, planes), r.weight("w"), &op.ConvSpec{Window: flat}))
		return
	}
	x = op.MaxPool(r.c, x, &op.PoolSpec{Window: flat})
	pixels := r.c.Shape(x).Rows() / (s[0] * depth)
	along := op.Window{H: depth, W: pixels, KernelH: s[4], StrideH: s[5], Top: s[7], Bottom: s[7], KernelW: 1, StrideW: 1}
	r.check(op.MaxPool(r.c, x, &op.PoolSpec{Window: along}))
}
