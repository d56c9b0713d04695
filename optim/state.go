package optim

import "fmt"

// State is what an optimizer knows besides the weights: what a checkpoint keeps.
type State struct {
	Steps int    // taken so far
	Slots []Slot // in the order of the weights
}

// Slot is some of the state of one weight, a number for each of its.
type Slot struct {
	Name string // "blk.0.attn_q.weight/velocity"; Adam has "/mean" and "/square"
	Data []float32
}

// State returns the state. The numbers are the optimizer's own, not a copy: the
// next Step changes them.
func (o *Optimizer) State() State {
	s := State{Steps: o.steps}
	for _, p := range o.params {
		for i, name := range o.rule.slots() {
			s.Slots = append(s.Slots, Slot{p.Name + "/" + name, p.state[i]})
		}
	}
	return s
}

// Restore copies a state of the same rule and the same weights, whose slots may come
// in any order. After an error the optimizer is as it was.
func (o *Optimizer) Restore(s State) error {
	if s.Steps < 0 {
		return fmt.Errorf("optim: state after %d steps", s.Steps)
	}
	from := map[string][]float32{}
	for _, slot := range s.Slots {
		if _, ok := from[slot.Name]; ok {
			return fmt.Errorf("optim: state %q is there twice", slot.Name)
		}
		from[slot.Name] = slot.Data
	}
	own := o.State().Slots
	for _, slot := range own {
		data, ok := from[slot.Name]
		if !ok {
			return fmt.Errorf("optim: state %q is missing", slot.Name)
		}
		if len(data) != len(slot.Data) {
			return fmt.Errorf("optim: state %q has %d numbers, want %d", slot.Name, len(data), len(slot.Data))
		}
		delete(from, slot.Name)
	}
	for _, slot := range s.Slots {
		if _, left := from[slot.Name]; left {
			return fmt.Errorf("optim: state %q belongs to no weight", slot.Name)
		}
	}
	for _, slot := range s.Slots {
		from[slot.Name] = slot.Data
	}
	for _, slot := range own {
		copy(slot.Data, from[slot.Name])
	}
	o.steps = s.Steps
	return nil
}
