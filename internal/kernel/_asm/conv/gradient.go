package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// depthwiseGradThree has the sums of all nine taps of a 3x3 kernel in registers, so
// that the pixels are walked once; AVX2, with 16 registers, walks them once for
// each row of the kernel. The first pixel of a line may lack its first tap and the
// last one its last: what is there counts, as in depthwiseThree.
func depthwiseGradThree(t simd.Tier) {
	t.Func("depthwiseGradThree", "func(dw *float32, wtap int, x *float32, xs, xrow, xtap, xline int, dy *float32, ys, yline, kh, n, lines, channels int, left, right bool)",
		"adds to dw, line after line, the sums over n pixels of x * dy for kh x 3 taps, kh 1 to 3, for at most 16 channels; x begins with the first tap that is there; strides are in bytes.")
	dw, wtap, x, xs, xtap, ys := simd.Arg("dw"), simd.Arg("wtap"), simd.Arg("x"), simd.Arg("xs"), simd.Arg("xtap"), simd.Arg("ys")
	flag := GP64()
	MOVBQZX(mem("left"), flag)
	TESTQ(flag, flag)
	JZ(LabelRef("begin"))
	SUBQ(xtap, x) // to where the first tap would be
	Label("begin")

	// lines adds up some rows of the kernel, from one on.
	lines := func(name string, m simd.Mask, from, count int) {
		at, line, left := GP64(), GP64(), simd.Arg("lines")
		MOVQ(x, at)
		for range from {
			ADDQ(mem("xrow"), at)
		}
		Load(Param("dy"), line)
		Label(name + "Line")
		acc := make([][3]simd.F32x16, count)
		xr := make([]GPVirtual, count)
		for a := range acc {
			for b := range acc[a] {
				acc[a][b] = t.Fill(0)
			}
			xr[a] = GP64()
			if a == 0 {
				MOVQ(at, xr[a])
			} else {
				MOVQ(xr[a-1], xr[a])
				ADDQ(mem("xrow"), xr[a])
			}
		}
		dy, n := GP64(), simd.Arg("n")
		MOVQ(line, dy)
		pixel := func(lo, hi int) {
			d := m.Load(t, simd.At(dy, 0))
			for a := range acc {
				for b := lo; b < hi; b++ {
					tap := simd.At(xr[a], 0)
					if b > 0 {
						tap.Index, tap.Scale = xtap, uint8(b)
					}
					simd.FMA231(m.Load(t, tap), d, acc[a][b])
				}
				ADDQ(xs, xr[a])
			}
			ADDQ(ys, dy)
		}
		MOVBQZX(mem("right"), flag)
		SUBQ(flag, n)
		MOVBQZX(mem("left"), flag)
		TESTQ(flag, flag)
		JZ(LabelRef(name + "Inner"))
		pixel(1, 3)
		DECQ(n)
		Label(name + "Inner")
		TESTQ(n, n)
		JLE(LabelRef(name + "Last"))
		Label(name + "Pixel")
		pixel(0, 3)
		DECQ(n)
		JNZ(LabelRef(name + "Pixel"))
		Label(name + "Last")
		MOVBQZX(mem("right"), flag)
		TESTQ(flag, flag)
		JZ(LabelRef(name + "Sum"))
		pixel(0, 2)
		Label(name + "Sum")
		MOVQ(dw, flag)
		for range 3 * from {
			ADDQ(wtap, flag)
		}
		for a := range acc {
			for b := range acc[a] {
				simd.Add(simd.At(flag, 0), acc[a][b], acc[a][b])
				simd.Move(acc[a][b], simd.At(flag, 0))
				ADDQ(wtap, flag)
			}
		}
		ADDQ(mem("xline"), at)
		ADDQ(mem("yline"), line)
		DECQ(left)
		JNZ(LabelRef(name + "Line"))
	}
	all := func(name string, m simd.Mask) {
		if t == simd.AVX2 {
			for from := range 3 {
				lines(fmt.Sprint(name, from), m, from, 1)
				if from < 2 {
					CMPQ(mem("kh"), U8(from+1))
					JEQ(LabelRef(name + "End"))
				}
			}
			Label(name + "End")
			simd.End()
			return
		}
		for count := 3; count > 0; count-- {
			label := fmt.Sprint(name, count)
			if count > 1 {
				CMPQ(mem("kh"), U8(count))
				JNE(LabelRef(label + "End"))
			}
			lines(label, m, 0, count)
			simd.End()
			Label(label + "End")
		}
	}
	channels := simd.Arg("channels")
	CMPQ(channels, U8(simd.Lanes))
	JL(LabelRef("part"))
	all("whole", simd.Mask{})
	Label("part")
	all("partly", t.FirstLanes(channels))
}
