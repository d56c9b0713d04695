package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// quantize256 is quantize for AVX2.
func quantize256(c constants256) {
	word := func(name string, v uint32) Mem {
		m := GLOBL(name+"256", NOPTR|RODATA)
		for i := range 8 {
			DATA(4*i, U32(v))
		}
		return m
	}
	abs := word("absMask", 0x7fffffff)
	least := word("least", 0x81818181)
	order := GLOBL("order256", NOPTR|RODATA)
	for i, v := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*i, U32(v))
	}
	float := func(name string, v uint32) Mem {
		m := GLOBL(name+"256", NOPTR|RODATA)
		DATA(0, U32(v))
		return m
	}
	c127, tiny, one := float("c127", 0x42fe0000), float("tiny", 0x00800000), float("one", 0x3f800000)

	simd.Func("quantizeRow_256", "func(x *float32, blocks, rows int, q *int8, d, s *float32, bias, halves *int32)",
		"rounds a row of blocks of 32 to 8 bits; rows is the height of its tile.")
	x, n, rows := simd.Arg("x"), simd.Arg("blocks"), simd.Arg("rows")
	q, d, s, bias, halves := simd.Arg("q"), simd.Arg("d"), simd.Arg("s"), simd.Arg("bias"), simd.Arg("halves")
	qstep, step := GP64(), rows
	MOVQ(rows, qstep)
	SHLQ(U8(5), qstep)
	SHLQ(U8(2), step)
	inOrder := YMM()
	VMOVDQU(order, inOrder)

	Label("block")
	var v [4]VecVirtual
	m, t := YMM(), YMM()
	for i := range v {
		v[i] = YMM()
		VMOVUPS(simd.At(x, 32*i), v[i])
		if i == 0 {
			VPAND(abs, v[i], m)
		} else {
			// Magnitudes are ordered as integers, NaN last.
			VPAND(abs, v[i], t)
			VPMAXUD(t, m, m)
		}
	}
	VPERMQ(U8(0b01_00_11_10), m, t)
	VPMAXUD(t, m, m)
	for _, swap := range []uint8{0b01_00_11_10, 0b10_11_00_01} {
		VPSHUFD(U8(swap), m, t)
		VPMAXUD(t, m, m)
	}
	scale, inv := XMM(), YMM()
	VDIVSS(c127, m.AsX(), scale)
	VMOVSS(scale, simd.At(d, 0))
	VBROADCASTSS(one, inv)
	VDIVSS(scale, inv.AsX(), inv.AsX())
	// A subnormal or NaN scale has the inverse 0.
	const geOQ = 0x1d
	normal := XMM()
	VCMPSS(U8(geOQ), tiny, scale, normal)
	VANDPS(normal, inv.AsX(), inv.AsX())
	VBROADCASTSS(inv.AsX(), inv)
	for _, y := range v {
		VMULPS(inv, y, y)
		VCVTPS2DQ(y, y)
	}
	VPACKSSDW(v[1], v[0], v[0])
	VPACKSSDW(v[3], v[2], v[2])
	VPACKSSWB(v[2], v[0], v[0])
	y := v[0]
	VPERMD(y, inOrder, y)
	VPMAXSB(least, y, y) // of NaN came -128, which has no negative in 8 bits
	VMOVDQU(y, simd.At(q, 0))

	sum := YMM()
	VMOVDQU(c.unit, sum)
	VPMADDUBSW(y, sum, sum)
	VPMADDWD(c.ones, sum, sum)
	for _, swap := range []uint8{0b01_00_11_10, 0b10_11_00_01} {
		VPSHUFD(U8(swap), sum, t)
		VPADDD(t, sum, sum)
	}
	VPERMQ(U8(0b01_00_11_10), sum, t)
	f, both := XMM(), XMM()
	VPUNPCKLDQ(t.AsX(), sum.AsX(), both)
	VPADDD(t.AsX(), sum.AsX(), sum.AsX())
	VCVTDQ2PS(sum.AsX(), f)
	VMULSS(scale, f, f)
	VMOVSS(f, simd.At(s, 0))
	VPSLLD(U8(3), sum.AsX(), sum.AsX())
	VPXOR(f, f, f)
	VPSUBD(sum.AsX(), f, f)
	VMOVD(f, simd.At(bias, 0))
	VPSLLD(U8(5), both, both)
	VPXOR(f, f, f)
	VPSUBD(both, f, f)
	VMOVQ(f, simd.At(halves, 0))
	ADDQ(U32(128), x)
	ADDQ(qstep, q)
	ADDQ(step, d)
	ADDQ(step, s)
	ADDQ(step, bias)
	LEAQ(Mem{Base: halves, Index: step, Scale: 2}, halves)
	DECQ(n)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}
