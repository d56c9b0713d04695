package checkpoint_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// train goes on from the newest checkpoint, if there is one, and stops before step
// end, as a program that is killed.
func train(path string, end int) error {
	w := op.NewWeight("w", tensor.FromFloat32(1, 1, []float32{8}))
	w.Train()
	o, err := optim.New(nil, optim.SGD{Momentum: 0.5}, []*op.Weight{w})
	if err != nil {
		return err
	}
	var loop struct{ Losses []float32 }
	state := checkpoint.State{
		Weights: []*op.Weight{w},
		Parts:   map[string]checkpoint.Part{"sgd": o},
		Loop:    &loop,
	}

	dir, err := checkpoint.Open(path, checkpoint.Options{Keep: 3})
	if err != nil {
		return err
	}
	step := 0
	at, err := dir.Latest()
	switch {
	case err == nil:
		if err := at.Load(state); err != nil {
			return err
		}
		step = at.Step
		fmt.Println("go on after step", step)
	case !errors.Is(err, checkpoint.ErrNone):
		return err
	}
	for step < end {
		x, _ := w.F32()
		loop.Losses = append(loop.Losses, x[0]*x[0]/2)
		w.Grad[0] = x[0]
		o.Step(0.5)
		step++
		if step%2 == 0 {
			if err := dir.Save(step, state); err != nil {
				return err
			}
		}
	}
	fmt.Println(step, "steps, losses", loop.Losses)
	return nil
}

func Example() {
	path, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(path)
	for _, end := range []int{3, 5} {
		if err := train(path, end); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 3 steps, losses [32 8 0]
	// go on after step 2
	// 5 steps, losses [32 8 0 2 2]
}
