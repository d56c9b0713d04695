// Package simd holds what the kernel generators share. A [Tier] emits AVX-512 or
// AVX2 code from one text: vectors of 16 lanes, masks, loops, the exponential and
// the tree of sums. The 16-row transpose is AVX-512's. All go to avo's current
// function.
package simd

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Func starts a function that neither splits nor grows the stack, and whose
// pointer arguments do not escape.
func Func(name, signature, doc string) {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(doc)
}

// Arg loads a pointer or integer argument.
func Arg(name string) GPVirtual { return Load(Param(name), GP64()).(GPVirtual) }

// At addresses off bytes past a pointer.
func At(p Register, off int) Mem { return Mem{Base: p, Disp: off} }

// Rows16 addresses 16 rows of equal stride: four bases four rows apart, with
// the stride and three times the stride as indices.
type Rows16 struct {
	Base   [4]GPVirtual
	S1, S3 GPVirtual // stride and 3*stride in bytes
}

// NewRows16 takes over the pointer to row 0; stride is left as it is.
func NewRows16(row0, stride GPVirtual) Rows16 {
	r := Rows16{S1: stride, S3: GP64()}
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, r.S3)
	r.Base[0] = row0
	for i := 1; i < 4; i++ {
		r.Base[i] = GP64()
		LEAQ(Mem{Base: r.Base[i-1], Index: stride, Scale: 4}, r.Base[i])
	}
	return r
}

// Next16 returns the 16 rows after r.
func (r Rows16) Next16() Rows16 {
	n := Rows16{S1: r.S1, S3: r.S3}
	prev := r.Base[3]
	for i := range n.Base {
		n.Base[i] = GP64()
		LEAQ(Mem{Base: prev, Index: r.S1, Scale: 4}, n.Base[i])
		prev = n.Base[i]
	}
	return n
}

// Row addresses off bytes past the start of row i.
func (r Rows16) Row(i, off int) Mem {
	m := Mem{Base: r.Base[i/4], Disp: off}
	switch i % 4 {
	case 1:
		m.Index, m.Scale = r.S1, 1
	case 2:
		m.Index, m.Scale = r.S1, 2
	case 3:
		m.Index, m.Scale = r.S3, 1
	}
	return m
}

// Advance moves all rows by n bytes.
func (r Rows16) Advance(n int) {
	for _, b := range r.Base {
		ADDQ(U32(uint32(n)), b)
	}
}

// LaneMasks sets up the masks that select 128-bit lanes 1, 2 and 3.
func LaneMasks() [3]OpmaskVirtual {
	var k [3]OpmaskVirtual
	t := GP32()
	for i := range k {
		k[i] = K()
		MOVL(U32(uint32(0xf0)<<(4*i)), t)
		KMOVW(t, k[i])
	}
	return k
}

// Quads loads 16 bytes at off from each of 16 rows and transposes them: lane r
// of register t is dword t of row r. Rows i, i+4, i+8 and i+12 are placed in the
// four 128-bit lanes while they load, so that a 4x4 transpose inside the lanes,
// eight shuffles, leaves the rows in order; a 16x16 transpose would take 64
// shuffles for the same 16 outputs of each four registers.
func Quads(r Rows16, off int, k [3]OpmaskVirtual) [4]VecVirtual {
	var z [4]VecVirtual
	for i := range z {
		z[i] = ZMM()
		VBROADCASTF32X4(r.Row(i, off), z[i]) // avo would take a load of 128 bits to keep the others alive
		for lane := 1; lane < 4; lane++ {
			VBROADCASTF32X4(r.Row(i+4*lane, off), k[lane-1], z[i])
		}
	}
	return Transpose4x4(z)
}

// Transpose4x4 transposes dwords inside each 128-bit lane.
func Transpose4x4(z [4]VecVirtual) [4]VecVirtual {
	var t, o [4]VecVirtual
	for i := range t {
		t[i], o[i] = ZMM(), ZMM()
	}
	VUNPCKLPS(z[1], z[0], t[0])
	VUNPCKHPS(z[1], z[0], t[1])
	VUNPCKLPS(z[3], z[2], t[2])
	VUNPCKHPS(z[3], z[2], t[3])
	VUNPCKLPD(t[2], t[0], o[0])
	VUNPCKHPD(t[2], t[0], o[1])
	VUNPCKLPD(t[3], t[1], o[2])
	VUNPCKHPD(t[3], t[1], o[3])
	return o
}

// tables are the constants already emitted.
var tables = map[string]Mem{}

// Table returns read-only data of that name, which fill emits (with DATA) the
// first time.
func Table(name string, fill func()) Mem {
	m, ok := tables[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		fill()
		tables[name] = m
	}
	return m
}
