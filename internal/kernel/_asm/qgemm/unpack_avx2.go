package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// constants256 are registers in read-only memory: AVX2 has no broadcast operands
// and no registers to spare.
type constants256 struct{ ones, unit, nibble, fifth, six, pairs, minus, halves, byteOf, bit Mem }

func newConstants256() constants256 {
	var c constants256
	word := func(name string, v uint32) Mem {
		m := GLOBL(name+"256", NOPTR|RODATA)
		for i := range 8 {
			DATA(4*i, U32(v))
		}
		return m
	}
	c.ones = word("onesWord", 0x00010001)
	c.unit = word("ones", 0x01010101)
	c.nibble = word("nibble", 0x0f0f0f0f)
	c.fifth = word("fifth", 0x10101010)
	c.pairs = word("pairs", 0x30303030)
	c.six = word("six", 0x3f3f3f3f)
	c.minus = word("minus", 0x80000000)
	// In each 128-bit lane the first and then the second halves of the dwords.
	c.halves = GLOBL("halves256", NOPTR|RODATA)
	for i := range 16 {
		DATA(2*i, U16(0x0100+0x0202*(i%4*2+i/4%2)))
	}
	// Byte 0, 1, 2 or 3 of each dword: four times, then followed by zeros.
	c.byteOf = GLOBL("byteOf256", NOPTR|RODATA)
	for i := range 64 {
		b := uint32(i%4*4 + i/8%4)
		DATA(4*i, U32([2]uint32{0x01010101 * b, 0x80808000 | b}[i/32]))
	}
	// A bit for each byte of a dword: the lower, then the upper four.
	c.bit = GLOBL("bit256", NOPTR|RODATA)
	for i := range 16 {
		DATA(4*i, U32([2]uint32{0x08040201, 0x80402010}[i/8]))
	}
	return c
}

// unpacker256 turns stored blocks of 8 of 16 rows into registers whose lanes are
// rows.
type unpacker256 struct {
	format
	constants256
	rows simd.Rows16
	half int        // rows 0 to 7 or 8 to 15
	high VecVirtual // the fifth bits of a block of 32
}

// load takes 16 bytes at off from each row, rows i and i+4 in a register. All of
// a register is written first: to avo an XMM load keeps the rest of it alive,
// through the whole loop.
func (u *unpacker256) load(off int) [4]VecVirtual {
	var y [4]VecVirtual
	for i := range y {
		y[i] = YMM()
		VBROADCASTI128(u.rows.Row(8*u.half+i, off), y[i])
		VINSERTI128(U8(1), u.rows.Row(8*u.half+i+4, off), y[i], y[i])
	}
	return y
}

// quads loads 16 bytes at off from each row and transposes them: lane r of
// register t is dword t of row r.
func (u *unpacker256) quads(off int) [4]VecVirtual {
	y := u.load(off)
	var t [4]VecVirtual
	for i := range t {
		t[i] = YMM()
	}
	VPUNPCKLDQ(y[1], y[0], t[0])
	VPUNPCKHDQ(y[1], y[0], t[1])
	VPUNPCKLDQ(y[3], y[2], t[2])
	VPUNPCKHDQ(y[3], y[2], t[3])
	VPUNPCKLQDQ(t[2], t[0], y[0])
	VPUNPCKHQDQ(t[2], t[0], y[1])
	VPUNPCKLQDQ(t[3], t[1], y[2])
	VPUNPCKHQDQ(t[3], t[1], y[3])
	return y
}

// twoHeads is quads for the first two dwords only; the second is not made if it
// is not wanted.
func (u *unpacker256) twoHeads(off int, both bool) (first, second VecVirtual) {
	y := u.load(off)
	VPUNPCKLDQ(y[1], y[0], y[0])
	VPUNPCKLDQ(y[3], y[2], y[2])
	first = YMM()
	VPUNPCKLQDQ(y[2], y[0], first)
	if both {
		second = YMM()
		VPUNPCKHQDQ(y[2], y[0], second)
	}
	return first, second
}

// head unpacks the scales and minima of the block at off, and keeps its fifth
// bits.
func (u *unpacker256) head(off int) (d, m VecVirtual) {
	h, high := u.twoHeads(off, u.bits == 5)
	d, m = u.scales(h)
	if u.bits == 5 && u.chain == oneScale {
		// The fifth bits begin in the middle of the first dword.
		VPSRLD(U8(16), h, h)
		VPSLLD(U8(16), high, high)
		VPOR(h, high, high)
	}
	u.high = high
	return d, m
}

