package op_test

import (
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// A product forward, and backward for its input and its weight.
func TestProfile(t *testing.T) {
	w := op.NewWeight("w", tensor.FromFloat32(3, 2, make([]float32, 6)))
	w.Train()
	var p op.Profile
	p.Start()
	c := op.NewCtx(op.Exact, nil)
	c.Trace(&p)
	tape := grad.Start(c)
	x := c.From(make([]float32, 8), 4, 2)
	c.Want(x)
	y := op.Linear(c, x, w)
	if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: make([]float32, 12)}); err != nil {
		t.Fatal(err)
	}
	want := op.Cost{Flops: 2 * 4 * 3 * 2, Bytes: 4*6 + 4*4*(3+2)}
	lines := p.Lines()
	if len(lines) != 2 {
		t.Fatalf("%+v", lines)
	}
	for _, l := range lines {
		times := int64(1)
		if l.Backward {
			times = 2
		}
		if l.Op != "linear F32 3x2" || l.Calls != 1 || l.Cost != (op.Cost{}).Plus(times, want) || l.Time <= 0 {
			t.Errorf("%+v, want %d times %+v", l, times, want)
		}
	}
}
