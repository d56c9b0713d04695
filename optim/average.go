package optim

import (
	"fmt"

	kernel "github.com/micaml/mica/internal/kernel/optim"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Average follows weights with an exponential moving average of them (EMA; Polyak &
// Juditsky 1992, Tarvainen & Valpola 2017):
//
//	average = d*average + (1-d)*weight
//
// It serves one goroutine at a time.
type Average struct {
	pool    *par.Pool
	decay   Schedule
	weights []*op.Weight
	data    [][]float32
	stored  []*tensor.Storage // of data
	cuts    []cut
	updates int
	step    kernel.SGDStep // of the update in progress
}

// NewAverage returns an average of weights, which must be float32; it begins with
// what they are. decay is asked for the update that is made, counted from 1: a
// [Constant], a [Ramp] or [Growing]. pool may be nil.
func NewAverage(pool *par.Pool, decay Schedule, weights []*op.Weight) (*Average, error) {
	if err := trainable(weights); err != nil {
		return nil, err
	}
	a := &Average{pool: pool, decay: decay, weights: weights, cuts: cutsOf(weights)}
	for _, w := range weights {
		x, _ := w.F32()
		own := append([]float32(nil), x...)
		a.data = append(a.data, own)
		a.stored = append(a.stored, tensor.FromFloat32(w.Rows, w.Cols, own))
	}
	return a, nil
}

// Update moves the average towards the weights: call it after each Step.
func (a *Average) Update() {
	a.updates++
	// Gradient descent of half the squared distance: one pass, in every tier the
	// same bits.
	a.step = kernel.SGDStep{Scale: -1, Decay: 1, Rate: float32(1 - a.decay.At(a.updates))}
	a.pool.For(len(a.cuts), 1, (*averaging)(a))
}

// averaging is an Average as a loop over its cuts.
type averaging Average

func (a *averaging) Do(_, from, to int) {
	for _, c := range a.cuts[from:to] {
		x, _ := a.weights[c.param].F32()
		into := a.data[c.param][c.lo:c.hi]
		if a.step.Rate == 1 {
			copy(into, x[c.lo:c.hi])
		} else {
			kernel.SGD(into, x[c.lo:c.hi], &a.step)
		}
	}
}

// With calls f while the weights are their averages, to evaluate or to save them.
func (a *Average) With(f func() error) error {
	before := make([]*tensor.Storage, len(a.weights))
	for i, w := range a.weights {
		before[i], w.Storage = w.Storage, a.stored[i]
	}
	defer func() {
		for i, w := range a.weights {
			w.Storage = before[i]
		}
	}()
	return f()
}

// State returns the averages, as Optimizer.State does.
func (a *Average) State() State {
	s := State{Steps: a.updates}
	for i, w := range a.weights {
		s.Slots = append(s.Slots, Slot{Name: w.Name + "/average", Data: a.data[i]})
	}
	return s
}

// Restore copies a state of the same weights. After an error the average is as it was.
func (a *Average) Restore(s State) error {
	if err := a.State().take(s); err != nil {
		return fmt.Errorf("average: %w", err)
	}
	a.updates = s.Steps
	return nil
}
