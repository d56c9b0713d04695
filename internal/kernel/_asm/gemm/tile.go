package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// The register tile. AVX-512: 6 rows by 4 registers of 16 columns are 24
// accumulators, which with a row of the panel and one broadcast leave three
// registers unused. AVX2: 6 rows by 16 columns are 12 of its 16 registers, and
// fewer rows take more columns, for 8 chains hide the latency of each other.
const (
	maxRows = 6
	maxCols = 4 // of 16
)

func tiles() {
	for _, t := range simd.Tiers {
		for _, half := range []bool{false, true} {
			for rows := 1; rows <= maxRows; rows++ {
				for cols := 1; cols <= maxCols; cols++ {
					if t == simd.AVX512 || cols == 1 || cols == 2 && rows <= 3 || rows == 1 {
						tile(t, rows, cols, half)
					}
				}
			}
		}
	}
}

// What a tile does with what c holds; gemm has the same constants.
const (
	set   = iota // nothing
	add          // adds the chain, which begins at +0
	chain        // begins the chain there
)

// tile emits c[i,j] = sum over k of a[i,k] p[k,j] for one tile shape. Each
// element is one chain of multiply-adds in ascending k.
func tile(t simd.Tier, rows, cols int, half bool) {
	name := "tileF32"
	if half {
		name = "tileF16"
	}
	t.Func(fmt.Sprintf("%s_%dx%d_", name, rows, cols),
		"func(k int, a *float32, ars, aks int, p *byte, ldp int, c *float32, ldc int, mask uint16, into uint8)",
		fmt.Sprintf("%d rows by %d columns; strides in bytes, mask for the last 16 columns.", rows, 16*cols))
	k := simd.Arg("k")
	var a [2]GPVirtual // rows 0 to 2 and 3 to 5
	a[0] = simd.Arg("a")
	ars := simd.Arg("ars")
	aks := simd.Arg("aks")
	p := simd.Arg("p")
	ldp := simd.Arg("ldp")
	if rows > 3 {
		a[1] = GP64()
		LEAQ(Mem{Base: ars, Index: ars, Scale: 2}, a[1])
		ADDQ(a[0], a[1])
	}
	row := func(b [2]GPVirtual, stride GPVirtual, i int) Mem {
		m := Mem{Base: b[i/3]}
		if i%3 > 0 {
			m.Index, m.Scale = stride, uint8(i%3)
		}
		return m
	}
	// The pointers to c are set up at both ends, so as not to hold registers.
	cRows := func() (c [2]GPVirtual, ldc GPVirtual) {
		c[0], ldc = simd.Arg("c"), simd.Arg("ldc")
		if rows > 3 {
			c[1] = GP64()
			LEAQ(Mem{Base: ldc, Index: ldc, Scale: 2}, c[1])
			ADDQ(c[0], c[1])
		}
		return c, ldc
	}
	acc := make([][]simd.F32x16, rows)
	for i := range acc {
		acc[i] = make([]simd.F32x16, cols)
		for j := range acc[i] {
			acc[i][j] = t.Fill(0)
		}
	}
	// So is the mask. AVX2's masked stores are slow, and few tiles need them.
	parts := 0
	each := func(do func(m Mem, mask simd.Mask, v simd.F32x16)) {
		c, ldc := cRows()
		all := func(last simd.Mask) {
			for i := range acc {
				for j, v := range acc[i] {
					m := row(c, ldc, i)
					m.Disp = 64 * j
					mask := simd.Mask{}
					if j == cols-1 {
						mask = last
					}
					do(m, mask, v)
				}
			}
		}
		bits := GP32()
		Load(Param("mask"), bits)
		if t == simd.AVX512 {
			all(t.Bits(bits.As64().(GPVirtual)))
			return
		}
		parts++
		masked, done := fmt.Sprint("masked", parts), fmt.Sprint("end", parts)
		CMPL(bits, U32(1<<16-1))
		JNE(LabelRef(masked))
		all(simd.Mask{})
		JMP(LabelRef(done))
		Label(masked)
		all(t.Bits(bits.As64().(GPVirtual)))
		Label(done)
	}
	unless := func(into uint8, label string) {
		have := Load(Param("into"), GP8())
		CMPB(have.(GPVirtual), U8(into))
		JNE(LabelRef(label))
	}
	unless(chain, "zero")
	each(func(m Mem, mask simd.Mask, v simd.F32x16) { mask.LoadTo(m, v) })
	Label("zero")
	TESTQ(k, k)
	JZ(LabelRef("done"))

	Label("loop")
	columns := func(j int) simd.F32x16 {
		b := t.New()
		if half {
			simd.Widen16(simd.At(p, 32*j), b)
		} else {
			simd.Move(simd.At(p, 64*j), b)
		}
		return b
	}
	switch {
	case t == simd.AVX2 && rows > 1: // no registers for all columns: broadcast again for each
		for j := range cols {
			b := columns(j)
			for i := range acc {
				simd.FMA231(t.Bcst(row(a, ars, i)), b, acc[i][j])
			}
		}
	case t == simd.AVX2:
		x := t.Bcst(row(a, ars, 0))
		for j := range cols {
			simd.FMA231(x, columns(j), acc[0][j])
		}
	case cols == 1:
		b := columns(0)
		for i := range acc {
			VFMADD231PS_BCST(row(a, ars, i), b[0], acc[i][0][0])
		}
	default:
		b := make([]simd.F32x16, cols)
		for j := range b {
			b[j] = columns(j)
		}
		for i := range acc {
			x := t.Bcst(row(a, ars, i))
			for j := range b {
				simd.FMA231(x, b[j], acc[i][j])
			}
		}
	}
	ADDQ(ldp, p)
	ADDQ(aks, a[0])
	if rows > 3 {
		ADDQ(aks, a[1])
	}
	DECQ(k)
	JNZ(LabelRef("loop"))

	Label("done")
	unless(add, "store")
	each(func(m Mem, mask simd.Mask, v simd.F32x16) {
		simd.Add(mask.Load(t, m), v, v) // lanes outside the mask are not stored
	})
	Label("store")
	each(func(m Mem, mask simd.Mask, v simd.F32x16) { mask.Store(v, m) })
	simd.End()
}
