package simd

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Sum adds the 16 lanes of v: lane i+8 to lane i, then 4, 2 and 1, the tree of
// f32.SumLanes. The sum is lane 0 of the result.
func Sum(v F32x16) VecVirtual { return tree(v, VADDPS) }

// Largest is Sum for the maximum.
func Largest(v F32x16) VecVirtual { return tree(v, VMAXPS) }

func tree(v F32x16, op func(...Op)) VecVirtual {
	hi, s := YMM(), YMM()
	if v.Tier() == AVX512 {
		VEXTRACTF32X8(U8(1), v[0], hi)
		op(hi, v[0].AsY(), s)
		VEXTRACTF32X4(U8(1), s, hi.AsX())
	} else {
		op(v[1], v[0], s)
		VEXTRACTF128(U8(1), s, hi.AsX())
	}
	op(hi.AsX(), s.AsX(), s.AsX())
	const two, one = 0b01_00_11_10, 0b10_11_00_01 // exchange pairs, neighbours
	for _, far := range []uint8{two, one} {
		VPERMILPS(U8(far), s.AsX(), hi.AsX())
		op(hi.AsX(), s.AsX(), s.AsX())
	}
	return s.AsX().(VecVirtual)
}
