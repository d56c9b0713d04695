package norm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
)

// cell64 is one normalisation of the numbers of x at the places at, in float64, by
// the textbook: y, and the gradients given dy. With centre false no mean is taken
// off (RMS).
type cell64 struct {
	x, dy, w, y, dx []float64
	mean, variance  float64
}

func (c *cell64) compute(eps float64, centre bool) {
	n := float64(len(c.x))
	if centre {
		for _, v := range c.x {
			c.mean += v / n
		}
	}
	for _, v := range c.x {
		c.variance += (v - c.mean) * (v - c.mean) / n
	}
	r := 1 / math.Sqrt(c.variance+eps)
	m1, m2 := 0.0, 0.0
	for i, v := range c.x {
		m1 += c.dy[i] * c.w[i] / n
		m2 += c.dy[i] * c.w[i] * (v - c.mean) * r / n
	}
	if !centre {
		m1 = 0
	}
	for i, v := range c.x {
		z := (v - c.mean) * r
		c.y = append(c.y, z*c.w[i])
		c.dx = append(c.dx, r*(c.dy[i]*c.w[i]-m1-z*m2))
	}
}

// near compares with a share of the largest number.
func near(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	size := 1e-30
	for _, w := range want {
		size = max(size, math.Abs(w))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= tol*size) {
			t.Fatalf("%s: number %d is %v, want %v", what, i, got[i], w)
		}
	}
}

func normal(r *rand.Rand, n int, scale, shift float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(scale*r.NormFloat64() + shift)
	}
	return x
}

// problem is a normalisation with its float64 results.
type problem struct {
	x, dy, w, b             []float32
	y, dx, dw, db           []float64
	mean, variance          []float64 // by column and segment
	rows, width, seg, group int
}

// solve walks the cells: seg rows by group columns each.
func solve(x, dy, w, b []float32, width, seg, group int, eps float64, centre bool) *problem {
	p := &problem{x: x, dy: dy, w: w, b: b, rows: len(x) / width, width: width, seg: seg, group: group,
		y: make([]float64, len(x)), dx: make([]float64, len(x)), dw: make([]float64, width), db: make([]float64, width)}
	p.mean, p.variance = make([]float64, p.rows/seg*width), make([]float64, p.rows/seg*width)
	for s := range p.rows / seg {
		for lo := 0; lo < width; lo += group {
			var c cell64
			var at []int
			for r := s * seg; r < (s+1)*seg; r++ {
				for j := lo; j < lo+group; j++ {
					at = append(at, r*width+j)
					c.x, c.dy, c.w = append(c.x, float64(x[r*width+j])), append(c.dy, float64(dy[r*width+j])), append(c.w, float64(w[j]))
				}
			}
			c.compute(eps, centre)
			z := 1 / math.Sqrt(c.variance+eps)
			for i, k := range at {
				p.y[k], p.dx[k] = c.y[i], c.dx[i]
				if b != nil {
					p.y[k] += float64(b[k%width])
				}
				p.dw[k%width] += c.dy[i] * (c.x[i] - c.mean) * z
				p.db[k%width] += c.dy[i]
			}
			for j := lo; j < lo+group; j++ {
				p.mean[s*width+j], p.variance[s*width+j] = c.mean, c.variance
			}
		}
	}
	return p
}

const tol = 4e-6

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

