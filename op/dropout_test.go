package op_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/internal/philox"
	"github.com/micaml/mica/op"
)

// The mask is a function of the draw and the place: the same for any number of
// threads and in the backward pass, and as the generator gives it.
func TestDropout(t *testing.T) {
	const rows, width, p = 201, 263, 0.3
	draw := op.Draw{Seed: 5<<32 | 7, Step: 9<<32 | 11, Site: 3}
	x := make([]float32, rows*width)
	want := make([]float32, len(x))
	kept := 0
	for i := range x {
		x[i] = 1 + float32(i%5)
		r := philox.Block([2]uint32{7, 5}, [4]uint32{uint32(i / 4), 3, 11, 9})[i%4]
		if float64(r)/(1<<32) >= float64(float32(p)) {
			want[i] = x[i] * (1 / (1 - float32(p)))
			kept++
		}
	}
	// Six standard deviations around 70 percent.
	if n := float64(len(x)); math.Abs(float64(kept)-n*(1-p)) > 6*math.Sqrt(n*p*(1-p)) {
		t.Errorf("%d of %d are kept", kept, len(x))
	}
	for threads := 1; threads <= 3; threads++ {
		pool := par.New(threads)
		c := op.NewCtx(op.Exact, pool)
		v := c.From(x, rows, width)
		c.Want(v)
		tape := grad.Start(c)
		y := op.Dropout(c, v, p, draw)
		if !slices.Equal(c.Data(y), want) {
			t.Errorf("%d threads: not the mask of the generator", threads)
		}
		if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: x}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(tape.Into(v), want) {
			t.Errorf("%d threads: another mask in the backward pass", threads)
		}
		pool.Close()
	}
	c := op.NewCtx(op.Exact, nil)
	first := c.Data(op.Dropout(c, c.View(x, rows, width), p, draw))
	for _, other := range []op.Draw{{Seed: draw.Seed + 1, Step: draw.Step, Site: 3}, {Seed: draw.Seed, Step: draw.Step + 1, Site: 3}, {Seed: draw.Seed, Step: draw.Step, Site: 4}} {
		y := c.Data(op.Dropout(c, c.View(x, rows, width), p, other))
		same := 0
		for i := range y {
			if (y[i] == 0) == (first[i] == 0) {
				same++
			}
		}
		// Independent masks agree where both keep or both drop.
		agree := float64(p)*p + (1-p)*(1-p)
		if n := float64(len(y)); math.Abs(float64(same)-n*agree) > 6*math.Sqrt(n*agree*(1-agree)) {
			t.Errorf("%+v: %d of %d places agree with %+v", other, same, len(y), draw)
		}
	}
	if got := c.Data(op.Dropout(c, c.View(x, rows, width), 0, draw)); !slices.Equal(got, x) {
		t.Error("dropout of 0 changes numbers")
	}
	for _, p := range []float32{-0.1, 1, float32(math.NaN())} {
		op.Dropout(c, c.View(x, rows, width), p, draw)
		if want := fmt.Sprintf("op: dropout: probability %v is not in [0, 1)", p); c.Err() == nil || c.Err().Error() != want {
			t.Errorf("error %v, want %s", c.Err(), want)
		}
		c.ClearErr()
	}
}
