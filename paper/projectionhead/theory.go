package projectionhead

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/micaml/mica/paper"
)

// descent is where gradient descent has come to.
type descent struct {
	Layers    [][]float64 `json:"layers"`    // weights of the features after every layer
	Singular  [][]float64 `json:"singular"`  // singular values after every layer
	Imbalance float64     `json:"imbalance"` // of the start
}

// theory is what the linear model has shown.
type theory struct {
	starts map[float64][]descent // by the start's deviation, a seed each
	decay  []descent             // with weight decay
	depths map[int]descent       // from balanced starts
	drifts [2]float64            // of the balance, at a rate and at half of it
}

const decayed = 0.01

func (x *experiment) descend(key string, l linear, w func() factors) (descent, error) {
	return paper.Remember(x.r, "linear "+key, func() (descent, error) {
		f := w()
		d := descent{Imbalance: f.imbalance(nil)}
		l.descend(f, x.descent)
		d.Layers = f.layers()
		for _, p := range f.products() {
			d.Singular = append(d.Singular, singular(p))
		}
		return d, nil
	})
}

// linear runs the linear model.
func (x *experiment) linear(context.Context) error {
	x.progress("the linear model")
	t := theory{starts: map[float64][]descent{}, depths: map[int]descent{}}
	for trial := range x.seeds {
		for _, sd := range []float64{0.02, 0.1, 0.3} {
			l := asInSpecification()
			d, err := x.descend(fmt.Sprintf("start %g %d", sd, trial), l, func() factors { return l.normal(x.seed(trial), sd) })
			if err != nil {
				return err
			}
			t.starts[sd] = append(t.starts[sd], d)
		}
		l := asInSpecification()
		l.decay = decayed
		d, err := x.descend(fmt.Sprintf("decay %d", trial), l, func() factors { return l.normal(x.seed(trial), 0.1) })
		if err != nil {
			return err
		}
		t.decay = append(t.decay, d)
	}
	for depth := 2; depth <= 4; depth++ {
		l := asInSpecification()
		l.widths = slices.Repeat([]int{8}, depth)
		d, err := x.descend(fmt.Sprintf("depth %d", depth), l, func() factors { return l.balanced(x.seed(0), 0.7) })
		if err != nil {
			return err
		}
		t.depths[depth] = d
	}
	for i := range t.drifts {
		l := asInSpecification()
		l.rate /= float64(int(1) << i)
		w := l.normal(x.seed(0), 0.3)
		start := w.clone()
		l.descend(w, min(x.descent, 4000)<<i)
		t.drifts[i] = w.imbalance(start)
	}
	x.theory = t
	return nil
}

func (x *experiment) judgeLinear() {
	closed := asInSpecification().closed()
	end, first := 0.0, 0.0
	for _, d := range x.theory.starts[0.1] {
		end = max(end, farthest(d.Layers[1], closed))
		first = max(first, farthest(d.Layers[0], powers(closed, 0.5)))
	}
	x.r.Judge("linear-end", end, end <= reached, fmt.Sprintf("the worst of %d starts of deviation 0.1", x.seeds))
	broken := 0.0
	for _, d := range x.theory.starts[0.3] {
		broken += farthest(d.Layers[0], powers(closed, 0.5)) / float64(x.seeds)
	}
	x.r.Judge("linear-first", first, first <= nearRoot, fmt.Sprintf("the worst of %d starts; from those of deviation 0.3 they are off by %.2f in the mean", x.seeds, broken))

	off, falls := 0.0, 0
	for depth, d := range x.theory.depths {
		before := 1.0
		for l, s := range d.Layers {
			off = max(off, farthest(s, powers(closed, float64(l+1)/float64(depth))))
			ratio := slices.Max(s) / slices.Min(s)
			if ratio < before*(1-1e-9) {
				falls++
			}
			before = ratio
		}
	}
	x.r.Judge("linear-depth", off, off <= nearPower, "starts of 0.7 times orthogonal matrices that fit into each other")
	x.r.Judge("linear-order", float64(falls), falls == 0, "")
	ratio := x.theory.drifts[0] / x.theory.drifts[1]
	x.r.Judge("linear-balance", ratio, math.Abs(ratio/2-1) <= 0.1, fmt.Sprintf("drift %.2g at rate 0.005 and %.2g at half of it, after the same time, from weights of deviation 0.3", x.theory.drifts[0], x.theory.drifts[1]))

	left, least := 0.0, math.Inf(1)
	for _, d := range x.theory.starts[0.02] {
		n := 0.0
		for j, s := range d.Layers[1] {
			if s < closed[j]/10 {
				n++
			}
		}
		left += n / float64(x.seeds)
		least = min(least, n)
	}
	x.r.Judge("linear-saddle", left, least >= 2, fmt.Sprintf("the least of a start is %g", least))
	most := 0.0
	for _, d := range x.theory.decay {
		most = max(most, d.Layers[0][0], d.Layers[1][0])
	}
	x.r.Judge("linear-decay", most, most < 0.01, fmt.Sprintf("the most of %d starts of deviation 0.1", x.seeds))
}

// fewCells are the specification's strengths, and its noises at strength 1.
func fewCells() (all []few) {
	for _, r := range reference {
		all = append(all, few{r.phi, 0.6})
	}
	for _, sigma := range []float64{0, 2, 4} {
		all = append(all, few{1, sigma})
	}
	return all
}

// fewPoints are how many points are learned from: the specification's 20, and more for
// weak features, but fewer than there are features.
var fewPoints = []int{20, 50}

func (x *experiment) fewShot(context.Context) error {
	x.progress("few-shot tasks")
	for _, f := range fewCells() {
		x.few[f] = map[int]fewSeen{}
		for _, n := range fewPoints {
			s, err := paper.Remember(x.r, fmt.Sprintf("few %g %g %d", f.Phi, f.Sigma, n), func() (fewSeen, error) {
				return f.measure(x.seed(0), n, x.draws)
			})
			if err != nil {
				return err
			}
			x.few[f][n] = s
		}
	}
	return nil
}

func (x *experiment) judgeFew() {
	off := 0.0
	for _, r := range reference {
		s := x.few[few{r.phi, 0.6}][20]
		off = max(off, math.Abs(s.Pre-r.pre), math.Abs(s.Post-r.post))
	}
	x.r.Judge("few-table", off, off <= nearTable, fmt.Sprintf("the mean of %d draws of 20 points", x.draws))
	against, decided := 0, 0
	for f, by := range x.few {
		_, _, better := f.strengths()
		for _, s := range by {
			if math.Abs(s.Gain) <= s.Error || s.Gain == 0 {
				continue
			}
			decided++
			if s.Gain > 0 != better {
				against++
			}
		}
	}
	x.r.Judge("few-sign", float64(against), against == 0, fmt.Sprintf("of %d cells whose interval excludes 0, at 20 and at 50 points", decided))
	middle := x.few[few{1, 0.6}][20].Gain
	extreme := min(x.few[few{4, 0.6}][20].Gain, x.few[few{1, 2}][20].Gain) - middle
	x.r.Judge("few-extremes", 100*extreme, extreme > 0, "phi = 4, and sigma = 2")
}
