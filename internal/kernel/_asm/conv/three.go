package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// depthwise3 is depthwise for kernels of three columns that move a pixel at a time.
// A column of x is read once in each row of the kernel and serves the three pixels
// that it is a tap of; in order, so that each sum is depthwise's. The first pixel
// may lack its first tap and the last one its last: that column isn't read.
func depthwise3(t simd.Tier) {
	t.Func("depthwiseThree", "func(y *float32, ys int, x *float32, xs, xrow int, w *float32, wrow, wtap, kh, n, channels int, left, right, add bool)",
		"sets n pixels of y, ys apart, to sums of kh x 3 taps of x, which begins with the first tap that is there, for at most 16 channels; strides are in bytes.")
	whole, part := 8, 8
	if t == simd.AVX2 { // whose registers these, three weights, a column and a mask fill
		whole, part = 4, 3
	}
	y, x, xs, n := simd.Arg("y"), simd.Arg("x"), simd.Arg("xs"), simd.Arg("n")
	wtap, left, right := simd.Arg("wtap"), GP64(), GP64()
	MOVBQZX(mem("left"), left)
	TESTQ(left, left)
	JZ(LabelRef("begin"))
	SUBQ(xs, x) // to where the first tap would be
	Label("begin")

	pixels := func(name string, m simd.Mask, count int) {
		Label(name)
		XORQ(right, right)
		CMPQ(n, U8(count))
		JL(LabelRef(name + "End"))
		JNE(LabelRef(name + "Sum"))
		MOVBQZX(mem("right"), right)
		Label(name + "Sum")
		acc := make([]simd.F32x16, count)
		for i := range acc {
			acc[i] = t.Fill(0)
		}
		xr, wr, kh, at := GP64(), simd.Arg("w"), simd.Arg("kh"), GP64()
		MOVQ(x, xr)
		Label(name + "Row")
		w := []simd.F32x16{t.Load(simd.At(wr, 0)), t.Load(Mem{Base: wr, Index: wtap, Scale: 1}), t.Load(Mem{Base: wr, Index: wtap, Scale: 2})}
		MOVQ(xr, at)
		for c := range count + 2 {
			after := fmt.Sprint(name, "After", c)
			if c == 0 {
				TESTQ(left, left)
				JNZ(LabelRef(after))
			}
			if c == count+1 {
				TESTQ(right, right)
				JNZ(LabelRef(after))
			}
			v := m.Load(t, simd.At(at, 0))
			for tap := range w {
				if i := c - tap; i >= 0 && i < count {
					simd.FMA231(v, w[tap], acc[i])
				}
			}
			if c == 0 || c == count+1 {
				Label(after)
			}
			if c <= count {
				ADDQ(xs, at)
			}
		}
		ADDQ(mem("xrow"), xr)
		ADDQ(mem("wrow"), wr)
		DECQ(kh)
		JNZ(LabelRef(name + "Row"))
		XORQ(left, left)
		deliver(t, name, m, acc, y, at, x, xs)
		SUBQ(U8(count), n)
		JMP(LabelRef(name))
		Label(name + "End")
	}
	channels := simd.Arg("channels")
	CMPQ(channels, U8(simd.Lanes))
	JL(LabelRef("part"))
	pixels("whole", simd.Mask{}, whole)
	pixels("wholeOne", simd.Mask{}, 1)
	simd.End()
	Label("part")
	m := t.FirstLanes(channels)
	pixels("partly", m, part)
	pixels("partlyOne", m, 1)
	simd.End()
}
