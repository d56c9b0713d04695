package kerneltest

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestGuardedFaults(t *testing.T) {
	switch runtime.GOOS {
	case "windows", "plan9", "js", "wasip1":
		t.Skip("no guard pages on " + runtime.GOOS)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, n := range []int{0, 1, 3, 16, 5000} {
		for _, edge := range Edges {
			f := GuardedOf[float32](t, n, edge)
			for i := range f {
				f[i] = float32(i) // all of it can be written
			}
			if !faults(f, edge) {
				t.Errorf("%d numbers, %v edge: reading past it does not fault", n, edge)
			}
		}
	}
}

func TestSameBits(t *testing.T) {
	nan, negZero := float32(math.NaN()), float32(math.Copysign(0, -1))
	other := math.Float32frombits(0xffc00123)
	for _, c := range []struct {
		got, want []float32
		at        int
	}{
		{nil, nil, -1},
		{[]float32{1, nan}, []float32{1, other}, -1},
		{[]float32{0}, []float32{negZero}, 0},
		{[]float32{1, 2}, []float32{1, nan}, 1},
		{[]float32{1}, []float32{1, 2}, 1},
	} {
		if at := SameBits(c.got, c.want); at != c.at {
			t.Errorf("SameBits(%v, %v) = %d, want %d", c.got, c.want, at, c.at)
		}
	}
}
