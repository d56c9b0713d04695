// Package elr tests the claims of early-learning regularization on Fashion-MNIST whose
// labels were made wrong, on made-up clusters, and in the paper's linear model.
//
// Liu, Niles-Weed, Razavian, Fernandez-Granda, "Early-Learning Regularization Prevents
// Memorization of Noisy Labels", NeurIPS 2020 (arXiv 2007.00151).
//
// The network is a perceptron of 256 and 256 units, which learns 5,400 pictures by
// heart in 60 epochs. The wrong labels are synthetic; what is held out to choose
// settings by has wrong labels of the same kind, and the test has right ones. Each
// method's setting and learning rate are chosen on a seed of their own, once for
// symmetric and once for asymmetric noise of 40 %.
package elr

import (
	"context"
	"fmt"
	"math"

	"github.com/micaml/mica/learn/elr"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/train"
)

// Experiment trains its own networks: it needs no model.
var Experiment = paper.Experiment{Claims: claims, Run: run}

// plan is how much is done.
type plan struct {
	noises  []noise
	seeds   int
	epochs  int
	learned int // pictures, 0: all of a task
	rates   []float64
	steps   int // of the linear model
}

var (
	full  = plan{noises: noises, seeds: 3, epochs: 60, rates: []float64{0.01, 0.03}, steps: linearSteps}
	quick = plan{noises: noises[1:2], seeds: 1, epochs: 2, rates: []float64{0.01}, steps: 100}
)

// chosen is what was chosen for a method.
type chosen struct {
	Setting float64 `json:"setting"`
	Rate    float64 `json:"rate"`
	Held    float64 `json:"held"`
}

// cell is a method under a noise.
type cell struct{ noise, method string }

type experiment struct {
	r *paper.Run
	plan
	choice  map[cell]chosen // by the kind of noise, "sym 40" or "asym 40"
	runs    map[cell][]history
	cluster map[string][]history
	linear  map[float64][][]linearPoint // by lambda and seed
	done    int
}

// chooser is the seed that settings are chosen on.
const chooser = 1000

func run(ctx context.Context, r *paper.Run) error {
	x := &experiment{r: r, plan: full, choice: map[cell]chosen{}, runs: map[cell][]history{}, cluster: map[string][]history{}, linear: map[float64][][]linearPoint{}}
	if r.Quick {
		x.plan = quick
	}
	r.Engine.Mode = op.Exact
	for _, part := range []func(context.Context) error{x.sameAsCrossEntropy, x.theory, x.clusters, x.choose, x.compare} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	x.judge()
	return x.report()
}

// progress says what comes next.
func (x *experiment) progress(format string, args ...any) {
	x.r.Progress(x.done, x.total(), fmt.Sprintf(format, args...))
	x.done++
}

// total is how many networks are trained, twins counting as one, and the rest.
func (x *experiment) total() int {
	tried := 0
	for _, m := range methods {
		tried += len(x.rates) * len(x.settings(m))
	}
	kinds := 1
	if len(x.noises) > 1 {
		kinds = 2
	}
	return 2 + 2*x.seeds + kinds*tried + len(x.noises)*x.seeds*len(methods)
}

// settings are those that are tried. ELR+ takes the one that ELR was given, since it
// costs six times as much to try.
func (x *experiment) settings(m method) []float64 {
	if x.r.Quick || m.twins {
		return m.settings[len(m.settings)/2 : len(m.settings)/2+1]
	}
	return m.settings
}

// seed is that of a trial.
func (x *experiment) seed(trial int) uint64 { return x.r.Seed*1_000_003 + uint64(trial) }

// fashion is the task of a trial.
func (x *experiment) fashion(trial int, n noise) (*task, error) {
	t, err := fashion(x.seed(trial), n)
	if err != nil {
		return nil, err
	}
	t.hidden, t.batch, t.epochs, t.every, t.decay, t.engine = []int{256, 256}, 128, x.epochs, 2, 1e-4, x.r.Engine
	return t, nil
}

