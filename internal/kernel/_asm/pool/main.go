// Command pool generates the kernels of package pool.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	for _, t := range simd.Tiers {
		largest(t)
		route(t)
	}
	simd.Emit("pool")
}

// mem is an argument where it lies.
func mem(name string) Mem {
	c, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return c.Addr
}

// largest takes the first of equal numbers, and a NaN over any number.
func largest(t simd.Tier) {
	t.Func("largest", "func(y, which *float32, ys int, x *float32, xs, xrow, xtap, kh, kw, n, channels int, first, skip float32)",
		"sets n pixels of y to the largest of kh x kw taps of x and which to their numbers, for at most 16 channels; strides are in bytes.")
	m := t.FirstLanes(simd.Arg("channels"))
	y, which, x, xtap, n := simd.Arg("y"), simd.Arg("which"), simd.Arg("x"), simd.Arg("xtap"), simd.Arg("n")
	Label("pixel")
	best := m.Load(t, simd.At(x, 0))
	number, at := t.New(), t.New()
	for i, v := range t.Bcst(mem("first")) {
		if t == simd.AVX512 || i == 0 {
			for _, r := range at {
				VMOVUPS(v, r)
			}
		}
	}
	simd.Move(at, number)
	xr, kh := GP64(), simd.Arg("kh")
	MOVQ(x, xr)
	Label("row")
	xp, kw := GP64(), simd.Arg("kw")
	MOVQ(xr, xp)
	Label("tap")
	v := m.Load(t, simd.At(xp, 0))
	above := simd.Compare(simd.Greater, v, best)
	above.Blend(v, best)
	above.Blend(at, number)
	nan := simd.Compare(simd.Unequal, v, v)
	nan.Blend(v, best)
	nan.Blend(at, number)
	simd.Add(simd.Num(1), at, at)
	ADDQ(xtap, xp)
	DECQ(kw)
	JNZ(LabelRef("tap"))
	simd.Add(t.Bcst(mem("skip")), at, at)
	ADDQ(mem("xrow"), xr)
	DECQ(kh)
	JNZ(LabelRef("row"))
	m.Store(best, simd.At(y, 0))
	m.Store(number, simd.At(which, 0))
	ADDQ(mem("ys"), y)
	ADDQ(mem("ys"), which)
	ADDQ(mem("xs"), x)
	DECQ(n)
	JNZ(LabelRef("pixel"))
	simd.End()
}

func route(t simd.Tier) {
	t.Func("route", "func(dx *float32, xs int, dy, which *float32, ys, n, channels int, tap float32)",
		"adds to n pixels of dx, xs apart, the numbers of dy whose which is tap, for at most 16 channels; strides are in bytes.")
	m := t.FirstLanes(simd.Arg("channels"))
	dx, xs, dy, which, ys, n := simd.Arg("dx"), simd.Arg("xs"), simd.Arg("dy"), simd.Arg("which"), simd.Arg("ys"), simd.Arg("n")
	tap := t.Scalar("tap")
	Label("pixel")
	d, sum := m.Load(t, simd.At(dy, 0)), m.Load(t, simd.At(dx, 0))
	const equal = 0
	simd.Compare(equal, m.Load(t, simd.At(which, 0)), tap).Do(simd.Add, d, sum, sum)
	m.Store(sum, simd.At(dx, 0))
	ADDQ(xs, dx)
	ADDQ(ys, dy)
	ADDQ(ys, which)
	DECQ(n)
	JNZ(LabelRef("pixel"))
	simd.End()
}
