package pool

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/conv"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
)

// call runs one kernel of a tier on n windows.
type call func(k *kernels, y, which, x []float32, n, channels int)

var twinTests = map[string]call{
	"largest*": func(k *kernels, y, which, x []float32, n, channels int) {
		s := strip{y: y, which: which, ys: channels, x: x, xs: channels, xrow: 1, xtap: 2, kh: 3, kw: 2, n: n, channels: channels, first: 4, skip: 3}
		s.check()
		k.largest(&s)
	},
	"route*": func(k *kernels, y, which, x []float32, n, channels int) {
		for i := range which {
			which[i] = float32(i % 3)
		}
		s := strip{y: y, which: which, ys: channels, x: x, xs: channels, kh: 1, kw: 1, n: n, channels: channels, first: 1}
		s.check()
		k.route(&s)
	},
}

var guardTests = map[string]func(t *testing.T){"*": guard}

// sizes are of y (and which) and x: exactly what each kernel touches.
func sizes(name string, n, channels int) (y, x int) {
	if name == "route*" {
		return n * channels, n * channels
	}
	return n * channels, n*channels + 2 + 2
}

func TestTwin(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(1, 2))
		for name, f := range twinTests {
			for channels := 1; channels <= lanes; channels++ {
				for n := 1; n < 6; n++ {
					for _, share := range []float64{0, 0.3} {
						a, b := sizes(name, n, channels)
						s := [2][3][]float32{}
						for i, n := range []int{a, a, b} {
							s[0][i] = make([]float32, n)
							kerneltest.Awkward(s[0][i], r.Uint64, share)
							s[1][i] = append([]float32(nil), s[0][i]...)
						}
						f(tier(tr), s[0][0], s[0][1], s[0][2], n, channels)
						f(&plain, s[1][0], s[1][1], s[1][2], n, channels)
						for i := range s[0] {
							kerneltest.CheckBits(t, fmt.Sprintf("%s of %d x %d, slice %d", name, n, channels, i), s[0][i], s[1][i])
						}
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
			for name, f := range twinTests {
				for channels := 1; channels <= lanes; channels += 3 {
					for n := 1; n < 4; n++ {
						a, b := sizes(name, n, channels)
						f(tier(tr), kerneltest.GuardedOf[float32](t, a, edge), kerneltest.GuardedOf[float32](t, a, edge), kerneltest.GuardedOf[float32](t, b, edge), n, channels)
					}
				}
			}
		}
	})
}

func shape(t *testing.T, r *rand.Rand) *conv.Shape {
	d := func(n int) int { return 1 + r.IntN(n) }
	for {
		c := d(36)
		s := &conv.Shape{N: d(3), H: d(9), W: d(12), In: c, Out: c, Groups: c, KH: d(3), KW: d(3), StrideH: d(3), StrideW: d(3), DilationH: d(2), DilationW: d(2),
			Top: r.IntN(2), Left: r.IntN(2), Bottom: r.IntN(3), Right: r.IntN(3)}
		if r.IntN(6) == 0 { // several bands of rows
			s.H += 2 * grain / (s.W * s.In)
			s.H = min(s.H, 300)
		}
		if s.Complete() == nil {
			return s
		}
	}
}

