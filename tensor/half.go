package tensor

import "math"

// F16ToF32 converts IEEE 754 binary16 bits; every value is represented exactly.
// NaNs keep their sign and payload and come out quiet, as the processor's own
// conversion (VCVTPH2PS, FCVT) makes them.
func F16ToF32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h & 0x3ff)
	switch {
	case exp == 0: // zero or subnormal: frac units of 2^-24, exact in float32
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case exp < 31:
		return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
	case frac == 0:
		return math.Float32frombits(sign | 0x7f800000)
	default:
		return math.Float32frombits(sign | 0x7fc00000 | frac<<13)
	}
}

// F32ToF16 rounds to the nearest binary16, ties to even. Magnitudes from 65520
// become infinite; NaNs keep their sign and upper payload and come out quiet.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	abs := b & 0x7fffffff
	switch {
	case abs > 0x7f800000: // NaN
		return sign | 0x7e00 | uint16(abs>>13)&0x3ff
	case abs >= 0x477ff000: // 65520, halfway between the largest binary16 and the next power of two
		return sign | 0x7c00
	case abs < 0x38800000: // below 2^-14 the result is subnormal, in units of 2^-24
		// Those are the units of float32 in [0.5, 1): the addition rounds for us.
		return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-0x3f000000)
	default:
		abs += 0xfff + abs>>13&1 // ties to even; a carry into the exponent is right
		return sign | uint16((abs-(127-15)<<23)>>13)
	}
}

// BF16ToF32 converts bfloat16 bits; every value is represented exactly.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 rounds to the nearest bfloat16, ties to even. NaNs keep their sign
// and upper payload and come out quiet.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
