package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

const group = 32 // numbers that share a scale

// narrow rounds a group to 8 bits.
func narrow(t simd.Tier) {
	t.Func("narrow", "func(q *int8, d *uint16, x *float32)", "Rounds 32 numbers to 8 bits with a scale: see narrowGo.")
	q, d, x := simd.Arg("q"), simd.Arg("d"), simd.Arg("x")
	v := append(t.Load(simd.At(x, 0)), t.Load(simd.At(x, 4*simd.Lanes))...)
	abs, m, s := t.Bits32(0x7fffffff), t.New()[0], t.New()[0]
	for i, r := range v {
		to := m
		if i > 0 {
			to = s
		}
		simd.And(abs[:1], simd.F32x16{r}, simd.F32x16{to})
		if i > 0 {
			VPMAXUD(s, m, m)
		}
	}
	if t == simd.AVX512 {
		VEXTRACTI32X8(U8(1), m, s.AsY())
		VPMAXUD(s.AsY(), m.AsY(), m.AsY())
	}
	VEXTRACTI128(U8(1), m.AsY(), s.AsX())
	VPMAXUD(s.AsX(), m.AsX(), m.AsX())
	for _, swap := range []uint8{0b01_00_11_10, 0b10_11_00_01} {
		VPSHUFD(U8(swap), m.AsX(), s.AsX())
		VPMAXUD(s.AsX(), m.AsX(), m.AsX())
	}
	bits := GP32()
	VMOVD(m.AsX(), bits)
	CMPL(bits, U32(0x7f800000)) // infinity, and NaN above it
	JCC(LabelRef("nan"))
	scale, inv := XMM(), XMM()
	VDIVSS(simd.Address(127), m.AsX(), scale)
	VXORPS(inv, inv, inv)
	VMOVD(scale, bits)
	CMPL(bits, U32(0x00800000)) // below it, subnormal
	JCS(LabelRef("inverse"))
	VMOVSS(simd.Address(1), inv)
	VDIVSS(scale, inv, inv)
	Label("inverse")
	f := t.First(inv)
	for _, r := range v {
		VMULPS(f[0], r, r)
		VCVTPS2DQ(r, r)
	}
	if t == simd.AVX512 {
		for i, r := range v {
			VPMOVSDB(r, simd.At(q, simd.Lanes*i))
		}
	} else {
		order := simd.Table("order", func() {
			for i, n := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
				DATA(4*i, U32(n))
			}
		})
		VPACKSSDW(v[1], v[0], v[0])
		VPACKSSDW(v[3], v[2], v[2])
		VPACKSSWB(v[2], v[0], v[0])
		y := YMM()
		VMOVDQU(order, y)
		VPERMD(v[0], y, y)
		VMOVDQU(y, simd.At(q, 0))
	}
	VCVTPS2PH(U8(0), scale, scale)
	VPEXTRW(U8(0), scale, simd.At(d, 0))
	simd.End()
	Label("nan")
	zero := YMM()
	VPXOR(zero, zero, zero)
	VMOVDQU(zero, simd.At(q, 0))
	MOVW(U16(0x7e00), simd.At(d, 0))
	simd.End()
}

// widenKeys takes a panel of 8 bits to float32: lanes are entries, so the scales
// of a group of rows stay in registers.
func widenKeys(t simd.Tier) {
	t.Func("widenKeys", "func(dst *float32, q *int8, d *uint16, dim int)", "dst = q * d for a panel [dim][64]: see widenKeysGo.")
	dst, q, d, dim := simd.Arg("dst"), simd.Arg("q"), simd.Arg("d"), simd.Arg("dim")
	rows := GP64()
	Label("group")
	scales := make([]simd.F32x16, quarters)
	for i := range scales {
		scales[i] = t.New()
		simd.Widen16(simd.At(d, 2*simd.Lanes*i), scales[i])
	}
	MOVQ(U64(group), rows)
	CMPQ(dim, rows)
	CMOVQLT(dim, rows)
	SUBQ(rows, dim)
	Label("row")
	for i, s := range scales {
		v := t.New()
		simd.Signed8(simd.At(q, simd.Lanes*i), v)
		simd.ToFloat(v, v)
		simd.Mul(s, v, v)
		simd.Move(v, quarter(dst, i))
	}
	ADDQ(U8(block), q)
	ADDQ(U32(4*block), dst)
	DECQ(rows)
	JNZ(LabelRef("row"))
	ADDQ(U32(2*block), d)
	TESTQ(dim, dim)
	JNZ(LabelRef("group"))
	simd.End()
}

