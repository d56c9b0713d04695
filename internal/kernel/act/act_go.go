package act

import (
	"math"

	"github.com/micaml/mica/internal/f32"
)

// plain are the twins, in plain Go.
var plain = kernels{
	add: addGo, mul: mulGo, scale: scaleGo, divide: divideGo, axpy: axpyGo, mulAdd: mulAddGo, softmaxBackward: softmaxBackwardGo,
	relu: reluGo, sigmoid: sigmoidGo, tanh: tanhGo, silu: siluGo, gelu: geluGo, geluTanh: geluTanhGo, swiglu: swigluGo,
	reluBackward: reluBackwardGo, reluGradient: reluGradientGo, sigmoidBackward: sigmoidBackwardGo, tanhBackward: tanhBackwardGo,
	siluBackward: siluBackwardGo, geluBackward: geluBackwardGo, geluTanhBackward: geluTanhBackwardGo, swigluBackward: swigluBackwardGo,
	sum: sumGo, dot: dotGo, largest: largestGo, expSum: expSumGo, sumExp: sumExpGo, expAXPY: expAXPYGo,
}

var largestOfNone = float32(math.Inf(-1))

func addGo(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}

func mulGo(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] * y[i]
	}
}

func scaleGo(dst, x []float32, s float32) {
	for i := range dst {
		dst[i] = x[i] * s
	}
}

func divideGo(dst, x []float32, s float32) {
	for i := range dst {
		dst[i] = x[i] / s
	}
}

func axpyGo(y []float32, s float32, x []float32) {
	for i := range y {
		y[i] = f32.FMA(x[i], s, y[i])
	}
}

func mulAddGo(dst, x, y []float32) {
	for i := range dst {
		dst[i] = f32.FMA(x[i], y[i], dst[i])
	}
}

func softmaxBackwardGo(dx, dy, p []float32, dot float32) {
	for i := range dx {
		dx[i] = f32.FMA(p[i], dy[i]-dot, dx[i])
	}
}

func sumGo(x []float32) float32 {
	var z [16]float32
	for i, v := range x {
		z[i&15] += v
	}
	return f32.SumLanes(&z)
}

func dotGo(x, y []float32) float32 {
	var z [16]float32
	for i, v := range x {
		z[i&15] = f32.FMA(v, y[i], z[i&15])
	}
	return f32.SumLanes(&z)
}

// largestGo takes part in lanes for the sake of zeros: which of +0 and -0 is the
// larger one depends on the order.
func largestGo(x []float32) float32 {
	var z [16]float32
	for i := range z {
		z[i] = largestOfNone
	}
	for i, v := range x {
		if v > z[i&15] {
			z[i&15] = v
		}
	}
	for n := 8; n > 0; n /= 2 {
		for i := range n {
			if !(z[i] > z[i+n]) {
				z[i] = z[i+n]
			}
		}
	}
	return z[0]
}

func expSumGo(dst, x []float32, top float32) float32 {
	var z [16]float32
	for i, v := range x {
		e := f32.Exp(v - top)
		dst[i] = e
		z[i&15] += e
	}
	return f32.SumLanes(&z)
}

// sumExpGo is expSumGo without the exponentials.
func sumExpGo(x []float32, top float32) float32 {
	var z [16]float32
	for i, v := range x {
		z[i&15] += f32.Exp(v - top)
	}
	return f32.SumLanes(&z)
}

func expAXPYGo(y []float32, s float32, x []float32, top float32) {
	for i, v := range x {
		y[i] = f32.FMA(f32.Exp(v-top), s, y[i])
	}
}
