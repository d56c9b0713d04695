package f32

import "math"

// Exp returns e^x, within 2 units in the last place, by the steps that the
// vector kernels take, so that a twin and its assembly agree in every bit.
//
// x = n*ln2 + r with n an integer and |r| <= ln2/2, where ln2 is split in two
// so that n*ln2Hi is exact; e^r is Cephes' polynomial for single precision
// (expf, S. Moshier, 1992). Below -87.33, where the result would be subnormal,
// Exp is 0; above 88.72 it is +Inf; NaN stays NaN.
func Exp(x float32) float32 {
	switch {
	case x < -87.33:
		return 0
	case x > 88.72:
		return float32(math.Inf(1))
	case x != x:
		return x
	}
	const (
		log2e        = 1.44269504088896341
		ln2Hi, ln2Lo = 0.693359375, -2.12194440e-4
	)
	n := float32(math.RoundToEven(float64(x * log2e)))
	r := FMA(-n, ln2Hi, x)
	r = FMA(-n, ln2Lo, r)
	p := float32(1.9875691500e-4)
	p = FMA(p, r, 1.3981999507e-3)
	p = FMA(p, r, 8.3334519073e-3)
	p = FMA(p, r, 4.1665795894e-2)
	p = FMA(p, r, 1.6666665459e-1)
	p = FMA(p, r, 5.0000001201e-1)
	p = FMA(p, r*r, r) + 1
	// 2^n, n from -126 to 128, is beyond float32; the product in float64 is
	// exact and so is its conversion.
	return float32(float64(p) * math.Float64frombits(uint64(int64(n)+1023)<<52))
}
