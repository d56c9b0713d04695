// Package richlazy tests what the rank of the first recurrent matrix does to learning: on
// the paper's linear theory, and on recurrent networks that learn three synthetic tasks
// from neuroscience and the rows of Fashion-MNIST.
//
// Liu, Baratin, Cornford, Mihalas, Shea-Brown and Lajoie, "How connectivity structure
// shapes rich and lazy learning in neural circuits", ICLR 2024 (arXiv 2310.08513).
//
// All arms of a seed share the normal matrix that theirs is made from, the input and
// readout weights, the trials of training and those that are looked at before and after.
// Differences are therefore taken seed by seed, and their intervals are bootstrapped over
// seeds. Only runs whose final losses agree are compared.
package richlazy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/dataset/trial"
	"github.com/micaml/mica/look/kernel"
	"github.com/micaml/mica/nn/wiring"
	"github.com/micaml/mica/paper"
)

// Experiment trains its own networks: it needs no model.
var Experiment = paper.Experiment{Claims: claims, Run: run}

// plan is how much is done.
type plan struct {
	units      int
	seeds      int
	iterations int
	rows       int     // iterations on rows of pictures, at most
	until      float64 // the loss that ends them
	targets    int     // of the linear theory
	looked     int     // trials before and after
	tangent    int     // of them: for tangent kernels
	rates      []float64
}

var (
	full  = plan{units: 64, seeds: 8, iterations: 3000, rows: 2500, until: 0.75, targets: 30, looked: 320, tangent: 16, rates: []float64{0.003, 0.01, 0.03}}
	quick = plan{units: 24, seeds: 2, iterations: 100, rows: 40, until: 0.75, targets: 3, looked: 64, tangent: 4, rates: []float64{0.01}}
)

// cell is an arm on a task.
type cell struct{ task, arm string }

// point is a way to begin in the linear theory, and the norm or kappa.
type point struct {
	how string
	at  float64
}

// forgetting is a network that learnt 2AF and then DMS.
type forgetting struct {
	Before float64 `json:"before"` // accuracy on 2AF
	After  float64 `json:"after"`
	Second float64 `json:"second"` // accuracy on DMS
}

type experiment struct {
	r *paper.Run
	plan
	tasks   []*task
	arms    []arm
	noRows  error // why the rows of pictures aren't there
	rate    map[cell]float64
	runs    map[cell][]outcome // by seed
	forgot  map[string][]forgetting
	byNorm  map[point][]linearPoint
	byKappa map[point][]linearPoint

	mu    sync.Mutex // for progress
	done  int
	total int
}

// chooser is the seed that rates are chosen on.
const chooser = 1000

func run(ctx context.Context, r *paper.Run) error {
	x := &experiment{r: r, plan: full, rate: map[cell]float64{}, runs: map[cell][]outcome{}, forgot: map[string][]forgetting{},
		byNorm: map[point][]linearPoint{}, byKappa: map[point][]linearPoint{}}
	if r.Quick {
		x.plan = quick
	}
	if err := x.setUp(); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{x.still, x.theory, x.choose, x.compare, x.forget} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	x.judge()
	return x.report()
}

// setUp makes tasks and arms.
func (x *experiment) setUp() error {
	perceptual, err1 := trial.Perceptual(noise, coherences...)
	match, err2 := trial.Match(noise)
	context, err3 := trial.Context(noise)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	for _, t := range []trial.Task{perceptual, match, context} {
		x.tasks = append(x.tasks, trials(t, x.iterations))
	}
	rows := clothes(x.rows, x.until)
	switch _, err := rows.learned(1, 0); {
	case errors.Is(err, fs.ErrNotExist):
		x.noRows = err
	case err != nil:
		return err
	default:
		x.tasks = append(x.tasks, rows)
	}
	x.arms = armsOf(x.units)
	x.total = 1 + len(norms)*6 + len(kappas)*len(compared) + x.seeds*2
	for _, t := range x.tasks {
		x.total += (len(x.rates) + x.seeds) * len(x.armsFor(t))
	}
	return nil
}

// armsFor are the arms of a task: all on 2AF, which is the paper's own choice, ranks and
// lazy bounds on DMS and CXT, ranks on rows, which take long.
func (x *experiment) armsFor(t *task) []arm {
	switch {
	case t == x.tasks[0]:
		return x.arms
	case t.last:
		return x.ranked(t)
	}
	arms := x.ranked(t)
	for _, a := range x.arms {
		if a.bound() {
			arms = append(arms, a)
		}
	}
	return arms
}