func TestRowsAgainstFloat64(t *testing.T) {
	const eps = 1e-5
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(3, 4))
		var s Scratch
		for _, shape := range [][2]int{{3, 1}, {3, 15}, {70, 64}, {40, 577}, {300, 5}} {
			rows, n := shape[0], shape[1]
			x, dy := normal(r, rows*n, 3, 1), normal(r, rows*n, 1, 0)
			w, b := normal(r, n, 1, 0), normal(r, n, 1, 0)
			name := fmt.Sprintf("%d x %d", rows, n)
			for _, kind := range []string{"rms", "layer", "layer without bias"} {
				bias := b
				if kind != "layer" {
					bias = nil
				}
				want := solve(x, dy, w, bias, n, 1, n, eps, kind != "rms")
				y, dx, dw, db := make([]float32, rows*n), make([]float32, rows*n), make([]float32, n), make([]float32, n)
				stats := make([]float32, 2*rows)
				forward := func(dst, x []float32) { layer(tr, nil, &s, dst, x, w, bias, stats[:2*len(x)/n], eps) }
				forward(y, x)
				if kind == "rms" {
					forward = func(dst, x []float32) { rms(tr, nil, &s, dst, x, w, eps) }
					rmsBackward(tr, nil, &s, dx, dw, dy, x, w, eps)
				} else {
					fill(dx, 2)
					layerBackward(tr, nil, &s, dx, nil, nil, dy, x, w, stats, true)
					for i := range dx {
						dx[i] -= 2
					}
					if n > 1 {
						near(t, kind+" added dx "+name, dx, want.dx, 10*tol) // 2 and a small number
					}
					fill(dx, 7) // which is to be overwritten
					layerBackward(tr, nil, &s, dx, dw, db, dy, x, w, stats, false)
					near(t, kind+" db "+name, db, want.db, tol)
				}
				forward(y, x)
				near(t, kind+" y "+name, y, want.y, tol)
				if n > 1 { // of one number it is all but zero
					near(t, kind+" dx "+name, dx, want.dx, tol)
				}
				near(t, kind+" dw "+name, dw, want.dw, tol)
				alone := make([]float32, n)
				forward(alone, x[2*n:3*n])
				kerneltest.CheckBits(t, "a row alone", alone, y[2*n:3*n])
				place := append([]float32(nil), x...)
				forward(place, place)
				kerneltest.CheckBits(t, "in place", place, y)
			}
		}
	})
}

func TestCellsAgainstFloat64(t *testing.T) {
	const eps = 1e-5
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(5, 6))
		var s Scratch
		for _, c := range []struct{ segments, rows, width, groups int }{
			{1, 2, 1, 1}, {1, 7, 19, 19}, {1, 700, 33, 33}, {1, 300, 5, 5}, {3, 49, 12, 4}, {2, 600, 10, 5}, {4, 1, 6, 2}, {2, 30, 1100, 10},
		} {
			n := c.segments * c.rows * c.width
			x, dy := normal(r, n, 2, 50), normal(r, n, 1, 0)
			w, b := normal(r, c.width, 1, 0), normal(r, c.width, 1, 0)
			name := fmt.Sprint(c)
			shape := Cells{Rows: c.rows, Width: c.width, Groups: c.groups}
			want := solve(x, dy, w, b, c.width, c.rows, c.width/c.groups, eps, true)
			mean, variance := make([]float32, c.segments*c.width), make([]float32, c.segments*c.width)
			moments(tr, nil, &s, mean, variance, x, shape)
			near(t, "mean of "+name, mean, want.mean, 1e-7)
			near(t, "variance of "+name, variance, want.variance, tol)
			y, dx, dw, db := make([]float32, n), make([]float32, n), make([]float32, c.width), make([]float32, c.width)
			standard(tr, nil, &s, y, x, mean, variance, w, b, shape, eps)
			// The mean is rounded to float32: with a mean of 25 deviations that is
			// 25 units in the last place of a normalised number.
			far := 25 * tol
			near(t, "y of "+name, y, want.y, far)
			fill(dx, 7) // which is to be overwritten
			standardBackward(tr, nil, &s, dx, dw, db, dy, x, mean, variance, w, shape, eps, false, false)
			near(t, "dw of "+name, dw, want.dw, far)
			near(t, "db of "+name, db, want.db, tol)
			if c.rows*c.width/c.groups > 2 { // the gradient of two numbers is all but zero
				near(t, "dx of "+name, dx, want.dx, far)
			}
			// Given mean and variance are constants.
			clear(dx)
			standardBackward(tr, nil, &s, dx, nil, nil, dy, x, mean, variance, w, shape, eps, true, true)
			fixed := make([]float64, n)
			for i := range fixed {
				k := i/(c.rows*c.width)*c.width + i%c.width
				fixed[i] = float64(dy[i]) * float64(w[i%c.width]) / math.Sqrt(want.variance[k]+eps)
			}
			near(t, "dx with fixed moments of "+name, dx, fixed, tol)
		}
	})
}

