package dataset_test

import (
	"context"
	"fmt"

	"github.com/micaml/mica/dataset"
)

// Five examples with one number each, two at a time.
func Example() {
	set, err := dataset.NewTable([]float32{10, 11, 12, 13, 14}, []int{1}, []int32{0, 1, 0, 1, 0}, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := dataset.NewLoader(set, dataset.Options{Batch: 2, InOrder: true, Rest: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	for range l.Batches() {
		b, err := l.Next(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(b.Index, b.X, b.Labels)
	}
	// Output:
	// [0 1] [10 11] [0 1]
	// [2 3] [12 13] [0 1]
	// [4] [14] [0]
}
