package optim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
)

// A call takes four slices of one length, and nine scalars.
type call func(k *kernels, x [4][]float32, s [9]float32)

// twinTests and guardTests name every assembly function, for the test in
// kerneltest that looks for uncovered ones.
var twinTests = map[string]call{
	"sgd*":      func(k *kernels, x [4][]float32, s [9]float32) { k.sgd(x[0], x[1], sgdStep(s)) },
	"momentum*": func(k *kernels, x [4][]float32, s [9]float32) { k.momentum(x[0], x[1], x[2], sgdStep(s)) },
	"nesterov*": func(k *kernels, x [4][]float32, s [9]float32) { k.nesterov(x[0], x[1], x[2], sgdStep(s)) },
	"adam*": func(k *kernels, x [4][]float32, s [9]float32) {
		k.adam(x[0], x[1], x[2], x[3], &AdamStep{s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]})
	},
}

func sgdStep(s [9]float32) *SGDStep { return &SGDStep{s[0], s[1], s[2], s[3]} }

var guardTests = map[string]func(t *testing.T){"*512": guard, "*256": guard}

func TestTwin(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(1, 2))
		for name, f := range twinTests {
			for n := 1; n < 70; n++ {
				for _, share := range []float64{0, 0.05, 0.6} {
					var got, want [4][]float32
					for i := range got {
						got[i] = make([]float32, n)
						kerneltest.Awkward(got[i], r.Uint64, share)
						if i == 3 && share == 0 { // a second moment is not negative
							for j, v := range got[i] {
								got[i][j] = float32(math.Abs(float64(v)))
							}
						}
						want[i] = append([]float32(nil), got[i]...)
					}
					var s [9]float32
					kerneltest.Awkward(s[:], r.Uint64, share)
					f(tier(tr), got, s)
					f(&plain, want, s)
					for i := range got {
						kerneltest.CheckBits(t, fmt.Sprintf("slice %d of %s of %d", i, name, n), got[i], want[i])
					}
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
				var x [4][]float32
				for i := range x {
					x[i] = kerneltest.GuardedOf[float32](t, n, edge)
				}
				for _, f := range twinTests {
					f(tier(tr), x, [9]float32{})
				}
			}
		}
	})
}

func TestEntryPoints(t *testing.T) {
	w, g, v := []float32{1, 2}, []float32{1, -1}, []float32{2, 0}
	s := &SGDStep{Scale: 0.5, Decay: 0.25, Momentum: 0.5, Rate: 2}
	SGD(w, g, s) // gradients 0.75 and 0
	kerneltest.CheckBits(t, "SGD", w, []float32{-0.5, 2})
	Momentum(w, g, v, s) // gradients 0.375 and 0
	kerneltest.CheckBits(t, "velocity", v, []float32{1.375, 0})
	kerneltest.CheckBits(t, "Momentum", w, []float32{-3.25, 2})
	Nesterov(w, g, v, s) // gradients -0.3125 and 0
	kerneltest.CheckBits(t, "velocity", v, []float32{0.375, 0})
	kerneltest.CheckBits(t, "Nesterov", w, []float32{-3.25 - 2*(-0.3125+0.1875), 2})
	w, m, q := []float32{1}, []float32{1}, []float32{4}
	a := &AdamStep{Scale: 2, Decay: 1, Keep: 0.5, C1: 0.5, B2: 0.75, C2: 0.25, Root: 2, Eps: 1, Rate: 3}
	Adam(w, []float32{1}, m, q, a) // gradient 3, m 2, v 3+2.25
	kerneltest.CheckBits(t, "m", m, []float32{2})
	kerneltest.CheckBits(t, "v", q, []float32{5.25})
	if want := 0.5 - 3*2/(2*math.Sqrt(5.25)+1); math.Abs(float64(w[0])-want) > 1e-7 {
		t.Errorf("Adam gives %v, want %v", w[0], want)
	}
	SGD(nil, nil, s)
	Momentum(nil, nil, nil, s)
	Nesterov(nil, nil, nil, s)
	Adam(nil, nil, nil, nil, a)
	two, three := make([]float32, 2), make([]float32, 3)
	for name, f := range map[string]func(){
		"SGD": func() { SGD(two, three, s) }, "Momentum's g": func() { Momentum(two, three, two, s) }, "Momentum's v": func() { Momentum(two, two, three, s) },
		"Nesterov": func() { Nesterov(two, two, three, s) }, "Adam's g": func() { Adam(two, three, two, two, a) },
		"Adam's m": func() { Adam(two, two, three, two, a) }, "Adam's v": func() { Adam(two, two, two, three, a) },
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
	if n := testing.AllocsPerRun(100, func() { Adam(two, two, two, two, a); Nesterov(two, two, two, s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func Benchmark(b *testing.B) {
	for _, n := range []int{16 << 10, 4 << 20} {
		w, g, m, v := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range w {
			w[i], g[i], v[i] = rand.Float32(), rand.Float32(), rand.Float32()
		}
		s := &AdamStep{Scale: 1, Keep: 1, C1: 0.1, B2: 0.999, C2: 0.001, Root: 1, Eps: 1e-8, Rate: 1e-9}
		for _, tr := range cpu.Tiers() {
			b.Run(fmt.Sprintf("Adam/%d/%v", n, tr), func(b *testing.B) {
				b.SetBytes(28 * int64(n))
				for b.Loop() {
					tier(tr).adam(w, g, m, v, s)
				}
			})
			b.Run(fmt.Sprintf("Nesterov/%d/%v", n, tr), func(b *testing.B) {
				b.SetBytes(20 * int64(n))
				for b.Loop() {
					tier(tr).nesterov(w, g, m, &SGDStep{Scale: 1, Momentum: 0.9, Rate: 1e-9})
				}
			})
		}
		b.Run(fmt.Sprintf("copy/%d", n), func(b *testing.B) {
			b.SetBytes(8 * int64(n))
			for b.Loop() {
				copy(m, w)
			}
		})
	}
}
