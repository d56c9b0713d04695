// Package f32 is single-precision arithmetic with the roundings of the
// vector units, for the plain-Go twins of the kernels.
package f32

import "math"

// FMA returns a*b + c rounded once to float32, as VFMADD231SS does.
//
// Go has no float32 multiply-add. The product of two float32 is exact in
// float64, so only the sum can round, and rounding it to float64 and then to
// float32 differs from rounding once only where the float64 lies exactly midway
// between two float32. Such a number, of whatever exponent, ends in 28 zeros;
// the others, all but one in 2^28 of ordinary numbers, take the short way, which
// the compiler puts in line.
func FMA(a, b, c float32) float32 {
	s := float64(a)*float64(b) + float64(c)
	if math.Float64bits(s)<<36 == 0 {
		s = toOdd(a, b, c)
	}
	return float32(s)
}

// toOdd rounds the sum to odd: that keeps the sticky information which the
// rounding to float32 needs.
func toOdd(a, b, c float32) float64 {
	p, d := float64(a)*float64(b), float64(c)
	s := p + d
	bb := s - p
	e := (p - (s - bb)) + (d - bb) // exact error of the sum (Knuth's TwoSum)
	u := math.Float64bits(s)
	if e == 0 || e != e || u&1 != 0 { // exact; infinite or NaN; odd already
		return s
	}
	if (e > 0) == (s > 0) {
		u++ // the true value is further from zero
	} else {
		u--
	}
	return math.Float64frombits(u)
}
