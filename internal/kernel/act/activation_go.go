package act

import (
	"math"

	"github.com/micaml/mica/internal/f32"
)

func reluGo(dst, x []float32) {
	for i, v := range x {
		if v < 0 {
			v = 0
		}
		dst[i] = v
	}
}

func reluBackwardGo(dx, dy, x []float32) {
	for i, v := range x {
		d := dy[i]
		if v <= 0 {
			d = 0
		}
		dx[i] += d
	}
}

func reluGradientGo(dx, dy, x []float32) {
	for i, v := range x {
		if dx[i] = dy[i]; v <= 0 {
			dx[i] = 0
		}
	}
}

func sigmoid(x float32) float32 { return 1 / (1 + f32.Exp(-x)) }

func sigmoidGo(dst, x []float32) {
	for i, v := range x {
		dst[i] = sigmoid(v)
	}
}

func sigmoidBackwardGo(dx, dy, y []float32) {
	for i, v := range y {
		dx[i] = f32.FMA(dy[i], (1-v)*v, dx[i])
	}
}

func siluGo(dst, x []float32) {
	for i, v := range x {
		dst[i] = v / (1 + f32.Exp(-v))
	}
}

func siluBackwardGo(dx, dy, x []float32) {
	for i, v := range x {
		dx[i] = f32.FMA(dy[i], timesSlope(v, v, 1), dx[i])
	}
}

func swigluGo(dst, g, u []float32) {
	for i, v := range g {
		dst[i] = v / (1 + f32.Exp(-v)) * u[i]
	}
}

// swigluBackwardGo gives dy*u*silu'(g) to dg and dy*silu(g) to du.
func swigluBackwardGo(dg, du, dy, g, u []float32) {
	for i, v := range g {
		s, c := logistic(v)
		du[i] = f32.FMA(dy[i], v*s, du[i])
		dg[i] = f32.FMA(float32(dy[i]*u[i]), f32.FMA(v, c, 1)*s, dg[i])
	}
}

// logistic returns s, the sigmoid of u, and 1-s: with e = exp(-u) that is e*s,
// which does not cancel; e is kept finite.
func logistic(u float32) (s, c float32) {
	n := -u
	if !(n < 80) {
		n = 80
	}
	e := f32.Exp(n)
	s = 1 / (1 + e)
	return s, e * s
}

// timesSlope is the derivative of x*s(u), where s is the sigmoid and du the
// derivative of u: s*(1 + x*du*(1-s)).
func timesSlope(u, x, du float32) float32 {
	s, c := logistic(u)
	return f32.FMA(x*du, c, 1) * s
}

func tanhGo(dst, x []float32) {
	for i, v := range x {
		dst[i] = tanh(v)
	}
}

func tanhBackwardGo(dx, dy, y []float32) {
	for i, v := range y {
		dx[i] = f32.FMA(dy[i], f32.FMA(-v, v, 1), dx[i])
	}
}

// tanh is 1 - 2/(e^2x + 1) where that doesn't cancel, and elsewhere x + x^3
// times Cephes' polynomial (tanhf, S. Moshier, 1992).
func tanh(x float32) float32 {
	a := float32(math.Abs(float64(x)))
	y := 1 - 2/(1+f32.Exp(a+a))
	if a < 0.625 {
		z := x * x
		y = f32.FMA(horner(z, tanhSmall[:])*z, a, a)
	}
	return float32(math.Copysign(float64(y), float64(x)))
}

var tanhSmall = [...]float32{-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1}

// horner evaluates a polynomial whose coefficients fall from the highest power.
func horner(x float32, c []float32) float32 {
	p := c[0]
	for _, c := range c[1:] {
		p = f32.FMA(p, x, c)
	}
	return p
}

// twicePhi is 1 + erf(x/√2), twice the share of a normal distribution below x.
// Near 0 erf(a) is a polynomial; further out erfc(|a|) is e to a polynomial, so
// that the share in the lower tail, which is small, is not what is left of two
// ones. Beyond 9.4 erfc is 0 in float32. The coefficients are minimax fits by
// reweighted least squares: tools/oracle/erf.py.
func twicePhi(x float32) float32 {
	a := x * (1 / math.Sqrt2)
	b := float32(math.Abs(float64(a)))
	if !(b < 9.4) {
		b = 9.4
	}
	if b < 0.9277 {
		return f32.FMA(horner(a*a, erfSmall[:]), a, a) + 1
	}
	e := f32.Exp(f32.FMA(horner(b, erfcLarge[:]), b, -b))
	if a < 0 {
		return e
	}
	return 2 - e
}

var (
	erfSmall  = [...]float32{-0.0005964250885881484, 0.004988003522157669, -0.026763124391436577, 0.11281721293926239, -0.37612485885620117, 0.12837915122509003}
	erfcLarge = [...]float32{-3.954836103048365e-08, 1.9491544662741944e-06, -4.2139854485867545e-05, 0.0005301166092976928, -0.004360331688076258, 0.025154192000627518, -0.10776177048683167, -0.6342711448669434, -0.12885630130767822}
)

func geluGo(dst, x []float32) {
	for i, v := range x {
		dst[i] = 0.5 * v * twicePhi(v)
	}
}

func geluBackwardGo(dx, dy, x []float32) {
	const density = 0.3989422804014327 // 1/√(2π)
	for i, v := range x {
		d := f32.Exp(-0.5*float32(v*v)) * density * v
		dx[i] = f32.FMA(dy[i], f32.FMA(0.5, twicePhi(v), d), dx[i])
	}
}

// The tanh approximation of GELU, x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), is
// x * sigmoid(x*(c0 + c1*x*x)), which does not cancel for negative x.
const (
	geluC0 = 2 * 0.7978845608028654
	geluC1 = geluC0 * 0.044715
)

func geluTanhGo(dst, x []float32) {
	for i, v := range x {
		u := f32.FMA(float32(v*v), geluC1, geluC0) * v
		dst[i] = v / (1 + f32.Exp(-u))
	}
}

func geluTanhBackwardGo(dx, dy, x []float32) {
	for i, v := range x {
		z := float32(v * v)
		u := f32.FMA(z, geluC1, geluC0) * v
		dx[i] = f32.FMA(dy[i], timesSlope(u, v, f32.FMA(z, 3*geluC1, geluC0)), dx[i])
	}
}
