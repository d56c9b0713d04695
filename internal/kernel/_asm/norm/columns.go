package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// overRows emits a function of a matrix's rows, in order. The matrices, [rows, n],
// walk on from row to row; the vectors, [n], begin anew with each. body works on
// 16 columns.
func overRows(t simd.Tier, name, doc, matrices, vectors string, body func(p simd.Part, m, v []GPVirtual)) {
	t.Func(name, "func("+strings.Join(strings.Fields(matrices+" "+vectors), ", ")+" *float32, rows, n int)", doc)
	var m, v []GPVirtual
	for _, a := range strings.Fields(matrices) {
		m = append(m, simd.Arg(a))
	}
	for range strings.Fields(vectors) {
		v = append(v, GP64())
	}
	rows, n := simd.Arg("rows"), GP64()
	Label("row")
	for i, a := range strings.Fields(vectors) { // from memory: registers are few
		Load(Param(a), v[i])
	}
	Load(Param("n"), n)
	t.Loop(n, append(m[:len(m):len(m)], v...), func(p simd.Part) { body(p, m, v) })
	for _, p := range m { // n is what the loop did under its mask
		LEAQ(Mem{Base: p, Index: n, Scale: 4}, p)
	}
	DECQ(rows)
	JNZ(LabelRef("row"))
	simd.End()
}

// columns emits the kernels that work column by column: each column of a sum is
// one chain over the rows.
func columns(t simd.Tier) {
	overRows(t, "colSum", "adds each row of x to acc.", "x", "acc", func(p simd.Part, m, v []GPVirtual) {
		acc := p.Load(v[0])
		simd.Add(p.Load(m[0]), acc, acc)
		p.Store(acc, v[0])
	})
	overRows(t, "colMoments", "adds d = x - shift to sum and d * d to squares.", "x", "sum squares shift", func(p simd.Part, m, v []GPVirtual) {
		d := p.Load(m[0])
		simd.Sub(p.Load(v[2]), d, d)
		acc := p.Load(v[0])
		simd.Add(d, acc, acc)
		p.Store(acc, v[0])
		acc = p.Load(v[1])
		simd.FMA231(d, d, acc)
		p.Store(acc, v[1])
	})
	overRows(t, "colGrads", "adds dy to sum and dy * (x - mean) to dot.", "dy x", "sum dot mean", func(p simd.Part, m, v []GPVirtual) {
		g, d := p.Load(m[0]), p.Load(m[1])
		acc := p.Load(v[0])
		simd.Add(g, acc, acc)
		p.Store(acc, v[0])
		simd.Sub(p.Load(v[2]), d, d)
		acc = p.Load(v[1])
		simd.FMA231(g, d, acc)
		p.Store(acc, v[1])
	})
	overRows(t, "affine", "sets dst to (x - mean) * scale + shift.", "dst x", "mean scale shift", func(p simd.Part, m, v []GPVirtual) {
		d := p.Load(m[1])
		simd.Sub(p.Load(v[0]), d, d)
		y := p.Load(v[2])
		simd.FMA231(p.Load(v[1]), d, y)
		p.Store(y, m[0])
	})
	overRows(t, "affineGrad", "adds a * dy + (b * (x - mean) + c) to dx.", "dx dy x", "mean a b c", func(p simd.Part, m, v []GPVirtual) {
		d := p.Load(m[2])
		simd.Sub(p.Load(v[0]), d, d)
		t := p.Load(v[3])
		simd.FMA231(p.Load(v[2]), d, t)
		simd.FMA231(p.Load(v[1]), p.Load(m[1]), t)
		d = p.Load(m[0])
		simd.Add(t, d, d)
		p.Store(d, m[0])
	})
}
