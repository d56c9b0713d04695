// Package optim changes weights by their gradients: SGD with momentum, Adam and
// AdamW, as PyTorch defines them, the latter two with their state in 8 bits if
// memory is short.
//
//	o, err := optim.New(pool, optim.AdamW{Decay: 0.1}, weights)
//	for step := range steps {
//		...                        // forward and backward: Grad is added to
//		norm := optim.Clip(1, o)
//		o.Step(rate.At(step))      // a Schedule
//		o.Zero()
//	}
//
// A step is one pass over the memory, shared out among the cores, and gives the
// same bits for any number of them. [Optimizer.State] is all that a checkpoint
// needs: training that is resumed from it goes on with the same bits.
//
// [Arrange] chooses weights by layer and name, for rules of their own, and shows
// what is trained and what it costs. [Average] follows the weights with a running
// mean, and [Sum] adds up the gradients of micro-batches.
package optim

import (
	"fmt"

	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Rule is how a gradient changes a weight: [SGD], [Adam] or [AdamW].
type Rule interface {
	// slots names the state for each number of a weight; inBytes says that large
	// weights have it in 8 bits.
	slots() []string
	inBytes() bool
	check() error
	// prepare returns the update of step t, which counts from 1.
	prepare(t int, lr float64, scale float32) update
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
	scratch []scratch // of each worker, if any state is in bytes
}

type param struct {
	*op.Weight
	data  []float32
	own   *tensor.Storage // of data
	state [2]slot
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
// A weight whose Storage is set to another one later goes on from the numbers of
// that.
func New(pool *par.Pool, rule Rule, weights []*op.Weight) (*Optimizer, error) {
	if err := rule.check(); err != nil {
		return nil, err
	}
	for _, w := range weights {
		if data, ok := w.F32(); ok && len(w.Grad) != len(data) {
			return nil, fmt.Errorf("optim: weight %q has %d numbers and a gradient of %d: call Train first", w.Name, len(data), len(w.Grad))
		}
	}
	if err := trainable(weights); err != nil {
		return nil, err
	}
	o := &Optimizer{rule: rule, pool: pool, scale: 1}
	for _, w := range weights {
		old, _ := w.F32()
		p := param{Weight: w, data: append([]float32(nil), old...)}
		p.own = tensor.FromFloat32(w.Rows, w.Cols, p.data)
		w.Storage = p.own
		for i, name := range rule.slots() {
			p.state[i] = newSlot(rule, name, len(p.data))
			if p.state[i].codes != nil && o.scratch == nil {
				o.scratch = make([]scratch, pool.Workers())
			}
		}
		o.params = append(o.params, p)
	}
	o.cuts = cutsOf(weights)
	o.squares = make([]float64, len(o.cuts))
	return o, nil
}

// trainable checks what every trainer of weights needs: float32 and names that
// tell them apart.
func trainable(weights []*op.Weight) error {
	seen := map[string]bool{}
	for _, w := range weights {
		if _, ok := w.F32(); !ok {
			return fmt.Errorf("optim: weight %q is %v: only float32 can be trained", w.Name, w.DType)
		}
		if seen[w.Name] {
			return fmt.Errorf("optim: two weights are called %q", w.Name)
		}
		seen[w.Name] = true
	}
	return nil
}

func cutsOf(weights []*op.Weight) []cut {
	var cuts []cut
	for i, w := range weights {
		n := w.Rows * w.Cols
		for lo := 0; lo < n; lo += cutLen {
			cuts = append(cuts, cut{i, lo, min(lo+cutLen, n)})
		}
	}
	return cuts
}

// adopt takes the numbers of weights whose Storage somebody has replaced.
func (o *Optimizer) adopt() error {
	for i := range o.params {
		p := &o.params[i]
		if p.Storage == p.own {
			continue
		}
		x, ok := p.F32()
		if !ok || p.Rows != p.own.Rows || p.Cols != p.own.Cols {
			return fmt.Errorf("optim: weight %q of F32 %d x %d has become %v %d x %d", p.Name, p.own.Rows, p.own.Cols, p.DType, p.Rows, p.Cols)
		}
		copy(p.data, x)
		p.Storage = p.own
	}
	return nil
}

// Step changes every weight by its gradient, which stays as it is. lr is the
// learning rate of this step. It panics if a weight's Storage has been replaced by
// one of another shape, a mistake of the program.
func (o *Optimizer) Step(lr float64) {
	if err := o.adopt(); err != nil {
		panic(err)
	}
	o.steps++
	o.each(task{what: step, update: o.rule.prepare(o.steps, lr, o.scale)})
	o.scale = 1
}

// Zero sets every gradient to zero.
func (o *Optimizer) Zero() { o.each(task{what: zero}) }

// task is a pass over the cuts.
type task struct {
	o      *Optimizer
	what   pass
	update update
}

// pass is what a task does with the gradients: add up their squares, clear them,
// or take a step along them.
type pass uint8

const (
	square pass = iota
	zero
	step
)

func (o *Optimizer) each(t task) {
	t.o = o
	o.task = t // there, for an argument would escape to the heap
	o.pool.For(len(o.cuts), 1, &o.task)
	o.task = task{}
}

func (t *task) Do(worker, from, to int) {
	for i := from; i < to; i++ {
		c := t.o.cuts[i]
		p := &t.o.params[c.param]
		g := p.Grad[c.lo:c.hi]
		switch t.what {
		case square:
			t.o.squares[i] = sumSquares(g)
		case zero:
			clear(g)
		case step:
			if p.state[0].codes != nil {
				t.update.inBlocks(p, c.lo, c.hi, &t.o.scratch[worker])
			} else {
				t.update.apply(p.data[c.lo:c.hi], g, p.state[0].part(c.lo, c.hi), p.state[1].part(c.lo, c.hi))
			}
		}
	}
}
