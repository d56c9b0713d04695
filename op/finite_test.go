package op_test

import (
	"errors"
	"math"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

func TestFinite(t *testing.T) {
	inf, nan := float32(math.Inf(-1)), float32(math.NaN())
	for _, bad := range []float32{inf, nan} {
		c := op.NewCtx(op.Exact, nil)
		c.Trace(op.Finite{})
		op.Add(c, c.From([]float32{1, 2, 3, math.MaxFloat32}, 2, 2), c.From([]float32{1, 2, -3, 0}, 2, 2))
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
		op.Scale(c, c.From([]float32{1, 2, bad, 4}, 2, 2), 1)
		var e *op.NotFiniteError
		if !errors.As(c.Err(), &e) || e.Op != "scale" || e.What != "output" || e.Index != 2 || e.Value == 1 {
			t.Errorf("%v: %v", bad, c.Err())
		}
		if op.Scale(c, op.Val{}, 1).Valid() {
			t.Error("ops go on after it")
		}
	}
	// A gradient that overflows, of an input and of a weight.
	for _, k := range []struct {
		x, w float32
		text string
	}{
		{1, math.MaxFloat32, "op: linear by w: gradient of input 0 [1, 1] holds +Inf at row 0, column 0"},
		{3e38, 1, "op: linear by w: gradient of w [1, 1] holds +Inf at row 0, column 0"},
	} {
		c := op.NewCtx(op.Exact, nil)
		c.Trace(op.Finite{})
		tape := grad.Start(c)
		x := c.From([]float32{k.x}, 1, 1)
		if k.w > 1 {
			c.Want(x)
		}
		w := op.NewWeight("w", tensor.FromFloat32(1, 1, []float32{k.w}))
		if k.w == 1 {
			w.Train()
		}
		y := op.Linear(c, x, w)
		err := tape.BackwardFrom(grad.Seed{Val: y, Grad: []float32{4}})
		if err == nil || err.Error() != k.text {
			t.Errorf("error %v, want %s", err, k.text)
		}
		tape.End()
	}
}