// ranked are the arms that are compared by rank.
func (x *experiment) ranked(t *task) (arms []arm) {
	for _, a := range x.arms {
		if a.rank > 0 && !(t.last && a.rank == x.units/3) {
			arms = append(arms, a)
		}
	}
	return arms
}

// seed is that of a trial.
func (x *experiment) seed(trial int) uint64 { return x.r.Seed*1_000_003 + uint64(trial) }

// outcome is what a run found.
type outcome struct {
	Iterations int       `json:"iterations"`
	Losses     []float64 `json:"losses"`   // the means of each tenth of the iterations
	Final      float64   `json:"final"`    // the loss of the last iterations
	Loss       float64   `json:"loss"`     // on the trials that are looked at
	Accuracy   float64   `json:"accuracy"` // there
	Norm       float64   `json:"norm"`     // Frobenius, of the first recurrent matrix
	Largest    float64   `json:"largest"`  // singular value
	Radius     float64   `json:"radius"`
	Entropy    float64   `json:"entropy"` // effective ranks
	Partic     float64   `json:"participation"`
	Stable     float64   `json:"stable"`
	Moved      float64   `json:"moved"`   // |Delta W|
	States     float64   `json:"states"`  // alignments
	Centred    float64   `json:"centred"` // of the states, without their mean
	Tangent    float64   `json:"tangent"`
	Readout    float64   `json:"readout"` // of the readout's tangent kernel
	Sign       float64   `json:"sign"`
	Failed     string    `json:"failed,omitempty"` // why training ended early
}

// looked reads the trials that are looked at.
func (x *experiment) looked(t *task, seed uint64) (*dataset.Batch, error) {
	set, err := t.looked(x.plan.looked, seed)
	if err != nil {
		return nil, err
	}
	index := make([]int, set.Len())
	for i := range index {
		index[i] = i
	}
	var b dataset.Batch
	return &b, set.Read(&b, index)
}

// begin makes the network of an arm.
func (x *experiment) begin(t *task, a arm, seed uint64) (*network, *outcome, error) {
	normal, err := wiring.Normal(rand.New(rand.NewPCG(seed, 62)), x.units, gain)
	if err != nil {
		return nil, nil, err
	}
	w, err := a.make(rand.New(rand.NewPCG(seed, 63)), normal)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", a.name, err)
	}
	s, err := kernel.SpectrumOf(w)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", a.name, err)
	}
	return newNetwork(seed, t, w), &outcome{Largest: s.Values[0], Radius: s.Radius, Entropy: s.Entropy(), Partic: s.Participation(), Stable: s.Stable()}, nil
}

// trial trains an arm on a task.
func (x *experiment) trial(ctx context.Context, t *task, a arm, seed uint64, rate float64) (*outcome, error) {
	n, o, err := x.begin(t, a, seed)
	if err != nil {
		return nil, err
	}
	b, err := x.looked(t, seed)
	if err != nil {
		return nil, err
	}
	before, err := n.look(b, x.tangent)
	if err != nil {
		return nil, err
	}
	o.Norm = before.norm
	if a.linearised {
		l := newLinearised(n)
		if err := o.learn(ctx, l, l.Weights(), t, seed, rate); err != nil || o.Failed != "" {
			return o, err
		}
		// Neither features nor tangent kernel can change.
		o.Loss, o.Accuracy, err = l.look(b)
		o.States, o.Centred, o.Tangent, o.Readout, o.Sign = 1, 1, 1, 1, 1
		return o, err
	}
	trained := n.Weights()
	if a.frozen {
		trained = trained[2:]
	}
	if err := o.learn(ctx, n, trained, t, seed, rate); err != nil || o.Failed != "" {
		return o, err
	}
	after, err := n.look(b, x.tangent)
	if err != nil {
		return nil, err
	}
	return o, o.compare(before, after)
}

