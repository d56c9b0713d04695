package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// constants are tables in read-only memory.
type constants struct{ words, late, nibble, fifth, six, pairs, sign, minus, spread, byteOf Mem }

func newConstants() constants {
	var c constants
	// The even 16-bit words, the odd and again the even ones: splits pairs of
	// binary16.
	c.words = GLOBL("evenOdd", NOPTR|RODATA)
	for i := range 48 {
		DATA(2*i, U16(2*(i%16)+i/16%2))
	}
	// The odd words of one register before the even ones of another.
	c.late = GLOBL("late", NOPTR|RODATA)
	for i := range 32 {
		DATA(2*i, U16(i+1+i%2*30))
	}
	word := func(name string, v uint32) Mem {
		m := GLOBL(name, NOPTR|RODATA)
		DATA(0, U32(v))
		return m
	}
	c.nibble = word("nibble", 0x0f0f0f0f)
	c.fifth = word("fifth", 0x10101010)
	c.pairs = word("pairs", 0x30303030)
	c.six = word("six", 0x3f3f3f3f)
	c.sign = word("sign", 0x80808080)
	c.minus = word("minus", 0x80000000)
	// For each dword of a block, which bits of the pairs of 32 have to come to
	// its bytes, so that the fifth bits of its quants are in place.
	c.spread = GLOBL("spread", NOPTR|RODATA)
	for i := range 8 * 64 {
		DATA(i, U8((i/4%2*32+i/64*4+i%4-4)&63))
	}
	// Byte 0, 1, 2 or 3 of each dword and three zeros.
	c.byteOf = GLOBL("byteOf", NOPTR|RODATA)
	for i := range 4 * 16 {
		DATA(4*i, U32(0x80808000|uint32(i%4*4+i/16)))
	}
	return c
}

// unpacker turns stored blocks of 16 rows into registers whose lanes are rows.
type unpacker struct {
	format
	constants
	rows          simd.Rows16
	lanes         [3]OpmaskVirtual // 128-bit lanes 1, 2, 3
	dwords        [3]OpmaskVirtual // dwords 1, 2, 3 of each lane
	fixup, fifths VecVirtual       // the nibble mask or the sign bits; where the fifth bits belong
	high          VecVirtual       // the fifth bits of a block of 32
}

func newUnpacker(c constants, f format, rows simd.Rows16) *unpacker {
	u := &unpacker{format: f, constants: c, rows: rows, fixup: ZMM()}
	if !f.k || f.name == "Q6_K" {
		u.lanes = simd.LaneMasks()
		t := GP32()
		for i := range u.dwords {
			u.dwords[i] = K()
			MOVL(U32(uint32(0x2222)<<i), t)
			KMOVW(t, u.dwords[i])
		}
	}
	if f.bits == 8 {
		VPBROADCASTD(c.sign, u.fixup)
	} else {
		VPBROADCASTD(c.nibble, u.fixup)
	}
	if f.bits == 5 && !f.k {
		u.fifths = ZMM()
		VPBROADCASTD(c.fifth, u.fifths)
	}
	return u
}

// load takes 16 bytes at off from each row. All of a register is written first:
// to avo an XMM load keeps the rest of the register alive, through the whole loop.
func (u *unpacker) load(off int) ([4]VecVirtual, steps) {
	var z [4]VecVirtual
	var do steps
	for i := range z {
		z[i] = ZMM()
		y := YMM()
		do = append(do,
			func() { VBROADCASTI32X4(u.rows.Row(i, off), z[i]) },
			func() { VINSERTI32X4(U8(1), u.rows.Row(i+4, off), z[i].AsY(), z[i].AsY()) },
			func() { VBROADCASTI32X4(u.rows.Row(i+8, off), y) },
			func() { VINSERTI32X4(U8(1), u.rows.Row(i+12, off), y, y) },
			func() { VINSERTI64X4(U8(1), y, z[i], z[i]) },
		)
	}
	return z, do
}

// quadsInSteps loads 16 bytes at off from each row and transposes them: lane r of
// register t is dword t of row r. The shuffles take but one register more.
func (u *unpacker) quadsInSteps(off int) ([4]VecVirtual, steps) {
	z, do := u.load(off)
	t := ZMM()
	return [4]VecVirtual{z[3], t, z[1], z[0]}, append(do,
		func() { VPUNPCKLDQ(z[1], z[0], t) },
		func() { VPUNPCKHDQ(z[1], z[0], z[0]) },
		func() { VPUNPCKLDQ(z[3], z[2], z[1]) },
		func() { VPUNPCKHDQ(z[3], z[2], z[2]) },
		func() { VPUNPCKLQDQ(z[1], t, z[3]) },
		func() { VPUNPCKHQDQ(z[1], t, t) },
		func() { VPUNPCKLQDQ(z[2], z[0], z[1]) },
		func() { VPUNPCKHQDQ(z[2], z[0], z[0]) },
	)
}

