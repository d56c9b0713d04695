package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// maxFew is the most rows of x that one pass over W serves.
const maxFew = 8

// few emits the product of 16 rows of W with 2 to 8 rows of x. As in gemv nothing
// is stored; each number that is decoded feeds one multiply-add for each row of x,
// and decoding and multiplying overlap, which they do not with a panel between.
func few(d decoder, n int) {
	simd.Func(fmt.Sprintf("few%s_%d_512", d.name(), n), "func(y *float32, ldy int, x *float32, ldx int, w *byte, stride, k int, acc bool)",
		fmt.Sprintf("16 rows of W, stride bytes apart, times %d rows of k numbers of x; ldx and ldy are bytes.", n))
	w, stride, k := simd.Arg("w"), simd.Arg("stride"), simd.Arg("k")
	rows := simd.NewRows16(w, stride)
	ahead := GP64() // as in gemv
	LEAQ(Mem{Base: rows.Base[3], Index: stride, Scale: 4}, ahead)
	d.init()
	x := fewRows("x", "ldx", n)
	acc := make([]VecVirtual, n)
	for i := range acc {
		acc[i] = ZMM()
		VPXORD(acc[i], acc[i], acc[i])
	}
	// The totals are in y: 16 registers are not there for them with every dtype.
	flag := Load(Param("acc"), GP8())
	TESTB(flag.(GPVirtual), flag.(GPVirtual))
	JNZ(LabelRef("begin"))
	none := simd.AVX512.Const(negativeZero)
	outputs(acc, func(y GPVirtual, _ VecVirtual) { VMOVUPS(none[0], simd.At(y, 0)) })
	Label("begin")
	fold := func() {
		outputs(acc, func(y GPVirtual, z VecVirtual) {
			VADDPS(simd.At(y, 0), z, z)
			VMOVUPS(z, simd.At(y, 0))
			VPXORD(z, z, z)
		})
	}
	left := GP64() // numbers until the segment ends
	MOVQ(U32(segment), left)
	folds, used := 0, 0
	numbers, bytes, _ := d.step()
	across(d, []simd.Rows16{rows}, k, func(_, i int, z VecVirtual) {
		for r := range acc {
			VFMADD231PS_BCST(x.row(r, 4*i), z, acc[r])
		}
		if used += 16 * bytes / numbers; used%64 < 16*bytes/numbers {
			PREFETCHT1(simd.At(ahead, used/64*64))
		}
	}, func(i int) {
		for _, b := range x.bases() {
			ADDQ(U32(uint32(4*i)), b)
		}
		ADDQ(U32(uint32(16*i/numbers*bytes)), ahead)
		used = 0
		same := fmt.Sprintf("same%d", folds)
		folds++
		SUBQ(U32(uint32(i)), left)
		JNZ(LabelRef(same))
		fold()
		MOVQ(U32(segment), left)
		Label(same)
	}, func(back GPVirtual) {
		for _, b := range x.bases() {
			LEAQ(Mem{Base: b, Index: back, Scale: 4}, b)
		}
		DECQ(left) // less than a step follows and ends no segment, but begins one
	})
	CMPQ(left, U32(segment))
	JE(LabelRef("end")) // an empty segment's +0 would turn a total of -0
	fold()
	Label("end")
	simd.End()
}

// outputs walks the rows of y with one pointer, for 13 registers are in the loop.
func outputs(acc []VecVirtual, use func(y GPVirtual, z VecVirtual)) {
	y := simd.Arg("y")
	ldy, err := Param("ldy").Resolve()
	if err != nil {
		panic(err)
	}
	for i, z := range acc {
		if i > 0 {
			ADDQ(ldy.Addr, y)
		}
		use(y, z)
	}
}

// strided addresses up to 8 rows: rows 0 to 3 from base[0], the others from base[1].
type strided struct {
	n      int
	base   [2]GPVirtual
	s1, s3 GPVirtual
}

func fewRows(pointer, stride string, n int) strided {
	s := strided{n: n}
	s.base[0], s.s1 = simd.Arg(pointer), simd.Arg(stride)
	if n > 3 {
		s.s3 = GP64()
		LEAQ(Mem{Base: s.s1, Index: s.s1, Scale: 2}, s.s3)
	}
	if n > 4 {
		s.base[1] = GP64()
		LEAQ(Mem{Base: s.base[0], Index: s.s1, Scale: 4}, s.base[1])
	}
	return s
}

func (s strided) bases() []GPVirtual { return s.base[:(s.n+3)/4] }

func (s strided) row(i, off int) Mem {
	return simd.Rows16{Base: [4]GPVirtual{s.base[0], s.base[1]}, S1: s.s1, S3: s.s3}.Row(i, off)
}
