package op_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// gradCase builds an op's output from leaves and weights that f makes.
type gradCase struct {
	op    string // Op.Name
	build func(c *op.Ctx, in *inputs) op.Val
}

// inputs hands out random leaves and weights, the same in each call of build,
// and remembers them so that they can be nudged.
type inputs struct {
	rng   *rand.Rand
	c     *op.Ctx
	saved map[string][]float32
	vals  map[string]op.Val
	w     map[string]*op.Weight
	order []string
}

func (in *inputs) data(name string, n int) []float32 {
	if x, ok := in.saved[name]; ok {
		return x
	}
	// A generator of its own, so that shapes, which are drawn from in.rng,
	// don't depend on whether the numbers are drawn or given.
	r := rand.New(rand.NewPCG(uint64(len(in.order)), uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	in.saved[name] = x
	in.order = append(in.order, name)
	return x
}

func (in *inputs) leaf(name string, dims ...int) op.Val {
	v := in.c.From(in.data(name, op.MakeShape(dims...).Len()), dims...)
	in.c.Want(v)
	in.vals[name] = v
	return v
}

func (in *inputs) weight(name string, rows, cols int) *op.Weight {
	w := op.NewWeight(name, tensor.FromFloat32(rows, cols, in.data(name, rows*cols)))
	w.Train()
	in.w[name] = w
	return w
}

// bias is a weight of n numbers or, in some trials, none.
func (in *inputs) bias(n int) *op.Weight {
	if in.rng.IntN(3) == 0 {
		return nil
	}
	return in.weight("b", 1, n)
}

// dim draws a dimension, 1 and odd ones among them.
func (in *inputs) dim(most int) int { return 1 + in.rng.IntN(most) }

func indices(r *rand.Rand, n, below int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(below))
	}
	return ids
}

// gradCases has an entry for each op, or more; shapes are drawn anew for each trial.
var gradCases = slices.Concat(coreGradCases, mathGradCases, lossGradCases, movingGradCases, sequenceGradCases)

