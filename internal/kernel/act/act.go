// Package act holds the kernels that work number by number (sums, products,
// activations and their gradients), the reductions, softmax and cross-entropy.
//
// Reductions run in 16 lanes, lane = index mod 16, each a chain in ascending
// order; then lane i+8 is added to lane i, i+4, i+2 and i+1. So they give the
// same bits in every tier. e^x is internal/f32.Exp, and what else is curved is
// made of it and of polynomials, in the same steps everywhere.
//
// Slices that go together must have the same length; others are a mistake of
// the program, and panic. dst may be one of the inputs.
//
// Assembly, because Go has no vector unit and no float32 multiply-add: at 1536
// numbers in the first-level cache, one core of an AMD EPYC 9004, in 10^9
// numbers a second:
//
//	               plain Go   AVX2  AVX-512
//	Add             1.8       26      24
//	ReLU            1.5       28      29
//	Dot             0.31      16      19
//	exp and sum     0.054      2.5     3.9
//	Sigmoid         0.051      1.9     3.2
//	SwiGLU          0.047      1.9     3.1
//	GELUTanh        0.043      1.6     2.5
//	Tanh            0.022      1.3     2.1
//	GELU            0.027      0.75    1.4
//	GELUBackward    0.014      0.50    0.94
//
// One body serves both: AVX2 takes 16 numbers as two registers, and where the
// work is long one after the other, for it has 16 registers only. Sums have one
// accumulator, and so wait for the adder: four would be faster, but a row of a
// network is short, and the order is simple. Both polynomials of GELU are always
// evaluated, since some lane needs each of them.
package act

//go:generate go run -C ../_asm ./act -out ../act/act_amd64.s -stubs ../act/stubs_amd64.go -pkg act

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
)

// kernels are one tier's. Slices of one call have the same length, not zero.
type kernels struct {
	add, mul, swiglu func(dst, x, y []float32)
	mulAdd           func(dst, x, y []float32)
	scale, divide    func(dst, x []float32, s float32)
	axpy             func(y []float32, s float32, x []float32)

	relu, sigmoid, tanh, silu, gelu, geluTanh func(dst, x []float32)
	// The last argument of sigmoidBackward and tanhBackward is the function's value.
	reluBackward, sigmoidBackward, tanhBackward, siluBackward, geluBackward, geluTanhBackward func(dx, dy, x []float32)
	swigluBackward                                                                            func(dg, du, dy, g, u []float32)
	reluGradient                                                                              func(dx, dy, x []float32) // sets dx

	sum, largest    func(x []float32) float32
	dot             func(x, y []float32) float32
	expSum          func(dst, x []float32, top float32) float32
	softmaxBackward func(dx, dy, p []float32, dot float32)
	sumExp          func(x []float32, top float32) float32
	expAXPY         func(y []float32, s float32, x []float32, top float32)
}

func same(a, b int) {
	if a != b {
		panic(fmt.Sprintf("act: slices of %d and %d numbers", a, b))
	}
}

// Add sets dst to x + y.
func Add(dst, x, y []float32) {
	same(len(dst), len(x))
	same(len(dst), len(y))
	if len(dst) > 0 {
		tier(cpu.Kernels()).add(dst, x, y)
	}
}

// Mul sets dst to x * y.
func Mul(dst, x, y []float32) {
	same(len(dst), len(x))
	same(len(dst), len(y))
	if len(dst) > 0 {
		tier(cpu.Kernels()).mul(dst, x, y)
	}
}

// MulAdd adds x * y to dst, rounding once.
func MulAdd(dst, x, y []float32) {
	same(len(dst), len(x))
	same(len(dst), len(y))
	if len(dst) > 0 {
		tier(cpu.Kernels()).mulAdd(dst, x, y)
	}
}

// Scale sets dst to x * s.
func Scale(dst, x []float32, s float32) {
	same(len(dst), len(x))
	if len(dst) > 0 {
		tier(cpu.Kernels()).scale(dst, x, s)
	}
}

// Divide sets dst to x / s.
func Divide(dst, x []float32, s float32) {
	same(len(dst), len(x))
	if len(dst) > 0 {
		tier(cpu.Kernels()).divide(dst, x, s)
	}
}

// AXPY adds s*x to y, rounding once.
func AXPY(y []float32, s float32, x []float32) {
	same(len(y), len(x))
	if len(y) > 0 {
		tier(cpu.Kernels()).axpy(y, s, x)
	}
}

// Sum adds up x.
func Sum(x []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	return tier(cpu.Kernels()).sum(x)
}

// Dot adds up x * y, rounding each step once.
func Dot(x, y []float32) float32 {
	same(len(x), len(y))
	if len(x) == 0 {
		return 0
	}
	return tier(cpu.Kernels()).dot(x, y)
}

// Max returns the largest number of x, or -Inf if there is none; a NaN is not
// one.
func Max(x []float32) float32 {
	if len(x) == 0 {
		return largestOfNone
	}
	return tier(cpu.Kernels()).largest(x)
}
