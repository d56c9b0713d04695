// Command norm generates the AVX-512 kernels of package norm.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/row"
	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	sumSquares()
	scale()
	sumProducts()
	inputGrad()
	gainGrad()
	simd.Emit("norm")
}

func sumSquares() {
	simd.Func("sumSquares512", "func(x *float32, n int) float32", "adds up x * x.")
	x, acc := simd.Arg("x"), row.Const(0)
	row.Loop(simd.Arg("n"), []GPVirtual{x}, func(p row.Part) {
		v := p.Load(x)
		p.Do(VFMADD231PS, v, v, acc)
	})
	end(acc)
}

func scale() {
	simd.Func("scale512", "func(dst, x, w *float32, n int, r float32)", "sets dst to x * r * w.")
	dst, x, w, r := simd.Arg("dst"), simd.Arg("x"), simd.Arg("w"), row.Scalar("r")
	row.Loop(simd.Arg("n"), []GPVirtual{dst, x, w}, func(p row.Part) {
		v, gain := p.Load(x), p.Load(w)
		VMULPS(r, v, v)
		VMULPS(gain, v, v)
		p.Store(v, dst)
	})
	end(nil)
}

func sumProducts() {
	simd.Func("sumProducts512", "func(dy, w, x *float32, n int) float32", "adds up dy * w * x.")
	dy, w, x := simd.Arg("dy"), simd.Arg("w"), simd.Arg("x")
	acc := row.Const(0)
	row.Loop(simd.Arg("n"), []GPVirtual{dy, w, x}, func(p row.Part) {
		d, gain, v := p.Load(dy), p.Load(w), p.Load(x)
		VMULPS(gain, d, d)
		p.Do(VFMADD231PS, v, d, acc)
	})
	end(acc)
}

func inputGrad() {
	simd.Func("inputGrad512", "func(dx, dy, w, x *float32, n int, r, c float32)", "adds r * (dy * w - c * x) to dx.")
	dx, dy, w, x := simd.Arg("dx"), simd.Arg("dy"), simd.Arg("w"), simd.Arg("x")
	r, c := row.Scalar("r"), row.Scalar("c")
	row.Loop(simd.Arg("n"), []GPVirtual{dx, dy, w, x}, func(p row.Part) {
		sum, d, gain, v := p.Load(dx), p.Load(dy), p.Load(w), p.Load(x)
		VMULPS(gain, d, d)
		VFNMADD231PS(v, c, d)
		VFMADD231PS(d, r, sum)
		p.Store(sum, dx)
	})
	end(nil)
}

func gainGrad() {
	simd.Func("gainGrad512", "func(dw, dy, x *float32, n int, r float32)", "adds dy * (x * r) to dw.")
	dw, dy, x, r := simd.Arg("dw"), simd.Arg("dy"), simd.Arg("x"), row.Scalar("r")
	row.Loop(simd.Arg("n"), []GPVirtual{dw, dy, x}, func(p row.Part) {
		sum, d, v := p.Load(dw), p.Load(dy), p.Load(x)
		VMULPS(r, v, v)
		VFMADD231PS(v, d, sum)
		p.Store(sum, dw)
	})
	end(nil)
}

// end returns the sum of the lanes of acc, if there is one.
func end(acc VecVirtual) {
	if acc != nil {
		Store(simd.SumLanes(acc).AsX(), ReturnIndex(0))
	}
	VZEROUPPER()
	RET()
}
