package f32

import "math"

// SumLanes adds 16 lanes as the kernels do: lane i+8 to lane i, then 4, 2, 1.
func SumLanes(z *[16]float32) float32 {
	var s [8]float32
	for i := range s {
		s[i] = z[i] + z[i+8]
	}
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

// FMALanes sets z[i] = FMA(x, b[i], z[i]) in 16 lanes, with the common case of
// FMA in line.
func FMALanes(z *[16]float32, x float32, b *[16]float32) {
	x64 := float64(x)
	for i := range z {
		// The product is exact, so it may be fused with the sum.
		s := x64*float64(b[i]) + float64(z[i])
		if u := math.Float64bits(s); u&(1<<29-1) != 1<<28 && u>>52&0x7ff > 1023-126 {
			z[i] = float32(s)
		} else {
			z[i] = FMA(x, b[i], z[i])
		}
	}
}