// quads is quadsInSteps at once.
func (u *unpacker) quads(off int) [4]VecVirtual {
	z, do := u.quadsInSteps(off)
	do.rest()
	return z
}

// steps are instructions still to be emitted.
type steps []func()

// some emits the next n instructions.
func (s *steps) some(n int) {
	for _, do := range (*s)[:n] {
		do()
	}
	*s = (*s)[n:]
}

func (s *steps) rest() { s.some(len(*s)) }

// heads gathers the first dword of the block at off, which holds the scale.
func (u *unpacker) heads(off int) VecVirtual {
	var z [4]VecVirtual
	for i := range z {
		z[i] = ZMM()
		VPBROADCASTD(u.rows.Row(i, off), z[i])
		for lane := 1; lane < 4; lane++ {
			VPBROADCASTD(u.rows.Row(i+4*lane, off), u.lanes[lane-1], z[i])
		}
		if i > 0 {
			VMOVDQA32(z[i], u.dwords[i-1], z[0])
		}
	}
	return z[0]
}

// twoHeads is quads for the first two dwords only.
func (u *unpacker) twoHeads(off int) (first, second VecVirtual) {
	z, do := u.load(off)
	do.rest()
	a, b := z[0], z[2]
	VPUNPCKLDQ(z[1], z[0], a)
	VPUNPCKLDQ(z[3], z[2], b)
	first, second = ZMM(), ZMM()
	VPUNPCKLQDQ(b, a, first)
	VPUNPCKHQDQ(b, a, second)
	return first, second
}

// head unpacks the scales and minima of the block at off, and keeps its fifth
// bits.
func (u *unpacker) head(off int) (d, m VecVirtual) {
	if u.bits != 5 {
		return u.scales(u.heads(off))
	}
	h, high := u.twoHeads(off)
	d, m = u.scales(h)
	if u.chain == oneScale {
		// The fifth bits begin in the middle of the first dword.
		VPSRLD(U8(16), h, h)
		VPSLLD(U8(16), high, high)
		VPORD(h, high, high)
	}
	u.high = high
	return d, m
}

// scales converts 16 heads to the scales and, where there are any, the minima.
func (u *unpacker) scales(heads VecVirtual) (d, m VecVirtual) {
	if u.chain != scaleAndMin {
		return u.halves(heads, 0), nil
	}
	t := ZMM()
	d, m = ZMM(), ZMM()
	VMOVDQU16(u.words, t)
	VPERMW(heads, t, t)
	VCVTPH2PS(t.AsY(), d)
	VEXTRACTI64X4(U8(1), t, t.AsY())
	VCVTPH2PS(t.AsY(), m)
	return d, m
}

// halves converts the first or the second binary16 of each dword.
func (u *unpacker) halves(t VecVirtual, i int) VecVirtual {
	z := ZMM()
	VMOVDQU16(u.words.Offset(32*i), z)
	VPERMW(t, z, z)
	VCVTPH2PS(z.AsY(), z)
	return z
}

// nibbles splits a register of packed quants into those of the block's first
// and second half; the second half stays 16 times too large if raw.
func (u *unpacker) nibbles(t VecVirtual, raw bool) (lo, hi VecVirtual) {
	lo, hi = ZMM(), t
	VPANDD(u.fixup, t, lo)
	if raw {
		VPANDND(t, u.fixup, hi)
		return lo, hi
	}
	VPSRLD(U8(4), t, hi)
	VPANDD(u.fixup, hi, hi)
	return lo, hi
}

// withFifths adds the fifth bits to dword j of the quants.
func (u *unpacker) withFifths(j int, q VecVirtual) VecVirtual {
	if u.bits == 5 {
		t := ZMM()
		VMOVDQU64(u.spread.Offset(64*j), t)
		VPMULTISHIFTQB(u.high, t, t)
		u.or(t, u.fifths, q)
	}
	return q
}

// or sets the bits of the mask that t has in q.
func (u *unpacker) or(t, mask, q VecVirtual) { VPTERNLOGD(U8(0xf8), mask, t, q) }

// quad calls use for the quants in dword i of a 4- or 5-bit block.
func (u *unpacker) quad(i int, t VecVirtual, raw bool, use func(j int, q VecVirtual)) {
	lo, hi := u.nibbles(t, raw)
	use(i, u.withFifths(i, lo))
	use(i+4, u.withFifths(i+4, hi))
}

// block unpacks the block at off: use is called for each dword j of the quants.
func (u *unpacker) block(off int, raw bool, use func(j int, q VecVirtual)) {
	if u.bits == 8 {
		for half := range 2 {
			for i, t := range u.quads(off + u.format.quants + 16*half) {
				VPXORD(u.fixup, t, t)
				use(4*half+i, t)
			}
		}
		return
	}
	for i, t := range u.quads(off + u.format.quants) {
		u.quad(i, t, raw, use)
	}
}
