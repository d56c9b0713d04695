package nn_test

import (
	"slices"
	"testing"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
)

func TestOrders(t *testing.T) {
	patches, err := nn.PatchOrder(2, 2, 4, 2, 2)
	if err != nil || !slices.Equal(patches, []int32{0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15}) {
		t.Errorf("patches %v, %v", patches, err)
	}
	for i, r := range nn.Inverse(patches) {
		if patches[r] != int32(i) {
			t.Fatalf("the inverse of %v is %v", patches, nn.Inverse(patches))
		}
	}
	// torch.nn.functional.pad of [[0, 1, 2], [3, 4, 5]] by 1, mode="reflect".
	mirror, err := nn.ReflectOrder(1, 2, 3, 1)
	if err != nil || !slices.Equal(mirror, []int32{4, 3, 4, 5, 4, 1, 0, 1, 2, 1, 4, 3, 4, 5, 4, 1, 0, 1, 2, 1}) {
		t.Errorf("mirror %v, %v", mirror, err)
	}
	for _, f := range []func() ([]int32, error){
		func() ([]int32, error) { return nn.PatchOrder(1, 3, 4, 2, 2) },
		func() ([]int32, error) { return nn.PatchOrder(1, 3, 4, 0, 2) },
		func() ([]int32, error) { return nn.ReflectOrder(1, 2, 3, 2) },
	} {
		if o, err := f(); err == nil {
			t.Errorf("no error, but %v", o)
		}
	}
}

// Four scans that change nothing, put back, add up to four times the image.
func TestCrossScan(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	x := c.From(wave(3*5*2), 15, 2)
	sum := op.Scale(c, x, 0)
	orders := nn.CrossScan(3, 5)
	for _, o := range orders {
		sum = op.Add(c, sum, op.Rows(c, op.Rows(c, x, o), nn.Inverse(o)))
	}
	if !slices.Equal(c.Data(sum), c.Data(op.Scale(c, x, 4))) || c.Err() != nil {
		t.Errorf("%v (%v)", c.Data(sum), c.Err())
	}
	if !slices.Equal(orders[1][:4], []int32{0, 5, 10, 1}) || !slices.Equal(orders[3][:2], []int32{14, 9}) {
		t.Errorf("columns %v and backwards %v", orders[1], orders[3])
	}
}
