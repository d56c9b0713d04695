// Command act generates the AVX-512 kernels of package act.
package main

import (
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/row"
	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	elementwise()
	reductions()
	simd.Emit("act")
}

// pointwise emits a function of n numbers of dst and each of the inputs, and of
// float32 scalars. body gets the inputs and the scalars and returns dst.
func pointwise(name, doc, inputs, scalars string, body func(v []VecVirtual) VecVirtual) {
	signature := "func(dst"
	for _, in := range strings.Fields(inputs) {
		signature += ", " + in
	}
	signature += " *float32, n int"
	for _, s := range strings.Fields(scalars) {
		signature += ", " + s + " float32"
	}
	simd.Func(name, signature+")", doc)
	pointers := []GPVirtual{simd.Arg("dst")}
	for _, in := range strings.Fields(inputs) {
		pointers = append(pointers, simd.Arg(in))
	}
	var fixed []VecVirtual
	for _, s := range strings.Fields(scalars) {
		fixed = append(fixed, row.Scalar(s))
	}
	row.Loop(simd.Arg("n"), pointers, func(p row.Part) {
		var v []VecVirtual
		for _, in := range pointers[1:] {
			v = append(v, p.Load(in))
		}
		p.Store(body(append(v, fixed...)), pointers[0])
	})
	VZEROUPPER()
	RET()
}

func elementwise() {
	exp := simd.NewExp()
	pointwise("add512", "sets dst to a + b.", "a b", "", func(v []VecVirtual) VecVirtual {
		VADDPS(v[1], v[0], v[0])
		return v[0]
	})
	pointwise("mul512", "sets dst to a * b.", "a b", "", func(v []VecVirtual) VecVirtual {
		VMULPS(v[1], v[0], v[0])
		return v[0]
	})
	pointwise("scale512", "sets dst to a * s.", "a", "s", func(v []VecVirtual) VecVirtual {
		VMULPS(v[1], v[0], v[0])
		return v[0]
	})
	pointwise("divide512", "sets dst to a / s.", "a", "s", func(v []VecVirtual) VecVirtual {
		VDIVPS(v[1], v[0], v[0])
		return v[0]
	})
	pointwise("axpy512", "sets dst to fma(s, x, y).", "x y", "s", func(v []VecVirtual) VecVirtual {
		VFMADD231PS(v[2], v[0], v[1])
		return v[1]
	})
	pointwise("silu512", "sets dst to the SiLU of x.", "x", "", func(v []VecVirtual) VecVirtual {
		d := onePlusExpNeg(exp, v[0])
		VDIVPS(d, v[0], d)
		return d
	})
	pointwise("swiglu512", "sets dst to the SiLU of gate times up.", "gate up", "", func(v []VecVirtual) VecVirtual {
		d := onePlusExpNeg(exp, v[0])
		VDIVPS(d, v[0], d)
		VMULPS(v[1], d, d)
		return d
	})
	pointwise("siluBackward512", "sets dst to dx + dy times the derivative of the SiLU at x.", "dx dy x", "", func(v []VecVirtual) VecVirtual {
		d := onePlusExpNeg(exp, v[2])
		one := row.Const(1)
		s, t := ZMM(), ZMM()
		VDIVPS(d, one, s)
		VSUBPS(s, one, t)
		VFMADD213PS(one, v[2], t)
		VMULPS(t, s, s)
		VFMADD231PS(s, v[1], v[0])
		return v[0]
	})
}

// onePlusExpNeg returns 1 + exp(-x).
func onePlusExpNeg(exp *simd.Exp, x VecVirtual) VecVirtual {
	n := ZMM()
	VPXORD_BCST(row.Address(float32(math.Copysign(0, -1))), x, n)
	e := exp.Lanes(n)
	VADDPS_BCST(row.Address(1), e, e)
	return e
}

// reductions keep one accumulator of 16 lanes, number i going to lane i mod 16.
func reductions() {
	reduce := func(name, doc, inputs string, init float32, tree func(VecVirtual) VecVirtual, body func(p row.Part, acc VecVirtual, v []VecVirtual)) {
		fields := strings.Fields(inputs)
		simd.Func(name, "func("+strings.Join(fields, ", ")+" *float32, n int) float32", doc)
		var pointers []GPVirtual
		for _, in := range fields {
			pointers = append(pointers, simd.Arg(in))
		}
		acc := row.Const(init)
		row.Loop(simd.Arg("n"), pointers, func(p row.Part) {
			var v []VecVirtual
			for _, in := range pointers {
				v = append(v, p.Load(in))
			}
			body(p, acc, v)
		})
		Store(tree(acc).AsX(), ReturnIndex(0))
		VZEROUPPER()
		RET()
	}
	reduce("sum512", "adds up x.", "x", 0, simd.SumLanes, func(p row.Part, acc VecVirtual, v []VecVirtual) {
		p.Do(VADDPS, v[0], acc, acc)
	})
	reduce("dot512", "adds up a * b.", "a b", 0, simd.SumLanes, func(p row.Part, acc VecVirtual, v []VecVirtual) {
		p.Do(VFMADD231PS, v[0], v[1], acc)
	})
	// VMAXPS returns its second source, here the accumulator, if one is a NaN.
	reduce("max512", "returns the largest of x that is not NaN.", "x", float32(math.Inf(-1)), simd.MaxLanes, func(p row.Part, acc VecVirtual, v []VecVirtual) {
		p.Do(VMAXPS, acc, v[0], acc)
	})

	simd.Func("expSum512", "func(dst, x *float32, n int, m float32) float32", "sets dst to exp(x - m) and adds it up.")
	dst, x := simd.Arg("dst"), simd.Arg("x")
	m, acc := row.Scalar("m"), row.Const(0)
	exp := simd.NewExp()
	row.Loop(simd.Arg("n"), []GPVirtual{dst, x}, func(p row.Part) {
		v := p.Load(x)
		VSUBPS(m, v, v)
		e := exp.Lanes(v)
		p.Do(VADDPS, e, acc, acc)
		p.Store(e, dst)
	})
	Store(simd.SumLanes(acc).AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}
