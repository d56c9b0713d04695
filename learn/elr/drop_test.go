package elr

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
)

// The other network drops others of its numbers in each step.
func TestOtherDropsAnew(t *testing.T) {
	var pair [2]Twin
	for i := range pair {
		n, err := vision.NewMLP(rand.New(rand.NewPCG(uint64(i), 1)), vision.MLP{Inputs: 2, Hidden: []int{32}, Classes: 3, Dropout: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		eng := pass.NewEngine(n, pass.Options{})
		t.Cleanup(eng.Close)
		task := &train.Classifier{Engine: eng, Trained: nn.Train(n)}
		avg, err := optim.NewAverage(nil, optim.Constant(0), task.Trained)
		if err != nil {
			t.Fatal(err)
		}
		pair[i] = Twin{Classifier: task, Average: avg}
	}
	task, err := NewPlus(pair[0], pair[1], 1, 3, PlusSettings{Beta: 0.7})
	if err != nil {
		t.Fatal(err)
	}
	b := &dataset.Batch{Index: []int{0}, X: []float32{1, -1}, Labels: []int32{0}}
	said := func(step int) []float32 {
		p, err := task.otherSays(b, train.Step{Number: step})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if !slices.Equal(said(3), said(3)) {
		t.Error("the same step draws other numbers")
	}
	if slices.Equal(said(3), said(4)) {
		t.Error("each step drops the same numbers")
	}
}
