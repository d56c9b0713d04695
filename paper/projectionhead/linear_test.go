package projectionhead

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
)

// loss is the population's, from its definition in the features' own sums.
func (l linear) loss(w factors) float64 {
	p := w.products()
	f := p[len(p)-1]
	first, second := 0.0, 0.0
	for i := range f.Rows {
		for k := range f.Rows {
			cross := 0.0
			for j := range l.phi {
				cross += f.Data[i*f.Cols+j] * f.Data[k*f.Cols+j] * (l.phi[j]*l.phi[j] + l.sigma[j]*l.sigma[j])
			}
			second += cross * cross
		}
		for j := range l.phi {
			first += f.Data[i*f.Cols+j] * f.Data[i*f.Cols+j] * l.phi[j] * l.phi[j]
		}
	}
	return -2*first + second
}

// A step of gradient descent goes down the loss's slope, by differences.
func TestGradient(t *testing.T) {
	l := linear{phi: []float64{0.3, 1, 1.4}, sigma: []float64{0.5, 0.2, 1}, widths: []int{4, 3, 2}, rate: 1}
	w := l.normal(1, 0.5)
	next := w.clone()
	l.descend(next, 1)
	for i := range w {
		for k := range w[i].Data {
			const step = 1e-5
			old := w[i].Data[k]
			w[i].Data[k] = old + step
			up := l.loss(w)
			w[i].Data[k] = old - step
			want := (up - l.loss(w)) / (2 * step)
			w[i].Data[k] = old
			if got := old - next[i].Data[k]; math.Abs(got-want) > 1e-6 {
				t.Errorf("layer %d, weight %d: gradient %v, by differences %v", i, k, got, want)
			}
		}
	}
}

// The gradient is 0 where FᵀF is the closed form, for any rotation of it, and the loss is
// higher nearby.
func TestClosedForm(t *testing.T) {
	l := asInSpecification()
	want := []float64{0.5, 0.7692, 0.8333, 0.8, 0.6667, 0.5479} // the specification's
	if farthest(l.closed(), want) > 5e-5 {
		t.Errorf("closed form %v, want %v", l.closed(), want)
	}
	q := l.balanced(3, 1)
	f := matrix(8, 6)
	for i, x := range q[0].Data { // orthonormal columns
		f.Data[i] = x * l.closed()[i%6]
	}
	for _, g := range l.gradient(f).Data {
		if math.Abs(g) > 1e-12 {
			t.Fatalf("gradient %v at the minimum", g)
		}
	}
	least := l.loss(factors{f})
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		near := factors{f}.clone()
		for i := range near[0].Data {
			near[0].Data[i] += 0.1 * rng.NormFloat64()
		}
		if l.loss(near) < least {
			t.Fatalf("loss %v near the minimum, %v at it", l.loss(near), least)
		}
	}
}

// With fewer outputs than features those with the largest phi²/(phi²+sigma²) are kept.
func TestFewerOutputsThanFeatures(t *testing.T) {
	l := linear{phi: []float64{0.5, 1, 2, 1.5}, sigma: []float64{0.4, 1.5, 2.5, 0.5}, widths: []int{4, 2}, rate: 0.005}
	// Shares 0.61, 0.31, 0.39, 0.9.
	w := l.normal(2, 0.1)
	l.descend(w, 30_000)
	s := w.layers()[1]
	if farthest(s, []float64{0.5 / 0.41, 0, 0, 0.6}) > 1e-3 || !slices.Equal(l.closed(), []float64{0.5 / (0.25 + 0.4*0.4), 0, 0, 0.6}) {
		t.Errorf("trained to %v, closed form %v", s, l.closed())
	}
}

// Gradient flow keeps W1 W1ᵀ - W2ᵀ W2: the drift after the same time is of the order of
// the rate.
func TestBalance(t *testing.T) {
	var drift [3]float64
	for i := range drift {
		l := asInSpecification()
		l.rate /= float64(int(1) << i)
		w := l.normal(1, 0.3)
		before := w.clone()
		l.descend(w, 1000<<i)
		drift[i] = w.imbalance(before)
	}
	for i := range 2 {
		if r := drift[i] / drift[i+1]; r < 1.8 || r > 2.2 || drift[0] > 0.05 {
			t.Errorf("drifts %v", drift)
		}
	}
	l := asInSpecification()
	l.widths = []int{8, 9, 8}
	if off := l.balanced(5, 0.7).imbalance(nil); off > 1e-12 {
		t.Errorf("a balanced start is off by %v", off)
	}
}

// In balanced networks the weight after layer l is s^(l/L), so that the largest and the
// smallest drift apart with every layer.
func TestDepth(t *testing.T) {
	for depth := 2; depth <= 4; depth++ {
		l := asInSpecification()
		l.widths = slices.Repeat([]int{8}, depth)
		w := l.balanced(1, 0.7)
		l.descend(w, 40_000)
		ratio := 1.0
		for k, s := range w.layers() {
			if off := farthest(s, powers(l.closed(), float64(k+1)/float64(depth))); off > 1e-3 {
				t.Errorf("depth %d: after layer %d off by %v", depth, k+1, off)
			}
			next := slices.Max(s) / slices.Min(s)
			if next < ratio {
				t.Errorf("depth %d: ratio %v, then %v", depth, ratio, next)
			}
			ratio = next
		}
	}
}

// The specification's table, within what 100 draws can tell; with all features as strong
// as each other nothing differs.
func TestFewShot(t *testing.T) {
	for _, r := range reference {
		s, err := few{r.phi, 0.6}.measure(1, 20, 100)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(s.Pre-r.pre) > 0.025 || math.Abs(s.Post-r.post) > 0.025 {
			t.Errorf("phi %v: %v and %v, want %v and %v", r.phi, s.Pre, s.Post, r.pre, r.post)
		}
	}
	for _, f := range []few{{0.2, 0.6}, {0.4, 0.6}, {2, 0.6}, {1, 0}, {1, 4}} {
		pre, post, better := f.strengths()
		cost := func(r []float64) float64 { return floats.Dot(r, r) / (r[len(r)-1] * r[len(r)-1]) }
		if better != (cost(pre) < cost(post)) {
			t.Errorf("%+v: before is better: %v; costs %v and %v", f, better, cost(pre), cost(post))
		}
	}
}
