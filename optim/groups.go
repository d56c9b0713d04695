package optim

import "fmt"

// Groups are the optimizers of a [Plan], which take their steps together.
type Groups struct {
	optimizers []*Optimizer
	rates      []float64
}

// Step changes every weight that is trained; lr is multiplied by each group's Rate.
func (g *Groups) Step(lr float64) {
	for i, o := range g.optimizers {
		o.Step(lr * g.rates[i])
	}
}

// Zero sets every gradient to zero.
func (g *Groups) Zero() {
	for _, o := range g.optimizers {
		o.Zero()
	}
}

// Clip is [Clip] of all groups: one norm.
func (g *Groups) Clip(most float64) float64 { return Clip(most, g.optimizers...) }

// State returns the state of all groups, as Optimizer.State does.
func (g *Groups) State() State {
	var s State
	for _, o := range g.optimizers {
		own := o.State()
		s.Steps = own.Steps
		s.Slots = append(s.Slots, own.Slots...)
	}
	return s
}

// Restore copies a state of the same groups. After an error they are as they were.
func (g *Groups) Restore(s State) error {
	for _, o := range g.optimizers {
		if err := o.adopt(); err != nil {
			return err
		}
	}
	if err := g.State().take(s); err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	for _, o := range g.optimizers {
		o.steps = s.Steps
	}
	return nil
}
