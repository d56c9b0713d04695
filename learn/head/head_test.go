package head_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/learn/head"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

func rng() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func numbers(n int) []float32 {
	r := rng()
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// The symmetric ReLU is odd, 0 on [-b, b], of slope 1 outside, and x for b = 0. Its
// slope in b is -1 above, 1 below.
func TestSymmetricReLU(t *testing.T) {
	for _, b := range []float32{0, 0.5} {
		x := []float32{-3, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 3}
		c := op.NewCtx(op.Exact, nil)
		tape := grad.Start(c)
		in, at := c.From(x, len(x), 1), c.From([]float32{b}, 1, 1)
		c.Want(in)
		c.Want(at)
		out := head.SymmetricReLU(c, in, at)
		if err := tape.BackwardFrom(grad.Seed{Val: out, Grad: []float32{1, 1, 1, 1, 1, 1, 1, 1, 1}}); err != nil {
			t.Fatal(err)
		}
		y := c.Data(out)
		for i, v := range x {
			want, slope := float32(0), float32(0)
			if v > b {
				want, slope = v-b, 1
			} else if v < -b {
				want, slope = v+b, 1
			}
			if y[i] != want || y[i] != -y[len(y)-1-i] || v != 0 && tape.Of(in)[i] != slope {
				t.Errorf("b = %v: S(%v) = %v, want %v, slope %v", b, v, y[i], want, tape.Of(in)[i])
			}
		}
		if db := tape.Of(at)[0]; db != 0 { // as many above as below
			t.Errorf("b = %v: slope in b %v", b, db)
		}
		tape.End()
	}
}

func TestKinds(t *testing.T) {
	const width = 5
	z := numbers(4 * width)
	for _, kind := range head.Kinds {
		h, err := head.New(rng(), "head", head.Settings{Kind: kind, In: width, Kappa: 1.05})
		if err != nil {
			t.Fatal(err)
		}
		y, err := head.Project(h, z)
		if err != nil || len(y) != len(z) || h.In() != width || h.Out() != width {
			t.Fatalf("%s: %d numbers, %d to %d, %v", kind, len(y), h.In(), h.Out(), err)
		}
		names := map[string]bool{}
		for _, w := range h.Weights() {
			if names[w.Name] {
				t.Errorf("%s: two weights are called %s", kind, w.Name)
			}
			names[w.Name] = true
		}
		want := map[string]int{head.None: 0, head.Fixed: 0, head.Linear: 2, head.MLP: 4, head.MLP2: 6, head.Identity: 5}[kind]
		if len(names) != want {
			t.Errorf("%s has %d weights, want %d", kind, len(names), want)
		}
		if same := slices.Equal(y, z); same != (kind == head.None || kind == head.Identity) {
			t.Errorf("%s: y = z is %v", kind, same)
		}
	}
	h, err := head.New(rng(), "head", head.Settings{Kind: head.MLP, In: width, Hidden: 7, Out: 3})
	if err != nil || h.In() != width || h.Out() != 3 || h.Weights()[0].Rows != 7 {
		t.Errorf("%v", err)
	}
}

// Every weight of a head gets its gradient, by finite differences.
func TestGradients(t *testing.T) {
	const width = 4
	z := numbers(3 * width)
	for _, kind := range []string{head.Linear, head.MLP, head.MLP2, head.Identity} {
		h, err := head.New(rng(), "head", head.Settings{Kind: kind, In: width, Hidden: width})
		if err != nil {
			t.Fatal(err)
		}
		if kind == head.Identity { // away from the kink
			for _, w := range h.Weights() {
				if x, _ := w.F32(); len(x) == 1 {
					x[0] = 0.1
				}
			}
		}
		loss := func() float64 {
			c := op.NewCtx(op.Exact, nil)
			y := h.Apply(c, c.From(z, 3, width))
			sum := 0.0
			for i, v := range c.Data(y) {
				sum += float64(v) * float64(v) * float64(1+i%3)
			}
			return sum
		}
		for _, w := range h.Weights() {
			w.Train()
		}
		c := op.NewCtx(op.Exact, nil)
		tape := grad.Start(c)
		y := h.Apply(c, c.From(z, 3, width))
		g := make([]float32, 3*width)
		for i, v := range c.Data(y) {
			g[i] = 2 * v * float32(1+i%3)
		}
		if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: g}); err != nil {
			t.Fatal(err)
		}
		for _, w := range h.Weights() {
			x, _ := w.F32()
			for i := range x {
				const step = 1.0 / 256
				old := x[i]
				x[i] = old + step
				up := loss()
				x[i] = old - step
				want := (up - loss()) / (2 * step)
				x[i] = old
				if math.Abs(float64(w.Grad[i])-want) > 0.02*max(1, math.Abs(want)) {
					t.Errorf("%s: gradient %d of %s is %v, by differences %v", kind, i, w.Name, w.Grad[i], want)
				}
			}
		}
		tape.End()
	}
}

