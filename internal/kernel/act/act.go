// Package act holds the kernels that work number by number (sums, products,
// SiLU, SwiGLU), the reductions, and softmax.
//
// Reductions run in 16 lanes, lane = index mod 16, each a chain in ascending
// order; then lane i+8 is added to lane i, i+4, i+2 and i+1. So they give the
// same bits in every tier. e^x is internal/f32.Exp.
//
// Slices that go together must have the same length; others are a mistake of
// the program, and panic. dst may be one of the inputs.
//
// Assembly, because Go has no vector unit and no float32 multiply-add: at 1536
// numbers in the first-level cache, one core of an AMD EPYC 9004, in 10^9
// numbers a second:
//
//	               plain Go  AVX-512
//	Add             1.2       22
//	SwiGLU          0.040     2.9
//	exp and sum     0.040     3.5
//	Dot             0.37      19
//
// Sums have one accumulator, and so wait for the adder: four would be faster,
// but a row of a network is short, and the order is simple.
package act

//go:generate go run -C ../_asm ./act -out ../act/act_amd64.s -stubs ../act/stubs_amd64.go -pkg act

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
)

// kernels are one tier's. Slices of one call have the same length, not zero.
type kernels struct {
	add, mul, swiglu func(dst, x, y []float32)
	silu             func(dst, x []float32)
	siluBackward     func(dx, dy, x []float32)
	scale, divide    func(dst, x []float32, s float32)
	axpy             func(y []float32, s float32, x []float32)
	sum, largest     func(x []float32) float32
	dot              func(x, y []float32) float32
	expSum           func(dst, x []float32, top float32) float32
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

// Scale sets dst to x * s.
func Scale(dst, x []float32, s float32) {
	same(len(dst), len(x))
	if len(dst) > 0 {
		tier(cpu.Kernels()).scale(dst, x, s)
	}
}

// AXPY adds s*x to y, rounding once.
func AXPY(y []float32, s float32, x []float32) {
	same(len(y), len(x))
	if len(y) > 0 {
		tier(cpu.Kernels()).axpy(y, s, x)
	}
}

// SiLU sets dst to x / (1 + exp(-x)), which is NaN for -Inf.
func SiLU(dst, x []float32) {
	same(len(dst), len(x))
	if len(dst) > 0 {
		tier(cpu.Kernels()).silu(dst, x)
	}
}

// SiLUBackward adds dy times the derivative of SiLU at x to dx: with s =
// 1/(1+exp(-x)) that is s*(1 + x*(1-s)).
func SiLUBackward(dx, dy, x []float32) {
	same(len(dx), len(dy))
	same(len(dx), len(x))
	if len(dx) > 0 {
		tier(cpu.Kernels()).siluBackward(dx, dy, x)
	}
}

// SwiGLU sets dst to SiLU(g) * u.
func SwiGLU(dst, g, u []float32) {
	same(len(dst), len(g))
	same(len(dst), len(u))
	if len(dst) > 0 {
		tier(cpu.Kernels()).swiglu(dst, g, u)
	}
}

// Softmax sets dst to exp(x - top) / sum and returns both: the largest number
// of x and the sum of the exponentials. A NaN makes all of dst NaN, and so does
// an x of nothing but -Inf.
func Softmax(dst, x []float32) (top, sum float32) {
	same(len(dst), len(x))
	return softmax(cpu.Kernels(), dst, x)
}

func softmax(t cpu.Tier, dst, x []float32) (top, sum float32) {
	if len(x) == 0 {
		return largestOfNone, 0
	}
	k := tier(t)
	top = k.largest(x)
	sum = k.expSum(dst, x, top)
	k.divide(dst, dst, sum)
	return top, sum
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
