package gemfilter_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// One pass through all layers says what a filter in each of them keeps.
func TestCurveIsTheFiltersOfAllLayers(t *testing.T) {
	for _, mode := range modes {
		e := engine(t, network(t, tensor.Q8_0), pass.Options{Mode: mode, Threads: 2})
		s := prompt(5, 90)
		const from, to = 40, 47
		curve, err := gemfilter.Filter{Keep: 12}.Curve(bg, e, s, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if len(curve) != e.Depth() {
			t.Fatalf("%d layers", len(curve))
		}
		for l, got := range curve {
			indices := kept(t, gemfilter.Filter{Layer: l, Keep: 12}, e, s)
			distance, inside := 1000, 0
			for _, i := range indices {
				distance = min(distance, int(math.Abs(float64(i-from))))
				if slices.Contains([]int{40, 41, 42, 43, 44, 45, 46}, i) {
					inside++
				}
			}
			if got.Distance != distance || math.Abs(got.Recall-float64(inside)/7) > 1e-12 {
				t.Errorf("%v, layer %d kept %v: %+v, want distance %d and %d of 7", mode, l, indices, got, distance, inside)
			}
		}
	}
}

func TestCurveOfNothing(t *testing.T) {
	e := engine(t, network(t, tensor.F32), pass.Options{Mode: op.Exact, Threads: 1})
	for _, at := range [][2]int{{-1, 3}, {3, 3}, {5, 4}, {0, 21}} {
		if _, err := (gemfilter.Filter{Keep: 4}).Curve(bg, e, prompt(1, 20), at[0], at[1]); !errors.Is(err, keep.ErrArgument) {
			t.Errorf("needle %v: %v", at, err)
		}
	}
}
