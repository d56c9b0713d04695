package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// moments emits the mean and the inverse deviation of rows. A sum along a row is
// one chain of additions, each of which waits for the one before, so several rows
// go side by side.
func moments(t simd.Tier) {
	t.Func("layerMoments", "func(x, stats *float32, rows, n int, count, eps float32)",
		"sets stats to the mean and 1 / sqrt(variance + eps) of each row.")
	wide := 4
	if t == simd.AVX2 { // which has registers for two
		wide = 2
	}
	x, stats, rows, stride := simd.Arg("x"), simd.Arg("stats"), simd.Arg("rows"), simd.Arg("n")
	SHLQ(U8(2), stride)
	pair := GP64()
	MOVQ(U32(8), pair)
	count, eps, one := Load(Param("count"), XMM()), Load(Param("eps"), XMM()), XMM()
	VMOVSS(simd.Address(1), one)

	Label("group")
	// sums adds up what term makes of 16 numbers of each row.
	sums := func(term func(p simd.Part, i int, v, acc simd.F32x16)) []VecVirtual {
		at := clamped(x, stride, rows, wide)
		n := simd.Arg("n")
		var acc []simd.F32x16
		for range wide {
			acc = append(acc, t.Fill(0))
		}
		t.Loop(n, at, func(p simd.Part) {
			for i := range wide {
				term(p, i, p.Load(at[i]), acc[i])
			}
		})
		var mean []VecVirtual
		for _, a := range acc {
			s := simd.Sum(a).AsX().(VecVirtual)
			VDIVSS(count, s, s)
			mean = append(mean, s)
		}
		return mean
	}
	mean := sums(func(p simd.Part, i int, v, acc simd.F32x16) { p.Do(simd.Add, v, acc, acc) })
	for i, to := range clamped(stats, pair, rows, wide) {
		VMOVSS(mean[i], simd.At(to, 0))
	}
	var means []simd.F32x16
	for _, m := range mean {
		means = append(means, t.First(m))
	}
	for i, v := range sums(func(p simd.Part, i int, v, acc simd.F32x16) {
		simd.Sub(means[i], v, v)
		p.Do(simd.FMA231, v, v, acc)
	}) {
		VADDSS(eps, v, v)
		VSQRTSS(v, v, v)
		VDIVSS(v, one, v)
		mean[i] = v
	}
	for i, to := range clamped(stats, pair, rows, wide) {
		VMOVSS(mean[i], simd.At(to, 4))
	}
	for range wide {
		ADDQ(stride, x)
	}
	ADDQ(U8(8*wide), stats)
	SUBQ(U8(wide), rows)
	JG(LabelRef("group"))
	simd.End()
}

// clamped returns pointers to rows 0, 1, ... of n, as far as there are so many; from
// there on to the last one, which then is done more than once, with one result.
func clamped(row0, stride, rows GPVirtual, n int) []GPVirtual {
	at := []GPVirtual{GP64()}
	MOVQ(row0, at[0])
	for i := 1; i < n; i++ {
		p, next := GP64(), GP64()
		MOVQ(at[i-1], p)
		LEAQ(Mem{Base: p, Index: stride, Scale: 1}, next)
		CMPQ(rows, U8(i))
		CMOVQGT(next, p)
		at = append(at, p)
	}
	return at
}
