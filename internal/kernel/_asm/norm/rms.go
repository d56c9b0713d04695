package main

import (
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// rms emits the kernels of one row of RMS normalisation.
func rms(t simd.Tier) {
	t.Func("sumSquares", "func(x *float32, n int) float32", "adds up x * x.")
	x, acc := simd.Arg("x"), t.Fill(0)
	t.Loop(simd.Arg("n"), []GPVirtual{x}, func(p simd.Part) {
		v := p.Load(x)
		p.Do(simd.FMA231, v, v, acc)
	})
	simd.ReturnLane(simd.Sum(acc))

	t.Func("scale", "func(dst, x, w *float32, n int, r float32)", "sets dst to x * r * w.")
	dst, x, w, r := simd.Arg("dst"), simd.Arg("x"), simd.Arg("w"), t.Scalar("r")
	t.Loop(simd.Arg("n"), []GPVirtual{dst, x, w}, func(p simd.Part) {
		v, gain := p.Load(x), p.Load(w)
		simd.Mul(r, v, v)
		simd.Mul(gain, v, v)
		p.Store(v, dst)
	})
	simd.End()

	t.Func("sumProducts", "func(dy, w, x *float32, n int) float32", "adds up dy * w * x.")
	dy, w, x := simd.Arg("dy"), simd.Arg("w"), simd.Arg("x")
	acc = t.Fill(0)
	t.Loop(simd.Arg("n"), []GPVirtual{dy, w, x}, func(p simd.Part) {
		d, gain, v := p.Load(dy), p.Load(w), p.Load(x)
		simd.Mul(gain, d, d)
		p.Do(simd.FMA231, v, d, acc)
	})
	simd.ReturnLane(simd.Sum(acc))

	t.Func("inputGrad", "func(dx, dy, w, x *float32, n int, r, c float32)", "adds r * (dy * w - c * x) to dx.")
	dx, dy, w, x := simd.Arg("dx"), simd.Arg("dy"), simd.Arg("w"), simd.Arg("x")
	r, c := t.Scalar("r"), t.Scalar("c")
	t.Loop(simd.Arg("n"), []GPVirtual{dx, dy, w, x}, func(p simd.Part) {
		sum, d, gain, v := p.Load(dx), p.Load(dy), p.Load(w), p.Load(x)
		simd.Mul(gain, d, d)
		simd.FNMA231(v, c, d)
		simd.FMA231(d, r, sum)
		p.Store(sum, dx)
	})
	simd.End()

	t.Func("gainGrad", "func(dw, dy, x *float32, n int, r float32)", "adds dy * (x * r) to dw.")
	dw, dy, x, r := simd.Arg("dw"), simd.Arg("dy"), simd.Arg("x"), t.Scalar("r")
	t.Loop(simd.Arg("n"), []GPVirtual{dw, dy, x}, func(p simd.Part) {
		sum, d, v := p.Load(dw), p.Load(dy), p.Load(x)
		simd.Mul(r, v, v)
		simd.FMA231(v, d, sum)
		p.Store(sum, dw)
	})
	simd.End()
}