var coreGradCases = []gradCase{
	{"add", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(19)
		return op.Add(c, in.leaf("x", m, n), in.leaf("y", m, n))
	}},
	{"mul", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(19)
		return op.Mul(c, in.leaf("x", m, n), in.leaf("y", m, n))
	}},
	{"scale", func(c *op.Ctx, in *inputs) op.Val { return op.Scale(c, in.leaf("x", in.dim(5), in.dim(19)), -1.7) }},
	{"bias", func(c *op.Ctx, in *inputs) op.Val {
		n := in.dim(19)
		return op.Bias(c, in.leaf("x", in.dim(5), n), in.weight("b", 1, n))
	}},
	{"silu", func(c *op.Ctx, in *inputs) op.Val { return op.SiLU(c, in.leaf("x", in.dim(5), in.dim(19))) }},
	{"sigmoid", func(c *op.Ctx, in *inputs) op.Val { return op.Sigmoid(c, in.leaf("x", in.dim(5), in.dim(19))) }},
	{"tanh", func(c *op.Ctx, in *inputs) op.Val { return op.Tanh(c, in.leaf("x", in.dim(5), in.dim(19))) }},
	{"gelu", func(c *op.Ctx, in *inputs) op.Val { return op.GELU(c, in.leaf("x", in.dim(5), in.dim(19))) }},
	{"gelu-tanh", func(c *op.Ctx, in *inputs) op.Val { return op.GELUTanh(c, in.leaf("x", in.dim(5), in.dim(19))) }},
	{"relu", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(19)
		_, nudged := in.saved["x"]
		for i, f := range in.data("x", m*n) {
			if !nudged && math.Abs(float64(f)) < 0.1 {
				in.saved["x"][i] = 0.5 // the stencil must not reach over the kink
			}
		}
		return op.ReLU(c, in.leaf("x", m, n))
	}},
	{"swiglu", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(19)
		return op.SwiGLU(c, in.leaf("g", m, n), in.leaf("u", m, n))
	}},
	{"softmax", func(c *op.Ctx, in *inputs) op.Val { return op.Softmax(c, in.leaf("x", in.dim(5), in.dim(19))) }},
	{"linear", func(c *op.Ctx, in *inputs) op.Val {
		m, n, k := in.dim(7), in.dim(19), in.dim(19)
		return op.Linear(c, in.leaf("x", m, k), in.weight("w", n, k))
	}},
	{"low-rank", func(c *op.Ctx, in *inputs) op.Val {
		m, n, k, r := in.dim(7), in.dim(19), in.dim(19), in.dim(4)
		x, a, b := in.leaf("x", m, k), in.weight("a", r, k), in.weight("b", n, r)
		if in.rng.IntN(2) == 0 {
			return op.LowRank(c, in.leaf("y", m, n), x, a, b, 1.5)
		}
		w := in.weight("w", n, k)
		if in.rng.IntN(2) == 0 {
			w.Grad = nil
			delete(in.w, "w")
			in.order = slices.DeleteFunc(in.order, func(s string) bool { return s == "w" })
		}
		return op.LinearLowRank(c, x, w, a, b, -0.5)
	}},
	{"embedding", func(c *op.Ctx, in *inputs) op.Val {
		v := in.dim(6)
		return op.Embedding(c, in.weight("w", v, in.dim(9)), indices(in.rng, in.dim(7), v))
	}},
	{"rms-norm", func(c *op.Ctx, in *inputs) op.Val {
		n := 1 + in.dim(40)
		return op.RMSNorm(c, in.leaf("x", in.dim(5), n), in.weight("w", 1, n), 1e-3)
	}},
	{"layer-norm", func(c *op.Ctx, in *inputs) op.Val {
		n := 2 + in.dim(40)
		return op.LayerNorm(c, in.leaf("x", in.dim(5), n), in.weight("w", 1, n), in.bias(n), 0.1)
	}},
	{"batch-norm", func(c *op.Ctx, in *inputs) op.Val {
		m, n := 2+in.dim(9), in.dim(19)
		run := op.NewRunning(n)
		for i := range n {
			run.Mean[i], run.Var[i] = float32(i)/9, 1+float32(i)/9
		}
		return op.BatchNorm(c, in.leaf("x", m, n), in.weight("w", 1, n), in.bias(n), run, 0.1, in.rng.IntN(3) > 0)
	}},
	{"group-norm", func(c *op.Ctx, in *inputs) op.Val {
		n, pixels, groups := in.dim(3), 2+in.dim(4), in.dim(3)
		width := groups * in.dim(9)
		return op.GroupNorm(c, in.leaf("x", n*pixels, width), in.weight("w", 1, width), in.bias(width), n, groups, 0.1)
	}},
	{"rotate", func(c *op.Ctx, in *inputs) op.Val {
		dim := 2 * in.dim(6)
		t := in.dim(5)
		layout := []op.RotaryLayout{op.Interleaved, op.Halves}[in.rng.IntN(2)]
		return op.Rotate(c, in.leaf("x", t, dim*in.dim(3)), op.NewRotary(layout, dim, 2*in.dim(dim/2), 100), indices(in.rng, t, 30))
	}},
	{"attention", func(c *op.Ctx, in *inputs) op.Val {
		g := in.dim(2)
		h := op.Heads{KV: g, Query: g * in.dim(3), Dim: in.dim(9)}
		a, b := in.dim(6), 1+in.rng.IntN(70)
		spec := &op.AttentionSpec{Heads: h, Causal: in.rng.IntN(3) > 0}
		spec.Runs = []op.Run{{Queries: a, Keys: a}, {Queries: 1, Keys: b, KeyFrom: a}}
		return op.Attention(c, in.leaf("q", a+1, h.Query*h.Dim), in.leaf("k", a+b, h.KV*h.Dim), in.leaf("v", a+b, h.KV*h.Dim), spec)
	}},
	{"rows", func(c *op.Ctx, in *inputs) op.Val {
		m := in.dim(5)
		return op.Rows(c, in.leaf("x", m, in.dim(9)), indices(in.rng, in.dim(7), m))
	}},
	{"put", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(9)
		k := in.dim(m)
		index := make([]int32, k)
		for i, r := range in.rng.Perm(m)[:k] {
			index[i] = int32(r)
		}
		return op.Put(c, in.leaf("x", m, n), in.leaf("y", k, n), index)
	}},
	{"reshape", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(4), in.dim(4)
		return op.Reshape(c, in.leaf("x", m, 2*n), 2*m, n)
	}},
	{"scan", func(c *op.Ctx, in *inputs) op.Val {
		a, b, w := in.dim(5), in.dim(5), in.dim(7)
		s := [][]float32{make([]float32, w), make([]float32, w)}
		for i := range s[0] {
			s[0][i] = float32(i) - 2
		}
		return op.Scan(c, in.leaf("a", a+b, w), in.leaf("x", a+b, w), []int32{int32(a), int32(b)}, s)
	}},
	{"conv", func(c *op.Ctx, in *inputs) op.Val {
		groups, n := in.dim(3), in.dim(2)
		s := &op.ConvSpec{Window: in.window(), Groups: groups, Transposed: in.rng.IntN(3) == 0}
		x, y := groups*in.dim(4), groups*in.dim(4)
		if in.rng.IntN(3) == 0 {
			s.Groups = 1 + x
			x, y = s.Groups, s.Groups
		}
		rows, inner := y, x
		if s.Transposed {
			rows, inner = x, y
		}
		return op.Conv(c, in.leaf("x", n*s.H*s.W, x), in.weight("w", rows, s.KernelH*s.KernelW*inner/s.Groups), s)
	}},
	{"max-pool", func(c *op.Ctx, in *inputs) op.Val {
		w, n, width := in.window(), in.dim(2), in.dim(19)
		_, nudged := in.saved["x"]
		x := in.data("x", n*w.H*w.W*width)
		for i, j := range rand.New(rand.NewPCG(1, uint64(len(x)))).Perm(len(x)) {
			if !nudged { // far enough apart that the stencil swaps no two
				x[i] = float32(j-len(x)/2) / 8
			}
		}
		return op.MaxPool(c, in.leaf("x", n*w.H*w.W, width), &op.PoolSpec{Window: w})
	}},
	{"avg-pool", func(c *op.Ctx, in *inputs) op.Val {
		w, n, width := in.window(), in.dim(2), in.dim(19)
		x := in.leaf("x", n*w.H*w.W, width)
		if in.rng.IntN(3) == 0 {
			return op.GlobalAvgPool(c, x, w.H*w.W)
		}
		return op.AvgPool(c, x, &op.PoolSpec{Window: w, CountPadding: in.rng.IntN(2) == 0})
	}},
	{"cross-entropy", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), 1+in.dim(19)
		ids := indices(in.rng, m, n)
		if m > 1 {
			ids[in.rng.IntN(m)] = op.Ignore
		}
		return op.CrossEntropy(c, in.leaf("x", m, n), ids)
	}},
}

