// Command attn generates the kernels of internal/kernel/attn: the softmax of one
// row over one block of 64 keys, and the conversion to float16.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

func main() {
	softmax()
	probs()
	dscores()
	toHalf()
	simd.Emit("attn")
}

// quarter is the number of lanes of a register; a block is four of them.
const quarter = 16

// masks splits the 64-bit argument mask into four.
func masks() [4]OpmaskVirtual {
	var k [4]OpmaskVirtual
	m := simd.Arg("mask")
	for i := range k {
		k[i] = K()
		if i > 0 {
			SHRQ(U8(quarter), m)
		}
		KMOVW(m.As32(), k[i])
	}
	return k
}

// broadcast loads a float32 argument, or number i behind a pointer argument.
func broadcast(name string) VecVirtual {
	z := ZMM()
	VBROADCASTSS(Load(Param(name), XMM()), z)
	return z
}

func softmax() {
	simd.Func("softmaxAVX512", "func(s *float32, mask uint64, scale float32, stat *float32, acc *float32, dim int)",
		"One row meets one block: see softmaxGo. stat is the row's m and l; dim a multiple of 16.")
	exp := simd.NewExp()
	s, stat := simd.Arg("s"), simd.Arg("stat")
	k := masks()
	scale := broadcast("scale")

	inf := simd.Table("negInf", func() { DATA(0, U32(0xff800000)) })
	low := ZMM()
	VBROADCASTSS(inf, low)
	var z [4]VecVirtual
	top := ZMM()
	VMOVAPS(low, top)
	for i := range z {
		x := ZMM()
		z[i] = ZMM()
		VMULPS(simd.At(s, 64*i), scale, x)
		VMOVAPS(low, z[i])
		VMOVAPS(x, k[i], z[i])
		VMAXPS(top, z[i], top) // keeps top where z is NaN
	}
	top = simd.MaxLanes(top)
	old, m := ZMM(), ZMM()
	VBROADCASTSS(simd.At(stat, 0), old)
	VBROADCASTSS(top.AsX(), m)
	VMAXPS(old, m, m)
	zero := ZMM()
	VPXORD(zero, zero, zero)
	VADDPS(zero, m, m) // -0 becomes +0
	VMOVSS(m.AsX(), simd.At(stat, 0))

	t, first := ZMM(), K()
	const neqUQ = 4
	VCMPPS(U8(neqUQ), low, old, first)
	VSUBPS(m, old, t)
	corr := ZMM()
	VMOVAPS_Z(exp.Lanes(t), first, corr) // 0 for a row's first block

	for i := range z {
		VSUBPS(m, z[i], z[i])
		p := ZMM()
		VMOVAPS_Z(exp.Lanes(z[i]), k[i], p)
		z[i] = p
		VMOVUPS(p, simd.At(s, 64*i))
	}
	a, b := ZMM(), ZMM()
	VADDPS(z[1], z[0], a)
	VADDPS(z[3], z[2], b)
	VADDPS(b, a, a)
	sum := simd.SumLanes(a)
	l := XMM()
	VMOVSS(simd.At(stat, 4), l)
	VFMADD213SS(sum.AsX(), corr.AsX(), l)
	VMOVSS(l, simd.At(stat, 4))

	one := XMM()
	VMOVSS(simd.Table("one", func() { DATA(0, F32(1)) }), one)
	VUCOMISS(one, corr.AsX())
	acc, dim := simd.Arg("acc"), simd.Arg("dim")
	JNE(LabelRef("scale"))
	JNP(LabelRef("done")) // equal, and not because it is NaN
	Label("scale")
	TESTQ(dim, dim)
	JZ(LabelRef("done"))
	Label("loop")
	VMULPS(simd.At(acc, 0), corr, t)
	VMOVUPS(t, simd.At(acc, 0))
	ADDQ(U8(64), acc)
	SUBQ(U8(quarter), dim)
	JNZ(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

func probs() {
	simd.Func("probsAVX512", "func(dst *float32, s *float32, mask uint64, scale, m, l float32, add bool)",
		"dst = exp(s*scale - m) / l, or dst += that, in the lanes of mask; the others stay.")
	exp := simd.NewExp()
	dst, s := simd.Arg("dst"), simd.Arg("s")
	k := masks()
	scale, m, l := broadcast("scale"), broadcast("m"), broadcast("l")
	flag := Load(Param("add"), GP8()).(GPVirtual)
	var p [4]VecVirtual
	for i := range p {
		x := ZMM()
		VMULPS(simd.At(s, 64*i), scale, x)
		VSUBPS(m, x, x)
		p[i] = exp.Lanes(x)
		VDIVPS(l, p[i], p[i])
	}
	TESTB(flag, flag)
	JZ(LabelRef("store"))
	for i := range p {
		old := ZMM()
		VMOVUPS_Z(simd.At(dst, 64*i), k[i], old)
		VADDPS(old, p[i], p[i])
	}
	Label("store")
	for i := range p {
		VMOVUPS(p[i], k[i], simd.At(dst, 64*i))
	}
	VZEROUPPER()
	RET()
}

func dscores() {
	simd.Func("dscoresAVX512", "func(ds *float32, p *float32, mask uint64, d, scale float32)",
		"ds = p * (ds - d) * scale in the lanes of mask, 0 in the others.")
	ds, p := simd.Arg("ds"), simd.Arg("p")
	k := masks()
	d, scale := broadcast("d"), broadcast("scale")
	for i := range k {
		z := ZMM()
		VMOVUPS(simd.At(ds, 64*i), z)
		VSUBPS(d, z, z)
		VMULPS(simd.At(p, 64*i), z, z)
		VMULPS_Z(scale, z, k[i], z)
		VMOVUPS(z, simd.At(ds, 64*i))
	}
	VZEROUPPER()
	RET()
}

func toHalf() {
	simd.Func("toHalfAVX512", "func(dst *uint16, src *float32, n int, mask uint16)",
		"Rounds n numbers to float16, ties to even; mask is for n mod 16.")
	dst, src, n := simd.Arg("dst"), simd.Arg("src"), simd.Arg("n")
	mask := Load(Param("mask"), K()).(OpmaskVirtual)
	z := ZMM()
	SUBQ(U8(quarter), n)
	JLT(LabelRef("rest"))
	Label("loop")
	VMOVUPS(simd.At(src, 0), z)
	VCVTPS2PH(U8(0), z, simd.At(dst, 0))
	ADDQ(U8(64), src)
	ADDQ(U8(32), dst)
	SUBQ(U8(quarter), n)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(U8(quarter), n)
	JZ(LabelRef("done"))
	VMOVUPS_Z(simd.At(src, 0), mask, z)
	y := YMM()
	VCVTPS2PH(U8(0), z, y)
	VMOVDQU16(y, mask, simd.At(dst, 0))
	Label("done")
	VZEROUPPER()
	RET()
}
