package simd

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// Exp returns e^x in 16 lanes with the steps of internal/f32.Exp, which says
// what they are and holds the same numbers.
func Exp(x F32x16) F32x16 {
	e := ExpNeg(x)
	for i := range x {
		Compare(Greater, x[i:i+1], Num(88.72)).Blend(Num(math.Inf(1)), e[i:i+1])
	}
	return e
}

// ExpNeg is Exp where no lane that counts is above 88.72, as in a softmax.
func ExpNeg(x F32x16) F32x16 {
	e := x.Like()
	for i := range x { // half by half: the registers of AVX2 are few
		exp(x[i:i+1], e[i:i+1])
	}
	return e
}

// The coefficients of e^r's polynomial, by falling powers.
var expPoly = []Num{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}

func exp(x, p F32x16) {
	n, r, z := x.Like(), x.Like(), x.Like()
	Mul(Num(1.44269504088896341), x, n)
	Round(n, n)
	Move(x, r)
	FNMA231(Num(0.693359375), n, r)
	FNMA231(Num(-2.12194440e-4), n, r)
	Mul(r, r, z)
	VBROADCASTSS(Address(float32(expPoly[0])), p[0])
	for _, c := range expPoly[1:] {
		FMA213(c, r, p)
	}
	FMA213(r, z, p)
	Add(Num(1), p, p)
	timesTwoTo(n, p)
	Compare(Less, x, Num(-87.33)).Clear(p)
}

// timesTwoTo multiplies p by 2^n. In AVX2 it adds n to the exponent, which is
// exact where p and the product are normal; a NaN in n adds nothing.
func timesTwoTo(n, p F32x16) {
	for i := range p {
		if p.Tier() == AVX512 {
			VSCALEFPS(n[i], p[i], p[i])
			continue
		}
		VCVTPS2DQ(n[i], n[i])
		VPSLLD(U8(23), n[i], n[i])
		VPADDD(n[i], p[i], p[i])
	}
}
