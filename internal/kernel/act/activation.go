package act

import "github.com/micaml/mica/internal/cpu"

// ReLU sets dst to max(x, 0); NaN stays NaN.
func ReLU(dst, x []float32) { apply(tier(cpu.Kernels()).relu, dst, x) }

// ReLUBackward adds dy to dx where x is above 0 or NaN.
func ReLUBackward(dx, dy, x []float32) { apply2(tier(cpu.Kernels()).reluBackward, dx, dy, x) }

// ReLUGradient sets dx to dy where x is above 0 or NaN, and to 0 elsewhere.
func ReLUGradient(dx, dy, x []float32) { apply2(tier(cpu.Kernels()).reluGradient, dx, dy, x) }

// Sigmoid sets dst to 1 / (1 + exp(-x)), within 4 units in the last place; below
// -88.72 it is 0.
func Sigmoid(dst, x []float32) { apply(tier(cpu.Kernels()).sigmoid, dst, x) }

// SigmoidBackward adds dy times the sigmoid's derivative to dx, given its values y.
func SigmoidBackward(dx, dy, y []float32) { apply2(tier(cpu.Kernels()).sigmoidBackward, dx, dy, y) }

// Tanh sets dst to tanh x, within 3 units in the last place.
func Tanh(dst, x []float32) { apply(tier(cpu.Kernels()).tanh, dst, x) }

// TanhBackward adds dy times tanh's derivative to dx, given its values y.
func TanhBackward(dx, dy, y []float32) { apply2(tier(cpu.Kernels()).tanhBackward, dx, dy, y) }

// SiLU sets dst to x / (1 + exp(-x)), which is NaN for -Inf.
func SiLU(dst, x []float32) { apply(tier(cpu.Kernels()).silu, dst, x) }

// SiLUBackward adds dy times the derivative of SiLU at x to dx: with s =
// 1/(1+exp(-x)) that is s*(1 + x*(1-s)).
func SiLUBackward(dx, dy, x []float32) { apply2(tier(cpu.Kernels()).siluBackward, dx, dy, x) }

// GELU sets dst to x/2 * (1 + erf(x/√2)), which is NaN for -Inf. The error is at
// most 2e-7 |x|, and below 0, where results are small, also 1e-4 of the result.
func GELU(dst, x []float32) { apply(tier(cpu.Kernels()).gelu, dst, x) }

// GELUBackward adds dy times the derivative of GELU at x to dx.
func GELUBackward(dx, dy, x []float32) { apply2(tier(cpu.Kernels()).geluBackward, dx, dy, x) }

// GELUTanh sets dst to x/2 * (1 + tanh(√(2/π)(x + 0.044715x³))), GPT-2's GELU. The error
// is at most 2e-7 |x|.
func GELUTanh(dst, x []float32) { apply(tier(cpu.Kernels()).geluTanh, dst, x) }

// GELUTanhBackward adds dy times the derivative of GELUTanh at x to dx.
func GELUTanhBackward(dx, dy, x []float32) { apply2(tier(cpu.Kernels()).geluTanhBackward, dx, dy, x) }

// SwiGLU sets dst to SiLU(g) * u.
func SwiGLU(dst, g, u []float32) { apply2(tier(cpu.Kernels()).swiglu, dst, g, u) }

// SwiGLUBackward adds the gradients of SwiGLU to dg and du, which must not be the
// same.
func SwiGLUBackward(dg, du, dy, g, u []float32) {
	same(len(dg), len(du))
	same(len(dg), len(dy))
	same(len(dg), len(g))
	same(len(dg), len(u))
	if len(dg) > 0 {
		tier(cpu.Kernels()).swigluBackward(dg, du, dy, g, u)
	}
}

func apply(f func(dst, x []float32), dst, x []float32) {
	same(len(dst), len(x))
	if len(dst) > 0 {
		f(dst, x)
	}
}

func apply2(f func(dst, x, y []float32), dst, x, y []float32) {
	same(len(dst), len(x))
	same(len(dst), len(y))
	if len(dst) > 0 {
		f(dst, x, y)
	}
}
