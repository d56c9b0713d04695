package main

import (
	"math"

	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// The formulas, and the reasons for them, are in act/activation_go.go.

func activations(t simd.Tier) {
	one := func(name, doc string, f func(x simd.F32x16) simd.F32x16) {
		pointwise(t, name, doc, "x", "", func(v []simd.F32x16) simd.F32x16 { return f(v[0]) })
	}
	one("relu", "sets dst to max(x, 0).", func(x simd.F32x16) simd.F32x16 {
		zero := x.Like()
		simd.Xor(zero, zero, zero)
		simd.Max(x, zero, x) // x where it is NaN or -0
		return x
	})
	one("sigmoid", "sets dst to 1 / (1 + exp(-x)).", func(x simd.F32x16) simd.F32x16 {
		d := onePlusExpNeg(x)
		simd.Div(d, t.Const(1), d)
		return d
	})
	one("tanh", "sets dst to tanh x.", tanh)
	one("silu", "sets dst to the SiLU of x.", overOnePlusExpNeg)
	one("gelu", "sets dst to x times the normal distribution's share below x.", func(x simd.F32x16) simd.F32x16 {
		phi := twicePhi(t, x)
		simd.Mul(simd.Num(0.5), x, x)
		simd.Mul(phi, x, x)
		return x
	})
	one("geluTanh", "sets dst to the tanh approximation of GELU.", func(x simd.F32x16) simd.F32x16 {
		u, _ := geluSlope(t, x)
		d := onePlusExpNeg(u)
		simd.Div(d, x, d)
		return d
	})
	pointwise(t, "swiglu", "sets dst to the SiLU of gate times up.", "gate up", "", func(v []simd.F32x16) simd.F32x16 {
		d := overOnePlusExpNeg(v[0])
		simd.Mul(v[1], d, d)
		return d
	})
}

// gradients emits functions that add to dx dy times a derivative. Its argument is
// x, or where that is simpler the function's value y.
func gradients(t simd.Tier) {
	grad := func(name, doc string, derivative func(x simd.F32x16) simd.F32x16) {
		pointwise(t, name+"Backward", "sets dst to dx + dy times "+doc, "dx dy x", "", func(v []simd.F32x16) simd.F32x16 {
			simd.FMA231(derivative(v[2]), v[1], v[0])
			return v[0]
		})
	}
	pointwise(t, "reluBackward", "sets dst to dx + dy, or + 0 where x is at most 0.", "dx dy x", "", func(v []simd.F32x16) simd.F32x16 {
		simd.Compare(simd.AtMost, v[2], simd.Num(0)).Clear(v[1])
		simd.Add(v[1], v[0], v[0])
		return v[0]
	})
	pointwise(t, "reluGradient", "sets dst to dy, or 0 where x is at most 0.", "dy x", "", func(v []simd.F32x16) simd.F32x16 {
		simd.Compare(simd.AtMost, v[1], simd.Num(0)).Clear(v[0])
		return v[0]
	})
	grad("silu", "the derivative of the SiLU at x.", func(x simd.F32x16) simd.F32x16 {
		s, c := logistic(t, x)
		simd.FMA213(t.Const(1), x, c)
		simd.Mul(s, c, c)
		return c
	})
	grad("sigmoid", "x * (1 - x).", func(y simd.F32x16) simd.F32x16 {
		d := y.Like()
		simd.Sub(y, t.Const(1), d)
		simd.Mul(y, d, d)
		return d
	})
	grad("tanh", "1 - x * x.", func(y simd.F32x16) simd.F32x16 {
		d := y.Like()
		simd.Move(y, d)
		simd.FNMA213(t.Const(1)[:len(y)], y, d)
		return d
	})
	grad("gelu", "the derivative of GELU at x.", func(x simd.F32x16) simd.F32x16 {
		phi, e := twicePhi(t, x), x.Like()
		simd.Mul(x, x, e)
		simd.Mul(simd.Num(-0.5), e, e)
		e = simd.Exp(e)
		simd.Mul(simd.Num(0.3989422804014327), e, e)
		simd.Mul(x, e, e)
		simd.FMA231(simd.Num(0.5), phi, e)
		return e
	})
	grad("geluTanh", "the derivative of the tanh approximation of GELU at x.", func(x simd.F32x16) simd.F32x16 {
		u, z := geluSlope(t, x)
		simd.FMA213(t.Const(geluC0), t.Const(3*geluC1), z)
		return timesSlope(t, u, x, z)
	})
}

// The tanh approximation is x * sigmoid(x*(geluC0 + geluC1*x*x)).
const (
	geluC0 = 2 * 0.7978845608028654
	geluC1 = geluC0 * 0.044715
)

// geluSlope returns the sigmoid's argument and x*x.
func geluSlope(t simd.Tier, x simd.F32x16) (u, z simd.F32x16) {
	u, z = x.Like(), x.Like()
	simd.Mul(x, x, z)
	simd.Move(z, u)
	simd.FMA213(t.Const(geluC0), t.Const(geluC1), u)
	simd.Mul(x, u, u)
	return u, z
}

// logistic returns s, the sigmoid of u, and 1-s.
func logistic(t simd.Tier, u simd.F32x16) (s, c simd.F32x16) {
	n, s := u.Like(), u.Like()
	simd.Xor(minus, u, n)
	simd.Min(simd.Num(80), n, n)
	e := simd.Exp(n)
	simd.Add(simd.Num(1), e, s)
	simd.Div(s, t.Const(1), s)
	simd.Mul(s, e, e)
	return s, e
}

// timesSlope returns the derivative of x*sigmoid(u), given du, the derivative of u.
func timesSlope(t simd.Tier, u, x, du simd.F32x16) simd.F32x16 {
	s, c := logistic(t, u)
	simd.Mul(x, du, du)
	simd.FMA213(t.Const(1), du, c)
	simd.Mul(s, c, c)
	return c
}

// swigluBackward has two results: what is added to dg and to du.
func swigluBackward(t simd.Tier) {
	t.Func("swigluBackward", "func(dg, du, dy, gate, up *float32, n int)", "adds the gradients of SwiGLU to dg and du.")
	dg, du, dy, g, u := simd.Arg("dg"), simd.Arg("du"), simd.Arg("dy"), simd.Arg("gate"), simd.Arg("up")
	t.Loop(simd.Arg("n"), []GPVirtual{dg, du, dy, g, u}, func(p simd.Part) {
		p.Halves(func(h simd.Part) {
			x, d := h.Load(g), h.Load(dy)
			s, c := logistic(t, x)
			simd.FMA213(t.Const(1), x, c)
			simd.Mul(s, c, c)
			simd.Mul(x, s, s)
			sum := h.Load(du)
			simd.FMA231(s, d, sum)
			h.Store(sum, du)
			up := h.Load(u)
			simd.Mul(up, d, d)
			sum = h.Load(dg)
			simd.FMA231(c, d, sum)
			h.Store(sum, dg)
		})
	})
	simd.End()
}

// onePlusExpNeg returns 1 + exp(-x).
func onePlusExpNeg(x simd.F32x16) simd.F32x16 {
	n := x.Like()
	simd.Xor(minus, x, n)
	e := simd.Exp(n)
	simd.Add(simd.Num(1), e, e)
	return e
}

func overOnePlusExpNeg(x simd.F32x16) simd.F32x16 {
	d := onePlusExpNeg(x)
	simd.Div(d, x, d)
	return d
}

// minus has the sign bit only.
var minus = simd.Num(math.Copysign(0, -1))

// horner sets p to a polynomial in z, coefficients from the highest power down.
func horner(t simd.Tier, p, z simd.F32x16, coefficients ...float32) {
	simd.Move(t.Const(coefficients[0])[:len(p)], p)
	for _, c := range coefficients[1:] {
		simd.FMA213(simd.Num(c), z, p)
	}
}

func tanh(x simd.F32x16) simd.F32x16 {
	t := x.Tier()
	a, sign, y := x.Like(), x.Like(), x.Like()
	simd.And(minus, x, sign)
	simd.Xor(sign, x, a)
	simd.Add(a, a, y)
	y = simd.Exp(y)
	simd.Add(simd.Num(1), y, y)
	simd.Div(y, t.Const(2), y)
	simd.Sub(y, t.Const(1), y)
	z, p := x.Like(), x.Like()
	simd.Mul(x, x, z)
	horner(t, p, z, tanhSmall...)
	simd.Mul(z, p, p)
	simd.FMA213(x, x, p)
	simd.Compare(simd.Less, a, simd.Num(0.625)).Blend(p, y)
	simd.Or(sign, y, y) // of -0 too
	return y
}

func twicePhi(t simd.Tier, x simd.F32x16) simd.F32x16 {
	a, b := x.Like(), x.Like()
	simd.Mul(simd.Num(0.7071067811865476), x, a)
	simd.AndNot(a, t.Const(float32(minus)), b)
	simd.Min(simd.Num(9.4), b, b)
	q := x.Like()
	horner(t, q, b, erfcLarge...)
	simd.FMS213(b, b, q)
	e, y := simd.Exp(q), x.Like()
	simd.Sub(e, t.Const(2), y)
	simd.Compare(simd.Less, a, simd.Num(0)).Blend(e, y)
	z, p := x.Like(), x.Like()
	simd.Mul(a, a, z)
	horner(t, p, z, erfSmall...)
	simd.FMA213(a, a, p)
	simd.Add(simd.Num(1), p, p)
	simd.Compare(simd.Less, b, simd.Num(0.9277)).Blend(p, y)
	return y
}

var (
	tanhSmall = []float32{-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1}
	erfSmall  = []float32{-0.0005964250885881484, 0.004988003522157669, -0.026763124391436577, 0.11281721293926239, -0.37612485885620117, 0.12837915122509003}
	erfcLarge = []float32{-3.954836103048365e-08, 1.9491544662741944e-06, -4.2139854485867545e-05, 0.0005301166092976928, -0.004360331688076258, 0.025154192000627518, -0.10776177048683167, -0.6342711448669434, -0.12885630130767822}
)
