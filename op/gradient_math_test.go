package op_test

import (
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/op"
)

// some draws a dimension, 0 among them.
func (in *inputs) some(most int) int { return in.rng.IntN(most + 1) }

// apart moves numbers that are near one of points away from it, so that the stencil
// doesn't reach over a kink.
func (in *inputs) apart(name string, n int, points ...float32) {
	if _, nudged := in.saved[name]; nudged {
		return
	}
	for i, f := range in.data(name, n) {
		for _, p := range points {
			if math.Abs(float64(f-p)) < 0.1 {
				in.saved[name][i] = p + 0.3
			}
		}
	}
}

// positive makes a leaf of numbers from 0.3 on.
func (in *inputs) positive(name string, dims ...int) op.Val {
	n := op.MakeShape(dims...).Len()
	if _, nudged := in.saved[name]; !nudged {
		x := in.data(name, n)
		for i, f := range x {
			x[i] = 0.3 + float32(math.Abs(float64(f)))
		}
	}
	return in.leaf(name, dims...)
}

// distinct makes a leaf of numbers so far apart that the stencil swaps no two.
func (in *inputs) distinct(name string, dims ...int) op.Val {
	if _, nudged := in.saved[name]; !nudged {
		x := in.data(name, op.MakeShape(dims...).Len())
		for i, j := range rand.New(rand.NewPCG(1, uint64(len(x)))).Perm(len(x)) {
			x[i] = float32(j-len(x)/2) / 8
		}
	}
	return in.leaf(name, dims...)
}

// pair draws the shapes of two tensors that meet.
func (in *inputs) pair() (x, y []int) {
	m, n := in.some(5), in.some(9)
	all := [][2][]int{
		{{m, n}, {m, n}}, {{m, n}, {1, n}}, {{m, n}, {m, 1}}, {{m, n}, {1}}, {{m, 1}, {1, n}},
		{{1, n}, {m, n}}, {{m, 1}, {m, n}}, {{1, 1}, {m, n}}, {{1, n}, {m, 1}},
	}
	p := all[in.rng.IntN(len(all))]
	return p[0], p[1]
}

func two(f func(c *op.Ctx, x, y op.Val) op.Val) func(c *op.Ctx, in *inputs) op.Val {
	return func(c *op.Ctx, in *inputs) op.Val {
		x, y := in.pair()
		return f(c, in.leaf("x", x...), in.leaf("y", y...))
	}
}

func one(f func(c *op.Ctx, x op.Val) op.Val) func(c *op.Ctx, in *inputs) op.Val {
	return func(c *op.Ctx, in *inputs) op.Val { return f(c, in.leaf("x", in.some(5), in.some(19))) }
}

func positive(f func(c *op.Ctx, x op.Val) op.Val) func(c *op.Ctx, in *inputs) op.Val {
	return func(c *op.Ctx, in *inputs) op.Val { return f(c, in.positive("x", in.some(5), in.some(19))) }
}

func (in *inputs) axis() op.Axis { return []op.Axis{op.All, op.EachRow, op.EachColumn}[in.rng.IntN(3)] }

var mathGradCases = []gradCase{
	{"add", two(op.Add)},
	{"sub", two(op.Sub)},
	{"mul", two(op.Mul)},
	{"div", func(c *op.Ctx, in *inputs) op.Val {
		x, y := in.pair()
		return op.Div(c, in.leaf("x", x...), in.positive("y", y...))
	}},
	{"exp", one(op.Exp)},
	{"log", positive(op.Log)},
	{"sqrt", positive(op.Sqrt)},
	{"squared", one(op.Squared)},
	{"softplus", one(op.Softplus)},
	{"abs", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.some(5), in.some(19)
		in.apart("x", m*n, 0)
		return op.Abs(c, in.leaf("x", m, n))
	}},
	{"clamp", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.some(5), in.some(19)
		in.apart("x", m*n, -1, 0.5)
		return op.Clamp(c, in.leaf("x", m, n), -1, 0.5)
	}},
	{"sum", func(c *op.Ctx, in *inputs) op.Val {
		axis := in.axis()
		return op.Sum(c, in.leaf("x", in.some(5), in.some(19)), axis)
	}},
	{"sum", func(c *op.Ctx, in *inputs) op.Val { // of a mean
		axis := in.axis()
		return op.Mean(c, in.leaf("x", in.dim(5), in.dim(19)), axis)
	}},
	{"max", func(c *op.Ctx, in *inputs) op.Val {
		axis := in.axis()
		return op.Max(c, in.distinct("x", in.dim(5), in.dim(19)), axis)
	}},
	{"exp", func(c *op.Ctx, in *inputs) op.Val { // of a log-sum-exp
		axis := in.axis()
		return op.LogSumExp(c, in.distinct("x", in.dim(5), in.dim(9)), axis)
	}},
	{"norm", func(c *op.Ctx, in *inputs) op.Val { return op.Norm(c, in.positive("x", in.some(5), in.dim(9))) }},
	{"norm", func(c *op.Ctx, in *inputs) op.Val { // of a cosine
		m, n := in.dim(5), 1+in.dim(9)
		return op.Cosine(c, in.positive("x", m, n), in.leaf("y", 1, n), 0.01)
	}},
	{"log-softmax", one(op.LogSoftmax)},
	{"cumsum", func(c *op.Ctx, in *inputs) op.Val {
		axis := []op.Axis{op.EachRow, op.EachColumn}[in.rng.IntN(2)]
		return op.CumSum(c, in.leaf("x", in.some(5), in.some(9)), axis)
	}},
	{"matmul", func(c *op.Ctx, in *inputs) op.Val {
		n, k := in.dim(3), in.some(9)
		return op.MatMul(c, in.leaf("x", n*in.some(5), k), in.leaf("y", n*k, in.some(19)), n)
	}},
	{"matmul-t", func(c *op.Ctx, in *inputs) op.Val {
		n, k := in.dim(3), in.some(9)
		return op.MatMulT(c, in.leaf("x", n*in.some(5), k), in.leaf("y", n*in.some(19), k), n)
	}},
	{"matmul", func(c *op.Ctx, in *inputs) op.Val { // of attention
		g, n, t, s := in.dim(2), in.dim(2), in.dim(4), in.dim(4)
		h := op.Heads{KV: g, Query: g * in.dim(2), Dim: in.dim(4)}
		rows := []int{1, t, h.Query * t, n * h.Query * t}[in.rng.IntN(4)]
		return op.BiasedAttention(c, in.leaf("q", n*t, h.Query*h.Dim), in.leaf("k", n*s, g*h.Dim), in.leaf("v", n*s, g*h.Dim), in.leaf("bias", rows, s), h, n)
	}},
	{"transpose", func(c *op.Ctx, in *inputs) op.Val { // of relative positions
		v, t, s := in.dim(4), in.dim(4), in.dim(4)
		return op.PositionBias(c, in.weight("w", v, in.dim(3)), indices(in.rng, t*s, v), t)
	}},
}

