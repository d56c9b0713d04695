// Command optim generates the kernels of package optim.
package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	for _, t := range simd.Tiers {
		adam(t)
		sgd(t)
	}
	simd.Emit("optim")
}

// scalar broadcasts an argument where it is used: AVX2 has too few registers to
// keep them all, and the kernel waits for memory anyway.
func scalar(t simd.Tier, name string) simd.F32x16 {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return t.Bcst(b.Addr)
}

// update emits a function that changes n numbers of each of the slices; the
// second, the gradient, is only read. body gets them loaded and leaves the others
// changed.
func update(t simd.Tier, name, doc, slices, scalars string, body func(v []simd.F32x16, s func(string) simd.F32x16)) {
	t.Func(name, "func("+strings.Join(strings.Fields(slices), ", ")+" *float32, n int, "+
		strings.Join(strings.Fields(scalars), ", ")+" float32)", doc)
	var at []GPVirtual
	for _, a := range strings.Fields(slices) {
		at = append(at, simd.Arg(a))
	}
	t.Loop(simd.Arg("n"), at, func(p simd.Part) {
		var v []simd.F32x16
		for _, a := range at {
			v = append(v, p.Load(a))
		}
		body(v, func(name string) simd.F32x16 { return scalar(t, name) })
		for i, a := range at {
			if i != 1 {
				p.Store(v[i], a)
			}
		}
	})
	simd.End()
}

func adam(t simd.Tier) {
	update(t, "adam", "takes one step of Adam.", "w grad m v", "scale decay keep c1 b2 c2 root eps rate", func(v []simd.F32x16, s func(string) simd.F32x16) {
		w, g, m, sq := v[0], v[1], v[2], v[3]
		simd.Mul(s("scale"), g, g)
		simd.FMA231(s("decay"), w, g)
		d := t.New()
		simd.Sub(m, g, d)
		simd.FMA231(s("c1"), d, m)
		simd.Mul(s("c2"), g, d)
		simd.Mul(s("b2"), sq, sq)
		simd.FMA231(d, g, sq)
		simd.Sqrt(sq, d)
		simd.FMA213(s("eps"), s("root"), d)
		simd.Div(d, m, d)
		simd.Mul(s("keep"), w, w)
		simd.FNMA231(s("rate"), d, w)
	})
}

func sgd(t simd.Tier) {
	gradient := func(v []simd.F32x16, s func(string) simd.F32x16) {
		simd.Mul(s("scale"), v[1], v[1])
		simd.FMA231(s("decay"), v[0], v[1])
	}
	update(t, "sgd", "takes a step along the gradient.", "w grad", "scale decay rate", func(v []simd.F32x16, s func(string) simd.F32x16) {
		gradient(v, s)
		simd.FNMA231(s("rate"), v[1], v[0])
	})
	update(t, "momentum", "takes a step along the velocity.", "w grad v", "scale decay mu rate", func(v []simd.F32x16, s func(string) simd.F32x16) {
		gradient(v, s)
		simd.FMA213(v[1], s("mu"), v[2])
		simd.FNMA231(s("rate"), v[2], v[0])
	})
	update(t, "nesterov", "takes a step along the gradient and the velocity to come.", "w grad v", "scale decay mu rate", func(v []simd.F32x16, s func(string) simd.F32x16) {
		gradient(v, s)
		simd.FMA213(v[1], s("mu"), v[2])
		simd.FMA231(s("mu"), v[2], v[1])
		simd.FNMA231(s("rate"), v[1], v[0])
	})
}
