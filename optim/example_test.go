package optim_test

import (
	"fmt"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// A line through three points: y = 2x + 1 is found by least squares.
func Example() {
	slope := op.NewWeight("slope", tensor.FromFloat32(1, 1, []float32{0}))
	offset := op.NewWeight("offset", tensor.FromFloat32(1, 1, []float32{0}))
	slope.Train()
	offset.Train()
	o, err := optim.New(nil, optim.SGD{Momentum: 0.5}, []*op.Weight{slope, offset})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := op.NewCtx(op.Exact, nil)
	for range 200 {
		tape := grad.Start(c)
		x := c.From([]float32{0, 1, 2}, 3, 1)
		y := op.Bias(c, op.Linear(c, x, slope), offset)
		err := make([]float32, 3) // the gradient of half the squared distance
		for i, want := range []float32{1, 3, 5} {
			err[i] = c.Data(y)[i] - want
		}
		if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: err}); err != nil {
			fmt.Println(err)
			return
		}
		tape.End()
		o.Step(0.1)
		o.Zero()
	}
	a, _ := slope.F32()
	b, _ := offset.F32()
	fmt.Printf("y = %.3fx + %.3f\n", a[0], b[0])
	// Output:
	// y = 2.000x + 1.000
}
