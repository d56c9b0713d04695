package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// The register tile: 6 rows by 4 registers of 16 columns are 24 accumulators,
// which with a row of the panel and one broadcast leave three registers unused.
const (
	maxRows = 6
	maxCols = 4 // registers
)

func tiles() {
	for _, half := range []bool{false, true} {
		for rows := 1; rows <= maxRows; rows++ {
			for cols := 1; cols <= maxCols; cols++ {
				tile(rows, cols, half)
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
func tile(rows, cols int, half bool) {
	name := "tileF32"
	if half {
		name = "tileF16"
	}
	simd.Func(fmt.Sprintf("%s_%dx%d", name, rows, cols),
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
	mask := Load(Param("mask"), K()).(OpmaskVirtual)
	acc := make([][]VecVirtual, rows)
	for i := range acc {
		acc[i] = make([]VecVirtual, cols)
		for j := range acc[i] {
			acc[i][j] = ZMM()
			VPXORD(acc[i][j], acc[i][j], acc[i][j])
		}
	}
	each := func(do func(m Mem, last bool, z VecVirtual)) {
		c, ldc := cRows()
		for i := range acc {
			for j, z := range acc[i] {
				m := row(c, ldc, i)
				m.Disp = 64 * j
				do(m, j == cols-1, z)
			}
		}
	}
	unless := func(into uint8, label string) {
		have := Load(Param("into"), GP8())
		CMPB(have.(GPVirtual), U8(into))
		JNE(LabelRef(label))
	}
	unless(chain, "zero")
	each(func(m Mem, last bool, z VecVirtual) {
		if last {
			VMOVUPS_Z(m, mask, z)
		} else {
			VMOVUPS(m, z)
		}
	})
	Label("zero")
	TESTQ(k, k)
	JZ(LabelRef("done"))

	b := make([]VecVirtual, cols)
	for j := range b {
		b[j] = ZMM()
	}
	Label("loop")
	for j := range b {
		if half {
			VCVTPH2PS(simd.At(p, 32*j), b[j])
		} else {
			VMOVUPS(simd.At(p, 64*j), b[j])
		}
	}
	ADDQ(ldp, p)
	for i := range acc {
		if cols == 1 {
			VFMADD231PS_BCST(row(a, ars, i), b[0], acc[i][0])
			continue
		}
		x := ZMM()
		VBROADCASTSS(row(a, ars, i), x)
		for j := range b {
			VFMADD231PS(x, b[j], acc[i][j])
		}
	}
	ADDQ(aks, a[0])
	if rows > 3 {
		ADDQ(aks, a[1])
	}
	DECQ(k)
	JNZ(LabelRef("loop"))

	Label("done")
	unless(add, "store")
	each(func(m Mem, last bool, z VecVirtual) {
		if last {
			VADDPS(m, z, mask, z) // lanes outside mask are neither read nor stored
		} else {
			VADDPS(m, z, z)
		}
	})
	Label("store")
	each(func(m Mem, last bool, z VecVirtual) {
		if last {
			VMOVUPS(z, mask, m)
		} else {
			VMOVUPS(z, m)
		}
	})
	VZEROUPPER()
	RET()
}