var lossGradCases = []gradCase{
	{"cross-entropy", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), 1+in.dim(19)
		ids, weights := indices(in.rng, m, n), make([]float32, m)
		for i := range weights {
			weights[i] = in.rng.Float32()
		}
		ids[in.rng.IntN(m)] = op.Ignore
		return op.SmoothedCrossEntropy(c, in.leaf("x", m, n), ids, in.rng.Float32(), weights)
	}},
	{"kl", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(9)
		return op.KL(c, in.leaf("p", m, n), op.LogSoftmax(c, in.leaf("q", m, n)))
	}},
	{"log-softmax", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(9)
		return op.SoftCrossEntropy(c, in.leaf("x", m, n), in.leaf("q", m, n))
	}},
	{"squared", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(9)
		return op.MSE(c, in.leaf("x", m, n), in.leaf("y", m, n))
	}},
	{"softplus", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(9)
		return op.BinaryCrossEntropy(c, in.leaf("x", m, n), in.leaf("y", m, n))
	}},
	{"abs", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(9)
		in.apart("x", m*n, 0)
		return op.L1(c, in.leaf("x", m, n), c.From(make([]float32, m*n), m, n))
	}},
	{"clamp", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(9)
		in.apart("x", m*n, -0.8, 0.8)
		return op.Huber(c, in.leaf("x", m, n), c.From(make([]float32, m*n), m, n), 0.8)
	}},
}

var movingGradCases = []gradCase{
	{"param", func(c *op.Ctx, in *inputs) op.Val {
		n := in.dim(9)
		return op.Mul(c, in.leaf("x", in.some(5), n), op.Param(c, in.weight("w", 1, n)))
	}},
	{"dropout", func(c *op.Ctx, in *inputs) op.Val {
		return op.Dropout(c, in.leaf("x", in.some(5), in.some(19)), 0.4, op.Draw{Seed: 1, Step: 2, Site: 3})
	}},
	{"columns", func(c *op.Ctx, in *inputs) op.Val {
		n := in.dim(9)
		return op.Columns(c, in.leaf("x", in.some(5), n), indices(in.rng, in.some(7), n))
	}},
	{"columns", func(c *op.Ctx, in *inputs) op.Val {
		m, n := in.dim(5), in.dim(9)
		return op.Pick(c, in.leaf("x", m, n), indices(in.rng, m*in.some(3), n))
	}},
	{"scatter-columns", func(c *op.Ctx, in *inputs) op.Val {
		k, n := in.some(7), in.dim(9)
		return op.ScatterColumns(c, in.leaf("x", in.some(5), k), indices(in.rng, k, n), n)
	}},
	{"scatter-rows", func(c *op.Ctx, in *inputs) op.Val {
		k, n := in.some(7), in.dim(5)
		return op.ScatterRows(c, in.leaf("x", k, in.some(9)), indices(in.rng, k, n), n)
	}},
	{"concat", func(c *op.Ctx, in *inputs) op.Val {
		var x []op.Val
		n := in.some(5)
		for _, name := range []string{"a", "b", "c", "d", "e"}[:in.dim(5)] {
			x = append(x, in.leaf(name, n, in.some(4)))
		}
		return op.ConcatColumns(c, x...)
	}},
	{"concat", func(c *op.Ctx, in *inputs) op.Val {
		n := in.some(9)
		a, b := in.leaf("a", in.some(4), n), in.leaf("b", in.some(4), n)
		return op.ConcatRows(c, a, b, a) // one of them twice
	}},
	{"slice-columns", func(c *op.Ctx, in *inputs) op.Val {
		n := in.some(9)
		from := in.rng.IntN(n + 1)
		return op.SliceColumns(c, in.leaf("x", in.some(5), n), from, from+in.rng.IntN(n-from+1))
	}},
	{"transpose", func(c *op.Ctx, in *inputs) op.Val {
		n := in.dim(3)
		return op.Transpose(c, in.leaf("x", n*in.some(5), in.some(9)), n)
	}},
	{"transpose", func(c *op.Ctx, in *inputs) op.Val {
		n, h := in.dim(3), in.dim(3)
		x := op.SplitHeads(c, in.leaf("x", n*in.some(5), h*in.dim(4)), n, h)
		return op.Mul(c, x, x)
	}},
	{"transpose", func(c *op.Ctx, in *inputs) op.Val {
		n, h := in.dim(3), in.dim(3)
		return op.MergeHeads(c, in.leaf("x", n*h*in.some(5), in.dim(4)), n, h)
	}},
}
