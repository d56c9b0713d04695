package grad_test

import (
	"fmt"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// The gradient of x*x*3 at 2, with respect to x.
func Example() {
	c := op.NewCtx(op.Exact, nil)
	t := grad.Start(c)
	defer t.End()
	x := c.From([]float32{2}, 1, 1)
	c.Want(x)
	y := op.Scale(c, op.Mul(c, x, x), 3)
	if err := t.Backward(y); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Data(y), t.Of(x))
	// Output: [12] [12]
}

// Weights collect their own gradients, over as many steps as one likes.
func ExampleTape_Backward() {
	w := op.NewWeight("w", tensor.FromFloat32(1, 2, []float32{0.5, -1}))
	w.Train()
	c := op.NewCtx(op.Exact, nil)
	for range 2 {
		t := grad.Start(c)
		y := op.Linear(c, c.From([]float32{3, 4}, 1, 2), w)
		if err := t.Backward(y); err != nil {
			fmt.Println(err)
			return
		}
		t.End()
	}
	fmt.Println(w.Grad)
	// Output: [6 8]
}

// A span of layers that the tape doesn't remember runs again in the backward pass.
func Example_checkpoint() {
	c := op.NewCtx(op.Exact, nil)
	tape := grad.Start(c)
	defer tape.End()
	x := c.From([]float32{1, 2, 3}, 1, 3)
	c.Want(x)
	y := op.Checkpoint(c, func(c *op.Ctx, in []op.Val) []op.Val {
		fmt.Println("again:", c.Repeating())
		z := op.Mul(c, in[0], in[0])
		return []op.Val{op.Mul(c, z, z)}
	}, x)
	fmt.Println(tape.Len(), "on the tape")
	if err := tape.BackwardFrom(grad.Seed{Val: y[0], Grad: []float32{1, 1, 1}}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(tape.Of(x))
	// Output:
	// again: false
	// 1 on the tape
	// again: true
	// [4 32 108]
}
