package f32

import (
	"math"
	"testing"
)

func TestExpError(t *testing.T) {
	worst, at := 0.0, float32(0)
	check := func(x float32) {
		want := math.Exp(float64(x))
		got := Exp(x)
		ulp := float64(math.Nextafter32(float32(want), math.MaxFloat32) - float32(want))
		if e := math.Abs(float64(got)-want) / ulp; e > worst {
			worst, at = e, x
		}
	}
	for x := float32(-87.33); x < 88.72; x += 1.0 / 1024 {
		check(x)
	}
	for u := uint32(0); u < 0x3f800000; u += 7919 { // down to the subnormals
		check(math.Float32frombits(u))
		check(-math.Float32frombits(u))
	}
	t.Logf("worst error %.3f ulp at %v", worst, at)
	if worst > 2 {
		t.Errorf("error of %.3f ulp at %v, want at most 2", worst, at)
	}
}

func TestExpSpecials(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct{ x, want float32 }{
		{0, 1}, {float32(math.Copysign(0, -1)), 1}, {-inf, 0}, {inf, inf}, {-87.34, 0}, {-1e30, 0}, {88.73, inf}, {1e30, inf},
	} {
		if got := Exp(c.x); got != c.want || math.Signbit(float64(got)) {
			t.Errorf("Exp(%v) = %v, want %v", c.x, got, c.want)
		}
	}
	if got := Exp(-87.33); got < math.Float32frombits(0x00800000) {
		t.Errorf("Exp(-87.33) = %v, want a normal number", got)
	}
	if got := Exp(88.72); got > math.MaxFloat32 {
		t.Errorf("Exp(88.72) = %v, want a finite number", got)
	}
	if got := Exp(float32(math.NaN())); got == got {
		t.Errorf("Exp(NaN) = %v", got)
	}
}
