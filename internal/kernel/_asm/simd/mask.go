package simd

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Mask selects lanes: an opmask, or in AVX2 lanes of ones. The zero Mask selects
// all of them and costs nothing.
type Mask struct {
	k Op
	v F32x16
}

func (m Mask) all() bool { return m.k == nil && m.v == nil }

// Predicates of Compare; all are false if a number is NaN, except Unequal.
const (
	Less    = 0x11
	Greater = 0x1e
	Unequal = 0x04
	AtMost  = 0x12
)

// Compare selects the lanes in which x stands in relation to y: Less, x < y. y is
// an F32x16 or a Num.
func Compare(relation uint8, x F32x16, y any) Mask {
	if n, ok := y.(Num); ok {
		y = x.Tier().Const(float32(n))
	}
	if x.Tier() == AVX512 {
		k := K()
		VCMPPS(U8(relation), part(AVX512, y, 0), x[0], k)
		return Mask{k: k}
	}
	m := Mask{v: x.Like()}
	for i := range x {
		VCMPPS(U8(relation), part(AVX2, y, i), x[i], m.v[i])
	}
	return m
}

// FirstLanes selects the first n lanes, n from 0 to 16.
func (t Tier) FirstLanes(n GPVirtual) Mask {
	if t == AVX512 {
		m, k := GP32(), K()
		MOVL(U32(1<<16-1), m)
		BZHIL(n.As32(), m, m)
		KMOVW(m, k)
		return Mask{k: k}
	}
	table := Table("firstLanes", func() {
		for i := range 2 * Lanes {
			on := uint32(0)
			if i < Lanes {
				on = 1<<32 - 1
			}
			DATA(4*i, U32(on))
		}
	})
	p, at := GP64(), GP64()
	LEAQ(table.Offset(4*Lanes), p)
	MOVQ(n, at)
	NEGQ(at)
	m := Mask{v: AVX2.New()}
	for i, y := range m.v {
		VMOVUPS(Mem{Base: p, Index: at, Scale: 4, Disp: 32 * i}, y)
	}
	return m
}

// Bits selects the lanes whose bits are set in the low 16 bits of b.
func (t Tier) Bits(b GPVirtual) Mask {
	if t == AVX512 {
		k := K()
		KMOVW(b.As32(), k)
		return Mask{k: k}
	}
	one := Table("laneBits", func() {
		for i := range Lanes {
			DATA(4*i, U32(1<<i))
		}
	})
	m := Mask{v: AVX2.New()}
	x := XMM()
	VMOVD(b.As32(), x)
	all := YMM()
	VPBROADCASTD(x, all)
	for i, y := range m.v {
		VPAND(one.Offset(32*i), all, y)
		VPCMPEQD(one.Offset(32*i), y, y)
	}
	return m
}

// Load reads the numbers that are selected and zeros for the others, of which no
// byte is touched.
func (m Mask) Load(t Tier, from Mem) F32x16 {
	v := t.New()
	m.read(from, v)
	return v
}

func (m Mask) read(from Mem, v F32x16) {
	for i, r := range v {
		switch at := part(v.Tier(), from, i); {
		case m.all():
			VMOVUPS(at, r)
		case v.Tier() == AVX512:
			VMOVUPS_Z(at, m.k, r)
		default:
			VMASKMOVPS(at, m.v[i], r)
		}
	}
}

// Store writes the numbers that are selected.
func (m Mask) Store(v F32x16, to Mem) {
	for i, r := range v {
		switch at := part(v.Tier(), to, i); {
		case m.all():
			VMOVUPS(r, at)
		case v.Tier() == AVX512:
			VMOVUPS(r, m.k, at)
		default:
			VMASKMOVPS(r, m.v[i], at)
		}
	}
}

// Do emits an instruction for the selected lanes only: the others of the result
// keep what they had, so that an accumulator's -0 stays one. The result may be an
// operand too.
func (m Mask) Do(inst Inst, operands ...any) {
	if m.all() {
		inst(operands...)
		return
	}
	last := len(operands) - 1
	result := operands[last].(F32x16)
	if m.k != nil {
		inst(append(operands[:last:last], m.k, result)...)
		return
	}
	t := result.Like()
	Move(result, t) // for the multiply-adds, which read it
	inst(append(operands[:last:last], t)...)
	m.Blend(t, result)
}

// Blend sets the selected lanes of v to x, an F32x16 or a Num.
func (m Mask) Blend(x any, v F32x16) {
	n, constant := x.(Num)
	if v.Tier() == AVX512 {
		if constant {
			VBROADCASTSS(Address(float32(n)), m.k, v[0])
		} else {
			VMOVAPS(x.(F32x16)[0], m.k, v[0])
		}
		return
	}
	if constant {
		x = AVX2.Const(float32(n))
	}
	for i, r := range v {
		VBLENDVPS(m.v[i], x.(F32x16)[i], r, r)
	}
}

// Only zeroes the lanes of v that are not selected.
func (m Mask) Only(v F32x16) {
	switch {
	case m.all():
	case v.Tier() == AVX512:
		VMOVAPS_Z(v[0], m.k, v[0])
	default:
		for i, r := range v {
			VANDPS(m.v[i], r, r)
		}
	}
}

// Clear zeroes the selected lanes of v.
func (m Mask) Clear(v F32x16) {
	for i, r := range v {
		if v.Tier() == AVX512 {
			VPXORD(r, r, m.k, r)
		} else {
			VANDNPS(r, m.v[i], r)
		}
	}
}