// sameAsCrossEntropy trains the same network with and without a term of no weight.
func (x *experiment) sameAsCrossEntropy(ctx context.Context) error {
	x.progress("lambda 0 against cross-entropy")
	differ := 0
	var want [][]float32
	for i := range 2 {
		t, err := clusterTask(x.seed(0), 0.8, noises[1])
		if err != nil {
			return err
		}
		t.hidden, t.batch, t.epochs, t.every, t.engine = []int{32}, 64, 2, 1, x.r.Engine
		l := &learner{}
		m := find("ce")
		if i == 1 {
			m.make = func(_ float64, examples, classes int, _ noise) (train.Criterion, error) {
				return elr.New(examples, classes, elr.Settings{Beta: 0.7})
			}
		}
		if err := t.single(l, m, 0, 0.01, 1); err != nil {
			return err
		}
		err = l.loops[0].Run(ctx)
		for k, w := range l.weights {
			data, _ := w.F32()
			if i == 0 {
				want = append(want, append([]float32(nil), data...))
				continue
			}
			for j, v := range data {
				if math.Float32bits(v) != math.Float32bits(want[k][j]) {
					differ++
				}
			}
		}
		l.close()
		if err != nil {
			return err
		}
	}
	x.r.Judge("lambda-0", float64(differ), differ == 0, "46 steps of a perceptron on made-up clusters")
	return nil
}

// theory runs the linear model.
func (x *experiment) theory(context.Context) error {
	x.progress("the linear model")
	for _, lambda := range []float64{0, 1, 2, 3} {
		for trial := range x.seeds {
			x.linear[lambda] = append(x.linear[lambda], linear(lambda, x.seed(trial), x.steps))
		}
	}
	return nil
}

// clusters compares cross-entropy and ELR by the specification's settings.
func (x *experiment) clusters(ctx context.Context) error {
	for _, name := range []string{"ce", "elr"} {
		for trial := range x.seeds {
			x.progress("made-up clusters: %s, trial %d", name, trial+1)
			h, err := paper.Remember(x.r, fmt.Sprintf("clusters %s %d", name, trial), func() (history, error) {
				t, err := clusterTask(x.seed(trial), 0.8, noises[1])
				if err != nil {
					return history{}, err
				}
				t.hidden, t.batch, t.epochs, t.every, t.decay, t.engine = []int{256, 256}, 64, x.epochs*4/3, 2, 1e-3, x.r.Engine
				return t.learn(ctx, find(name), 3, 0.003, x.seed(trial))
			})
			if err != nil {
				return err
			}
			x.cluster[name] = append(x.cluster[name], h)
		}
	}
	return nil
}

// kind is the noise that a noise's settings are chosen for.
func (n noise) kind() noise {
	if n.flips == nil {
		return noises[1]
	}
	return noises[3]
}

// choose tries settings and rates and takes those with the best accuracy on held-out
// wrong labels after the last epoch.
func (x *experiment) choose(ctx context.Context) error {
	for _, n := range x.noises {
		if n.kind().name != n.name {
			continue
		}
		for _, m := range methods {
			var best chosen
			settings := x.settings(m)
			if m.twins {
				settings = []float64{x.choice[cell{n.name, "elr"}].Setting}
			}
			for _, s := range settings {
				for _, rate := range x.rates {
					x.progress("%s: %s tried with %g, rate %g", n, m.name, s, rate)
					h, err := paper.Remember(x.r, fmt.Sprintf("choose %s %s %g %g", n.name, m.name, s, rate), func() (history, error) {
						t, err := x.fashion(chooser, n)
						if err != nil {
							return history{}, err
						}
						return t.learn(ctx, m, s, rate, x.seed(chooser))
					})
					if err != nil {
						return err
					}
					if held := h.last().Held; best.Rate == 0 || held > best.Held {
						best = chosen{s, rate, held}
					}
				}
			}
			x.choice[cell{n.name, m.name}] = best
		}
	}
	return nil
}

// compare trains every method under every noise.
func (x *experiment) compare(ctx context.Context) error {
	for _, n := range x.noises {
		for _, m := range methods {
			for trial := range x.seeds {
				c := x.choice[cell{n.kind().name, m.name}]
				x.progress("%s: %s, trial %d", n, m.name, trial+1)
				h, err := paper.Remember(x.r, fmt.Sprintf("run %s %s %d %g %g", n.name, m.name, trial, c.Setting, c.Rate), func() (history, error) {
					t, err := x.fashion(trial, n)
					if err != nil {
						return history{}, err
					}
					return t.learn(ctx, m, c.Setting, c.Rate, x.seed(trial))
				})
				if err != nil {
					return err
				}
				x.runs[cell{n.name, m.name}] = append(x.runs[cell{n.name, m.name}], h)
			}
		}
	}
	return nil
}

// mean is the mean of what f sees in runs, and their standard deviation.
func mean(runs []history, f func(history) float64) (m, sd float64) {
	for _, h := range runs {
		m += f(h) / float64(len(runs))
	}
	for _, h := range runs {
		sd += (f(h) - m) * (f(h) - m)
	}
	if len(runs) < 2 {
		return m, 0
	}
	return m, math.Sqrt(sd / float64(len(runs)-1))
}
