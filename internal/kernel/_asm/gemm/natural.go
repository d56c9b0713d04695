package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// natural emits the packers for dX = dY W, in which rows of W stay rows. They are
// also how a tier reads rows that it has no transposing reader for: into a buffer
// in the first-level cache.
func natural(t simd.Tier) {
	packN(t, "F32", 16, 64, func(src GPVirtual, mask simd.Mask) []simd.F32x16 {
		return []simd.F32x16{mask.Load(t, simd.At(src, 0))}
	})
	packN(t, "F16", 16, 32, func(src GPVirtual, mask simd.Mask) []simd.F32x16 {
		v := t.New()
		simd.Widen16(words(t, src, mask), v)
		return []simd.F32x16{v}
	})
	packN(t, "BF16", 16, 32, func(src GPVirtual, mask simd.Mask) []simd.F32x16 {
		v := t.New()
		simd.Unsigned16(words(t, src, mask), v)
		simd.ShiftLeft(U8(16), v, v)
		return []simd.F32x16{v}
	})
	packN(t, "Q8_0", 32, 34, func(src GPVirtual, _ simd.Mask) []simd.F32x16 {
		d := half(t, src, 0)
		v := []simd.F32x16{t.New(), t.New()}
		for i := range v {
			simd.Signed8(simd.At(src, 2+16*i), v[i])
			simd.ToFloat(v[i], v[i])
			simd.Mul(d, v[i], v[i])
		}
		return v
	})
	packN(t, "Q4_0", 32, 18, func(src GPVirtual, _ simd.Mask) []simd.F32x16 {
		d := half(t, src, 0)
		v := nibbles(t, simd.At(src, 2))
		for i := range v {
			simd.Add(simd.Num(-8), v[i], v[i])
			simd.Mul(d, v[i], v[i])
		}
		return v
	})
	packN(t, "Q4_1", 32, 20, func(src GPVirtual, _ simd.Mask) []simd.F32x16 {
		d, m := half(t, src, 0), half(t, src, 2)
		v := nibbles(t, simd.At(src, 4))
		for i := range v {
			simd.Mul(d, v[i], v[i])
			simd.Add(m, v[i], v[i])
		}
		return v
	})
	packN(t, "Q5_0", 32, 22, func(src GPVirtual, _ simd.Mask) []simd.F32x16 {
		high := GP32()
		MOVL(simd.At(src, 2), high)
		NOTL(high)
		v := nibbles(t, simd.At(src, 6))
		fifth(t, v, high, -16) // where the bit is not set
		d := half(t, src, 0)
		for i := range v {
			simd.Mul(d, v[i], v[i])
		}
		return v
	})
	packN(t, "Q5_1", 32, 24, func(src GPVirtual, _ simd.Mask) []simd.F32x16 {
		high := GP32()
		MOVL(simd.At(src, 4), high)
		v := nibbles(t, simd.At(src, 8))
		fifth(t, v, high, 16)
		d, m := half(t, src, 0), half(t, src, 2)
		for i := range v {
			simd.Mul(d, v[i], v[i])
			simd.Add(m, v[i], v[i])
		}
		return v
	})
}

// half broadcasts the float16 at off.
func half(t simd.Tier, src GPVirtual, off int) simd.F32x16 {
	x := XMM()
	u := GP32()
	MOVWLZX(simd.At(src, off), u)
	VMOVD(u, x)
	VCVTPH2PS(x, x)
	return t.First(x)
}

// nibbles converts the low nibbles of 16 bytes, then the high ones.
func nibbles(t simd.Tier, from Mem) []simd.F32x16 {
	low, high := t.New(), t.New()
	simd.Unsigned8(from, low)
	simd.ShiftRight(U8(4), low, high)
	simd.And(t.Bits32(15), low, low)
	v := []simd.F32x16{low, high}
	for i := range v {
		simd.ToFloat(v[i], v[i])
	}
	return v
}

// fifth adds x to the numbers whose bit is set; a sum of small integers is exact.
func fifth(t simd.Tier, v []simd.F32x16, bits GPVirtual, x float32) {
	for i := range v {
		t.Bits(bits.As64().(GPVirtual)).Do(simd.Add, simd.Num(x), v[i], v[i])
		SHRL(U8(16), bits)
	}
}

// words returns where 16 words are: at src or, if only the masked ones are there,
// in a register. AVX2 reads no masked words; its callers bring no masks.
func words(t simd.Tier, src GPVirtual, mask simd.Mask) Op {
	if k := mask.Opmask(); k != nil {
		y := YMM()
		VMOVDQU16_Z(simd.At(src, 0), k, y)
		return y
	}
	return simd.At(src, 0)
}

// packN emits the packer for one dtype; along decodes numbers that take bytes, or
// of 16 floats those of a mask.
func packN(t simd.Tier, dtype string, numbers, bytes int, along func(src GPVirtual, mask simd.Mask) []simd.F32x16) {
	whole := numbers == 32
	doc := "rows of cols numbers, stride bytes apart, become rows ldp bytes apart"
	masked := !whole && (t == simd.AVX512 || dtype == "F32")
	if masked {
		doc += ", padded with zeros to 16. mask is for cols mod 16."
	} else {
		doc += ". cols is a multiple of " + map[bool]string{false: "16.", true: "32."}[whole]
	}
	t.Func("packN"+dtype+"_", "func(dst *float32, ldp int, w *byte, stride, rows, cols int, mask uint16)", doc)
	dst, ldp, w, stride, rows, cols := simd.Arg("dst"), simd.Arg("ldp"), simd.Arg("w"), simd.Arg("stride"), simd.Arg("rows"), simd.Arg("cols")
	var rest simd.Mask
	if masked {
		bits := GP32()
		Load(Param("mask"), bits)
		rest = t.Bits(bits.As64().(GPVirtual))
	}
	Label("row")
	to, from, n := GP64(), GP64(), GP64()
	MOVQ(dst, to)
	MOVQ(w, from)
	MOVQ(cols, n)
	store := func(vs []simd.F32x16) {
		for i, v := range vs {
			simd.Move(v, simd.At(to, 64*i))
		}
	}
	SUBQ(U32(uint32(numbers)), n)
	JLT(LabelRef("rest"))
	Label("loop")
	store(along(from, simd.Mask{}))
	ADDQ(U32(uint32(bytes)), from)
	ADDQ(U32(uint32(4*numbers)), to)
	SUBQ(U32(uint32(numbers)), n)
	JGE(LabelRef("loop"))
	Label("rest")
	if masked {
		ADDQ(U32(uint32(numbers)), n)
		JZ(LabelRef("next"))
		store(along(from, rest))
		Label("next")
	}
	ADDQ(ldp, dst)
	ADDQ(stride, w)
	DECQ(rows)
	JNZ(LabelRef("row"))
	simd.End()
}