// A column whose first rows are far from the others is the worst case for sums
// about a shift.
func TestMomentsOfAnOutlier(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const rows = 20000
	x := normal(r, rows, 1, 3)
	x[0] = 1e5
	want := solve(x, x, []float32{1}, nil, 1, rows, 1, 0, true)
	var s Scratch
	mean, variance := make([]float32, 1), make([]float32, 1)
	Moments(nil, &s, mean, variance, x, Cells{Rows: rows, Width: 1, Groups: 1})
	if d := math.Abs(float64(mean[0]) - want.mean[0]); d > 1e-6*math.Sqrt(want.variance[0]) {
		t.Errorf("mean of %v, want %v", mean, want.mean)
	}
	near(t, "variance", variance, want.variance, 1e-5)
}

func TestSumRows(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(9, 10))
		var s Scratch
		for _, shape := range [][2]int{{1, 1}, {3, 19}, {1000, 3}, {100, 1025}} {
			rows, n := shape[0], shape[1]
			x, got := normal(r, rows*n, 1, 0), normal(r, n, 1, 0)
			want := make([]float64, n)
			for i, v := range got {
				want[i] = float64(v)
			}
			for i, v := range x {
				want[i%n] += float64(v)
			}
			sumRows(tr, nil, &s, got, x)
			near(t, fmt.Sprint("sums of ", shape), got, want, tol)
		}
	})
}

// Every entry point gives the same bits in every tier and for any number of
// threads.
func TestThreadsAndTiers(t *testing.T) {
	pool := par.New(3)
	defer pool.Close()
	r := rand.New(rand.NewPCG(11, 12))
	const rows, n = 600, 45
	x, dy, w, b := normal(r, rows*n, 1, 2), normal(r, rows*n, 1, 0), normal(r, n, 1, 0), normal(r, n, 1, 0)
	compute := func(tr cpu.Tier, p *par.Pool) []float32 {
		var s Scratch
		var all []float32
		slice := func(n int) []float32 {
			all = append(all, make([]float32, n)...)
			return all[len(all)-n:]
		}
		all = make([]float32, 0, 20*rows*n)
		rms(tr, p, &s, slice(rows*n), x, w, 1e-5)
		rmsBackward(tr, p, &s, slice(rows*n), slice(n), dy, x, w, 1e-5)
		stats := slice(2 * rows)
		layer(tr, p, &s, slice(rows*n), x, w, b, stats, 1e-5)
		for _, add := range []bool{false, true} {
			layerBackward(tr, p, &s, slice(rows*n), slice(n), slice(n), dy, x, w, stats, add)
		}
		sumRows(tr, p, &s, slice(n), x)
		for _, shape := range []Cells{{rows, n, n}, {rows / 3, n, 5}} {
			size := rows / shape.Rows * n
			mean, variance := slice(size), slice(size)
			moments(tr, p, &s, mean, variance, x, shape)
			standard(tr, p, &s, slice(rows*n), x, mean, variance, w, b, shape, 1e-5)
			for _, add := range []bool{false, true} {
				standardBackward(tr, p, &s, slice(rows*n), slice(n), slice(n), dy, x, mean, variance, w, shape, 1e-5, false, add)
			}
		}
		return all
	}
	want := compute(cpu.Go, nil)
	for _, tr := range cpu.Tiers() {
		for range 3 {
			kerneltest.CheckBits(t, tr.String(), compute(tr, pool), want)
		}
		kerneltest.CheckBits(t, tr.String(), compute(tr, nil), want)
	}
}