// window draws one that fits its images.
func (in *inputs) window() op.Window {
	w := op.Window{KernelH: in.dim(3), KernelW: in.dim(3), StrideH: in.dim(3), StrideW: in.dim(3), DilationH: in.dim(2), DilationW: in.dim(2)}
	w.Top, w.Left, w.Bottom, w.Right = in.rng.IntN(w.KernelH), in.rng.IntN(w.KernelW), in.rng.IntN(w.KernelH), in.rng.IntN(w.KernelW)
	w.H, w.W = w.DilationH*(w.KernelH-1)+in.dim(4), w.DilationW*(w.KernelW-1)+in.dim(4)
	return w
}

// trial builds a case in c, which is new or reset, and returns sum(r * y) in
// float64, for a fixed random r.
func (gc gradCase) trial(c *op.Ctx, seed uint64, saved map[string][]float32) (loss float64, in *inputs, tape *grad.Tape, y op.Val, r []float32) {
	in = &inputs{rng: rand.New(rand.NewPCG(seed, 3)), c: c, saved: saved, vals: map[string]op.Val{}, w: map[string]*op.Weight{}}
	tape = grad.Start(c)
	y = gc.build(c, in)
	pick := rand.New(rand.NewPCG(seed, 4))
	r = make([]float32, len(c.Data(y)))
	for i, x := range c.Data(y) {
		r[i] = float32(pick.NormFloat64())
		loss += float64(r[i]) * float64(x)
	}
	return loss, in, tape, y, r
}

// gradWorst is the worst relative error of each op, for TestEveryOp.
var gradWorst = map[string]float64{}

func TestFiniteDifferences(t *testing.T) {
	for _, gc := range gradCases {
		t.Run(gc.op, func(t *testing.T) {
			for seed := range uint64(20) {
				gc.differentiate(t, seed)
			}
		})
	}
}

func (gc gradCase) differentiate(t *testing.T, seed uint64) {
	saved := map[string][]float32{}
	_, in, tape, y, r := gc.trial(op.NewCtx(op.Exact, nil), seed, saved)
	if err := in.c.Err(); err != nil {
		t.Fatal(err)
	}
	if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: r}); err != nil {
		t.Fatal(err)
	}
	probe := op.NewCtx(op.Exact, nil)
	at := func(name string, i int, by float32) float64 {
		nudged := map[string][]float32{}
		for k, v := range saved {
			nudged[k] = v
		}
		nudged[name] = slices.Clone(saved[name])
		nudged[name][i] += by
		probe.Reset()
		loss, _, _, _, _ := gc.trial(probe, seed, nudged)
		return loss
	}
	for _, name := range in.order {
		got := tape.Into(in.vals[name])
		if w, ok := in.w[name]; ok {
			got = w.Grad
		}
		for _, i := range sample(len(got), seed) {
			// A stencil of four points: its error is of the order h^4.
			const h = 1.0 / 64
			want := (8*(at(name, i, h)-at(name, i, -h)) - (at(name, i, 2*h) - at(name, i, -2*h))) / (12 * h)
			err := math.Abs(float64(got[i])-want) / max(1, math.Abs(want))
			gradWorst[gc.op] = max(gradWorst[gc.op], err)
			if err > 1e-3 {
				t.Fatalf("seed %d: d/d%s[%d] is %v, finite differences say %v", seed, name, i, got[i], want)
			}
		}
	}
}

// sample picks at most eight places of n.
func sample(n int, seed uint64) []int {
	p := rand.New(rand.NewPCG(seed, 5)).Perm(n)
	return p[:min(n, 8)]
}
