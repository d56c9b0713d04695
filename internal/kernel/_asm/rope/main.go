// Command rope generates the kernels of package rope.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	for _, t := range simd.Tiers {
		interleaved(t)
		halves(t)
	}
	simd.Emit("rope")
}

const signature = "func(dst, x, table *float32, pairs int, sign float32)"

// interleaved has cosine and sine where the numbers of a pair are.
func interleaved(t simd.Tier) {
	t.Func("interleaved", signature, "turns numbers 2i and 2i+1.")
	dst, x, table, n := simd.Arg("dst"), simd.Arg("x"), simd.Arg("table"), simd.Arg("pairs")
	sign := t.Scalar("sign")
	ADDQ(n, n)
	t.Loop(n, []GPVirtual{dst, x, table}, func(p simd.Part) {
		v, angle := p.Load(x), p.Load(table)
		cos, sin, other := t.New(), t.New(), t.New()
		simd.EvenTwice(angle, cos)
		simd.OddTwice(angle, sin)
		simd.Mul(sign, sin, sin)
		simd.Permute(U8(0b10_11_00_01), v, other)
		simd.Mul(sin, other, other)
		simd.FMAddSub(other, cos, v) // even numbers: minus, odd ones: plus
		p.Store(v, dst)
	})
	simd.End()
}

// halves sorts cosines from sines: 32 numbers of the table for 16 pairs.
func halves(t simd.Tier) {
	t.Func("halves", signature, "turns numbers i and i+pairs.")
	dst, x, table, n := simd.Arg("dst"), simd.Arg("x"), simd.Arg("table"), simd.Arg("pairs")
	sign := t.Scalar("sign")
	dst1, x1 := GP64(), GP64()
	LEAQ(Mem{Base: dst, Index: n, Scale: 4}, dst1)
	LEAQ(Mem{Base: x, Index: n, Scale: 4}, x1)
	// The table is named twice because it moves on by twice as much.
	t.Loop(n, []GPVirtual{dst, dst1, x, x1, table, table}, func(p simd.Part) {
		cos, sin := angles(t, table, n, p)
		simd.Mul(sign, sin, sin)
		a, b, s, u := p.Load(x), p.Load(x1), t.New(), t.New()
		simd.Mul(sin, b, s)
		simd.Mul(sin, a, u)
		simd.FMS213(s, cos, a)
		simd.FMA213(u, cos, b)
		p.Store(a, dst)
		p.Store(b, dst1)
	})
	simd.End()
}

// angles loads 16 pairs of a table, or the n that are left, as cosines and sines.
func angles(t simd.Tier, table, n GPVirtual, p simd.Part) (cos, sin simd.F32x16) {
	var lo, hi simd.Mask
	if !p.Whole() {
		// 2n numbers: up to 16, and what is more than 16.
		m, zero := GP64(), GP64()
		LEAQ(Mem{Base: n, Index: n, Scale: 1}, m)
		most := GP64()
		MOVQ(U32(simd.Lanes), most)
		CMPQ(m, most)
		CMOVQGT(most, m)
		lo = t.FirstLanes(m)
		LEAQ(Mem{Base: n, Index: n, Scale: 1}, m)
		XORQ(zero, zero)
		SUBQ(U8(simd.Lanes), m)
		CMOVQLT(zero, m)
		hi = t.FirstLanes(m)
	}
	v0, v1 := lo.Load(t, simd.At(table, 0)), hi.Load(t, simd.At(table, 4*simd.Lanes))
	cos, sin = t.New(), t.New()
	if t == simd.AVX512 {
		Comment("cosines are the even numbers, sines the odd ones")
		VMOVDQU32(indices("even", 0), cos[0])
		VMOVDQU32(indices("odd", 1), sin[0])
		VPERMI2PS(v1[0], v0[0], cos[0])
		VPERMI2PS(v1[0], v0[0], sin[0])
		return cos, sin
	}
	for i, v := range []simd.F32x16{v0, v1} {
		const evens, odds, middle = 0b10_00_10_00, 0b11_01_11_01, 0b11_01_10_00
		VSHUFPS(U8(evens), v[1], v[0], cos[i])
		VSHUFPS(U8(odds), v[1], v[0], sin[i])
		VPERMPD(U8(middle), cos[i], cos[i]) // which a shuffle leaves the wrong way round
		VPERMPD(U8(middle), sin[i], sin[i])
	}
	return cos, sin
}

func indices(name string, first int) Mem {
	return simd.Table(name, func() {
		for i := range simd.Lanes {
			DATA(4*i, U32(2*i+first))
		}
	})
}
