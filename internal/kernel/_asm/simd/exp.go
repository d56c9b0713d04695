package simd

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Exp computes e^x in 16 lanes with the steps of internal/f32.Exp, which says
// what they are and holds the same numbers. Make one for each function.
type Exp struct{ table Mem }

// The order of the table.
const (
	expLog2e = 4 * iota
	expLn2Hi
	expLn2Lo
	expP0
	_
	_
	_
	_
	expP5
	expOne
	expMin
	expMax
	expInf
)

// NewExp emits the table of constants.
func NewExp() *Exp {
	return &Exp{Table("expTable", func() {
		for i, f := range []float32{
			1.44269504088896341, 0.693359375, -2.12194440e-4,
			1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
			1, -87.33, 88.72, float32(math.Inf(1)),
		} {
			DATA(4*i, U32(math.Float32bits(f))) // the assembler knows no Inf
		}
	})}
}

func (e *Exp) at(off int) Mem { return e.table.Offset(off) }

// Lanes returns e^x for each lane of x.
func (e *Exp) Lanes(x VecVirtual) VecVirtual {
	n, r, z, p := ZMM(), ZMM(), ZMM(), ZMM()
	VMULPS_BCST(e.at(expLog2e), x, n)
	VRNDSCALEPS(U8(8), n, n) // to the nearest integer, ties to even
	VMOVAPS(x, r)
	VFNMADD231PS_BCST(e.at(expLn2Hi), n, r)
	VFNMADD231PS_BCST(e.at(expLn2Lo), n, r)
	VMULPS(r, r, z)
	VBROADCASTSS(e.at(expP0), p)
	for off := expP0 + 4; off <= expP5; off += 4 {
		VFMADD213PS_BCST(e.at(off), r, p)
	}
	VFMADD213PS(r, z, p)
	VADDPS_BCST(e.at(expOne), p, p)
	VSCALEFPS(n, p, p)
	low, high := K(), K()
	const ltOQ, gtOQ = 0x11, 0x1e
	t := z
	VBROADCASTSS(e.at(expMin), t)
	VCMPPS(U8(ltOQ), t, x, low)
	VBROADCASTSS(e.at(expMax), t)
	VCMPPS(U8(gtOQ), t, x, high)
	VPXORD(p, p, low, p)
	VBROADCASTSS(e.at(expInf), high, p)
	return p
}
