package simd

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Tier is an instruction set. An emitter written for a Tier writes the same
// function for both, because the unit of work is the same: an F32x16, 16 lanes of
// float32, which is one register of 512 bits or two of 256.
type Tier int

const (
	AVX512 Tier = iota
	AVX2        // with FMA and F16C; only 16 registers, so 8 vectors
)

// Tiers are all, to range over.
var Tiers = []Tier{AVX512, AVX2}

// Lanes is the number of lanes of an F32x16.
const Lanes = 16

// Suffix ends the names of a tier's functions.
func (t Tier) Suffix() string {
	if t == AVX2 {
		return "256"
	}
	return "512"
}

// Func is simd.Func with the tier's suffix.
func (t Tier) Func(name, signature, doc string) { Func(name+t.Suffix(), signature, doc) }

// F32x16 is 16 lanes of float32, lane 0 first.
type F32x16 []VecVirtual

// New returns an F32x16 that holds nothing yet.
func (t Tier) New() F32x16 {
	if t == AVX2 {
		return F32x16{YMM(), YMM()}
	}
	return F32x16{ZMM()}
}

// Tier tells which one v belongs to.
func (v F32x16) Tier() Tier {
	if v[0].Size() == 32 {
		return AVX2
	}
	return AVX512
}

// Like returns an F32x16 of as many registers as v: half of one, if v is.
func (v F32x16) Like() F32x16 {
	n := make(F32x16, len(v))
	for i := range n {
		n[i] = v.Tier().New()[0]
	}
	return n
}

// same returns 16 lanes that are all alike; AVX2 has one register for both
// halves, so such an F32x16 is for reading only.
func (t Tier) same(load func(v VecVirtual)) F32x16 {
	if t == AVX2 {
		y := YMM()
		load(y)
		return F32x16{y, y}
	}
	z := ZMM()
	load(z)
	return F32x16{z}
}

// Const broadcasts a constant into an F32x16 that is only read.
func (t Tier) Const(f float32) F32x16 { return t.Bcst(Address(f)) }

// Bcst broadcasts the float32 at m into an F32x16 that is only read.
func (t Tier) Bcst(m Mem) F32x16 { return t.same(func(v VecVirtual) { VBROADCASTSS(m, v) }) }

// Scalar broadcasts a float32 argument into an F32x16 that is only read.
func (t Tier) Scalar(name string) F32x16 { return t.First(Load(Param(name), XMM())) }

// First broadcasts lane 0 of a register into an F32x16 that is only read.
func (t Tier) First(x Register) F32x16 { return t.same(func(v VecVirtual) { VBROADCASTSS(x, v) }) }

// Fill returns an F32x16 of its own, all lanes f: an accumulator.
func (t Tier) Fill(f float32) F32x16 {
	v := t.New()
	for _, r := range v {
		if math.Float32bits(f) == 0 {
			VXORPS(r, r, r)
		} else {
			VBROADCASTSS(Address(f), r)
		}
	}
	return v
}

// Load reads 16 numbers.
func (t Tier) Load(m Mem) F32x16 {
	v := t.New()
	Move(m, v)
	return v
}

// part returns what operand o is for half i of a tier's F32x16. A Mem is 16 numbers
// in a row.
func part(t Tier, o any, i int) Op {
	switch o := o.(type) {
	case F32x16:
		return o[i]
	case Mem:
		if t == AVX2 {
			return o.Offset(32 * i)
		}
		return o
	case Op:
		return o
	}
	panic(fmt.Sprintf("simd: operand %T", o))
}

// Num is a constant operand; at most one, the first, of an instruction.
type Num float32

// An Inst is an instruction on vectors, operands in the order of Go's assembler:
// the last one is the result. Operands are an F32x16, a Mem of 16 numbers, a Num or
// an immediate.
type Inst func(operands ...any)

func packed(plain, bcst func(...Op)) Inst {
	return func(operands ...any) {
		sample := vecOf(operands)
		t, emit := sample.Tier(), plain
		if n, ok := operands[0].(Num); ok {
			operands = append([]any(nil), operands...)
			if t == AVX512 {
				emit, operands[0] = bcst, Op(Address(float32(n)))
			} else {
				operands[0] = t.Const(float32(n))
			}
		}
		for i := range sample {
			var ops []Op
			for _, o := range operands {
				ops = append(ops, part(t, o, i))
			}
			emit(ops...)
		}
	}
}

// vecOf returns the last F32x16 among operands.
func vecOf(operands []any) F32x16 {
	for i := len(operands) - 1; i >= 0; i-- {
		if v, ok := operands[i].(F32x16); ok {
			return v
		}
	}
	panic("simd: an instruction without an F32x16")
}

// The instructions, with the operands of Go's assembler: Sub(y, x, z) is z = x - y,
// FMA231(x, y, z) is z += x*y, FMA213(z, y, x) is x = x*y + z. Max(y, x, z) gives y
// where either is a NaN.
var (
	Add       = packed(VADDPS, VADDPS_BCST)
	Sub       = packed(VSUBPS, VSUBPS_BCST)
	Mul       = packed(VMULPS, VMULPS_BCST)
	Div       = packed(VDIVPS, VDIVPS_BCST)
	Max       = packed(VMAXPS, VMAXPS_BCST)
	Min       = packed(VMINPS, VMINPS_BCST)
	And       = packed(VANDPS, VANDPS_BCST)
	AndNot    = packed(VANDNPS, VANDNPS_BCST)
	Or        = packed(VORPS, VORPS_BCST)
	Xor       = packed(VXORPS, VXORPS_BCST)
	Sqrt      = packed(VSQRTPS, VSQRTPS_BCST)
	FMA231    = packed(VFMADD231PS, VFMADD231PS_BCST)
	FMA213    = packed(VFMADD213PS, VFMADD213PS_BCST)
	FNMA231   = packed(VFNMADD231PS, VFNMADD231PS_BCST)
	FNMA213   = packed(VFNMADD213PS, VFNMADD213PS_BCST)
	FMS213    = packed(VFMSUB213PS, VFMSUB213PS_BCST)
	FMAddSub  = packed(VFMADDSUB213PS, VFMADDSUB213PS_BCST)
	Move      = packed(VMOVUPS, nil)
	Permute   = packed(VPERMILPS, nil) // inside each 128 bits
	EvenTwice = packed(VMOVSLDUP, nil)
	OddTwice  = packed(VMOVSHDUP, nil)
)

// Round rounds to the nearest integer, ties to even.
func Round(from, to F32x16) {
	for i := range to {
		if to.Tier() == AVX512 {
			VRNDSCALEPS(U8(8), from[i], to[i])
		} else {
			VROUNDPS(U8(8), from[i], to[i])
		}
	}
}

// Address returns the address of a constant.
func Address(f float32) Mem {
	return Table(fmt.Sprintf("const%08x", math.Float32bits(f)), func() { DATA(0, U32(math.Float32bits(f))) })
}
