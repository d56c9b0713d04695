package trial_test

import (
	"fmt"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/dataset/trial"
)

// One trial of a decision without noise: which of two stimuli is stronger?
func Example() {
	task, err := trial.Perceptual(0, 50)
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := task.Set(1000, 7)
	if err != nil {
		fmt.Println(err)
		return
	}
	var b dataset.Batch
	if err := set.Read(&b, []int{0}); err != nil {
		fmt.Println(err)
		return
	}
	stronger := 1
	if b.X[2] > b.X[1] {
		stronger = 2
	}
	fmt.Println(set.Dims(), "fixation and stimuli", b.X[0], b.X[1]+b.X[2])
	fmt.Println("decision is the stronger:", b.Labels[0] == int32(stronger))
	fmt.Println(trial.Targets(nil, []int32{2}, 8))
	// Output:
	// [8 3] fixation and stimuli 1 1
	// decision is the stronger: true
	// [0 0 0 0 0 0 0 2]
}