// At the paper's width and kappa float32 has lost most coordinates: the last factor is
// 1.05^-2047 = 4.2e-44.
func TestReweighting(t *testing.T) {
	h, err := head.NewReweighting(2048, 1.05)
	if err != nil {
		t.Fatal(err)
	}
	ones := make([]float32, 2048)
	for i := range ones {
		ones[i] = 1
	}
	y, err := head.Project(h, ones)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(float64(y[100])/math.Exp(-100*math.Log(1.05))-1) > 1e-6 || !(y[2047] < 5e-44) {
		t.Errorf("factors %v and %v", y[100], y[2047])
	}
	// 1.05^-i is below 2^-24 from 341 on, and below 2^-126 from 1791 on.
	want := "head: 1707 of 2048 coordinates weigh less than 2^-24 of the first, which float32 can't add to it, and 257 underflow: kappa is too large for this width"
	if h.Warning() != want {
		t.Errorf("warning %q", h.Warning())
	}
	if h, err = head.NewReweighting(64, 1.05); err != nil || h.Warning() != "" {
		t.Errorf("64 coordinates: %v, %v", h.Warning(), err)
	}
}

func TestRefuses(t *testing.T) {
	for want, s := range map[string]head.Settings{
		"head: kappa 0 for 4 coordinates: it is above 0, about 1.05":        {Kind: head.Fixed, In: 4},
		"head: kappa -1 for 4 coordinates: it is above 0, about 1.05":       {Kind: head.Fixed, In: 4, Kappa: -1},
		"head: kappa NaN for 4 coordinates: it is above 0, about 1.05":      {Kind: head.Fixed, In: 4, Kappa: math.NaN()},
		"head: kappa 1e-30 makes factor 2 of 4 larger than a float32":       {Kind: head.Fixed, In: 4, Kappa: 1e-30},
		"head: mlp from 0 through 0 to 0":                                   {Kind: head.MLP},
		"head: linear from 4 through 4 to -1":                               {Kind: head.Linear, In: 4, Out: -1},
		"head: identity keeps the width 4: hidden 4, out 2":                 {Kind: head.Identity, In: 4, Out: 2},
		"head: fixed keeps the width 4: hidden 4, out 2":                    {Kind: head.Fixed, In: 4, Out: 2, Kappa: 1},
		"head: \"big\" is none of none, linear, mlp, mlp2, identity, fixed": {Kind: "big", In: 4},
		"head: mlp from 2097152 through 2097152 to 2097152":                 {Kind: head.MLP, In: 1 << 21},
	} {
		if _, err := head.New(rng(), "head", s); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", s, err, want)
		}
	}
	if _, err := head.NewReweighting(0, 1.05); err == nil || err.Error() != "head: reweighting of 0 coordinates" {
		t.Error(err)
	}
	if _, err := head.Project(nil, []float32{1}); err == nil || err.Error() != "head: the model has none" {
		t.Error(err)
	}
	h, err := head.New(rng(), "head", head.Settings{Kind: head.None, In: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := head.Project(h, make([]float32, 6)); err == nil || err.Error() != "head: 6 numbers are no representations of 4" {
		t.Error(err)
	}
	c := op.NewCtx(op.Exact, nil)
	_, err = head.Projected{Head: h, Loss: train.CrossEntropy{}}.Terms(c, c.From(make([]float32, 6), 2, 3), &dataset.Batch{}, train.Step{})
	if err == nil || err.Error() != "head: it takes representations of 4 numbers, and the network's have 3" {
		t.Error(err)
	}
	_, err = head.Projected{Loss: train.CrossEntropy{}}.Terms(c, c.From(make([]float32, 6), 2, 3), &dataset.Batch{}, train.Step{})
	if err == nil || !strings.Contains(err.Error(), "without a head") {
		t.Error(err)
	}
}
