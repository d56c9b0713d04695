package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func toHalf(t simd.Tier) {
	t.Func("toHalf", "func(dst *uint16, src *float32, n int)", "Rounds n numbers to float16, ties to even.")
	dst, src, n := simd.Arg("dst"), simd.Arg("src"), simd.Arg("n")
	SUBQ(U8(simd.Lanes), n)
	JLT(LabelRef("rest"))
	Label("loop")
	v := t.Load(simd.At(src, 0))
	for i, r := range v {
		VCVTPS2PH(U8(0), r, simd.At(dst, 16*i))
	}
	ADDQ(U8(4*simd.Lanes), src)
	ADDQ(U8(2*simd.Lanes), dst)
	SUBQ(U8(simd.Lanes), n)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(U8(simd.Lanes), n)
	JZ(LabelRef("done"))
	v = t.FirstLanes(n).Load(t, simd.At(src, 0))
	if t == simd.AVX512 {
		y, k := YMM(), K()
		VCVTPS2PH(U8(0), v[0], y)
		// The mask of 16-bit numbers is that of the 32-bit ones.
		ones := GP32()
		MOVL(U32(1<<simd.Lanes-1), ones)
		BZHIL(n.As32(), ones, ones)
		KMOVW(ones, k)
		VMOVDQU16(y, k, simd.At(dst, 0))
	} else {
		// AVX2 stores no 16-bit numbers under a mask: 8, 4, 2 and 1 of them.
		x := XMM()
		VCVTPS2PH(U8(0), v[0], x)
		TESTQ(U32(8), n)
		JZ(LabelRef("four"))
		VMOVDQU(x, simd.At(dst, 0))
		VCVTPS2PH(U8(0), v[1], x)
		ADDQ(U8(16), dst)
		Label("four")
		TESTQ(U32(4), n)
		JZ(LabelRef("two"))
		VMOVQ(x, simd.At(dst, 0))
		VPSRLDQ(U8(8), x, x)
		ADDQ(U8(8), dst)
		Label("two")
		TESTQ(U32(2), n)
		JZ(LabelRef("one"))
		VMOVD(x, simd.At(dst, 0))
		VPSRLDQ(U8(4), x, x)
		ADDQ(U8(4), dst)
		Label("one")
		TESTQ(U32(1), n)
		JZ(LabelRef("done"))
		VPEXTRW(U8(0), x, simd.At(dst, 0))
	}
	Label("done")
	simd.End()
}
