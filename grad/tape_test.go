package grad_test

import (
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
)

// Seeds add up with each other and with what the walk brings, and stay as they are.
func TestSeeds(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	tape := grad.Start(c)
	defer tape.End()
	x := c.From([]float32{2, -1}, 1, 2)
	c.Want(x)
	y := op.Scale(c, x, 3)
	z := op.Mul(c, y, y)
	one, two, three := []float32{1, 10}, []float32{2, 20}, []float32{3, 30}
	if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: one}, grad.Seed{Val: z, Grad: two}, grad.Seed{Val: z, Grad: three}); err != nil {
		t.Fatal(err)
	}
	// dz = two + three; dy = one + 2*y*dz; dx = 3*dy.
	for _, g := range []struct {
		name      string
		got, want []float32
	}{
		{"dz", tape.Of(z), []float32{5, 50}},
		{"dy", tape.Of(y), []float32{1 + 2*6*5, 10 + 2*-3*50}},
		{"dx", tape.Of(x), []float32{3 * 61, 3 * -290}},
		{"the first seed", one, []float32{1, 10}},
		{"the second", two, []float32{2, 20}},
		{"the third", three, []float32{3, 30}},
	} {
		if !slices.Equal(g.got, g.want) {
			t.Errorf("%s is %v, want %v", g.name, g.got, g.want)
		}
	}
}

// A new buffer of Set is set, a used one is added to, and Into's begins as zeros.
func TestSet(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	scope := c.Open()
	for i, d := 0, c.Data(c.Out(op.MakeShape(1, 1000))); i < len(d); i++ {
		d[i] = 7 // is still there when the memory is used again
	}
	c.Close(scope)
	tape := grad.Start(c)
	defer tape.End()
	x, y := c.From([]float32{1, 2}, 1, 2), c.From([]float32{1, 2}, 1, 2)
	if into, add := tape.Set(x); into != nil || add {
		t.Errorf("of a value that wants no gradient: %v, %v", into, add)
	}
	c.Want(x)
	c.Want(y)
	into, add := tape.Set(x)
	if add || len(into) != 2 {
		t.Fatalf("new: %v, add %v", into, add)
	}
	copy(into, []float32{4, 5})
	if into, add := tape.Set(x); !add || !slices.Equal(into, []float32{4, 5}) {
		t.Errorf("used: %v, add %v", into, add)
	}
	if into := tape.Into(y); !slices.Equal(into, []float32{0, 0}) {
		t.Errorf("Into: %v", into)
	}
}
