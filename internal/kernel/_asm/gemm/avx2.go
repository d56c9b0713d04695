package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// In AVX2 only float32 is transposed; other dtypes are decoded along the rows first.

// rows8 are 8 rows, lane = row.
type rows8 struct {
	base   [2]GPVirtual
	s1, s3 GPVirtual
}

// newRows8 addresses 16 rows as two times 8; it takes over row0.
func newRows8(row0, stride GPVirtual) [2]rows8 {
	all := simd.NewRows16(row0, stride)
	return [2]rows8{
		{[2]GPVirtual{all.Base[0], all.Base[1]}, stride, all.S3},
		{[2]GPVirtual{all.Base[2], all.Base[3]}, stride, all.S3},
	}
}

// across256 is across for the float32 numbers of 16 rows. k is at least 4.
func across256(groups [2]rows8, k GPVirtual, use func(group, i int, y VecVirtual), advance func(n int), back func(n GPVirtual)) {
	unit := func(use func(group, i int, y VecVirtual)) {
		for g, r := range groups {
			for i, y := range simd.Quads8(r.base, r.s1, r.s3) {
				use(g, i, y)
			}
		}
	}
	SUBQ(U8(4), k)
	Label("loop")
	unit(use)
	for _, r := range groups {
		for _, b := range r.base {
			ADDQ(U8(16), b)
		}
	}
	advance(4)
	SUBQ(U8(4), k)
	JGE(LabelRef("loop"))
	ADDQ(U8(4), k)
	JZ(LabelRef("done"))
	n := GP64() // <0: back to where the row's last 4 begin
	MOVQ(k, n)
	SUBQ(U8(4), n)
	back(n)
	SHLQ(U8(2), n)
	for _, r := range groups {
		for _, b := range r.base {
			ADDQ(n, b)
		}
	}
	unit(func(g, i int, y VecVirtual) {
		if i == 0 {
			return // then the unit would have been whole
		}
		skip := fmt.Sprintf("skip%d_%d", g, i)
		CMPQ(k, U8(uint8(4-i)))
		JLT(LabelRef(skip))
		use(g, i, y)
		Label(skip)
	})
	Label("done")
}

// transpose256 emits the packer of float32 rows as columns.
func transpose256() {
	simd.AVX2.Func("packTF32_", "func(dst *float32, ldp int, w *byte, stride, k int)",
		"16 rows of k numbers, stride bytes apart, become k rows of 16, ldp bytes apart.")
	dst, ldp, w, stride, k := simd.Arg("dst"), simd.Arg("ldp"), simd.Arg("w"), simd.Arg("stride"), simd.Arg("k")
	var at [4]Mem
	at[0], at[1], at[2] = simd.At(dst, 0), Mem{Base: dst, Index: ldp, Scale: 1}, Mem{Base: dst, Index: ldp, Scale: 2}
	ldp3 := GP64()
	LEAQ(Mem{Base: ldp, Index: ldp, Scale: 2}, ldp3)
	at[3] = Mem{Base: dst, Index: ldp3, Scale: 1}
	across256(newRows8(w, stride), k, func(g, i int, y VecVirtual) {
		VMOVUPS(y, at[i].Offset(32*g))
	}, func(int) { LEAQ(Mem{Base: dst, Index: ldp, Scale: 4}, dst) }, func(n GPVirtual) {
		back := GP64()
		MOVQ(n, back)
		IMULQ(ldp, back)
		ADDQ(back, dst)
	})
	simd.End()
}

// gemv256 emits y = W x for 16 rows of float32.
func gemv256() {
	t := simd.AVX2
	t.Func("gemvF32_16_", "func(y *float32, x *float32, w *byte, stride, k int, acc bool)",
		"16 rows of W, stride bytes apart, times k numbers of x.")
	y, x, w, stride, k := simd.Arg("y"), simd.Arg("x"), simd.Arg("w"), simd.Arg("stride"), simd.Arg("k")
	rows := newRows8(w, stride)
	ahead := GP64() // as in the AVX-512 one
	LEAQ(Mem{Base: rows[1].base[1], Index: stride, Scale: 4}, ahead)
	acc, total := t.Fill(0), t.Fill(negativeZero)
	flag := Load(Param("acc"), GP8())
	TESTB(flag.(GPVirtual), flag.(GPVirtual))
	JZ(LabelRef("zero"))
	simd.Move(simd.At(y, 0), total)
	Label("zero")
	left := GP64() // numbers until the segment ends
	MOVQ(U32(segment), left)
	across256(rows, k, func(g, i int, v VecVirtual) {
		b := YMM()
		VBROADCASTSS(simd.At(x, 4*i), b)
		VFMADD231PS(b, v, acc[g])
		if i%2 == 0 {
			PREFETCHT1(simd.At(ahead, 128*g+32*i))
		}
	}, func(n int) {
		ADDQ(U8(uint8(4*n)), x)
		ADDQ(U32(uint32(16*4*n)), ahead)
		SUBQ(U8(uint8(n)), left)
		JNZ(LabelRef("same"))
		simd.Add(acc, total, total)
		simd.Xor(acc, acc, acc)
		MOVQ(U32(segment), left)
		Label("same")
	}, func(n GPVirtual) {
		LEAQ(Mem{Base: x, Index: n, Scale: 4}, x)
		DECQ(left) // less than a step follows and ends no segment, but begins one
	})
	CMPQ(left, U32(segment))
	JE(LabelRef("store")) // an empty segment's +0 would turn a total of -0
	simd.Add(acc, total, total)
	Label("store")
	simd.Move(total, simd.At(y, 0))
	simd.End()
}
