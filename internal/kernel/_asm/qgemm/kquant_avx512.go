package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The K-quants: 256 numbers are eight sub-blocks of 32 (sixteen of 16 for Q6_K).

// scalesK unpacks the head of a Q4_K or Q5_K block: put is called with the scale
// (0) and minus the minimum (1) of each sub-block. The packed bytes of 16 rows
// are three registers, a byte for a sub-block, so all are spread at once.
func (u *unpacker) scalesK(put func(blk, i int, z VecVirtual)) {
	t := u.quads(0)
	d, m := u.scales(t[0])
	VPXORD_BCST(u.minus, m, m)
	for i, by := range []VecVirtual{d, m} {
		// Six bits of each of the first four; above them two of the last four,
		// whose other four are the nibbles of the last dword.
		first, last, top := ZMM(), t[3], t[1+i]
		VPANDD_BCST(u.six, top, first)
		VPSRLD(U8(2), top, top)
		if i == 1 {
			VPSRLD(U8(4), last, last)
		}
		low := ZMM()
		VPANDD(u.fixup, last, low)
		VPTERNLOGD_BCST(U8(0xf8), u.pairs, top, low)
		for j := range super {
			z := ZMM()
			VMOVDQU8(u.byteOf.Offset(64*(j%4)), z)
			if j < 4 {
				VPSHUFB(z, first, z)
			} else {
				VPSHUFB(z, low, z)
			}
			VCVTDQ2PS(z, z)
			VMULPS(by, z, z)
			put(j, i, z)
		}
	}
}

// partsK unpacks a Q4_K or Q5_K block: 32 bytes are the nibbles of two
// sub-blocks, and bit j of other 32 bytes the fifth bits of sub-block j. These
// wait in the panel, where at last sub-block 7 takes their place.
func (u *unpacker) partsK(scale func(blk, i int, z VecVirtual), quant func(blk, j int) Mem) []part {
	parts := make([]part, super/2)
	parts[0].steps = steps{func() {
		u.scalesK(scale)
		if u.bits == 5 {
			for half := range 2 {
				for i, t := range u.quads(16 + 16*half) {
					VMOVDQU32(t, quant(super-1, 4*half+i))
				}
			}
		}
	}}
	for pair := range parts {
		p := &parts[pair]
		p.blocks = []int{2 * pair, 2*pair + 1}
		for half := range 2 {
			z, do := u.quadsInSteps(u.format.quants + 32*pair + 16*half)
			p.steps = append(p.steps, do...)
			for i, t := range z {
				j := 4*half + i
				lo := ZMM()
				p.steps = append(p.steps,
					func() { VPANDD(u.fixup, t, lo) },
					func() { u.bitsAt(quant(super-1, j), 4-2*pair, lo) },
					func() { VMOVDQU32(lo, quant(2*pair, j)) },
					func() { VPSRLD(U8(4), t, t) },
					func() { VPANDD(u.fixup, t, t) },
					func() { u.bitsAt(quant(super-1, j), 3-2*pair, t) },
					func() { VMOVDQU32(t, quant(2*pair+1, j)) },
				)
			}
		}
	}
	return parts
}

// bitsAt adds the fifth bits, those of t moved up by n, or down.
func (u *unpacker) bitsAt(t Mem, n int, q VecVirtual) {
	if u.bits == 5 {
		moved := ZMM()
		if n >= 0 {
			VPSLLD(U8(uint8(n)), t, moved)
		} else {
			VPSRLD(U8(uint8(-n)), t, moved)
		}
		VPTERNLOGD_BCST(U8(0xf8), u.fifth, moved, q)
	}
}

// scalesQ6_K calls put with the two scales of each 32 numbers. They are signed
// bytes, and the one of the block stands at its very end.
func (u *unpacker) scalesQ6_K(put func(blk, i int, z VecVirtual)) {
	d := u.halves(u.heads(u.format.bytes-4), 1)
	for i, s := range u.quads(192) {
		for j := range 4 {
			z := ZMM()
			if j < 3 {
				VPSLLD(U8(uint8(24-8*j)), s, z)
				VPSRAD(U8(24), z, z)
			} else {
				VPSRAD(U8(24), s, z)
			}
			VCVTDQ2PS(z, z)
			VMULPS(d, z, z)
			put(2*i+j/2, j%2, z)
		}
	}
}

// partsQ6_K unpacks, from each half of 128 numbers, the nibbles of 64 bytes and
// the pairs of upper bits of 32: quarter k has byte group k%2, nibble k/2, pair k.
func (u *unpacker) partsQ6_K(scale func(blk, i int, z VecVirtual), quant func(blk, j int) Mem) []part {
	parts := make([]part, 2)
	parts[0].steps = steps{func() { u.scalesQ6_K(scale) }}
	for half := range parts {
		p := &parts[half]
		for quad := range 2 {
			high, do := u.quadsInSteps(128 + 32*half + 16*quad)
			p.steps = append(p.steps, do...)
			for k := range 2 {
				z, do := u.quadsInSteps(64*half + 32*k + 16*quad)
				p.steps = append(p.steps, do...)
				for i, t := range z {
					lo, blk, j := ZMM(), 4*half+k, 4*quad+i
					p.steps = append(p.steps,
						func() { VPANDD(u.fixup, t, lo) },
						func() { u.pairsAt(high[i], 4-2*k, lo) },
						func() { VMOVDQU32(lo, quant(blk, j)) },
						func() { VPSRLD(U8(4), t, t) },
						func() { VPANDD(u.fixup, t, t) },
						func() { u.pairsAt(high[i], -2*k, t) },
						func() { VMOVDQU32(t, quant(blk+2, j)) },
					)
				}
			}
		}
		for k := range 4 {
			p.blocks = append(p.blocks, 4*half+k)
		}
	}
	return parts
}

// pairsAt adds the pairs of upper bits, those of t moved up by n, or down.
func (u *unpacker) pairsAt(t VecVirtual, n int, q VecVirtual) {
	moved := ZMM()
	switch {
	case n > 0:
		VPSLLD(U8(uint8(n)), t, moved)
	case n < 0:
		VPSRLD(U8(uint8(-n)), t, moved)
	default:
		moved = t
	}
	VPTERNLOGD_BCST(U8(0xf8), u.pairs, moved, q)
}
