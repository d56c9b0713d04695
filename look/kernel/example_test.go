package kernel_test

import (
	"fmt"

	"github.com/micaml/mica/look/kernel"
	"github.com/micaml/mica/op"
)

// Two of three examples trade places in what the network makes of them.
func Example() {
	c := op.NewCtx(op.Exact, nil)
	before, err := kernel.Gram(c, []float32{1, 0, 1, 0, 0, 1}, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := kernel.Gram(c, []float32{3, 0, 0, 3, 3, 0}, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	same, _ := kernel.Alignment(before, before)
	a, err := kernel.Alignment(before, after)
	fmt.Printf("%.1f %.1f %v\n", same, a, err)
	// Output: 1.0 0.6 <nil>
}
