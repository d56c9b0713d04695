package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// weights emits what reads stored weights: the packers and the one-row products.
func weights() {
	for _, make := range []func() decoder{
		func() decoder { return new(f32) },
		func() decoder { return new(f16) },
		func() decoder { return new(bf16) },
		func() decoder { return q8_0() },
		func() decoder { return q4_0() },
		func() decoder { return q4_1() },
	} {
		packT(make())
		gemv(make(), 1)
		gemv(make(), 2)
		for n := 2; n <= maxFew; n++ {
			few(make(), n)
		}
	}
}

// across walks k numbers along groups of 16 rows and calls use for each, in
// ascending order within a group. k is at least one unit.
//
// What is left after the last whole unit is decoded again as the end of the
// last unit of the row, so that nothing past the row is read; of that unit only
// the new numbers are used.
func across(d decoder, groups []simd.Rows16, k GPVirtual, use func(group, i int, z VecVirtual), advance func(n int), back func(n GPVirtual)) {
	numbers, bytes, whole := d.step()
	if b, ok := d.(*block); ok {
		b.rows(groups[0].S1)
	}
	SUBQ(U32(uint32(numbers)), k)
	JLT(LabelRef("rest"))
	Label("loop")
	for g, r := range groups {
		d.unit(r, func(i int, z VecVirtual) { use(g, i, z) })
	}
	for _, r := range groups {
		r.Advance(bytes)
	}
	advance(numbers)
	SUBQ(U32(uint32(numbers)), k)
	JGE(LabelRef("loop"))
	Label("rest")
	if whole {
		return
	}
	ADDQ(U32(uint32(numbers)), k)
	JZ(LabelRef("done"))
	n := GP64() // <0: back to where the row's last unit begins
	MOVQ(k, n)
	SUBQ(U32(uint32(numbers)), n)
	back(n)
	IMUL3Q(U32(uint32(bytes/numbers)), n, n)
	for g, r := range groups {
		for _, b := range r.Base {
			ADDQ(n, b)
		}
		d.unit(r, func(i int, z VecVirtual) {
			if i == 0 {
				return // then the unit would have been whole
			}
			skip := fmt.Sprintf("skip%d_%d", g, i)
			CMPQ(k, U32(uint32(numbers-i)))
			JLT(LabelRef(skip))
			use(g, i, z)
			Label(skip)
		})
	}
	Label("done")
}

// packT emits the packer for y = x W^T: 16 rows of W become 16 columns.
func packT(d decoder) {
	simd.Func("packT"+d.name()+"_512", "func(dst *float32, ldp int, w *byte, stride, k int)",
		"16 rows of k numbers, stride bytes apart, become k rows of 16, ldp bytes apart.")
	dst, ldp, w, stride, k := simd.Arg("dst"), simd.Arg("ldp"), simd.Arg("w"), simd.Arg("stride"), simd.Arg("k")
	d.init()
	rows := simd.NewRows16(w, stride)
	next := rows.Next16()
	across(d, []simd.Rows16{rows}, k, func(_, _ int, z VecVirtual) {
		VMOVUPS(z, simd.At(dst, 0))
		ADDQ(ldp, dst)
	}, func(n int) {
		for i := range 16 {
			PREFETCHT1(next.Row(i, 0))
		}
		numbers, bytes, _ := d.step()
		next.Advance(n / numbers * bytes)
	}, func(GPVirtual) {})
	VZEROUPPER()
	RET()
}

// segment is the longest chain of multiply-adds; gemm.Segment is the same. It is
// a multiple of every step of across.
const segment = 128

var negativeZero = float32(math.Copysign(0, -1)) // adds to x as x, even to -0

// gemv emits y = W x for 16 rows or for 32, where two chains hide the latency
// of each other.
func gemv(d decoder, groups int) {
	simd.Func(fmt.Sprintf("gemv%s_%d_512", d.name(), 16*groups), "func(y *float32, x *float32, w *byte, stride, k int, acc bool)",
		fmt.Sprintf("%d rows of W, stride bytes apart, times k numbers of x.", 16*groups))
	x, w, stride, k := simd.Arg("x"), simd.Arg("w"), simd.Arg("stride"), simd.Arg("k")
	rows := []simd.Rows16{simd.NewRows16(w, stride)}
	for len(rows) < groups {
		rows = append(rows, rows[len(rows)-1].Next16())
	}
	// The processor's prefetchers do not follow so many rows at a time. The
	// rows after these lie next in memory, so they are asked for in one run,
	// as many bytes of it as are used here.
	ahead := GP64()
	LEAQ(Mem{Base: rows[groups-1].Base[3], Index: stride, Scale: 4}, ahead)
	d.init()
	acc, total := make([]VecVirtual, groups), make([]VecVirtual, groups)
	for g := range acc {
		acc[g], total[g] = ZMM(), ZMM()
		VPXORD(acc[g], acc[g], acc[g])
		VPTERNLOGD(U8(0xff), total[g], total[g], total[g])
		VPSLLD(U8(31), total[g], total[g]) // -0, which adds to x as x, even to -0
	}
	flag := Load(Param("acc"), GP8())
	TESTB(flag.(GPVirtual), flag.(GPVirtual))
	JZ(LabelRef("zero"))
	y := simd.Arg("y") // loaded where it is used: 14 registers are in the loop
	for g := range total {
		VMOVUPS(simd.At(y, 64*g), total[g])
	}
	Label("zero")
	left := GP64() // numbers until the segment ends
	MOVQ(U32(segment), left)
	folds := 0
	numbers, bytes, _ := d.step()
	used := 0 // bytes of this step
	across(d, rows, k, func(g, i int, z VecVirtual) {
		VFMADD231PS_BCST(simd.At(x, 4*i), z, acc[g])
		if used += 16 * bytes / numbers; used%64 < 16*bytes/numbers {
			PREFETCHT1(simd.At(ahead, used/64*64))
		}
	}, func(n int) {
		ADDQ(U32(uint32(4*n)), x)
		ADDQ(U32(uint32(16*groups*n/numbers*bytes)), ahead)
		used = 0
		same := fmt.Sprintf("same%d", folds)
		folds++
		SUBQ(U32(uint32(n)), left)
		JNZ(LabelRef(same))
		for g := range acc {
			VADDPS(acc[g], total[g], total[g])
			VPXORD(acc[g], acc[g], acc[g])
		}
		MOVQ(U32(segment), left)
		Label(same)
	}, func(n GPVirtual) {
		LEAQ(Mem{Base: x, Index: n, Scale: 4}, x)
		DECQ(left) // less than a step follows and ends no segment, but begins one
	})
	CMPQ(left, U32(segment))
	JE(LabelRef("store")) // an empty segment's +0 would turn a total of -0
	for g := range acc {
		VADDPS(acc[g], total[g], total[g])
	}
	Label("store")
	y = simd.Arg("y")
	for g := range total {
		VMOVUPS(total[g], simd.At(y, 64*g))
	}
	VZEROUPPER()
	RET()
}
