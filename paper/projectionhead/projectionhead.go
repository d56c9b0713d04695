// Package projectionhead tests what a projection head is good for: the paper's linear
// theory, its few-shot consequence, and digits on textures, coarse labels and a spurious
// colour.
//
// Xue, Gan, Ni, Joshi, Mirzasoleiman, "Investigating the Benefits of Projection Head for
// Representation Learning", ICLR 2024 (arXiv 2403.11391).
//
// All pictures are synthetic. The encoder is a perceptron with a hidden layer, the same
// at its start for every head of a seed, and heads keep the width of the
// representation, so that what is before and after them has as many features. Each head
// has its learning rate, and the fixed one its kappa, by pictures that nothing else is
// measured on, on a seed of their own.
package projectionhead

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/learn/contrast"
	"github.com/micaml/mica/learn/head"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/train"
)

// Experiment trains its own networks: it needs no model.
var Experiment = paper.Experiment{Claims: claims, Run: run}

// plan is how much is done.
type plan struct {
	sizes
	seeds     int
	descent   int // steps of the linear model
	draws     int // of the few-shot tasks
	drops     []float64
	strengths []float64
	rates     []float64
	kappas    []float64
}

var (
	full = plan{sizes: sizes{learned: 2048, labelled: 500, balanced: 200, held: 500, test: 1000, steps: 500},
		seeds: 5, descent: 200_000, draws: 400, drops: []float64{0, 0.2, 0.5, 0.8, 1}, strengths: []float64{0.2, 0.5, 1, 2},
		rates: []float64{0.001, 0.003}, kappas: []float64{1.001, 1.01, 1.05, 1.1}}
	quick = plan{sizes: sizes{learned: 512, labelled: 200, balanced: 80, held: 80, test: 80, steps: 4},
		seeds: 1, descent: 500, draws: 3, drops: []float64{0, 0.2, 0.5, 0.8, 1}, strengths: []float64{0.2, 0.5, 1, 2},
		rates: []float64{0.003}, kappas: []float64{1.05}}
)

// The setting in which heads are chosen and controls are made.
const (
	centralDrop     = 0.5
	centralStrength = 1
)

// chosen is what was chosen for a head.
type chosen struct {
	Rate, Kappa, Held float64
}

// choice is what a choice is for.
type choice struct{ task, loss, head string }

type experiment struct {
	r *paper.Run
	plan
	theory  theory
	few     map[few]map[int]fewSeen // by points
	choices map[choice]chosen
	jobs    map[job][]seen // by job of trial 0; an entry a seed
	done    int
}

// chooser is the trial that settings are chosen on.
const chooser = 1000

func run(ctx context.Context, r *paper.Run) error {
	x := &experiment{r: r, plan: full, few: map[few]map[int]fewSeen{}, choices: map[choice]chosen{}, jobs: map[job][]seen{}}
	if r.Quick {
		x.plan = quick
	}
	r.Engine.Mode = op.Exact
	for _, part := range []func(context.Context) error{x.exact, x.linear, x.fewShot, x.choose, x.compare} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	x.judge()
	return x.report()
}

// progress says what comes next.
func (x *experiment) progress(format string, args ...any) {
	x.r.Progress(min(x.done, x.total()), x.total(), fmt.Sprintf(format, args...))
	x.done++
}

// total is how many things progress is told of.
func (x *experiment) total() int {
	tried := 0
	for _, c := range choosing {
		tried += len(x.candidates(c))
	}
	return 3 + tried + x.seeds*len(x.all())
}

// seed is that of a trial.
func (x *experiment) seed(trial int) uint64 { return x.r.Seed*1_000_003 + uint64(trial) }

// exact compares losses of heads before training.
func (x *experiment) exact(context.Context) error {
	x.progress("heads before training")
	const n = 64
	rng := rand.New(rand.NewPCG(x.seed(0), 31))
	z, index := make([]float32, n*width), make([]int, n)
	for i := range z {
		z[i] = float32(rng.NormFloat64())
	}
	for i := range index {
		index[i] = i / 2
	}
	var losses []float32
	for _, s := range []head.Settings{{Kind: head.None}, {Kind: head.Identity}, {Kind: head.Fixed, Kappa: 1}} {
		s.In = width
		h, err := head.New(rng, "head", s)
		if err != nil {
			return err
		}
		c := op.NewCtx(op.Exact, nil)
		terms, err := head.Projected{Head: h, Loss: contrast.NTXent{Temperature: tau}}.Terms(c, c.From(z, n, width), &dataset.Batch{Index: index}, train.Step{})
		if err != nil {
			return err
		}
		losses = append(losses, c.Data(terms[0].Val)[0])
	}
	differ := 0
	for _, l := range losses[1:] {
		if l != losses[0] {
			differ++
		}
	}
	x.r.Judge("heads-exact", float64(differ), differ == 0, fmt.Sprintf("NT-Xent of %d normal rows", n))
	return nil
}

