package f32

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// reference rounds the exact a*b + c once, with math/big.
func reference(a, b, c float32) float32 {
	x := new(big.Float).SetPrec(600).SetFloat64(float64(a))
	x.Mul(x, new(big.Float).SetPrec(600).SetFloat64(float64(b)))
	x.Add(x, new(big.Float).SetPrec(600).SetFloat64(float64(c)))
	f, _ := x.Float32()
	return f
}

func TestFMARoundsOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	finite := func() float32 {
		for {
			f := math.Float32frombits(r.Uint32())
			if f == f && !math.IsInf(float64(f), 0) {
				return f
			}
		}
	}
	check := func(a, b, c float32) {
		t.Helper()
		got, want := FMA(a, b, c), reference(a, b, c)
		if math.Float32bits(got) != math.Float32bits(want) && !(got == 0 && want == 0) {
			t.Fatalf("FMA(%x, %x, %x) = %x, want %x", a, b, c, got, want)
		}
	}
	for range 200000 {
		a, b := finite(), finite()
		c := finite()
		check(a, b, c)
		check(a, b, -a*b)                                                             // cancellation
		check(a, math.Float32frombits(0x3f800000|r.Uint32()>>30), float32(r.Int32())) // near midpoints
		s := float32(math.Ldexp(1, -100-r.IntN(40)))
		check(a*s, s, c*s*s) // subnormal results
	}
	// A double rounding: 1 + 2^-24 is a midpoint, and the product's last bit
	// decides. Rounding through float64 loses it.
	a, b := float32(1+math.Ldexp(1, -23)), float32(math.Ldexp(1, -24)*(1-math.Ldexp(1, -23)))
	_ = b
	check(a, float32(math.Ldexp(1, -24)), 1)
	check(math.Float32frombits(0x33800001), math.Float32frombits(0x3f7fffff), 1)
	check(float32(math.Ldexp(1, -80)), float32(math.Ldexp(1, -80)), math.Float32frombits(0x3f800001))
	if naive := float32(float64(float32(math.Ldexp(1, -30)))*float64(float32(math.Ldexp(1, -60))) + (1 + math.Ldexp(1, -24))); naive != 1 {
		t.Log("platform rounds differently")
	}
}

func TestFMASpecials(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	for _, c := range [][4]float32{{inf, 1, 0, inf}, {inf, 0, 1, nan}, {1, 1, nan, nan}, {inf, 1, -inf, nan}, {math.MaxFloat32, 2, 0, inf}} {
		got := FMA(c[0], c[1], c[2])
		if got != c[3] && !(got != got && c[3] != c[3]) {
			t.Errorf("FMA(%v,%v,%v) = %v, want %v", c[0], c[1], c[2], got, c[3])
		}
	}
	if z := FMA(0, -1, 0); math.Signbit(float64(z)) {
		t.Error("FMA(0,-1,0) is -0, want +0")
	}
}

func BenchmarkFMA(b *testing.B) {
	acc := float32(0)
	for b.Loop() {
		acc = FMA(acc, 0.5, 1.25)
	}
	_ = acc
}
