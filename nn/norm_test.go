package nn_test

import (
	"math"
	"testing"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Each norm on two images of two pixels and two channels.
func TestNorms(t *testing.T) {
	row := func(x ...float32) *op.Weight { return op.NewWeight("w", tensor.FromFloat32(1, 2, x)) }
	w, b := row(1, 2), row(0, 10)
	c := op.NewCtx(op.Exact, nil)
	x := c.From([]float32{1, 3, 3, 5, 10, 20, 10, 40}, 4, 2)
	layer := &nn.LayerNorm{W: w, B: b}
	batch := &nn.BatchNorm{W: w, B: b, Run: op.NewRunning(2)}
	group := &nn.GroupNorm{W: w, B: b, Groups: 2, Eps: 1e-12}
	for _, test := range []struct {
		name string
		y    op.Val
		want []float32
	}{
		{"layer", layer.Apply(c, x), []float32{-1, 12, -1, 12, -1, 12, -1, 12}},
		{"batch", batch.Apply(c, x), []float32{1, 16, 3, 20, 10, 50, 10, 90}}, // nothing learned yet
		{"group", group.Apply(c, x, 2), []float32{-1, 8, 1, 12, 0, 8, 0, 12}},
	} {
		for i, v := range c.Data(test.y) {
			if math.Abs(float64(v-test.want[i])) > 1e-5 {
				t.Errorf("%s: %v, want %v", test.name, c.Data(test.y), test.want)
				break
			}
		}
	}
	batch.Training = true
	batch.Apply(c, x)
	if m := batch.Run.Mean; math.Abs(float64(m[0])-0.6) > 1e-6 || math.Abs(float64(m[1])-1.7) > 1e-6 {
		t.Errorf("running means %v, want a tenth of 6 and 17", m)
	}
	if c.Err() != nil {
		t.Error(c.Err())
	}
}
