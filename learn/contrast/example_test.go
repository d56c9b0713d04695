package contrast_test

import (
	"fmt"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/learn/contrast"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

// Four views of two examples: the loss is small when the views of an example are close
// to each other and far from those of the other one.
func Example() {
	b := &dataset.Batch{Index: []int{0, 0, 1, 1}}
	c := op.NewCtx(op.Exact, nil)
	for _, y := range [][]float32{
		{1, 0, 1, 0.1, -1, 0, -1, 0.1}, // together
		{1, 0, -1, 0.1, -1, 0, 1, 0.1}, // mixed up
	} {
		terms, err := contrast.NTXent{Temperature: 0.5}.Terms(c, c.From(y, 4, 2), b, train.Step{})
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s %.2f\n", terms[0].Name, c.Data(terms[0].Val)[0])
	}
	// Output:
	// nt_xent 0.04
	// nt_xent 4.02
}
