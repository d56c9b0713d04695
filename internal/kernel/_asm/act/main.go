// Command act generates the kernels of package act.
package main

import (
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	for _, t := range simd.Tiers {
		arithmetic(t)
		activations(t)
		gradients(t)
		swigluBackward(t)
		exponentials(t)
		reductions(t)
	}
	simd.Emit("act")
}

// pointwise emits a function of n numbers of dst and each of the inputs, and of
// float32 scalars. body gets the inputs and the scalars and returns dst; it may
// overwrite the inputs.
func pointwise(t simd.Tier, name, doc, inputs, scalars string, body func(v []simd.F32x16) simd.F32x16) {
	signature := "func(dst"
	for _, in := range strings.Fields(inputs) {
		signature += ", " + in
	}
	signature += " *float32, n int"
	for _, s := range strings.Fields(scalars) {
		signature += ", " + s + " float32"
	}
	t.Func(name, signature+")", doc)
	pointers := []GPVirtual{simd.Arg("dst")}
	for _, in := range strings.Fields(inputs) {
		pointers = append(pointers, simd.Arg(in))
	}
	var fixed []simd.F32x16
	for _, s := range strings.Fields(scalars) {
		fixed = append(fixed, t.Scalar(s))
	}
	t.Loop(simd.Arg("n"), pointers, func(p simd.Part) {
		p.Halves(func(h simd.Part) {
			var v []simd.F32x16
			for _, in := range pointers[1:] {
				v = append(v, h.Load(in))
			}
			h.Store(body(append(v, fixed...)), pointers[0])
		})
	})
	simd.End()
}

func arithmetic(t simd.Tier) {
	pointwise(t, "add", "sets dst to a + b.", "a b", "", func(v []simd.F32x16) simd.F32x16 {
		simd.Add(v[1], v[0], v[0])
		return v[0]
	})
	pointwise(t, "mul", "sets dst to a * b.", "a b", "", func(v []simd.F32x16) simd.F32x16 {
		simd.Mul(v[1], v[0], v[0])
		return v[0]
	})
	pointwise(t, "scale", "sets dst to a * s.", "a", "s", func(v []simd.F32x16) simd.F32x16 {
		simd.Mul(v[1], v[0], v[0])
		return v[0]
	})
	pointwise(t, "divide", "sets dst to a / s.", "a", "s", func(v []simd.F32x16) simd.F32x16 {
		simd.Div(v[1], v[0], v[0])
		return v[0]
	})
	pointwise(t, "axpy", "sets dst to fma(s, x, y).", "x y", "s", func(v []simd.F32x16) simd.F32x16 {
		simd.FMA231(v[2], v[0], v[1])
		return v[1]
	})
	pointwise(t, "mulAdd", "sets dst to fma(a, b, c).", "a b c", "", func(v []simd.F32x16) simd.F32x16 {
		simd.FMA231(v[0], v[1], v[2])
		return v[2]
	})
	pointwise(t, "softmaxBackward", "sets dst to fma(p, dy - dot, dx).", "dx dy p", "dot", func(v []simd.F32x16) simd.F32x16 {
		simd.Sub(v[3], v[1], v[1])
		simd.FMA231(v[2], v[1], v[0])
		return v[0]
	})
}

// exponentials are softmax's and the cross-entropy's.
func exponentials(t simd.Tier) {
	pointwise(t, "expAXPY", "sets dst to fma(exp(x - m), s, y).", "x y", "s m", func(v []simd.F32x16) simd.F32x16 {
		simd.Sub(v[3], v[0], v[0])
		simd.FMA231(v[2], simd.Exp(v[0]), v[1])
		return v[1]
	})
}

// reductions keep one accumulator of 16 lanes, number i going to lane i mod 16.
func reductions(t simd.Tier) {
	reduce := func(name, doc, inputs string, init float32, tree func(simd.F32x16) VecVirtual, body func(p simd.Part, acc simd.F32x16, v []simd.F32x16)) {
		fields := strings.Fields(inputs)
		t.Func(name, "func("+strings.Join(fields, ", ")+" *float32, n int) float32", doc)
		var pointers []GPVirtual
		for _, in := range fields {
			pointers = append(pointers, simd.Arg(in))
		}
		acc := t.Fill(init)
		t.Loop(simd.Arg("n"), pointers, func(p simd.Part) {
			var v []simd.F32x16
			for _, in := range pointers {
				v = append(v, p.Load(in))
			}
			body(p, acc, v)
		})
		simd.ReturnLane(tree(acc))
	}
	reduce("sum", "adds up x.", "x", 0, simd.Sum, func(p simd.Part, acc simd.F32x16, v []simd.F32x16) {
		p.Do(simd.Add, v[0], acc, acc)
	})
	reduce("dot", "adds up a * b.", "a b", 0, simd.Sum, func(p simd.Part, acc simd.F32x16, v []simd.F32x16) {
		p.Do(simd.FMA231, v[0], v[1], acc)
	})
	// The maximum is the accumulator if the other is a NaN.
	reduce("max", "returns the largest of x that is not NaN.", "x", float32(math.Inf(-1)), simd.Largest, func(p simd.Part, acc simd.F32x16, v []simd.F32x16) {
		p.Do(simd.Max, acc, v[0], acc)
	})

	expSum(t)
	sumExp(t)
}

func expSum(t simd.Tier) {
	t.Func("expSum", "func(dst, x *float32, n int, m float32) float32", "sets dst to exp(x - m) and adds it up.")
	dst, x := simd.Arg("dst"), simd.Arg("x")
	m, acc := t.Scalar("m"), t.Fill(0)
	t.Loop(simd.Arg("n"), []GPVirtual{dst, x}, func(p simd.Part) {
		v := p.Load(x)
		simd.Sub(m, v, v)
		e := simd.Exp(v)
		p.Do(simd.Add, e, acc, acc)
		p.Store(e, dst)
	})
	simd.ReturnLane(simd.Sum(acc))
}

func sumExp(t simd.Tier) {
	t.Func("sumExp", "func(x *float32, n int, m float32) float32", "adds up exp(x - m).")
	x, m, acc := simd.Arg("x"), t.Scalar("m"), t.Fill(0)
	t.Loop(simd.Arg("n"), []GPVirtual{x}, func(p simd.Part) {
		v := p.Load(x)
		simd.Sub(m, v, v)
		p.Do(simd.Add, simd.Exp(v), acc, acc)
	})
	simd.ReturnLane(simd.Sum(acc))
}
