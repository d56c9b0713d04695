package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// scalesK unpacks the head of a Q4_K or Q5_K block, as that of unpacker does.
func (u *unpacker256) scalesK(put func(blk, i int, y VecVirtual)) {
	t := u.quads(0)
	d, m := u.scales(t[0])
	VXORPS(u.minus, m, m)
	for i, by := range []VecVirtual{d, m} {
		first, last, top := YMM(), t[3], t[1+i]
		VPAND(u.six, top, first)
		VPSRLD(U8(2), top, top)
		if i == 1 {
			VPSRLD(U8(4), last, last)
		}
		low := YMM()
		VPAND(u.nibble, last, low)
		VPAND(u.pairs, top, top)
		VPOR(top, low, low)
		for j := range super {
			y, from := YMM(), first
			if j >= 4 {
				from = low
			}
			VPSHUFB(u.byteOf.Offset(128+32*(j%4)), from, y)
			VCVTDQ2PS(y, y)
			VMULPS(by, y, y)
			put(j, i, y)
		}
	}
}

// quantsK unpacks the quants of a Q4_K or Q5_K block, as that of unpacker does.
func (u *unpacker256) quantsK(put func(blk, j int, q VecVirtual)) {
	for half := range 2 {
		var high [4]VecVirtual
		if u.bits == 5 {
			high = u.quads(16 + 16*half)
		}
		for pair := range super / 2 {
			for i, t := range u.quads(u.format.quants + 32*pair + 16*half) {
				lo, hi := u.nibbles(t)
				if u.bits == 5 {
					u.bitsAt(high[i], 4-2*pair, u.fifth, lo)
					u.bitsAt(high[i], 3-2*pair, u.fifth, hi)
				}
				put(2*pair, 4*half+i, lo)
				put(2*pair+1, 4*half+i, hi)
			}
		}
	}
}

// bitsAt adds to q the bits of the mask of t moved up by n, or down.
func (u *unpacker256) bitsAt(t VecVirtual, n int, mask Mem, q VecVirtual) {
	moved := YMM()
	switch {
	case n > 0:
		VPSLLD(U8(uint8(n)), t, moved)
		VPAND(mask, moved, moved)
	case n < 0:
		VPSRLD(U8(uint8(-n)), t, moved)
		VPAND(mask, moved, moved)
	default:
		VPAND(mask, t, moved)
	}
	VPOR(moved, q, q)
}

// scalesQ6_K calls put with the two scales of each 32 numbers, as that of
// unpacker does; the scale of the block ends its last 16 bytes.
func (u *unpacker256) scalesQ6_K(put func(blk, i int, y VecVirtual)) {
	d := u.second(u.split(u.quads(u.format.bytes - 16)[3]))
	for i, s := range u.quads(192) {
		for j := range 4 {
			y := YMM()
			if j < 3 {
				VPSLLD(U8(uint8(24-8*j)), s, y)
				VPSRAD(U8(24), y, y)
			} else {
				VPSRAD(U8(24), s, y)
			}
			VCVTDQ2PS(y, y)
			VMULPS(d, y, y)
			put(2*i+j/2, j%2, y)
		}
	}
}

// quantsQ6_K unpacks the quants of a block, as that of unpacker does.
func (u *unpacker256) quantsQ6_K(put func(blk, j int, q VecVirtual)) {
	for half := range 2 {
		for quad := range 2 {
			high := u.quads(128 + 32*half + 16*quad)
			for k := range 2 {
				for i, t := range u.quads(64*half + 32*k + 16*quad) {
					lo, hi := u.nibbles(t)
					u.bitsAt(high[i], 4-2*k, u.pairs, lo)
					u.bitsAt(high[i], -2*k, u.pairs, hi)
					put(4*half+k, 4*quad+i, lo)
					put(4*half+k+2, 4*quad+i, hi)
				}
			}
		}
	}
}
