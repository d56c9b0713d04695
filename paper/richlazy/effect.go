package richlazy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// effect is a mean over seeds with its 95 % interval.
type effect struct {
	mean, low, high float64
	n, of           int // seeds that count, of how many
}

// effectOf bootstraps the mean: its interval is that of the means of as many values drawn
// with replacement (Efron 1979).
func effectOf(values []float64, of int) effect {
	e := effect{n: len(values), of: of, mean: math.NaN(), low: math.NaN(), high: math.NaN()}
	if e.n == 0 {
		return e
	}
	e.mean = stat.Mean(values, nil)
	rng := rand.New(rand.NewPCG(91, 92))
	means := make([]float64, bootstrap)
	for i := range means {
		for range values {
			means[i] += values[rng.IntN(e.n)] / float64(e.n)
		}
	}
	slices.Sort(means)
	e.low, e.high = stat.Quantile(0.025, stat.Empirical, means, nil), stat.Quantile(0.975, stat.Empirical, means, nil)
	return e
}

func (e effect) String() string {
	if e.n == 0 {
		return fmt.Sprintf("no seed of %d counts", e.of)
	}
	return fmt.Sprintf("95 %% interval %.3f to %.3f, %d of %d seeds count", e.low, e.high, e.n, e.of)
}

// spearman is the correlation of ranks; equal values share theirs.
func spearman(x, y []float64) float64 { return stat.Correlation(places(x), places(y), nil) }

func places(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		for _, w := range x {
			switch {
			case w < v:
				out[i]++
			case w == v:
				out[i] += 0.5
			}
		}
	}
	return out
}

// agree tells whether final losses are close enough for a comparison.
func agree(runs ...outcome) bool {
	least, most := math.Inf(1), 0.0
	for _, o := range runs {
		if o.Failed != "" {
			return false
		}
		least, most = min(least, o.Final), max(most, o.Final)
	}
	return most-least <= max(agreeing*least, perfect)
}

// difference is a's less b's in what f sees.
func (x *experiment) difference(task, a, b string, f func(outcome) float64) effect {
	var values []float64
	as, bs := x.runs[cell{task, a}], x.runs[cell{task, b}]
	for s := range as {
		if agree(as[s], bs[s]) {
			values = append(values, f(as[s])-f(bs[s]))
		}
	}
	return effectOf(values, len(as))
}

// order is the correlation of what by says of arms with what f sees.
func (x *experiment) order(task string, arms []arm, by func(arm) float64, f func(outcome) float64) effect {
	var values []float64
	for s := range x.seeds {
		var runs []outcome
		var a, b []float64
		for _, arm := range arms {
			o := x.runs[cell{task, arm.name}][s]
			runs, a, b = append(runs, o), append(a, by(arm)), append(b, f(o))
		}
		if agree(runs...) {
			values = append(values, spearman(a, b))
		}
	}
	return effectOf(values, x.seeds)
}
