package optim

import (
	"fmt"

	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
)

// Sum adds up the gradients of micro-batches, so that a step can be one of more
// samples than memory holds:
//
//	for range n {
//		...            // forward and backward of a micro-batch
//		sum.Add()
//	}
//	sum.Mean()
//	o.Step(rate)
//
// Gradients that are left to pile up in Grad are one chain of additions through all
// micro-batches, in which the rounding of each depends on those before. Here each is
// computed from zero and the results are added in their order: the bits of the sum
// depend on the micro-batches' gradients alone, not on where they were computed or
// whether training stopped between them. It costs one more number for each of the
// weights'.
type Sum struct {
	pool    *par.Pool
	weights []*op.Weight
	data    [][]float32
	cuts    []cut
	n       int
	scale   float32 // 0: add; else Grad is the sum times this
}

// NewSum returns an empty sum of the gradients of weights, which must have them
// (op.Weight.Train). pool may be nil.
func NewSum(pool *par.Pool, weights []*op.Weight) (*Sum, error) {
	if err := trainable(weights); err != nil {
		return nil, err
	}
	s := &Sum{pool: pool, weights: weights, cuts: cutsOf(weights)}
	for _, w := range weights {
		if n := w.Rows * w.Cols; len(w.Grad) != n {
			return nil, fmt.Errorf("optim: weight %q has %d numbers and a gradient of %d: call Train first", w.Name, n, len(w.Grad))
		}
		s.data = append(s.data, make([]float32, w.Rows*w.Cols))
	}
	return s, nil
}

// Add adds each weight's Grad to the sum and sets it to zero.
func (s *Sum) Add() {
	s.n++
	s.scale = 0
	s.pool.For(len(s.cuts), 1, (*summing)(s))
}

// Len returns how many gradients have been added.
func (s *Sum) Len() int { return s.n }

// Mean sets each weight's Grad to the sum over Len and begins a new sum. Of nothing
// it is zero.
func (s *Sum) Mean() { s.Take(1 / float32(max(s.n, 1))) }

// Take sets each weight's Grad to the sum times scale, which is not 0, and begins a
// new sum: for micro-batches of different sizes, whose losses are sums.
func (s *Sum) Take(scale float32) {
	s.n = 0
	s.scale = scale
	s.pool.For(len(s.cuts), 1, (*summing)(s))
}

// summing is a Sum as a loop over its cuts.
type summing Sum

func (s *summing) Do(_, from, to int) {
	for _, c := range s.cuts[from:to] {
		x, g := s.data[c.param][c.lo:c.hi], s.weights[c.param].Grad[c.lo:c.hi]
		if s.scale == 0 {
			act.Add(x, x, g)
			clear(g)
		} else {
			act.Scale(g, x, s.scale)
			clear(x)
		}
	}
}

// State returns the sum so far: training may stop between micro-batches.
func (s *Sum) State() State {
	state := State{Steps: s.n}
	for i, w := range s.weights {
		state.Slots = append(state.Slots, Slot{Name: w.Name + "/sum", Data: s.data[i]})
	}
	return state
}

// Restore copies a state of the same weights. After an error the sum is as it was.
func (s *Sum) Restore(state State) error {
	if err := s.State().take(state); err != nil {
		return fmt.Errorf("sum: %w", err)
	}
	s.n = state.Steps
	return nil
}
