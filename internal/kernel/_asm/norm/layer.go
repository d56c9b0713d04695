package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// layer emits the kernels of one row of layer normalisation.
func layer(t simd.Tier) {
	moments(t)

	t.Func("layerScale", "func(dst, x, w, b *float32, n int, mean, r float32)", "sets dst to (x - mean) * r * w + b.")
	dst, x, w, b := simd.Arg("dst"), simd.Arg("x"), simd.Arg("w"), simd.Arg("b")
	mean, r := t.Scalar("mean"), t.Scalar("r")
	t.Loop(simd.Arg("n"), []GPVirtual{dst, x, w, b}, func(p simd.Part) {
		v, gain, bias := normalised(p, x, mean, r), p.Load(w), p.Load(b)
		simd.FMA231(gain, v, bias)
		p.Store(bias, dst)
	})
	simd.End()

	t.Func("layerGrads", "func(dw, db, dy, w, x *float32, n int, mean, r float32) (sum, dot float32)",
		"adds dy * ((x - mean) * r) to dw and dy to db, and adds up dy * w, and dy * w * ((x - mean) * r).")
	dw, db, dy, w, x := simd.Arg("dw"), simd.Arg("db"), simd.Arg("dy"), simd.Arg("w"), simd.Arg("x")
	mean, r = t.Scalar("mean"), t.Scalar("r")
	sum, dot := t.Fill(0), t.Fill(0)
	t.Loop(simd.Arg("n"), []GPVirtual{dw, db, dy, w, x}, func(p simd.Part) {
		z, g := normalised(p, x, mean, r), p.Load(dy)
		grad := p.Load(dw)
		simd.FMA231(z, g, grad)
		p.Store(grad, dw)
		grad = p.Load(db)
		simd.Add(g, grad, grad)
		p.Store(grad, db)
		simd.Mul(p.Load(w), g, g)
		p.Do(simd.Add, g, sum, sum)
		p.Do(simd.FMA231, z, g, dot)
	})
	Store(simd.Sum(sum), ReturnIndex(0))
	Store(simd.Sum(dot), ReturnIndex(1))
	simd.End()

	for _, add := range []bool{false, true} {
		name, doc := "layerInputGrad", "sets dx to (dy * w - m1 - (x - mean) * r * m2) * r."
		if add {
			name, doc = "layerInputGradAdd", "adds (dy * w - m1 - (x - mean) * r * m2) * r to dx."
		}
		t.Func(name, "func(dx, dy, w, x *float32, n int, mean, r, m1, m2 float32)", doc)
		dx, dy, w, x := simd.Arg("dx"), simd.Arg("dy"), simd.Arg("w"), simd.Arg("x")
		mean, r := t.Scalar("mean"), t.Scalar("r")
		m1, m2 := t.Scalar("m1"), t.Scalar("m2")
		t.Loop(simd.Arg("n"), []GPVirtual{dx, dy, w, x}, func(p simd.Part) {
			g := p.Load(dy)
			simd.Mul(p.Load(w), g, g)
			simd.Sub(m1, g, g)
			simd.FNMA231(m2, normalised(p, x, mean, r), g)
			if add {
				d := p.Load(dx)
				simd.FMA231(r, g, d)
				p.Store(d, dx)
			} else {
				simd.Mul(r, g, g)
				p.Store(g, dx)
			}
		})
		simd.End()
	}
}

// normalised returns (x - mean) * r.
func normalised(p simd.Part, x GPVirtual, mean, r simd.F32x16) simd.F32x16 {
	v := p.Load(x)
	simd.Sub(mean, v, v)
	simd.Mul(r, v, v)
	return v
}
