package norm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
)

type call func(k *kernels, dst, x, y, z []float32, r, c float32) float32

// twinTests and guardTests name every assembly function, for the test in
// kerneltest that looks for uncovered ones.
var twinTests = map[string]call{
	"sumSquares512":  func(k *kernels, dst, x, y, z []float32, r, c float32) float32 { return k.sumSquares(x) },
	"scale512":       func(k *kernels, dst, x, y, z []float32, r, c float32) float32 { k.scale(dst, x, y, r); return 0 },
	"sumProducts512": func(k *kernels, dst, x, y, z []float32, r, c float32) float32 { return k.sumProducts(x, y, z) },
	"inputGrad512": func(k *kernels, dst, x, y, z []float32, r, c float32) float32 {
		k.inputGrad(dst, x, y, z, r, c)
		return 0
	},
	"gainGrad512": func(k *kernels, dst, x, y, z []float32, r, c float32) float32 { k.gainGrad(dst, x, y, r); return 0 },
}

var guardTests = map[string]func(t *testing.T){"*512": guard}

func TestTwin(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(1, 2))
		for name, f := range twinTests {
			for n := 1; n < 70; n++ {
				for _, share := range []float64{0, 0.05, 0.6} {
					s := [5][]float32{}
					for i := range s {
						s[i] = make([]float32, n)
						kerneltest.Awkward(s[i], r.Uint64, share)
					}
					got, want := s[4], append([]float32(nil), s[4]...) // what is added to
					g := f(tier(tr), got, s[0], s[1], s[2], s[3][0], s[3][n-1])
					w := f(&plain, want, s[0], s[1], s[2], s[3][0], s[3][n-1])
					kerneltest.CheckBits(t, fmt.Sprintf("%s of %d", name, n), got, want)
					kerneltest.CheckBits(t, fmt.Sprintf("result of %s of %d", name, n), []float32{g}, []float32{w})
				}
			}
		}
	})
}

func TestGuardPages(t *testing.T) {
	for name, f := range guardTests {
		t.Run(name, f)
	}
}

func guard(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		for _, edge := range kerneltest.Edges {
			for n := 1; n <= 35; n++ {
				var s [4][]float32
				for i := range s {
					s[i] = kerneltest.GuardedOf[float32](t, n, edge)
				}
				for _, f := range twinTests {
					f(tier(tr), s[0], s[1], s[2], s[3], 1, 1)
				}
			}
		}
	})
}

// Forward and backward against float64, and the rows apart from each other.
func TestAgainstFloat64(t *testing.T) {
	const eps, rows, ulp = 1e-5, 3, 0x1p-24
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range []int{1, 15, 64, 577} {
			x, dy, w := make([]float32, rows*n), make([]float32, rows*n), make([]float32, n)
			for i := range x {
				x[i], dy[i] = float32(3*r.NormFloat64()), float32(r.NormFloat64())
			}
			for i := range w {
				w[i] = float32(r.NormFloat64())
			}
			y, dx, dw := make([]float32, rows*n), make([]float32, rows*n), make([]float32, n)
			rms(tr, y, x, w, eps)
			rmsBackward(tr, dx, dw, dy, x, w, eps)
			wantW, sizeW := make([]float64, n), make([]float64, n)
			tol := float64(20+n/16) * ulp
			for row := range rows {
				x, dy := x[row*n:][:n], dy[row*n:][:n]
				squares, dot, size := 0.0, 0.0, 0.0
				for i, v := range x {
					squares += float64(v) * float64(v)
					p := float64(dy[i]) * float64(w[i]) * float64(v)
					dot += p
					size += math.Abs(p)
				}
				inv := 1 / math.Sqrt(squares/float64(n)+float64(float32(eps)))
				for i, v := range x {
					want := float64(v) * inv * float64(w[i])
					if got := y[row*n+i]; math.Abs(float64(got)-want) > tol*math.Abs(want) {
						t.Fatalf("%d x %d: y[%d,%d] = %v, want %v", rows, n, row, i, got, want)
					}
					g, c := float64(dy[i])*float64(w[i]), inv*inv/float64(n)*float64(v)
					want = inv * (g - c*dot)
					if got := dx[row*n+i]; math.Abs(float64(got)-want) > tol*inv*(math.Abs(g)+math.Abs(c)*size) {
						t.Fatalf("%d x %d: dx[%d,%d] = %v, want %v", rows, n, row, i, got, want)
					}
					wantW[i] += float64(dy[i]) * float64(v) * inv
					sizeW[i] += math.Abs(float64(dy[i]) * float64(v) * inv)
				}
				alone := make([]float32, n)
				rms(tr, alone, x, w, eps)
				kerneltest.CheckBits(t, "a row alone", alone, y[row*n:][:n])
			}
			for i, want := range wantW {
				if math.Abs(float64(dw[i])-want) > tol*sizeW[i] {
					t.Fatalf("%d x %d: dw[%d] = %v, want %v", rows, n, i, dw[i], want)
				}
			}
			rms(tr, x, x, w, eps)
			kerneltest.CheckBits(t, "in place", x, y)
		}
	})
}

func TestEntryPoints(t *testing.T) {
	x, w := []float32{3, 4, 0, 0}, []float32{1, 2}
	y := make([]float32, 4)
	RMS(y, x, w, 0)
	r := 1 / float32(math.Sqrt(12.5))
	kerneltest.CheckBits(t, "RMS", y[:2], []float32{3 * r, 4 * r * 2})
	dx := []float32{1, 1, 1, 1}
	RMSBackward(dx, nil, make([]float32, 4), x[:4], w, 1)
	kerneltest.CheckBits(t, "gradient of nothing", dx, []float32{1, 1, 1, 1})
	RMSBackward(nil, nil, y, x, w, 1)
	RMS(nil, nil, w, 1)
	for name, f := range map[string]func(){
		"short dst": func() { RMS(y[:3], x, w, 1) }, "part of a row": func() { RMS(y[:3], x[:3], w, 1) },
		"no width": func() { RMS(y, x, nil, 1) }, "short dy": func() { RMSBackward(dx, nil, y[:2], x, w, 1) },
		"short dx": func() { RMSBackward(dx[:2], nil, y, x, w, 1) }, "long dw": func() { RMSBackward(nil, dx, y, x, w, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
	if n := testing.AllocsPerRun(100, func() { RMS(y, x, w, 1); RMSBackward(dx, w, y, x, w, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func Benchmark(b *testing.B) {
	x, w := make([]float32, 576), make([]float32, 576)
	for i := range x {
		x[i], w[i] = rand.Float32(), rand.Float32()
	}
	dst := make([]float32, 576)
	for _, tr := range cpu.Tiers() {
		b.Run("RMS/"+tr.String(), func(b *testing.B) {
			for b.Loop() {
				rms(tr, dst, x, w, 1e-5)
			}
		})
		b.Run("RMSBackward/"+tr.String(), func(b *testing.B) {
			for b.Loop() {
				rmsBackward(tr, dst, dst, x, x, w, 1e-5)
			}
		})
	}
}