func TestEntryPoints(t *testing.T) {
	var s Scratch
	x, w := []float32{3, 4, 0, 0}, []float32{1, 2}
	y := make([]float32, 4)
	RMS(nil, &s, y, x, w, 0)
	r := 1 / float32(math.Sqrt(12.5))
	kerneltest.CheckBits(t, "RMS", y[:2], []float32{3 * r, 4 * r * 2})
	dx := []float32{1, 1, 1, 1}
	RMSBackward(nil, &s, dx, nil, make([]float32, 4), x[:4], w, 1)
	kerneltest.CheckBits(t, "gradient of nothing", dx, []float32{1, 1, 1, 1})
	RMSBackward(nil, &s, nil, nil, y, x, w, 1)
	cells := Cells{Rows: 2, Width: 2, Groups: 2}
	m, v := make([]float32, 2), make([]float32, 2)
	room := make([]float32, 2<<15)
	statsOf := func(x []float32) []float32 { return room[:len(x)] } // of rows of 2
	all := func(y, x, w, dx, dw, m, v []float32, c Cells) {
		stats := statsOf(x)
		Layer(nil, &s, y, x, w, nil, stats, 1)
		LayerBackward(nil, &s, dx, dw, nil, y, x, w, stats, true)
		SumRows(nil, &s, w, x)
		Moments(nil, &s, m, v, x, c)
		Standard(nil, &s, y, x, m, v, w, nil, c, 1)
		StandardBackward(nil, &s, dx, dw, nil, y, x, m, v, w, c, 1, false, true)
	}
	all(nil, nil, w, nil, nil, nil, nil, cells) // no rows
	for name, f := range map[string]func(){
		"short dst": func() { RMS(nil, &s, y[:3], x, w, 1) }, "part of a row": func() { RMS(nil, &s, y[:3], x[:3], w, 1) },
		"no width": func() { RMS(nil, &s, y, x, nil, 1) }, "short dy": func() { RMSBackward(nil, &s, dx, nil, y[:2], x, w, 1) },
		"short dx":            func() { RMSBackward(nil, &s, dx[:2], nil, y, x, w, 1) },
		"long dw":             func() { RMSBackward(nil, &s, nil, dx, y, x, w, 1) },
		"layer's short dst":   func() { Layer(nil, &s, y[:3], x, w, nil, nil, 1) },
		"layer's long bias":   func() { Layer(nil, &s, y, x, w, y, nil, 1) },
		"layer's short db":    func() { LayerBackward(nil, &s, nil, nil, y[:1], y, x, w, y, true) },
		"layer's short stats": func() { Layer(nil, &s, y, x, w, nil, y[:3], 1) },
		"no stats":            func() { LayerBackward(nil, &s, nil, nil, nil, y, x, w, nil, true) },
		"part of a sum":       func() { SumRows(nil, &s, w, x[:3]) },
		"short mean":          func() { Moments(nil, &s, m[:1], v, x, cells) },
		"short variance":      func() { Moments(nil, &s, m, v[:1], x, cells) },
		"uneven groups":       func() { Moments(nil, &s, m, v, x, Cells{2, 2, 3}) },
		"uneven segments":     func() { Moments(nil, &s, m, v, x, Cells{3, 2, 2}) },
		"standard's mean":     func() { Standard(nil, &s, y, x, m[:1], v, w, nil, cells, 1) },
		"standard's var":      func() { Standard(nil, &s, y, x, m, nil, w, nil, cells, 1) },
		"standard's dst":      func() { Standard(nil, &s, y[:2], x, m, v, w, nil, cells, 1) },
		"standard's gain":     func() { Standard(nil, &s, y, x, m, v, w[:1], nil, cells, 1) },
		"no gain":             func() { Standard(nil, &s, y, x, m, v, nil, nil, cells, 1) },
		"no gain, backwards":  func() { StandardBackward(nil, &s, dx, nil, nil, y, x, m, v, nil, cells, 1, false, true) },
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
	pool := par.New(2)
	defer pool.Close()
	big, dw := make([]float32, 2<<15), make([]float32, 2)
	cells.Rows = len(big) / 2
	if n := testing.AllocsPerRun(20, func() {
		RMS(pool, &s, big, big, w, 1)
		RMSBackward(pool, &s, big, dw, big, big, w, 1)
		all(big, big, w, big, dw, m, v, cells)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
