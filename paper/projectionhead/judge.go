package projectionhead

import (
	"fmt"
	"math"
	"strings"

	"github.com/micaml/mica/learn/head"
)

// gap is a difference of accuracies, paired by seed, with half of its 95 % interval.
type gap struct{ mean, half float64 }

func (g gap) String() string { return fmt.Sprintf("%+.1f ± %.1f", 100*g.mean, 100*g.half) }

// paired makes a gap of a difference by seed.
func (x *experiment) paired(f func(trial int) float64) gap {
	var d []float64
	for trial := range x.seeds {
		d = append(d, f(trial))
	}
	mean, half := interval(d)
	return gap{mean, half}
}

// before and after are the accuracies of a job in a trial.
func (x *experiment) before(j job, trial int) float64 { return x.jobs[j][trial].Probe[0] }
func (x *experiment) after(j job, trial int) float64  { return x.jobs[j][trial].Probe[1] }

// over is the gap of the mean over cells.
func (x *experiment) over(cells []cell, f func(at cell, trial int) float64) gap {
	return x.paired(func(trial int) (sum float64) {
		for _, c := range cells {
			sum += f(c, trial) / float64(len(cells))
		}
		return sum
	})
}

// headGap is how much better the digit is read before the MLP head than after it.
func (x *experiment) headGap(at cell, trial int) float64 {
	j := x.of(at, head.MLP)
	return x.before(j, trial) - x.after(j, trial)
}

// against is how much better it is read before a head than before another.
func (x *experiment) against(a, b string) func(cell, int) float64 {
	return func(at cell, trial int) float64 {
		return x.before(x.of(at, a), trial) - x.before(x.of(at, b), trial)
	}
}

// better judges a claim that a difference is above 0: its interval excludes 0.
func (x *experiment) better(id string, g gap, note string) {
	x.r.Judge(id, 100*g.mean, above(g.mean, g.half), strings.TrimSuffix(fmt.Sprintf("95 %% interval %s over %d seeds; %s", g, x.seeds, note), "; "))
}

// judge gives the verdicts.
func (x *experiment) judge() {
	x.judgeLinear()
	x.judgeFew()
	x.judgeDigits()
	x.judgeSupervised(coarse)
	x.judgeSupervised(spurious)
}

// smallest is the smaller of two gaps.
func smallest(a, b gap) gap {
	if b.mean < a.mean {
		return b
	}
	return a
}

func (x *experiment) judgeDigits() {
	cells := x.cells()
	each := func(f func(cell, int) float64) string {
		n := 0
		for _, c := range cells {
			g := x.over([]cell{c}, f)
			if above(g.mean, g.half) {
				n++
			}
		}
		return fmt.Sprintf("alone in %d of %d settings", n, len(cells))
	}
	x.better("digits-pre", x.over(cells, x.headGap), each(x.headGap))
	at := func(drop, strength float64) cell { return cell{drop, strength} }
	x.better("digits-drop", x.paired(func(trial int) float64 {
		return (x.headGap(at(0.8, 1), trial)+x.headGap(at(1, 1), trial))/2 - (x.headGap(at(0, 1), trial)+x.headGap(at(0.2, 1), trial))/2
	}), "")
	beyond := func(strength float64) gap {
		return x.paired(func(trial int) float64 {
			return x.headGap(at(centralDrop, strength), trial) - (x.headGap(at(centralDrop, 0.5), trial)+x.headGap(at(centralDrop, 1), trial))/2
		})
	}
	weak, strong := beyond(0.2), beyond(2)
	x.better("digits-strength", smallest(weak, strong), fmt.Sprintf("strength 0.2: %s, 2: %s", weak, strong))
	none := x.against(head.MLP, head.None)
	x.better("digits-none", x.over(cells, none), each(none))
	fixed := x.over(cells, x.against(head.Fixed, head.MLP))
	x.r.Judge("digits-fixed", 100*fixed.mean, fixed.mean >= -comparable, fmt.Sprintf("95 %% interval %s; against no head %s", fixed, x.over(cells, x.against(head.Fixed, head.None))))

	lin := x.jobs[x.of(at(centralDrop, centralStrength), head.Linear)]
	plain := x.paired(func(trial int) float64 { return lin[trial].Probe[0] - lin[trial].Probe[1] })
	white := x.paired(func(trial int) float64 { return lin[trial].Whitened[0] - lin[trial].Whitened[1] })
	x.r.Judge("whitening", 100*white.mean, math.Abs(white.mean) < even, fmt.Sprintf("%s, and %s at the features' own proportions", white, plain))
}

func (x *experiment) judgeSupervised(task string) {
	var none, fixed []gap
	for _, k := range []struct{ loss, id string }{{supCon, "-scl"}, {ce, "-sl"}} {
		mlp := x.supervised(task, k.loss, head.MLP)
		a, b, c := x.jobs[mlp], x.jobs[x.supervised(task, k.loss, head.None)], x.jobs[x.supervised(task, k.loss, head.Fixed)]
		note := ""
		if task == spurious {
			note = fmt.Sprintf("without retraining the worst group is %s better",
				x.paired(func(t int) float64 { return a[t].Plain[0] - a[t].Plain[1] }))
		}
		x.better(task+k.id, x.paired(func(t int) float64 { return a[t].Probe[0] - a[t].Probe[1] }), note)
		none = append(none, x.paired(func(t int) float64 { return a[t].Probe[0] - b[t].Probe[0] }))
		fixed = append(fixed, x.paired(func(t int) float64 { return c[t].Probe[0] - a[t].Probe[0] }))
	}
	x.better(task+"-none", smallest(none[0], none[1]), fmt.Sprintf("supervised contrastive %s, cross-entropy %s", none[0], none[1]))
	if task == spurious {
		least := smallest(fixed[0], fixed[1])
		x.r.Judge("spurious-fixed", 100*least.mean, least.mean >= -comparable, fmt.Sprintf("supervised contrastive %s, cross-entropy %s", fixed[0], fixed[1]))
	}
}