// all runs jobs, as many side by side as the run may have threads, and lets them put down
// what they found in the order of the jobs: nothing depends on how many there are.
func (x *experiment) all(ctx context.Context, jobs []job) error {
	workers := x.r.Engine.Threads
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	found, errs := make([]func(), len(jobs)), make([]error, len(jobs))
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(workers, len(jobs)) {
		wait.Go(func() {
			for i := range next {
				if errs[i] = ctx.Err(); errs[i] == nil {
					x.progress(jobs[i].what)
					found[i], errs[i] = jobs[i].do(ctx)
				}
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	wait.Wait()
	for i := range jobs {
		if errs[i] != nil {
			return errs[i]
		}
		found[i]()
	}
	return nil
}

// job is a part of the experiment, and do what puts down what it found.
type job struct {
	what string
	do   func(context.Context) (func(), error)
}

func (x *experiment) progress(what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.r.Progress(x.done, x.total, what)
	x.done++
}

// choose takes the rates with the lowest loss after a third of the iterations: one for
// the ranks of a task, by the mean over them, and one for each other arm.
func (x *experiment) choose(ctx context.Context) error {
	type trying struct {
		cell
		rate float64
	}
	sums := map[trying]float64{}
	var jobs []job
	for _, t := range x.tasks {
		for _, rate := range x.rates {
			for _, a := range x.armsFor(t) {
				what := fmt.Sprintf("%s: %s tried with rate %g", t.name, a.name, rate)
				jobs = append(jobs, job{what, func(ctx context.Context) (func(), error) {
					o, err := paper.Remember(x.r, what, func() (*outcome, error) {
						short := *t
						short.until, short.iterations = 0, max(1, t.iterations/3)
						return x.trial(ctx, &short, a, x.seed(chooser), rate)
					})
					return func() {
						if o.Failed != "" {
							o.Final = math.Inf(1)
						}
						sums[trying{cell{t.name, a.group()}, rate}] += o.Final
					}, err
				}})
			}
		}
	}
	if err := x.all(ctx, jobs); err != nil {
		return err
	}
	for _, t := range x.tasks {
		for _, a := range x.armsFor(t) {
			group := cell{t.name, a.group()}
			x.rate[cell{t.name, a.name}] = slices.MinFunc(x.rates, func(a, b float64) int {
				return cmp.Compare(sums[trying{group, a}], sums[trying{group, b}])
			})
		}
	}
	return nil
}

// compare trains every arm on every task.
func (x *experiment) compare(ctx context.Context) error {
	var jobs []job
	for _, t := range x.tasks {
		for _, a := range x.armsFor(t) {
			rate := x.rate[cell{t.name, a.name}]
			for s := range x.seeds {
				what := fmt.Sprintf("%s: %s, seed %d", t.name, a.name, s+1)
				jobs = append(jobs, job{what, func(ctx context.Context) (func(), error) {
					o, err := paper.Remember(x.r, fmt.Sprintf("%s, rate %g", what, rate), func() (*outcome, error) { return x.trial(ctx, t, a, x.seed(s), rate) })
					return func() { at := cell{t.name, a.name}; x.runs[at] = append(x.runs[at], *o) }, err
				}})
			}
		}
	}
	return x.all(ctx, jobs)
}

// forget lets networks of rank 1 and of full rank learn 2AF and then DMS.
func (x *experiment) forget(ctx context.Context) error {
	var jobs []job
	first, second := x.tasks[0], x.tasks[1]
	for _, a := range []arm{x.arms[0], x.arms[3]} {
		for s := range x.seeds {
			what := fmt.Sprintf("%s, then %s: %s, seed %d", first.name, second.name, a.name, s+1)
			jobs = append(jobs, job{what, func(ctx context.Context) (func(), error) {
				f, err := paper.Remember(x.r, what, func() (forgetting, error) { return x.twice(ctx, a, x.seed(s)) })
				return func() { x.forgot[a.name] = append(x.forgot[a.name], f) }, err
			}})
		}
	}
	return x.all(ctx, jobs)
}

func (x *experiment) twice(ctx context.Context, a arm, seed uint64) (f forgetting, err error) {
	n, o, err := x.begin(x.tasks[0], a, seed)
	if err != nil {
		return f, err
	}
	accuracy := func(t *task) float64 {
		b, err2 := x.looked(t, seed)
		if err == nil {
			err = err2
		}
		if err != nil {
			return 0
		}
		_, right, err2 := n.outcome(b)
		err = errors.Join(err, err2)
		return right
	}
	for i, t := range x.tasks[:2] {
		if err := o.learn(ctx, n, n.Weights(), t, seed, x.rate[cell{t.name, a.name}]); err != nil {
			return f, err
		}
		if o.Failed != "" {
			return f, fmt.Errorf("%s: %s: %s", t.name, a.name, o.Failed)
		}
		if i == 0 {
			f.Before = accuracy(t)
		}
	}
	f.After, f.Second = accuracy(x.tasks[0]), accuracy(x.tasks[1])
	return f, err
}
