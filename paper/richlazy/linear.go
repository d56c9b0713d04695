package richlazy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/look/kernel"
	"github.com/micaml/mica/nn/wiring"
	"github.com/micaml/mica/paper"
	"gonum.org/v1/gonum/mat"
)

// The sizes of the linear theory: inputs and hidden units.
const inputs, units = 20, 40

// linear is the paper's theory: f(x) = W2 W1 x of whitened inputs learns a target beta
// by gradient descent on |W2 W1 - beta|^2 / 2.
type linear struct {
	first  []float64 // W1 [units, inputs]
	second []float64 // W2 [units]
	target []float64 // beta [inputs]
}

// step moves both layers by the rate and returns the loss before.
func (l *linear) step(rate float64) float64 {
	d := len(l.target)
	e := make([]float64, d)
	for j := range e {
		e[j] = -l.target[j]
	}
	for i, a := range l.second {
		for j, w := range l.first[i*d : (i+1)*d] {
			e[j] += a * w
		}
	}
	loss := 0.0
	for _, v := range e {
		loss += v * v / 2
	}
	for i, a := range l.second {
		row, g := l.first[i*d:(i+1)*d], 0.0
		for j, v := range e {
			g += v * row[j]
			row[j] -= rate * a * v
		}
		l.second[i] -= rate * g
	}
	return loss
}

var errSlow = errors.New("the linear network has not learnt its target")

// learn steps until the loss is below enough.
func (l *linear) learn(rate, enough float64, most int) error {
	for range most {
		if l.step(rate) < enough {
			return nil
		}
	}
	return errSlow
}

// operator is the tangent kernel as an operator on inputs: W1ᵀ W1 + |W2|^2.
func (l *linear) operator() *mat.SymDense {
	w := mat.NewDense(len(l.second), len(l.target), l.first)
	m := mat.NewSymDense(len(l.target), nil)
	m.SymOuterK(1, w.T())
	size := 0.0
	for _, a := range l.second {
		size += a * a
	}
	for j := range l.target {
		m.SetSym(j, j, m.At(j, j)+size)
	}
	return m
}

// theory is a way to begin: the name of a table's column, and W1 before it gets its
// norm, for a target.
type theory struct {
	name string
	rank int // 0: aligned in some way
	make func(rng *rand.Rand, t *target) (*mat.Dense, error)
}

// target is what is learnt: beta = Fᵀ w, of norm 1. half is what F's larger half of
// singular values makes of w.
type target struct{ beta, half []float64 }

var theories = []theory{
	ranked(1), ranked(2), ranked(5), ranked(10), ranked(20),
	{"aligned", 0, func(rng *rand.Rand, t *target) (*mat.Dense, error) { return outer(rng, t.beta), nil }},
	{"partly aligned", 0, func(rng *rand.Rand, t *target) (*mat.Dense, error) { return outer(rng, t.half), nil }},
}

// ranked is a normal matrix cut to a rank.
func ranked(r int) theory {
	return theory{fmt.Sprintf("rank %d", r), r, func(rng *rand.Rand, _ *target) (*mat.Dense, error) {
		w := mat.NewDense(units, inputs, nil)
		w.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, w)
		return wiring.Rank(w, r)
	}}
}

// outer is u vᵀ with a random u.
func outer(rng *rand.Rand, v []float64) *mat.Dense {
	w := mat.NewDense(units, len(v), nil)
	for i := range units {
		u := rng.NormFloat64()
		for j, x := range v {
			w.Set(i, j, u*x)
		}
	}
	return w
}

// newTarget draws F = U S Vᵀ with singular values kappa in its larger half and 1 in the
// other, and the teacher w.
func newTarget(rng *rand.Rand, kappa float64) (*target, error) {
	u, err := wiring.Orthogonal(rng, inputs, 1)
	if err != nil {
		return nil, err
	}
	v, err := wiring.Orthogonal(rng, inputs, 1)
	if err != nil {
		return nil, err
	}
	t := &target{make([]float64, inputs), make([]float64, inputs)}
	teacher := make([]float64, inputs)
	for i := range teacher {
		teacher[i] = rng.NormFloat64()
	}
	size := 0.0
	for k := range inputs {
		a := 0.0
		for i, w := range teacher {
			a += u.At(i, k) * w
		}
		if k < inputs/2 {
			a *= kappa
		}
		for j := range inputs {
			t.beta[j] += a * v.At(j, k)
			if k < inputs/2 {
				t.half[j] += a * v.At(j, k)
			}
		}
	}
	for _, b := range t.beta {
		size += b * b
	}
	for j := range t.beta {
		t.beta[j] /= math.Sqrt(size)
	}
	return t, nil
}

// linearPoint is how far a linear network has moved.
type linearPoint struct {
	Tangent float64 `json:"tangent"`
	Moved   float64 `json:"moved"` // |Delta W1|
}

// learnLinear begins in a way with |W1| = size and a small W2, and learns a target.
func learnLinear(seed uint64, how theory, size, kappa float64) (linearPoint, error) {
	rng := rand.New(rand.NewPCG(seed, 81))
	t, err := newTarget(rng, kappa)
	if err != nil {
		return linearPoint{}, err
	}
	w, err := how.make(rng, t)
	if err != nil {
		return linearPoint{}, err
	}
	if w, err = wiring.Size(w, size); err != nil {
		return linearPoint{}, err
	}
	l := &linear{first: w.RawMatrix().Data, target: t.beta}
	for range units {
		l.second = append(l.second, 1e-3*rng.NormFloat64())
	}
	before, first := l.operator(), append([]float64(nil), l.first...)
	if err := l.learn(0.01, 1e-12, 1_000_000); err != nil {
		return linearPoint{}, fmt.Errorf("%s, norm %g: %w", how.name, size, err)
	}
	var p linearPoint
	for i, x := range l.first {
		p.Moved += (x - first[i]) * (x - first[i])
	}
	p.Moved = math.Sqrt(p.Moved)
	p.Tangent, err = kernel.Alignment(before, l.operator())
	return p, err
}

var (
	norms  = []float64{0.5, 1, 2, 4}
	kappas = []float64{1, 4, 16, 64}
)

// theory runs the tables of the linear theory: ranks by norms, and alignments by kappa
// at norm 1.
func (x *experiment) theory(ctx context.Context) error {
	var jobs []job
	add := func(table map[point][]linearPoint, at float64, how theory, size, kappa float64) {
		what := fmt.Sprintf("theory: %s, norm %g, kappa %g", how.name, size, kappa)
		jobs = append(jobs, job{what, func(context.Context) (func(), error) {
			found, err := paper.Remember(x.r, what, func() (found []linearPoint, err error) {
				for s := 0; s < x.targets && err == nil; s++ {
					var p linearPoint
					p, err = learnLinear(x.seed(s), how, size, kappa)
					found = append(found, p)
				}
				return found, err
			})
			return func() { table[point{how.name, at}] = found }, err
		}})
	}
	for _, size := range norms {
		for _, how := range theories[:6] {
			add(x.byNorm, size, how, size, 1)
		}
	}
	for _, kappa := range kappas {
		for _, how := range compared {
			add(x.byKappa, kappa, how, 1, kappa)
		}
	}
	return x.all(ctx, jobs)
}

// compared are those that kappa is swept for.
var compared = []theory{theories[5], theories[6], theories[0]}
