package optim

import "fmt"

// State is what an optimizer knows besides the weights: what a checkpoint keeps.
// Whatever else changes while weights are trained, such as [Average], has one too.
type State struct {
	Steps int    // taken so far
	Slots []Slot // in the order of the weights
}

// Slot is some of the state of one weight: numbers, or bytes.
type Slot struct {
	Name  string // "blk.0.attn_q.weight/velocity"; Adam has "/mean" and "/square", in 8 bits also "/mean.scale" and "/square.scale"
	Data  []float32
	Bytes []uint8 // of what is kept in 8 bits; Data is nil
}

// State returns the state. The numbers are the optimizer's own, not a copy: the
// next Step changes them.
func (o *Optimizer) State() State {
	s := State{Steps: o.steps}
	for _, p := range o.params {
		for _, x := range p.state[:len(o.rule.slots())] {
			name := p.Name + "/" + x.name
			if x.codes != nil {
				s.Slots = append(s.Slots, Slot{Name: name, Bytes: x.codes}, Slot{Name: name + ".scale", Data: x.data})
			} else {
				s.Slots = append(s.Slots, Slot{Name: name, Data: x.data})
			}
		}
	}
	return s
}

// Restore copies a state of the same rule and the same weights, whose slots may come
// in any order. After an error the optimizer is as it was.
func (o *Optimizer) Restore(s State) error {
	if err := o.adopt(); err != nil { // a checkpoint sets the weights first
		return err
	}
	if err := o.State().take(s); err != nil {
		return err
	}
	o.steps = s.Steps
	return nil
}

// take copies the slots of s into those of own, which must be the same.
func (own State) take(s State) error {
	if s.Steps < 0 {
		return fmt.Errorf("optim: state after %d steps", s.Steps)
	}
	from := map[string]Slot{}
	for _, slot := range s.Slots {
		if _, ok := from[slot.Name]; ok {
			return fmt.Errorf("optim: state %q is there twice", slot.Name)
		}
		from[slot.Name] = slot
	}
	wanted := map[string]bool{}
	for _, slot := range own.Slots {
		x, ok := from[slot.Name]
		switch {
		case !ok:
			return fmt.Errorf("optim: state %q is missing", slot.Name)
		case len(x.Data) != len(slot.Data):
			return fmt.Errorf("optim: state %q has %d numbers, want %d", slot.Name, len(x.Data), len(slot.Data))
		case len(x.Bytes) != len(slot.Bytes):
			return fmt.Errorf("optim: state %q has %d bytes, want %d", slot.Name, len(x.Bytes), len(slot.Bytes))
		}
		wanted[slot.Name] = true
	}
	for _, slot := range s.Slots {
		if !wanted[slot.Name] {
			return fmt.Errorf("optim: state %q belongs to no weight", slot.Name)
		}
	}
	for _, slot := range own.Slots {
		copy(slot.Data, from[slot.Name].Data)
		copy(slot.Bytes, from[slot.Name].Bytes)
	}
	return nil
}
