// Command attn generates the kernels of internal/kernel/attn: the softmax of rows
// over one block of 64 keys, its gradient, the conversions to and from the types of
// the cache, and the removal of an entry.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	for _, t := range simd.Tiers {
		softmax(t)
		probs(t)
		dscores(t)
		toHalf(t)
		narrow(t)
		widenKeys(t)
		widenValues(t)
	}
	shiftBytes()
	shiftWords()
	simd.Emit("attn")
}

const (
	block    = 64                 // keys
	quarters = block / simd.Lanes // of a row of a block
)

// quarter addresses quarter i of a row.
func quarter(p Register, i int) Mem { return simd.At(p, 4*simd.Lanes*i) }

// lanes selects the lanes of quarter i that a row's mask has.
func lanes(t simd.Tier, mask GPVirtual, i int) simd.Mask {
	if i == 0 {
		return t.Bits(mask)
	}
	m := GP64()
	MOVQ(mask, m)
	SHRQ(U8(simd.Lanes*i), m)
	return t.Bits(m)
}

func probs(t simd.Tier) {
	t.Func("probs", "func(dst *float32, s *float32, mask uint64, scale, m, l float32, add bool)",
		"dst = exp(s*scale - m) / l, or dst += that, in the lanes of mask; the others stay.")
	dst, s, mask := simd.Arg("dst"), simd.Arg("s"), simd.Arg("mask")
	scale, m, l := t.Scalar("scale"), t.Scalar("m"), t.Scalar("l")
	add := Load(Param("add"), GP8()).(GPVirtual)
	for i := range quarters {
		x := t.New()
		simd.Mul(quarter(s, i), scale, x)
		simd.Sub(m, x, x)
		p := simd.Exp(x)
		simd.Div(l, p, p)
		k := lanes(t, mask, i)
		store := label("store", i)
		TESTB(add, add)
		JZ(LabelRef(store))
		old := k.Load(t, quarter(dst, i))
		simd.Add(old, p, p)
		Label(store)
		k.Store(p, quarter(dst, i))
	}
	simd.End()
}

func dscores(t simd.Tier) {
	t.Func("dscores", "func(ds *float32, p *float32, mask uint64, d, scale float32)",
		"ds = p * (ds - d) * scale in the lanes of mask, 0 in the others.")
	ds, p, mask := simd.Arg("ds"), simd.Arg("p"), simd.Arg("mask")
	d, scale := t.Scalar("d"), t.Scalar("scale")
	for i := range quarters {
		z := t.Load(quarter(ds, i))
		simd.Sub(d, z, z)
		simd.Mul(quarter(p, i), z, z)
		simd.Mul(scale, z, z)
		lanes(t, mask, i).Only(z)
		simd.Move(z, quarter(ds, i))
	}
	simd.End()
}
