package train

import (
	"fmt"
	"maps"
	"slices"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
)

// Statistics is the part of a checkpoint that holds the running statistics of batch
// norms, by the names of their norms.
type Statistics map[string]*op.Running

// State returns means and variances.
func (s Statistics) State() optim.State {
	var all optim.State
	for _, name := range slices.Sorted(maps.Keys(s)) {
		all.Slots = append(all.Slots, optim.Slot{Name: name + "/mean", Data: s[name].Mean}, optim.Slot{Name: name + "/variance", Data: s[name].Var})
	}
	return all
}

// Restore copies them back. After an error they are as they were.
func (s Statistics) Restore(from optim.State) error {
	data := map[string][]float32{}
	for _, x := range from.Slots {
		data[x.Name] = x.Data
	}
	own := s.State().Slots
	for _, x := range own {
		if len(data[x.Name]) != len(x.Data) {
			return fmt.Errorf("train: statistics %q of %d numbers, want %d", x.Name, len(data[x.Name]), len(x.Data))
		}
	}
	for _, x := range own {
		copy(x.Data, data[x.Name])
	}
	return nil
}
