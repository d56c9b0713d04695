// Package optim changes weights by their gradients: SGD with momentum, Adam and
// AdamW, as PyTorch defines them.
//
//	o, err := optim.New(pool, optim.AdamW{Decay: 0.1}, weights)
//	for ... {
//		...                        // forward and backward: Grad is added to
//		norm := optim.Clip(1, o)
//		o.Step(lr)
//		o.Zero()
//	}
//
// A step is one pass over the memory, shared out among the cores, and gives the
// same bits for any number of them. [Optimizer.State] is all that a checkpoint
// needs: training that is resumed from it goes on with the same bits.
//
// Weights that are to be treated differently, such as biases without decay, get an
// Optimizer of their own; Clip takes several.
package optim

import (
	"fmt"

	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Rule is how a gradient changes a weight: [SGD], [Adam] or [AdamW].
type Rule interface {
	// slots names the state for each number of a weight.
	slots() []string
	check() error
	// prepare returns the update of step t, which counts from 1.
	prepare(t int, lr float64, scale float32) update
}

// update changes the numbers of a weight. state holds the slots in order.
type update interface {
	apply(w, g []float32, state [2][]float32)
}

// Optimizer trains weights by a rule. It serves one goroutine at a time.
type Optimizer struct {
	rule    Rule
	pool    *par.Pool
	params  []param
	cuts    []cut
	squares []float64 // of each cut's gradients
	steps   int
	scale   float32 // of the gradients in the next step
	task    task
}

type param struct {
	*op.Weight
	data  []float32
	state [2][]float32
}

// cut is the part of a weight that a core takes at a time.
type cut struct{ param, lo, hi int }

// cutLen numbers are some microseconds of work. It decides the order in which the
// norm of the gradients is added up, so it may depend on nothing.
const cutLen = 16 << 10

// New returns an optimizer of weights, which must be float32 and have a gradient
// (op.Weight.Train) and names of their own. pool may be nil.
//
// Weights may lie in a mapped file, which can't be written: New gives each one
// memory of its own, with the same numbers, by setting its Storage. Whoever shares
// the *op.Weight sees it trained; whoever has kept the Storage sees the old numbers.
func New(pool *par.Pool, rule Rule, weights []*op.Weight) (*Optimizer, error) {
	if err := rule.check(); err != nil {
		return nil, err
	}
	o := &Optimizer{rule: rule, pool: pool, scale: 1}
	seen := map[string]bool{}
	for _, w := range weights {
		data, ok := w.F32()
		switch {
		case !ok:
			return nil, fmt.Errorf("optim: weight %q is %v: only float32 can be trained", w.Name, w.DType)
		case len(w.Grad) != len(data):
			return nil, fmt.Errorf("optim: weight %q has %d numbers and a gradient of %d", w.Name, len(data), len(w.Grad))
		case seen[w.Name]:
			return nil, fmt.Errorf("optim: two weights are called %q", w.Name)
		}
		seen[w.Name] = true
	}
	for _, w := range weights {
		old, _ := w.F32()
		p := param{Weight: w, data: append([]float32(nil), old...)}
		w.Storage = tensor.FromFloat32(w.Rows, w.Cols, p.data)
		for i := range rule.slots() {
			p.state[i] = make([]float32, len(p.data))
		}
		for lo := 0; lo < len(p.data); lo += cutLen {
			o.cuts = append(o.cuts, cut{len(o.params), lo, min(lo+cutLen, len(p.data))})
		}
		o.params = append(o.params, p)
	}
	o.squares = make([]float64, len(o.cuts))
	return o, nil
}

// Step changes every weight by its gradient, which stays as it is. lr is the
// learning rate of this step.
func (o *Optimizer) Step(lr float64) {
	o.steps++
	o.each(task{update: o.rule.prepare(o.steps, lr, o.scale)})
	o.scale = 1
}

// Zero sets every gradient to zero.
func (o *Optimizer) Zero() { o.each(task{zero: true}) }

// task is a pass over the cuts: an update if there is one, or zeros for the
// gradients, or the sums of their squares.
type task struct {
	o      *Optimizer
	update update
	zero   bool
}

func (o *Optimizer) each(t task) {
	t.o = o
	o.task = t // there, for an argument would escape to the heap
	o.pool.For(len(o.cuts), 1, &o.task)
	o.task = task{}
}

func (t *task) Do(_, from, to int) {
	for i := from; i < to; i++ {
		c := t.o.cuts[i]
		p := &t.o.params[c.param]
		g := p.Grad[c.lo:c.hi]
		switch {
		case t.zero:
			clear(g)
		case t.update != nil:
			var state [2][]float32
			for s, x := range p.state {
				if x != nil {
					state[s] = x[c.lo:c.hi]
				}
			}
			t.update.apply(p.data[c.lo:c.hi], g, state)
		default:
			t.o.squares[i] = sumSquares(g)
		}
	}
}
