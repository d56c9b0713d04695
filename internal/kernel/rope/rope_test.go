package rope

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
)

type kernel func(t cpu.Tier, dst, x, table []float32, sign float32)

// twinTests and guardTests name every assembly function, for the test in
// kerneltest that looks for uncovered ones.
var twinTests = map[string]kernel{"interleaved*": interleaved, "halves*": halves}

var guardTests = map[string]func(t *testing.T){"*": guard}

func TestTwin(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tier cpu.Tier) {
		r := rand.New(rand.NewPCG(1, 2))
		for name, f := range twinTests {
			for n := 2; n < 140; n += 2 {
				for _, share := range []float64{0, 0.05, 0.6} {
					x, table := make([]float32, n), make([]float32, n)
					kerneltest.Awkward(x, r.Uint64, share)
					kerneltest.Awkward(table, r.Uint64, share)
					for _, sign := range []float32{1, -1} {
						got, want := make([]float32, n), make([]float32, n)
						f(tier, got, x, table, sign)
						f(cpu.Go, want, x, table, sign)
						kerneltest.CheckBits(t, fmt.Sprintf("%s of %d", name, n), got, want)
						in := append([]float32(nil), x...)
						f(tier, in, in, table, sign)
						kerneltest.CheckBits(t, "in place", in, want)
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
	kerneltest.ForEachTier(t, func(t *testing.T, tier cpu.Tier) {
		for _, edge := range kerneltest.Edges {
			for n := 2; n <= 70; n += 2 {
				var s [3][]float32
				for i := range s {
					s[i] = kerneltest.GuardedOf[float32](t, n, edge)
				}
				for _, f := range twinTests {
					f(tier, s[0], s[1], s[2], 1)
				}
			}
		}
	})
}

// A turn is a complex multiplication, forward by the angle and back.
func TestAgainstComplex(t *testing.T) {
	const pairs = 32
	x, table := make([]float32, 2*pairs), make([]float32, 2*pairs)
	for i := range pairs {
		angle := 1000 * math.Pow(10000, -float64(i)/pairs)
		table[2*i], table[2*i+1] = float32(math.Cos(angle)), float32(math.Sin(angle))
	}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for _, c := range []struct {
		name string
		f    func(dst, x, table []float32, sign float32)
		at   func(i int) (int, int)
	}{
		{"Interleaved", Interleaved, func(i int) (int, int) { return 2 * i, 2*i + 1 }},
		{"Halves", Halves, func(i int) (int, int) { return i, i + pairs }},
	} {
		for _, sign := range []float32{1, -1} {
			got := make([]float32, 2*pairs+1)
			got[2*pairs] = 7
			c.f(got, x, table, sign)
			for i := range pairs {
				a, b := c.at(i)
				want := complex(float64(x[a]), float64(x[b])) * complex(float64(table[2*i]), float64(sign*table[2*i+1]))
				if e := math.Hypot(float64(got[a])-real(want), float64(got[b])-imag(want)); e > 2*0x1p-24*math.Hypot(float64(x[a]), float64(x[b])) {
					t.Errorf("%s, pair %d: (%v, %v), want %v", c.name, i, got[a], got[b], want)
				}
			}
			if got[2*pairs] != 7 {
				t.Errorf("%s wrote past its table", c.name)
			}
		}
		for what, f := range map[string]func(){
			"odd table": func() { c.f(x, x, table[:3], 1) }, "short x": func() { c.f(x, x[:2], table, 1) }, "short dst": func() { c.f(x[:2], x, table, 1) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s, %s: no panic", c.name, what)
					}
				}()
				f()
			}()
		}
		c.f(nil, nil, nil, 1)
		if n := testing.AllocsPerRun(100, func() { c.f(x, x, table, 1) }); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func Benchmark(b *testing.B) {
	x, table := make([]float32, 64), make([]float32, 64)
	for name, f := range twinTests {
		for _, tier := range cpu.Tiers() {
			b.Run(name[:len(name)-1]+"/"+tier.String(), func(b *testing.B) {
				for b.Loop() {
					f(tier, x, x, table, 1)
				}
			})
		}
	}
}
