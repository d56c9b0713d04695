package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// superblocks emits the readers of ggml's superblocks of 256. Their unit is a
// quarter: 64 numbers share their bytes and nothing but the scales of the block
// lie outside, so a panel of 64 columns takes each byte apart once.
func superblocks(t simd.Tier) {
	quarters(t, "Q4_K", func(q quarter) { q.k45(16, nil) })
	quarters(t, "Q5_K", func(q quarter) { high := 16; q.k45(48, &high) })
	quarters(t, "Q6_K", quarter.k6)
}

type quarter struct {
	t      simd.Tier
	dst, w GPVirtual
	number GPVirtual // 0 to 3
	x2, x4 GPVirtual // 2 and 4 times it
	x32    GPVirtual // 32 times it; in Q6_K 32 times its half of the block
	shift  Register  // 2 times it, as a count; in Q6_K 4 times its low bit
}

func quarters(t simd.Tier, dtype string, decode func(q quarter)) {
	t.Func("quarter"+dtype+"_", "func(dst *float32, ldp int, w *byte, stride, rows, number int)",
		"quarter number of the block at w in each of the rows, stride bytes apart, becomes 64 numbers of rows ldp bytes apart.")
	q := quarter{t: t, dst: simd.Arg("dst"), w: simd.Arg("w"), number: simd.Arg("number")}
	ldp, stride, rows := simd.Arg("ldp"), simd.Arg("stride"), simd.Arg("rows")
	times := func(n uint8) GPVirtual {
		g := GP64()
		MOVQ(q.number, g)
		SHLQ(U8(n), g)
		return g
	}
	if dtype == "Q6_K" {
		odd := times(2)
		ANDQ(U8(4), odd)
		q.shift = simd.Count(odd)
		q.x4 = times(2)
		half := GP64()
		MOVQ(q.number, half)
		SHRQ(U8(1), half)
		SHLQ(U8(5), half)
		q.x32 = half // 32 times the half of the block
	} else {
		q.x2, q.x32 = times(1), times(5)
		q.shift = simd.Count(q.x2)
	}
	Label("row")
	decode(q)
	ADDQ(ldp, q.dst)
	ADDQ(stride, q.w)
	DECQ(rows)
	JNZ(LabelRef("row"))
	simd.End()
}

// lane broadcasts lane i of x, 0 to 3.
func (q quarter) lane(x Register, i int) simd.F32x16 {
	if i == 0 {
		return q.t.First(x)
	}
	s := XMM()
	VPERMILPS(U8(uint8(i)), x, s)
	return q.t.First(s)
}

// k45 decodes Q4_K and Q5_K: a quarter is two sub-blocks of 32, one in the low
// nibbles and one in the high ones; each has 6 bits of scale and of minimum, packed
// as tensor's scaleMin unpacks them, here two sub-blocks at a time. In Q5_K bit j
// of byte l from high on is the fifth of number l of sub-block j.
func (q quarter) k45(quants int, high *int) {
	s, m, u := GP32(), GP32(), GP32()
	packed := func(off int) Mem { return Mem{Base: q.w, Index: q.x2, Scale: 1, Disp: 4 + off} }
	CMPQ(q.number, U8(2))
	JGE(LabelRef("upper"))
	MOVWLZX(packed(0), s)
	MOVWLZX(packed(4), m)
	ANDL(U32(0x3f3f), s)
	ANDL(U32(0x3f3f), m)
	JMP(LabelRef("scales"))
	Label("upper")
	MOVWLZX(packed(4), s)
	MOVL(s, m)
	ANDL(U32(0x0f0f), s)
	SHRL(U8(4), m)
	ANDL(U32(0x0f0f), m)
	MOVWLZX(packed(-4), u)
	SHRL(U8(2), u)
	ANDL(U32(0x3030), u)
	ORL(u, s)
	MOVWLZX(packed(0), u)
	SHRL(U8(2), u)
	ANDL(U32(0x3030), u)
	ORL(u, m)
	Label("scales")
	SHLL(U8(16), m)
	ORL(m, s)
	x, d := XMM(), XMM()
	VMOVD(s, x)
	VPMOVZXBD(x, x)
	VCVTDQ2PS(x, x)
	VMOVSS(simd.At(q.w, 0), d)
	VCVTPH2PS(d, d)
	VUNPCKLPS(d, d, d) // d, d, dmin, dmin
	VMULPS(d, x, x)
	scale := [2]simd.F32x16{q.lane(x, 0), q.lane(x, 1)}
	least := [2]simd.F32x16{q.lane(x, 2), q.lane(x, 3)}
	for h := range 2 {
		bytes := q.t.New()
		simd.Unsigned8(Mem{Base: q.w, Index: q.x32, Scale: 1, Disp: quants + 16*h}, bytes)
		for n := range 2 {
			v := q.t.New()
			if n == 0 {
				simd.And(q.t.Bits32(15), bytes, v)
			} else {
				simd.ShiftRight(U8(4), bytes, bytes)
				v = bytes
			}
			if high != nil {
				f := q.t.New()
				simd.Unsigned8(simd.At(q.w, *high+16*h), f)
				simd.ShiftRight(q.shift, f, f)
				simd.And(q.t.Bits32(1<<n), f, f)
				simd.ShiftLeft(U8(uint8(4-n)), f, f)
				simd.Or(f, v, v)
			}
			simd.ToFloat(v, v)
			simd.Mul(scale[n], v, v)
			simd.Sub(least[n], v, v)
			simd.Move(v, simd.At(q.dst, 128*n+64*h))
		}
	}
}

// k6 decodes Q6_K: quarters 0 and 1 have the low and the high nibbles of the first
// 64 bytes and 2 and 3 those of the next; the upper bit pairs of a half are in 32
// bytes. 16 numbers share a scale.
func (q quarter) k6() {
	const pairs, scales, last = 128, 192, 208
	x, d := XMM(), XMM()
	VPMOVSXBD(Mem{Base: q.w, Index: q.x4, Scale: 1, Disp: scales}, x)
	VCVTDQ2PS(x, x)
	u := GP32()
	MOVWLZX(simd.At(q.w, last), u)
	VMOVD(u, d)
	VCVTPH2PS(d, d)
	VBROADCASTSS(d, d)
	VMULPS(d, x, x)
	for i := range 4 {
		v, f := q.t.New(), q.t.New()
		simd.Unsigned8(Mem{Base: q.w, Index: q.x32, Scale: 2, Disp: 16 * i}, v)
		simd.ShiftRight(q.shift, v, v)
		simd.And(q.t.Bits32(15), v, v)
		simd.Unsigned8(Mem{Base: q.w, Index: q.x32, Scale: 1, Disp: pairs + 16*(i%2)}, f)
		simd.ShiftRight(q.shift, f, f)
		if i < 2 {
			simd.And(q.t.Bits32(3), f, f)
			simd.ShiftLeft(U8(4), f, f)
		} else {
			simd.And(q.t.Bits32(12), f, f)
			simd.ShiftLeft(U8(2), f, f)
		}
		simd.Or(f, v, v)
		simd.ToFloat(v, v)
		simd.Add(simd.Num(-32), v, v)
		simd.Mul(q.lane(x, i), v, v)
		simd.Move(v, simd.At(q.dst, 64*i))
	}
}