// The largest number of each window, the pixel it came from and its gradient,
// against loops that say so; in every tier and for any workers the same bits.
func TestMax(t *testing.T) {
	pool := par.New(3)
	defer pool.Close()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := shape(t, r)
		x, n := make([]float32, s.N*s.H*s.W*s.In), s.N*s.OutH*s.OutW*s.In
		for i := range x {
			x[i] = float32(r.IntN(7)) // often equal
		}
		dy := make([]float32, n)
		for i := range dy {
			dy[i] = float32(r.IntN(100)) // sums are exact
		}
		want, dx := make([]float32, n), make([]float32, len(x))
		for o := range want {
			c, j, i, image := o%s.In, o/s.In%s.OutW, o/s.In/s.OutW%s.OutH, o/s.In/s.OutW/s.OutH
			want[o] = float32(math.Inf(-1))
			from := -1
			for a := range s.KH {
				for b := range s.KW {
					h, w := i*s.StrideH-s.Top+a*s.DilationH, j*s.StrideW-s.Left+b*s.DilationW
					if h < 0 || h >= s.H || w < 0 || w >= s.W {
						continue
					}
					if at := ((image*s.H+h)*s.W+w)*s.In + c; x[at] > want[o] {
						want[o], from = x[at], at
					}
				}
			}
			if from >= 0 {
				dx[from] += dy[o]
			}
		}
		for _, tr := range cpu.Tiers() {
			for _, p := range []*par.Pool{nil, pool} {
				var sc Scratch
				y, which, got := make([]float32, n), make([]float32, n), make([]float32, len(x))
				largest(tr, p, &sc, s, y, which, x)
				what := fmt.Sprintf("seed %d, %v: %+v", seed, tr, *s)
				kerneltest.CheckBits(t, what, y, want)
				largestBackward(tr, p, &sc, s, got, dy, which, true)
				kerneltest.CheckBits(t, what+" dx, added", got, dx)
				copy(got, x) // which is to be overwritten
				largestBackward(tr, p, &sc, s, got, dy, which, false)
				kerneltest.CheckBits(t, what+" dx", got, dx)
			}
		}
	}
}

func TestAverage(t *testing.T) {
	pool := par.New(3)
	defer pool.Close()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := shape(t, r)
		x, y := make([]float32, s.N*s.H*s.W*s.In), make([]float32, s.N*s.OutH*s.OutW*s.In)
		for i := range x {
			x[i] = float32(r.IntN(9))
		}
		for _, padding := range []bool{false, true} {
			var sc Scratch
			Average(nil, &sc, s, y, x, padding)
			for o := range y {
				c, j, i, image := o%s.In, o/s.In%s.OutW, o/s.In/s.OutW%s.OutH, o/s.In/s.OutW/s.OutH
				sum, count := 0.0, 0
				for a := range s.KH {
					for b := range s.KW {
						h, w := i*s.StrideH-s.Top+a*s.DilationH, j*s.StrideW-s.Left+b*s.DilationW
						if h >= 0 && h < s.H && w >= 0 && w < s.W {
							sum += float64(x[((image*s.H+h)*s.W+w)*s.In+c])
							count++
						}
					}
				}
				if padding {
					count = s.KH * s.KW
				}
				if want := sum / float64(max(1, count)); math.Abs(float64(y[o])-want) > 1e-5 {
					t.Fatalf("seed %d, padding counts %v: %v, want %v", seed, padding, y[o], want)
				}
			}
			// The gradient is the adjoint.
			dx, back, forth := make([]float32, len(x)), 0.0, 0.0
			AverageBackward(nil, &sc, s, dx, y, padding, true)
			again := append([]float32(nil), x...)
			AverageBackward(pool, &sc, s, again, y, padding, false)
			kerneltest.CheckBits(t, "dx, set by several cores", again, dx)
			for i := range dx {
				back += float64(dx[i]) * float64(x[i])
			}
			for i := range y {
				forth += float64(y[i]) * float64(y[i])
			}
			if math.Abs(back-forth) > 1e-5*(1+forth) {
				t.Fatalf("seed %d, padding counts %v: not the adjoint: %v, %v", seed, padding, back, forth)
			}
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	s := &conv.Shape{N: 2, H: 20, W: 20, In: 32, Out: 32, Groups: 32, KH: 3, KW: 3, StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1, Top: 1, Left: 1, Bottom: 1, Right: 1}
	if err := s.Complete(); err != nil {
		t.Fatal(err)
	}
	x, y := make([]float32, 2*20*20*32), make([]float32, 2*10*10*32)
	which := make([]float32, len(y))
	var sc Scratch
	if n := testing.AllocsPerRun(20, func() {
		Max(p, &sc, s, y, which, x)
		MaxBackward(p, &sc, s, x, y, which, true)
		Average(p, &sc, s, y, x, false)
		AverageBackward(p, &sc, s, x, y, false, true)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
