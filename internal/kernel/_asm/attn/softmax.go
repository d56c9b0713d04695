package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// softmax emits three loops over the rows, each with work that does not wait for
// the row before: a maximum is a chain of ten instructions, and so is a sum, and
// with all of a row's work in one loop the processor sees the end of the chain
// too late to begin the next row.
func softmax(t simd.Tier) {
	t.Func("softmax", "func(s *float32, masks *uint64, rows int, scale float32, stat, corr, acc *float32, dim int)",
		"Rows meet one block: see softmaxGo. stat is [rows][2]; corr is scratch for rows, rounded up to 16; acc is [rows][dim], dim a multiple of 16.")
	maxima(t)
	corrections(t)
	exponentials(t)
	simd.End()
}

func label(name string, i int) string { return fmt.Sprint(name, i) }

// eachRow emits a loop over rows; body gets the row's scores and mask twice, once
// for a row that sees the whole block.
func eachRow(name string, advance func(), s, masks GPVirtual, body func(all bool, mask GPVirtual)) {
	rows := simd.Arg("rows")
	mask := GP64()
	Label(name)
	MOVQ(simd.At(masks, 0), mask)
	CMPQ(mask, I8(-1))
	JNE(LabelRef(name + "Part"))
	body(true, mask)
	Label(name + "Next")
	ADDQ(U32(4*block), s)
	ADDQ(U8(8), masks)
	advance()
	DECQ(rows)
	JNZ(LabelRef(name))
	JMP(LabelRef(name + "End"))
	Label(name + "Part")
	body(false, mask)
	JMP(LabelRef(name + "Next"))
	Label(name + "End")
}

// maxima moves each row's m on, and leaves in corr by how much.
func maxima(t simd.Tier) {
	s, masks, stat, corr := simd.Arg("s"), simd.Arg("masks"), simd.Arg("stat"), simd.Arg("corr")
	scale, low := t.Scalar("scale"), t.Const(float32(math.Inf(-1)))
	zero := XMM()
	VXORPS(zero, zero, zero)
	eachRow("maxima", func() {
		ADDQ(U8(8), stat)
		ADDQ(U8(4), corr)
	}, s, masks, func(all bool, mask GPVirtual) {
		top := t.New()
		simd.Move(low, top)
		for i := range quarters {
			x := t.New()
			simd.Mul(quarter(s, i), scale, x)
			if all {
				simd.Max(top, x, top) // keeps top where x is NaN
			} else {
				lanes(t, mask, i).Do(simd.Max, top, x, top)
			}
		}
		m := simd.Largest(top)
		old := XMM()
		VMOVSS(simd.At(stat, 0), old)
		VMAXSS(old, m, m)
		VADDSS(zero, m, m) // -0 becomes +0
		VMOVSS(m, simd.At(stat, 0))
		// A row without a maximum so far has the correction 0, e^-Inf, also
		// where it still has none: -Inf less -Inf would be NaN.
		d := XMM()
		VSUBSS(m, old, d)
		VUCOMISS(low[0].AsX(), old)
		fresh := fmt.Sprint("fresh", all)
		JNE(LabelRef(fresh))
		VMOVAPS(old, d)
		Label(fresh)
		VMOVSS(d, simd.At(corr, 0))
	})
}

// corrections takes corr to e^corr.
func corrections(t simd.Tier) {
	corr, rows := simd.Arg("corr"), simd.Arg("rows")
	Label("corrections")
	simd.Move(simd.ExpNeg(t.Load(simd.At(corr, 0))), simd.At(corr, 0))
	ADDQ(U8(4*simd.Lanes), corr)
	SUBQ(U8(simd.Lanes), rows)
	JG(LabelRef("corrections"))
}

// exponentials turns scores into probabilities and moves l and acc on.
func exponentials(t simd.Tier) {
	s, masks, stat, corr := simd.Arg("s"), simd.Arg("masks"), simd.Arg("stat"), simd.Arg("corr")
	acc, dim := simd.Arg("acc"), simd.Arg("dim")
	stride := GP64()
	LEAQ(Mem{Base: dim, Index: dim, Scale: 1}, stride)
	ADDQ(stride, stride)
	scale, one := t.Scalar("scale"), XMM()
	VMOVSS(simd.Address(1), one)
	eachRow("exps", func() {
		ADDQ(U8(8), stat)
		ADDQ(U8(4), corr)
		ADDQ(stride, acc)
	}, s, masks, func(all bool, mask GPVirtual) {
		m := t.Bcst(simd.At(stat, 0))
		var sums []simd.F32x16 // (0 + 1) + (2 + 3)
		for i := range quarters {
			x := t.New()
			simd.Mul(quarter(s, i), scale, x)
			simd.Sub(m, x, x)
			p := simd.ExpNeg(x) // m is the largest of the lanes that count
			if !all {
				lanes(t, mask, i).Only(p)
			}
			simd.Move(p, quarter(s, i))
			if i%2 == 0 {
				sums = append(sums, p)
			} else {
				simd.Add(p, sums[i/2], sums[i/2])
			}
		}
		simd.Add(sums[1], sums[0], sums[0])
		sum := simd.Sum(sums[0])
		l, c := XMM(), XMM()
		VMOVSS(simd.At(stat, 4), l)
		VMOVSS(simd.At(corr, 0), c)
		VFMADD213SS(sum, c, l)
		VMOVSS(l, simd.At(stat, 4))
		rescale(t, fmt.Sprint(all), c, one, acc, stride)
	})
}

// rescale multiplies a row of acc by c, unless that is 1, which changes nothing.
func rescale(t simd.Tier, name string, c, one VecVirtual, acc, bytes GPVirtual) {
	VUCOMISS(one, c)
	JNE(LabelRef("scale" + name))
	JNP(LabelRef("done" + name)) // equal, and not because it is NaN
	Label("scale" + name)
	f, at := t.First(c), GP64()
	XORQ(at, at)
	CMPQ(bytes, at)
	JE(LabelRef("done" + name))
	Label("loop" + name)
	row := Mem{Base: acc, Index: at, Scale: 1}
	x := t.New()
	simd.Mul(row, f, x)
	simd.Move(x, row)
	ADDQ(U8(4*simd.Lanes), at)
	CMPQ(at, bytes)
	JLT(LabelRef("loop" + name))
	Label("done" + name)
}
