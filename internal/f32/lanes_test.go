package f32

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestFMALanesIsFMA(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50000 {
		var z, b, want [16]float32
		x := math.Float32frombits(r.Uint32())
		for i := range z {
			z[i], b[i] = math.Float32frombits(r.Uint32()), math.Float32frombits(r.Uint32())
			if i&1 == 0 { // of like size, so that rounding matters
				z[i] = -x * b[i] * (1 + float32(r.Uint32()&7)*0x1p-23)
			}
			want[i] = FMA(x, b[i], z[i])
		}
		FMALanes(&z, x, &b)
		for i := range z {
			if math.Float32bits(z[i]) != math.Float32bits(want[i]) && (z[i] == z[i] || want[i] == want[i]) {
				t.Fatalf("lane %d: %v, want %v", i, z[i], want[i])
			}
		}
	}
}

func TestSumLanes(t *testing.T) {
	var z [16]float32
	for i := range z {
		z[i] = float32(i)
	}
	if s := SumLanes(&z); s != 120 {
		t.Errorf("SumLanes = %v, want 120", s)
	}
	// The order shows where an addition rounds: 1 is lost against 2^25 unless
	// the two large lanes cancel first, and lanes 0 and 8 are the first pair.
	z = [16]float32{0: 0x1p25, 8: -0x1p25, 1: 1}
	if s := SumLanes(&z); s != 1 {
		t.Errorf("SumLanes = %v, want 1", s)
	}
	z = [16]float32{0: 0x1p25, 4: 1, 2: -0x1p25}
	if s := SumLanes(&z); s != 0 {
		t.Errorf("SumLanes = %v, want 0: lane 4 joins lane 0 before lane 2 does", s)
	}
}
