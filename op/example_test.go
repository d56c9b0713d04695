package op_test

import (
	"fmt"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// A linear map and a softmax. Errors are sticky: one check at the end.
func Example() {
	c := op.NewCtx(op.Exact, nil)
	w := op.NewWeight("w", tensor.FromFloat32(2, 3, []float32{
		1, 0, 1,
		0, 1, 1,
	}))
	x := c.From([]float32{1, 2, 3}, 1, 3)
	y := op.Linear(c, x, w)
	p := op.Softmax(c, y)
	if err := c.Err(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v %.2f\n", c.Data(y), c.Data(p))

	op.Linear(c, y, w) // rows of 2 don't fit
	fmt.Println(c.Err())
	// Output:
	// [4 5] [0.27 0.73]
	// op: linear: w is 2 x 3 and the rows are 2 wide
}
