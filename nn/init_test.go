package nn_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
)

// The initialisers have the moments and bounds that their papers give, and the same
// numbers for the same generator.
func TestInitialisers(t *testing.T) {
	const out, in = 300, 200
	for _, test := range []struct {
		name      string
		f         func(r *rand.Rand) *op.Weight
		deviation float64
		limit     float64
	}{
		{"normal", func(r *rand.Rand) *op.Weight { return nn.Normal(r, "w", out, in, 0.02) }, 0.02, math.Inf(1)},
		{"uniform", func(r *rand.Rand) *op.Weight { return nn.Uniform(r, "w", out, in, 3) }, 3 / math.Sqrt(3), 3},
		{"xavier", func(r *rand.Rand) *op.Weight { return nn.Xavier(r, "w", out, in) }, math.Sqrt(2.0 / 500), math.Sqrt(6.0 / 500)},
		{"he", func(r *rand.Rand) *op.Weight { return nn.He(r, "w", out, in) }, 0.1, math.Inf(1)},
	} {
		w := test.f(rand.New(rand.NewPCG(1, 2)))
		x, _ := w.F32()
		if w.Rows != out || w.Cols != in || w.Grad != nil {
			t.Errorf("%s: %d x %d, gradient %v", test.name, w.Rows, w.Cols, w.Grad != nil)
		}
		sum, squares, most := 0.0, 0.0, 0.0
		for _, v := range x {
			sum += float64(v)
			squares += float64(v) * float64(v)
			most = max(most, math.Abs(float64(v)))
		}
		n := float64(len(x))
		if m := sum / n; math.Abs(m) > 5*test.deviation/math.Sqrt(n) {
			t.Errorf("%s: mean %v", test.name, m)
		}
		if d := math.Sqrt(squares / n); math.Abs(d/test.deviation-1) > 0.02 {
			t.Errorf("%s: deviation %v, want %v", test.name, d, test.deviation)
		}
		if most > test.limit*(1+1e-7) {
			t.Errorf("%s: %v is beyond %v", test.name, most, test.limit)
		}
		again, _ := test.f(rand.New(rand.NewPCG(1, 2))).F32()
		if !slices.Equal(x, again) {
			t.Errorf("%s: other numbers from the same generator", test.name)
		}
	}
}

// A small convolutional network of these layers learns to tell stripes that stand
// from stripes that lie.
func TestLayersLearn(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n, side = 16, 6
	conv := nn.NewConv(rng, "conv", 1, 4, op.ConvSpec{Window: op.Square(side, side, 3, 1, 1)})
	norm, head := nn.NewBatchNorm("norm", 4), nn.NewLinear(rng, "head", 4, 2)
	clock := &nn.Clock{Seed: 5}
	drop := &nn.Dropout{P: 0.1, Site: 1, Clock: clock}
	weights := nn.Train(conv, norm, head)
	if len(weights) != 5 || weights[0].Name != "conv.weight" || weights[4].Name != "head.bias" {
		t.Fatalf("%d weights", len(weights))
	}
	x, targets := make([]float32, n*side*side), make([]int32, n)
	loss := func() float32 {
		for i := range targets {
			targets[i] = rng.Int32N(2)
			shift := rng.IntN(2)
			for p := range side * side {
				at := []int{p / side, p % side}[targets[i]]
				x[i*side*side+p] = float32((at+shift)%2) + 0.1*float32(rng.NormFloat64())
			}
		}
		c := op.NewCtx(op.Exact, nil)
		tape := grad.Start(c)
		h := op.ReLU(c, norm.Apply(c, conv.Apply(c, c.View(x, n*side*side, 1))))
		h = drop.Apply(c, op.GlobalAvgPool(c, h, side*side))
		l := op.CrossEntropy(c, head.Apply(c, h), targets)
		if err := tape.Backward(l); err != nil {
			t.Fatal(err)
		}
		return c.Data(l)[0]
	}
	for ; clock.Step < 200; clock.Step++ {
		loss()
		for _, w := range weights {
			v, _ := w.F32()
			for i, g := range w.Grad {
				v[i] -= 0.3 * g
			}
			clear(w.Grad)
		}
	}
	clock.Still = true
	if l := loss(); l > 0.05 {
		t.Errorf("loss %v after training", l)
	}
}

// Paths drops a sample as a whole, and the clock decides which.
func TestPaths(t *testing.T) {
	const n, rows, width = 64, 3, 5
	x := make([]float32, n*rows*width)
	for i := range x {
		x[i] = float32(i + 1)
	}
	c := op.NewCtx(op.Exact, nil)
	v := c.View(x, n*rows, width)
	clock := &nn.Clock{Seed: 1}
	l := &nn.Dropout{P: 0.5, Site: 2, Clock: clock}
	y := slices.Clone(c.Data(l.Paths(c, v, n)))
	dropped := 0
	for i := range n {
		from := i * rows * width
		f := float32(2)
		if y[from] == 0 {
			dropped++
			f = 0
		}
		for j := from; j < from+rows*width; j++ {
			if y[j] != f*x[j] {
				t.Fatalf("number %d is %v, want %v", j, y[j], f*x[j])
			}
		}
	}
	if dropped < n/4 || dropped > 3*n/4 {
		t.Errorf("%d of %d samples are dropped", dropped, n)
	}
	clock.Step++
	if slices.Equal(c.Data(l.Paths(c, v, n)), y) {
		t.Error("another step drops the same")
	}
	clock.Step--
	if !slices.Equal(c.Data(l.Paths(c, v, n)), y) {
		t.Error("the same step drops something else")
	}
	clock.Still = true
	if l.Apply(c, v) != v || l.Paths(c, v, n) != v || (&nn.Dropout{P: 0.5}).Apply(c, v) != v {
		t.Error("a clock that stands still drops something")
	}
}

// A checkpointed span drops the same numbers when it runs again.
func TestDropoutInCheckpoint(t *testing.T) {
	x := make([]float32, 40)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	var want []float32
	for _, checkpointed := range []bool{false, true} {
		rng := rand.New(rand.NewPCG(3, 4))
		a := nn.NewLinear(rng, "a", 5, 9)
		first := &nn.Dropout{P: 0.4, Site: 1, Clock: &nn.Clock{Seed: 8, Step: 9}}
		second := &nn.Dropout{P: 0.4, Site: 2, Clock: first.Clock}
		span := func(c *op.Ctx, in []op.Val) []op.Val {
			return []op.Val{second.Apply(c, op.Tanh(c, a.Apply(c, first.Apply(c, in[0]))))}
		}
		weights := nn.Train(a)
		c := op.NewCtx(op.Exact, nil)
		tape := grad.Start(c)
		v := []op.Val{c.View(x, 8, 5)}
		if checkpointed {
			v = op.Checkpoint(c, span, v...)
		} else {
			v = span(c, v)
		}
		if err := tape.Backward(op.Sum(c, op.Squared(c, v[0]), op.All)); err != nil {
			t.Fatal(err)
		}
		if !checkpointed {
			want = weights[0].Grad
		} else if !slices.Equal(weights[0].Grad, want) {
			t.Errorf("gradient %v, want %v", weights[0].Grad, want)
		}
	}
}