// scales converts 8 heads to the scales and, where there are any, the minima.
func (u *unpacker256) scales(heads VecVirtual) (d, m VecVirtual) {
	t := u.split(heads)
	d = YMM()
	VCVTPH2PS(t.AsX(), d)
	if u.chain == scaleAndMin {
		m = u.second(t)
	}
	return d, m
}

// split puts the first halves of all dwords before the second ones.
func (u *unpacker256) split(t VecVirtual) VecVirtual {
	y := YMM()
	VPSHUFB(u.halves, t, y)
	VPERMQ(U8(0b11_01_10_00), y, y)
	return y
}

// second converts the second halves of dwords that were split.
func (u *unpacker256) second(split VecVirtual) VecVirtual {
	m := YMM()
	VPERMQ(U8(0b01_00_11_10), split, m)
	VCVTPH2PS(m.AsX(), m)
	return m
}

// nibbles splits a register of packed quants into those of the block's first and
// second half.
func (u *unpacker256) nibbles(t VecVirtual) (lo, hi VecVirtual) {
	lo, hi = YMM(), t
	VPAND(u.nibble, t, lo)
	VPSRLD(U8(4), t, hi)
	VPAND(u.nibble, hi, hi)
	return lo, hi
}

// withFifths adds the fifth bits to dword j of the quants.
func (u *unpacker256) withFifths(j int, q VecVirtual) VecVirtual {
	if u.bits == 5 {
		t, bit := YMM(), u.bit.Offset(32*(j%2))
		VPSHUFB(u.byteOf.Offset(32*(j/2)), u.high, t)
		VPAND(bit, t, t)
		VPCMPEQB(bit, t, t)
		VPAND(u.fifth, t, t)
		VPOR(t, q, q)
	}
	return q
}

// block unpacks the block at off: use is called for each dword j of the quants.
func (u *unpacker256) block(off int, use func(j int, q VecVirtual)) {
	if u.bits == 8 {
		for half := range 2 {
			for i, t := range u.quads(off + u.format.quants + 16*half) {
				use(4*half+i, t)
			}
		}
		return
	}
	for i, t := range u.quads(off + u.format.quants) {
		lo, hi := u.nibbles(t)
		use(i, u.withFifths(i, lo))
		use(i+4, u.withFifths(i+4, hi))
	}
}

// pack256 unpacks 16 rows of blocks to a panel.
func pack256(c constants256, f format) {
	simd.Func("pack"+f.name+"_256", "func("+weightArgs+", panel *byte)", "unpacks 16 rows of "+f.name+" blocks to a panel.")
	rows := simd.NewRows16(simd.Arg("w"), simd.Arg("stride"))
	panel, n := simd.Arg("panel"), simd.Arg("blocks")
	ahead := newPrefetcher(rows)
	blocks := 1
	if f.k {
		SHRQ(U8(3), n)
		blocks = super
	}
	Label("one")
	ahead.fetch(f.bytes * lanes)
	for half := range 2 {
		u := &unpacker256{format: f, constants256: c, rows: rows, half: half}
		u.pack(panel)
	}
	rows.Advance(f.bytes)
	ADDQ(U32(uint32(blocks*f.panelBytes256())), panel)
	DECQ(n)
	JNZ(LabelRef("one"))
	VZEROUPPER()
	RET()
}

// pack unpacks one stored block of 8 rows.
func (u *unpacker256) pack(panel GPVirtual) {
	store := func(off int, y VecVirtual) { VMOVUPS(y, simd.At(panel, off+32*u.half)) }
	quant := func(blk, j int, q VecVirtual) { store(blk*u.panelBytes256()+u.panelQuants256()+64*j, q) }
	scale := func(blk, i int, y VecVirtual) { store(blk*u.panelBytes256()+64*i, y) }
	switch {
	case u.chain == twoScales:
		u.scalesQ6_K(scale)
		u.quantsQ6_K(quant)
	case u.k:
		u.scalesK(scale)
		u.quantsK(quant)
	default:
		d, m := u.head(0)
		scale(0, 0, d)
		if m != nil {
			scale(0, 1, m)
		}
		var sum, zero VecVirtual
		if u.bits == 8 {
			sum, zero = YMM(), YMM()
			VPXOR(sum, sum, sum)
			VPXOR(zero, zero, zero)
		}
		u.block(0, func(j int, q VecVirtual) {
			quant(0, j, q)
			if u.bits == 8 {
				t := YMM()
				VPMINSB(zero, q, q)
				VMOVDQU(u.unit, t)
				VPMADDUBSW(q, t, t)
				VPADDW(t, sum, sum)
			}
		})
		if u.bits == 8 {
			VPMADDWD(u.ones, sum, sum)
			scale(0, 1, sum)
		}
	}
}