// choosing are the heads that are chosen for.
var choosing = []choice{
	{texture, ntXent, head.None}, {texture, ntXent, head.Linear}, {texture, ntXent, head.MLP},
	{texture, ntXent, head.MLP2}, {texture, ntXent, head.Identity}, {texture, ntXent, head.Fixed},
	{coarse, supCon, head.None}, {coarse, supCon, head.MLP}, {coarse, supCon, head.Fixed},
	{coarse, ce, head.None}, {coarse, ce, head.MLP}, {coarse, ce, head.Fixed},
	{spurious, supCon, head.None}, {spurious, supCon, head.MLP}, {spurious, supCon, head.Fixed},
	{spurious, ce, head.None}, {spurious, ce, head.MLP}, {spurious, ce, head.Fixed},
}

// candidates are the settings that are tried. The fixed head takes the rate of no head,
// which is chosen before it, and one of the kappas.
func (x *experiment) candidates(c choice) []chosen {
	var all []chosen
	if c.head == head.Fixed {
		rate := x.choices[choice{c.task, c.loss, head.None}].Rate
		for _, k := range x.kappas {
			all = append(all, chosen{Rate: rate, Kappa: k})
		}
		return all
	}
	for _, r := range x.rates {
		all = append(all, chosen{Rate: r})
	}
	return all
}

// central is a choice's job with settings.
func (c choice) central(s chosen) job {
	j := job{task: c.task, loss: c.loss, head: c.head, strength: centralStrength, rate: s.Rate, kappa: s.Kappa}
	if c.task == texture {
		j.drop = centralDrop
	}
	return j
}

// choose takes the settings with which the representation tells most of the pictures
// that are held out.
func (x *experiment) choose(ctx context.Context) error {
	for _, c := range choosing {
		best := chosen{}
		for _, s := range x.candidates(c) {
			x.progress("%s, %s, head %s: tried with rate %g, kappa %g", c.task, c.loss, c.head, s.Rate, s.Kappa)
			j := c.central(s)
			j.trial = chooser
			seen, err := x.learn(ctx, j)
			if err != nil {
				return err
			}
			if s.Held = seen.Held[0]; best.Rate == 0 || s.Held > best.Held {
				best = s
			}
		}
		x.choices[c] = best
	}
	return nil
}

func (x *experiment) learn(ctx context.Context, j job) (seen, error) {
	return paper.Remember(x.r, j.key(), func() (seen, error) {
		s, err := j.learn(ctx, x.seed(j.trial), x.sizes, x.r.Engine)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("projection-head: %s, %s, head %s: %w", j.task, j.loss, j.head, err)
		}
		return s, err
	})
}

// cell is a setting of the digits on textures.
type cell struct{ drop, strength float64 }

// cells vary the probability to drop the digit, and its strength.
func (x *experiment) cells() []cell {
	var all []cell
	for _, d := range x.drops {
		all = append(all, cell{d, centralStrength})
	}
	for _, s := range x.strengths {
		if s != centralStrength {
			all = append(all, cell{centralDrop, s})
		}
	}
	return all
}

// everywhere are the heads that are compared in every setting.
var everywhere = []string{head.None, head.MLP, head.Fixed}

// of is the job of a cell.
func (x *experiment) of(at cell, kind string) job {
	c := choice{texture, ntXent, kind}
	j := c.central(x.choices[c])
	j.drop, j.strength = at.drop, at.strength
	j.deep = at == cell{centralDrop, centralStrength} || at == cell{1, centralStrength}
	return j
}

// supervised is the job of a task with labels.
func (x *experiment) supervised(task, loss, kind string) job {
	c := choice{task, loss, kind}
	return c.central(x.choices[c])
}

// control is a job of the central cell beside those that are compared everywhere.
type control struct {
	name string
	job
}

func (x *experiment) controls() []control {
	at := cell{centralDrop, centralStrength}
	var all []control
	for _, kind := range everywhere {
		all = append(all, control{kind, x.of(at, kind)})
	}
	for _, kind := range []string{head.Linear, head.MLP2, head.Identity} {
		all = append(all, control{kind, x.of(at, kind)})
	}
	half := x.of(at, head.MLP)
	half.out = width / 2
	all = append(all, control{"mlp to half the width", half})
	untrained := x.of(at, head.MLP) // what a head of random weights costs
	untrained.rate = 0
	all = append(all, control{"mlp, neither is trained", untrained})
	for _, decay := range []float64{0.1, 1} {
		j := x.of(at, head.None)
		j.decay = decay
		all = append(all, control{fmt.Sprintf("none, weight decay %g", decay), j})
	}
	return all
}

// all are the jobs of every seed.
func (x *experiment) all() []job {
	var all []job
	for _, at := range x.cells() {
		for _, kind := range everywhere {
			all = append(all, x.of(at, kind))
		}
	}
	for _, c := range x.controls()[len(everywhere):] {
		all = append(all, c.job)
	}
	for _, task := range []string{coarse, spurious} {
		for _, loss := range []string{supCon, ce} {
			for _, kind := range everywhere {
				all = append(all, x.supervised(task, loss, kind))
			}
		}
	}
	return all
}

// compare trains all jobs.
func (x *experiment) compare(ctx context.Context) error {
	for _, j := range x.all() {
		for trial := range x.seeds {
			x.progress("%s, %s, drop %g, strength %g, head %s, trial %d", j.task, j.loss, j.drop, j.strength, j.head, trial+1)
			k := j
			k.trial = trial
			s, err := x.learn(ctx, k)
			if err != nil {
				return err
			}
			x.jobs[j] = append(x.jobs[j], s)
		}
	}
	return nil
}
