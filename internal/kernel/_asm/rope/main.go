// Command rope generates the AVX-512 kernels of package rope.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/row"
	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	interleaved()
	halves()
	simd.Emit("rope")
}

const signature = "func(dst, x, table *float32, pairs int, sign float32)"

// interleaved has cosine and sine where the numbers of a pair are.
func interleaved() {
	simd.Func("interleaved512", signature, "turns numbers 2i and 2i+1.")
	dst, x, table, n := simd.Arg("dst"), simd.Arg("x"), simd.Arg("table"), simd.Arg("pairs")
	sign := row.Scalar("sign")
	ADDQ(n, n)
	row.Loop(n, []GPVirtual{dst, x, table}, func(p row.Part) {
		v, t := p.Load(x), p.Load(table)
		cos, sin, other := ZMM(), ZMM(), ZMM()
		VMOVSLDUP(t, cos)
		VMOVSHDUP(t, sin)
		VMULPS(sign, sin, sin)
		VPERMILPS(U8(0b10_11_00_01), v, other)
		VMULPS(sin, other, other)
		VFMADDSUB213PS(other, cos, v) // even numbers: minus, odd ones: plus
		p.Store(v, dst)
	})
	VZEROUPPER()
	RET()
}

// halves sorts cosines from sines: 32 numbers of the table for 16 pairs.
func halves() {
	even := GLOBL("even", NOPTR|RODATA)
	for i := range 16 {
		DATA(4*i, U32(2*i))
	}
	odd := GLOBL("odd", NOPTR|RODATA)
	for i := range 16 {
		DATA(4*i, U32(2*i+1))
	}
	simd.Func("halves512", signature, "turns numbers i and i+pairs.")
	dst, x, table, n := simd.Arg("dst"), simd.Arg("x"), simd.Arg("table"), simd.Arg("pairs")
	sign := row.Scalar("sign")
	dst1, x1 := GP64(), GP64()
	LEAQ(Mem{Base: dst, Index: n, Scale: 4}, dst1)
	LEAQ(Mem{Base: x, Index: n, Scale: 4}, x1)
	Label("pairs")
	// Masks of min(n, 16) numbers and twice as many of the table.
	m, ones := GP64(), GP32()
	MOVQ(U32(16), m)
	CMPQ(n, m)
	CMOVQLT(n, m)
	k := row.Mask(m)
	lo, hi := K(), K()
	ADDQ(m, m)
	MOVL(U32(1<<32-1), ones)
	BZHIL(m.As32(), ones, ones)
	KMOVW(ones, lo)
	SHRL(U8(16), ones)
	KMOVW(ones, hi)

	t0, t1, cos, sin := ZMM(), ZMM(), ZMM(), ZMM()
	VMOVUPS_Z(simd.At(table, 0), lo, t0)
	VMOVUPS_Z(simd.At(table, 64), hi, t1)
	VMOVDQU32(even, cos)
	VMOVDQU32(odd, sin)
	VPERMI2PS(t1, t0, cos)
	VPERMI2PS(t1, t0, sin)
	VMULPS(sign, sin, sin)
	a, b, s, u := ZMM(), ZMM(), ZMM(), ZMM()
	VMOVUPS_Z(simd.At(x, 0), k, a)
	VMOVUPS_Z(simd.At(x1, 0), k, b)
	VMULPS(sin, b, s)
	VMULPS(sin, a, u)
	VFMSUB213PS(s, cos, a)
	VFMADD213PS(u, cos, b)
	VMOVUPS(a, k, simd.At(dst, 0))
	VMOVUPS(b, k, simd.At(dst1, 0))
	for _, p := range []GPVirtual{dst, dst1, x, x1} {
		ADDQ(U8(64), p)
	}
	ADDQ(U32(128), table)
	SUBQ(U8(16), n)
	JG(LabelRef("pairs"))
	VZEROUPPER()
	RET()
}
