// Command conv generates the kernels of package conv.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	for _, t := range simd.Tiers {
		depthwise(t)
		depthwise3(t)
		copyRows(t)
		for _, taps := range []int{1, 2, 3} {
			depthwiseGrad(t, taps)
		}
		depthwiseGradThree(t)
		winograd(t)
	}
	simd.Emit("conv")
}

// copyRows is of matrices whose rows may be short: three numbers in a first layer.
// Those are two moves that overlap, for a store under a mask costs AVX2 more.
func copyRows(t simd.Tier) {
	t.Func("copyRows", "func(dst *float32, ds int, src *float32, ss, rows, width int)", "copies rows of width numbers; strides are in bytes.")
	dst, src, rows, width := simd.Arg("dst"), simd.Arg("src"), simd.Arg("rows"), simd.Arg("width")
	ds, ss := simd.Arg("ds"), simd.Arg("ss")
	next := func(label string) {
		ADDQ(ds, dst)
		ADDQ(ss, src)
		DECQ(rows)
		JNZ(LabelRef(label))
		simd.End()
	}
	for _, short := range []struct {
		numbers uint8 // of a move
		to      Register
		move    func(from, to Op)
	}{{2, GP64(), MOVQ}, {4, XMM(), func(a, b Op) { VMOVUPS(a, b) }}, {8, YMM(), func(a, b Op) { VMOVUPS(a, b) }}} {
		label := fmt.Sprint("short", short.numbers)
		CMPQ(width, U8(2*short.numbers))
		JG(LabelRef(label + "End"))
		CMPQ(width, U8(1))
		JEQ(LabelRef("one"))
		Label(label)
		end := -4 * int(short.numbers)
		for _, at := range [][2]Mem{{simd.At(src, 0), simd.At(dst, 0)},
			{Mem{Base: src, Index: width, Scale: 4, Disp: end}, Mem{Base: dst, Index: width, Scale: 4, Disp: end}}} {
			short.move(at[0], short.to)
			short.move(short.to, at[1])
		}
		next(label)
		Label(label + "End")
	}
	Label("row")
	to, from, n := GP64(), GP64(), GP64()
	MOVQ(dst, to)
	MOVQ(src, from)
	MOVQ(width, n)
	t.Loop(n, []GPVirtual{to, from}, func(p simd.Part) { p.Store(p.Load(from), to) })
	next("row")
	Label("one")
	number := GP32()
	MOVL(simd.At(src, 0), number)
	MOVL(number, simd.At(dst, 0))
	next("one")
}

// group is how many pixels depthwise has in registers: in AVX2 8 of 16, and a
// multiply-add waits for the one four before it, which is as long as it takes.
const group = 4

// depthwise takes the tap's weights once for a group of pixels. What is read once
// in a group stays in memory, for the registers of addresses are few.
func depthwise(t simd.Tier) {
	t.Func("depthwise", "func(y *float32, ys int, x *float32, xs, xrow, xtap int, w *float32, wrow, wtap, kh, kw, n, channels int, add bool)",
		"sets n pixels of y, ys apart, to sums of kh x kw taps of x, for at most 16 channels; strides are in bytes.")
	m := t.FirstLanes(simd.Arg("channels"))
	y, x, n := simd.Arg("y"), simd.Arg("x"), simd.Arg("n")
	xs, xtap, wtap := simd.Arg("xs"), simd.Arg("xtap"), simd.Arg("wtap")
	body := func(name string, pixels int) {
		acc := make([]simd.F32x16, pixels)
		for i := range acc {
			acc[i] = t.Fill(0)
		}
		xr, wr, kh := GP64(), GP64(), simd.Arg("kh")
		MOVQ(x, xr)
		Load(Param("w"), wr)
		Label(name + "Row")
		xp, wp, kw, at := GP64(), GP64(), simd.Arg("kw"), GP64()
		MOVQ(xr, xp)
		MOVQ(wr, wp)
		Label(name + "Tap")
		w := t.Load(simd.At(wp, 0))
		MOVQ(xp, at)
		for i := range acc {
			simd.FMA231(m.Load(t, simd.At(at, 0)), w, acc[i])
			if i < pixels-1 {
				ADDQ(xs, at)
			}
		}
		ADDQ(xtap, xp)
		ADDQ(wtap, wp)
		DECQ(kw)
		JNZ(LabelRef(name + "Tap"))
		ADDQ(mem("xrow"), xr)
		ADDQ(mem("wrow"), wr)
		DECQ(kh)
		JNZ(LabelRef(name + "Row"))
		deliver(t, name, m, acc, y, at, x, xs)
	}
	SUBQ(U8(group), n)
	JL(LabelRef("rest"))
	Label("group")
	body("group", group)
	SUBQ(U8(group), n)
	JGE(LabelRef("group"))
	Label("rest")
	ADDQ(U8(group), n)
	JZ(LabelRef("done"))
	Label("single")
	body("single", 1)
	DECQ(n)
	JNZ(LabelRef("single"))
	Label("done")
	simd.End()
}

// deliver sets the pixels at y to their sums, or adds these to them, and goes on
// in y and x.
func deliver(t simd.Tier, name string, m simd.Mask, acc []simd.F32x16, y, at, x, xs GPVirtual) {
	CMPB(mem("add"), U8(0))
	JEQ(LabelRef(name + "Store"))
	MOVQ(y, at)
	for i := range acc {
		simd.Add(acc[i], m.Load(t, simd.At(at, 0)), acc[i])
		ADDQ(mem("ys"), at)
	}
	Label(name + "Store")
	for i := range acc {
		m.Store(acc[i], simd.At(y, 0))
		ADDQ(mem("ys"), y)
		ADDQ(xs, x)
	}
}

// mem is an argument where it lies.
func mem(name string) Mem {
	c, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return c.Addr
}

// depthwiseGrad has one accumulator a tap: a sum over pixels can't be shared out.
func depthwiseGrad(t simd.Tier, taps int) {
	t.Func(fmt.Sprintf("depthwiseGrad%d_", taps), "func(dw *float32, wtap int, x *float32, xs, xtap int, dy *float32, ys, n, channels int)",
		fmt.Sprintf("adds n pixels of x * dy to the sums of %d tap(s), for at most 16 channels; strides are in bytes.", taps))
	m := t.FirstLanes(simd.Arg("channels"))
	dw, wtap := simd.Arg("dw"), simd.Arg("wtap")
	x, xs, xtap := simd.Arg("x"), simd.Arg("xs"), simd.Arg("xtap")
	dy, ys, n := simd.Arg("dy"), simd.Arg("ys"), simd.Arg("n")
	acc := make([]simd.F32x16, taps)
	at := GP64()
	MOVQ(dw, at)
	for i := range acc {
		acc[i] = t.Load(simd.At(at, 0))
		ADDQ(wtap, at)
	}
	Label("pixel")
	d := m.Load(t, simd.At(dy, 0))
	at = GP64()
	MOVQ(x, at)
	for i := range acc {
		simd.FMA231(m.Load(t, simd.At(at, 0)), d, acc[i])
		if i < taps-1 {
			ADDQ(xtap, at)
		}
	}
	ADDQ(xs, x)
	ADDQ(ys, dy)
	DECQ(n)
	JNZ(LabelRef("pixel"))
	for i := range acc {
		simd.Move(acc[i], simd.At(dw, 0))
		ADDQ(wtap, dw)
	}
	simd.End()
}
