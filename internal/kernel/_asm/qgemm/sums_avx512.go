package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// sums are the accumulators of a tile of rows x 16 outputs.
type sums struct {
	format
	acc, dot []VecVirtual
	high     VecVirtual // integer sum of the second halves, 16 times too large
	mixed    mixer
	q, d, e  GPVirtual // activations: quants, scales, and biases or scaled sums
}

func newSums(f format, rows int) *sums {
	s := &sums{format: f}
	for range rows {
		s.acc = append(s.acc, ZMM())
		s.dot = append(s.dot, ZMM())
	}
	return s
}

// raw reports whether the second halves of 4-bit blocks are summed apart, 16
// times too large: one shift of the sum is less work than four of the quants,
// if there is only one row.
func (s *sums) raw() bool { return s.high != nil }

func (s *sums) zero() {
	for _, a := range s.acc {
		VPXORD(a, a, a)
	}
}

// begin starts the integer sums of a block, or of one half of it if each half
// has its scale. Where the quants are too large, for VNNI wants them unsigned,
// the bias of the row, -8*sum, undoes it.
func (s *sums) begin(blk, half int) {
	rows := len(s.dot)
	for r, z := range s.dot {
		switch off := 4 * (blk*rows + r); {
		case s.chain == scaleAndMin:
			VPXORD(z, z, z)
		case s.chain == twoScales:
			VPBROADCASTD(simd.At(s.e, 2*off+4*half), z)
		case s.shift > 0:
			VPSLLD_BCST(U8(uint8(s.shift)), simd.At(s.e, off), z)
		default:
			VPBROADCASTD(simd.At(s.e, off), z)
		}
	}
	if s.raw() {
		VPXORD(s.high, s.high, s.high)
	}
}

// add multiplies dword j of 16 rows of weights by that of every activation row.
func (s *sums) add(blk, j int, w VecVirtual) {
	rows := len(s.dot)
	for r, z := range s.dot {
		if j >= 4 && s.raw() {
			z = s.high
		}
		VPDPBUSD_BCST(simd.At(s.q, elems*(blk*rows+r)+4*j), w, z)
		s.mixed.product()
	}
}

// mixer spreads the steps of unpacking among products. They use different
// pipes, but the queues before the pipes are too short to find work for the ones
// behind that for the others.
type mixer struct {
	steps
	all, products, done int
}

// mix emits do while use emits its products of so many registers of weights.
func (s *sums) mix(do steps, weights int, use func()) {
	s.mixed = mixer{steps: do, all: len(do), products: weights * len(s.dot)}
	use()
	s.mixed.rest()
}

func (m *mixer) product() {
	m.done++
	if due := m.all * min(m.done, m.products) / max(m.products, 1); due > m.all-len(m.steps) {
		m.some(due - (m.all - len(m.steps)))
	}
}

// end adds a finished block to the float32 sums.
func (s *sums) end(blk int, d, m VecVirtual) {
	if s.raw() {
		VPSRAD(U8(4), s.high, s.high)
		VPADDD(s.high, s.dot[0], s.dot[0])
	}
	rows := len(s.dot)
	for r, z := range s.dot {
		off := 4 * (blk*rows + r)
		t := ZMM()
		VMULPS_BCST(simd.At(s.d, off), d, t)
		VCVTDQ2PS(z, z)
		VFMADD231PS(t, z, s.acc[r])
		if s.chain == scaleAndMin {
			VFMADD231PS_BCST(simd.At(s.e, off), m, s.acc[r])
		}
	}
}

// advance moves past n blocks.
func (s *sums) advance(n int) {
	rows := len(s.dot)
	ADDQ(U32(uint32(n*rows*elems)), s.q)
	ADDQ(U32(uint32(n*rows*4)), s.d)
	if s.chain == twoScales {
		n *= 2
	}
	ADDQ(U32(uint32(n*rows*4)), s.e)
}

// panel adds block blk of a panel.
func (s *sums) panel(p GPVirtual, blk int) {
	load := func(off int) VecVirtual {
		z := ZMM()
		VMOVDQU32(simd.At(p, blk*s.panelBytes()+off), z)
		return z
	}
	quants := func(from, to int) {
		for j := from; j < to; j++ {
			s.add(blk, j, load(s.panelQuants()+64*j))
		}
	}
	switch s.chain {
	case oneScale:
		s.begin(blk, 0)
		quants(0, 8)
		s.end(blk, load(0), nil)
	case scaleAndMin:
		s.begin(blk, 0)
		quants(0, 8)
		s.end(blk, load(0), load(64))
	case twoScales:
		for half := range 2 {
			s.begin(blk, half)
			quants(4*half, 4*half+4)
			s.end(blk, load(64*half), nil)
		}
	}
}

func (s *sums) store(c, ldc GPVirtual, mask OpmaskVirtual) {
	p := GP64()
	MOVQ(c, p)
	for r, a := range s.acc {
		if r > 0 {
			ADDQ(ldc, p)
		}
		VMOVUPS(a, mask, simd.At(p, 0))
	}
}

// activations points s to the first block of the tile.
func (s *sums) activations() {
	s.q, s.d = simd.Arg("q"), simd.Arg("d")
	if s.chain == scaleAndMin {
		s.e = simd.Arg("s")
	} else {
		s.e = simd.Arg("bias")
	}
}

func outputMask() OpmaskVirtual {
	k, g := K(), Load(Param("mask"), GP32())
	KMOVW(g, k)
	return k
}
