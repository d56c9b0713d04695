package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// quantize rounds one row of activations to 8 bits, block by block.
func quantize() {
	c127, abs, tiny := GLOBL("c127", NOPTR|RODATA), Mem{}, Mem{}
	DATA(0, F32(127))
	abs = GLOBL("absMask", NOPTR|RODATA)
	DATA(0, U32(0x7fffffff))
	tiny = GLOBL("tiny", NOPTR|RODATA)
	DATA(0, U32(0x00800000))
	one := GLOBL("one", NOPTR|RODATA)
	DATA(0, F32(1))
	ones := GLOBL("ones", NOPTR|RODATA)
	DATA(0, U32(0x01010101))

	simd.Func("quantizeRow", "func(x *float32, blocks, rows int, q *int8, d, s *float32, bias, halves *int32)",
		"rounds a row of blocks of 32 to 8 bits; rows is the height of its tile.")
	x, n, rows := simd.Arg("x"), simd.Arg("blocks"), simd.Arg("rows")
	q, d, s, bias, halves := simd.Arg("q"), simd.Arg("d"), simd.Arg("s"), simd.Arg("bias"), simd.Arg("halves")
	qstep, step := GP64(), rows
	MOVQ(rows, qstep)
	SHLQ(U8(5), qstep)
	SHLQ(U8(2), step)
	least := GLOBL("least", NOPTR|RODATA)
	DATA(0, U32(0x81818181))
	mask, unit, low := ZMM(), YMM(), YMM()
	VPBROADCASTD(least, low)
	VPBROADCASTD(abs, mask)
	VPBROADCASTD(ones, unit)

	Label("block")
	a, b, m, t := ZMM(), ZMM(), ZMM(), ZMM()
	VMOVUPS(simd.At(x, 0), a)
	VMOVUPS(simd.At(x, 64), b)
	VPANDD(mask, a, m)
	VPANDD(mask, b, t)
	// Magnitudes are ordered as integers, NaN last.
	VPMAXUD(t, m, m)
	VEXTRACTI32X8(U8(1), m, t.AsY())
	VPMAXUD(t.AsY(), m.AsY(), m.AsY())
	VEXTRACTI32X4(U8(1), m.AsY(), t.AsX())
	VPMAXUD(t.AsX(), m.AsX(), m.AsX())
	VPSHUFD(U8(0b01_00_11_10), m.AsX(), t.AsX())
	VPMAXUD(t.AsX(), m.AsX(), m.AsX())
	VPSHUFD(U8(0b10_11_00_01), m.AsX(), t.AsX())
	VPMAXUD(t.AsX(), m.AsX(), m.AsX())
	scale, inv := XMM(), ZMM()
	VDIVSS(c127, m.AsX(), scale)
	VMOVSS(scale, simd.At(d, 0))
	VMOVSS(one, inv.AsX())
	// A subnormal or NaN scale has the inverse 0.
	const geOQ = 0x1d
	k := K()
	VCMPSS(U8(geOQ), tiny, scale, k)
	VDIVSS_Z(scale, inv.AsX(), k, inv.AsX())
	VBROADCASTSS(inv.AsX(), inv)
	VMULPS(inv, a, a)
	VMULPS(inv, b, b)
	VCVTPS2DQ(a, a)
	VCVTPS2DQ(b, b)
	lo, hi := XMM(), XMM()
	VPMOVSDB(a, lo)
	VPMOVSDB(b, hi)
	y := YMM()
	VINSERTI128(U8(1), hi, lo.AsY(), y)
	VPMAXSB(low, y, y) // of NaN came -128, which has no negative in 8 bits
	VMOVDQU(y, simd.At(q, 0))
	sum := YMM()
	VPXOR(sum, sum, sum)
	VPDPBUSD(y, unit, sum)
	for _, swap := range []uint8{0b01_00_11_10, 0b10_11_00_01} {
		VPSHUFD(U8(swap), sum, t.AsY())
		VPADDD(t.AsY(), sum, sum)
	}
	VEXTRACTI128(U8(1), sum, t.AsX())
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
