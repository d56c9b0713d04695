package simd

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// LoadTo is Load into a vector that is there.
func (m Mask) LoadTo(from Mem, v F32x16) { m.read(from, v) }

// wide is an instruction that reads size bytes for a lane.
func wide(from Op, v F32x16, size int, inst func(...Op)) {
	for i, r := range v {
		if m, ok := from.(Mem); ok {
			inst(m.Offset(8*size*i), r)
		} else {
			inst(from, r) // AVX-512
		}
	}
}

// Widen16 converts 16 float16 in memory.
func Widen16(from Op, v F32x16) { wide(from, v, 2, VCVTPH2PS) }

// Unsigned16, Unsigned8 and Signed8 widen 16 integers in memory to int32.
func Unsigned16(from Op, v F32x16) { wide(from, v, 2, VPMOVZXWD) }
func Unsigned8(from Mem, v F32x16) { wide(from, v, 1, VPMOVZXBD) }
func Signed8(from Mem, v F32x16)   { wide(from, v, 1, VPMOVSXBD) }

// On int32, or all bits of a lane. A shift is by an immediate or by the xmm of a
// [Count].
var (
	ShiftLeft  = packed(VPSLLD, nil)
	ShiftRight = packed(VPSRLD, nil)
	ToFloat    = packed(VCVTDQ2PS, nil)
)

// Bits32 broadcasts a constant of 32 bits into an F32x16 that is only read.
func (t Tier) Bits32(u uint32) F32x16 {
	return t.Bcst(Table(fmt.Sprintf("bits%08x", u), func() { DATA(0, U32(u)) }))
}

// Count holds a number of bits to shift by.
func Count(n GPVirtual) Register {
	x := XMM()
	VMOVD(n.As32(), x)
	return x
}

// Opmask returns what AVX-512 masks with, nil if all lanes are selected.
func (m Mask) Opmask() Op { return m.k }

// Quads8 is [Quads] for 8 rows and AVX2: it loads 4 numbers of each of 8 rows, four
// from base[0] and four from base[1] on, and returns number i of all as register i.
// Rows i and i+4 share a register, one in each 128 bits.
func Quads8(base [2]GPVirtual, s1, s3 GPVirtual) [4]VecVirtual {
	rows := Rows16{Base: [4]GPVirtual{base[0], base[1]}, S1: s1, S3: s3}
	var z, t, o [4]VecVirtual
	for i := range z {
		z[i] = YMM()
		VBROADCASTF128(rows.Row(i, 0), z[i]) // avo would take a load of 128 bits to keep the others alive
		VINSERTF128(U8(1), rows.Row(i+4, 0), z[i], z[i])
	}
	for i := range t {
		t[i], o[i] = YMM(), YMM()
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