// widenValues takes rows of values to float32, two vectors for each scale.
func widenValues(t simd.Tier) {
	t.Func("widenValues", "func(dst *float32, q *int8, d *uint16, n, stride int)",
		"dst = q * d for n rows of stride numbers, a multiple of 16: see widenValuesGo.")
	dst, q, d, n, stride := simd.Arg("dst"), simd.Arg("q"), simd.Arg("d"), simd.Arg("n"), simd.Arg("stride")
	left := GP64()
	vector := func(s simd.F32x16) {
		v := t.New()
		simd.Signed8(simd.At(q, 0), v)
		simd.ToFloat(v, v)
		simd.Mul(s, v, v)
		simd.Move(v, simd.At(dst, 0))
		ADDQ(U8(simd.Lanes), q)
		ADDQ(U8(4*simd.Lanes), dst)
		SUBQ(U8(simd.Lanes), left)
	}
	Label("row")
	MOVQ(stride, left)
	Label("group")
	s := bcst16(t, simd.At(d, 0))
	ADDQ(U8(2), d)
	vector(s)
	JZ(LabelRef("next"))
	vector(s)
	JNZ(LabelRef("group"))
	Label("next")
	DECQ(n)
	JNZ(LabelRef("row"))
	simd.End()
}

// bcst16 broadcasts a float16.
func bcst16(t simd.Tier, m Mem) simd.F32x16 {
	if t == simd.AVX512 {
		half, v := YMM(), t.New()
		VPBROADCASTW(m, half)
		VCVTPH2PS(half, v[0])
		return v
	}
	half, v := XMM(), YMM()
	VPBROADCASTW(m, half)
	VCVTPH2PS(half, v)
	return simd.F32x16{v, v}
}

// shiftBytes and shiftWords move the lanes of a panel's rows down by one: of AVX-512
// alone, which has masks for them.
func shiftBytes() {
	panel, next, rows, ones := shiftArgs("shiftBytes", "int8")
	most, last, store := K(), K(), K()
	KMOVQ(ones, store)
	fill(most, 1<<63-1)
	fill(last, 1<<63)
	Label("row")
	z := ZMM()
	VMOVDQU8_Z(simd.At(panel, 1), most, z)
	VPBROADCASTB(simd.At(next, 0), last, z)
	VMOVDQU8(z, store, simd.At(panel, 0))
	shiftNext(panel, next, rows, block)
}

func shiftWords() {
	panel, next, rows, ones := shiftArgs("shiftWords", "uint16")
	most, last, low, high := K(), K(), K(), K()
	KMOVD(ones.As32(), low)
	SHRQ(U8(32), ones)
	KMOVD(ones.As32(), high)
	fill(most, 1<<31-1)
	fill(last, 1<<31)
	Label("row")
	a, b := ZMM(), ZMM()
	VMOVDQU16(simd.At(panel, 2), a)
	VMOVDQU16_Z(simd.At(panel, 2+64), most, b)
	VPBROADCASTW(simd.At(next, 0), last, b)
	VMOVDQU16(a, low, simd.At(panel, 0))
	VMOVDQU16(b, high, simd.At(panel, 64))
	shiftNext(panel, next, rows, 2*block)
}

// shiftArgs begins a shift; ones are the lanes from first on.
func shiftArgs(name, kind string) (panel, next, rows, ones GPVirtual) {
	simd.AVX512.Func(name, "func(panel, next *"+kind+", rows, first int)",
		"Moves the lanes above first of rows of 64 down by one; the last becomes lane 0 of next's row: see shiftGo.")
	ones = GP64()
	MOVQ(I64(-1), ones)
	panel, next, rows = simd.Arg("panel"), simd.Arg("next"), simd.Arg("rows")
	SHLXQ(simd.Arg("first"), ones, ones)
	return panel, next, rows, ones
}

func fill(k Register, bits uint64) {
	x := GP64()
	MOVQ(U64(bits), x)
	KMOVQ(x, k)
}

func shiftNext(panel, next, rows GPVirtual, bytes int) {
	ADDQ(U32(uint32(bytes)), panel)
	ADDQ(U32(uint32(bytes)), next)
	DECQ(rows)
	JNZ(LabelRef("row"))
	simd.End()
}
