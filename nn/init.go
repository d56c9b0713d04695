package nn

import (
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Normal returns a weight [rows, cols] of normal numbers with mean 0. It is the same
// for the same state of rng.
func Normal(rng *rand.Rand, name string, rows, cols int, deviation float64) *op.Weight {
	return fill(name, rows, cols, func() float64 { return deviation * rng.NormFloat64() })
}

// Uniform returns a weight [rows, cols] of numbers from -limit to limit.
func Uniform(rng *rand.Rand, name string, rows, cols int, limit float64) *op.Weight {
	return fill(name, rows, cols, func() float64 { return limit * (2*rng.Float64() - 1) })
}

// Constant returns a weight [rows, cols] of equal numbers.
func Constant(name string, rows, cols int, x float64) *op.Weight {
	return fill(name, rows, cols, func() float64 { return x })
}

// Xavier returns a matrix [out, in] that keeps the variance of what passes through
// it in both directions: uniform up to sqrt(6 / (in + out)) (Glorot and Bengio 2010,
// equation 16).
func Xavier(rng *rand.Rand, name string, out, in int) *op.Weight {
	return Uniform(rng, name, out, in, math.Sqrt(6/float64(in+out)))
}

// He returns a matrix [out, in] that keeps the variance before a ReLU: normal with
// the deviation sqrt(2 / in) (He et al. 2015, equation 10). in is all numbers that a
// result is made of; of a convolution, those of its window.
func He(rng *rand.Rand, name string, out, in int) *op.Weight {
	return Normal(rng, name, out, in, math.Sqrt(2/float64(in)))
}

func fill(name string, rows, cols int, next func() float64) *op.Weight {
	x := make([]float32, rows*cols)
	for i := range x {
		x[i] = float32(next())
	}
	return op.NewWeight(name, tensor.FromFloat32(rows, cols, x))
}

// Module is what has weights: the layers here, and networks.
type Module interface{ Weights() []*op.Weight }

// Train asks for the gradients of all weights of modules and returns them, as an
// optimizer takes them.
func Train(modules ...Module) []*op.Weight {
	var all []*op.Weight
	for _, m := range modules {
		for _, w := range m.Weights() {
			w.Train()
			all = append(all, w)
		}
	}
	return all
}

// present returns the weights that are there.
func present(ws ...*op.Weight) []*op.Weight {
	var there []*op.Weight
	for _, w := range ws {
		if w != nil {
			there = append(there, w)
		}
	}
	return there
}
