package op_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// The same bits on any number of threads, forward and backward.
func TestMathAcrossCores(t *testing.T) {
	const rows, width = 300, 256 // several claims of the pool
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(0.1 + math.Abs(2*r.NormFloat64()))
		}
		return x
	}
	xs, ys, row, col := draw(rows*width), draw(rows*width), draw(width), draw(rows)
	targets, columns, weights := indices(r, rows, width), indices(r, 99, width), draw(rows)
	type f2 = func(c *op.Ctx, x, y op.Val) op.Val
	withRow := func(f f2) f2 {
		return func(c *op.Ctx, x, y op.Val) op.Val {
			return f(c, x, op.Sum(c, op.Mul(c, y, c.From(row, 1, width)), op.EachColumn))
		}
	}
	withColumn := func(f f2) f2 {
		return func(c *op.Ctx, x, y op.Val) op.Val {
			return f(c, x, op.Sum(c, op.Mul(c, y, c.From(col, rows, 1)), op.EachRow))
		}
	}
	for name, f := range map[string]f2{
		"add row": withRow(op.Add), "sub row": withRow(op.Sub), "mul row": withRow(op.Mul), "div row": withRow(op.Div),
		"add column": withColumn(op.Add), "sub column": withColumn(op.Sub), "mul column": withColumn(op.Mul), "div column": withColumn(op.Div),
		"div number": func(c *op.Ctx, x, y op.Val) op.Val { return op.Div(c, x, op.Sum(c, y, op.All)) },
		"elementary": func(c *op.Ctx, x, y op.Val) op.Val {
			return op.Exp(c, op.Sqrt(c, op.Log(c, op.Softplus(c, op.Abs(c, op.Squared(c, x))))))
		},
		"log-sum-exp":   func(c *op.Ctx, x, y op.Val) op.Val { return op.LogSumExp(c, op.Clamp(c, x, 0.3, 3), op.EachColumn) },
		"log-softmax":   func(c *op.Ctx, x, _ op.Val) op.Val { return op.LogSoftmax(c, x) },
		"cosine":        func(c *op.Ctx, x, y op.Val) op.Val { return op.Cosine(c, x, y, 1e-8) },
		"kl":            func(c *op.Ctx, x, y op.Val) op.Val { return op.KL(c, op.LogSoftmax(c, x), op.LogSoftmax(c, y)) },
		"huber":         func(c *op.Ctx, x, y op.Val) op.Val { return op.Huber(c, x, y, 1) },
		"cross-entropy": func(c *op.Ctx, x, _ op.Val) op.Val { return op.SmoothedCrossEntropy(c, x, targets, 0.1, weights) },
		"columns": func(c *op.Ctx, x, _ op.Val) op.Val {
			return op.ScatterColumns(c, op.Columns(c, x, columns), columns, width)
		},
		"cumsum": func(c *op.Ctx, x, _ op.Val) op.Val { return op.CumSum(c, op.CumSum(c, x, op.EachRow), op.EachColumn) },
		"matmul": func(c *op.Ctx, x, y op.Val) op.Val { return op.MatMul(c, op.MatMulT(c, x, y, 3), y, 3) },
		"attention": func(c *op.Ctx, x, y op.Val) op.Val {
			h := op.Heads{Query: 4, KV: 4, Dim: width / 4}
			return op.BiasedAttention(c, x, y, y, op.SliceColumns(c, op.Rows(c, y, []int32{0}), 0, 100), h, 3)
		},
	} {
		var want [3][]float32
		for _, threads := range []int{1, 2, 3} {
			p := par.New(threads)
			c := op.NewCtx(op.Exact, p)
			x, y := c.From(xs, rows, width), c.From(ys, rows, width)
			c.Want(x)
			c.Want(y)
			tape := grad.Start(c)
			z := f(c, x, y)
			if err := c.Err(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := [3][]float32{c.Data(z), nil, nil}
			if err := tape.BackwardFrom(grad.Seed{Val: z, Grad: ys[:len(got[0])]}); err != nil {
				t.Fatal(err)
			}
			got[1], got[2] = tape.Into(x), tape.Into(y)
			for i := range got {
				if want[i] == nil {
					want[i] = slices.Clone(got[i])
				}
				kerneltest.CheckBits(t, fmt.Sprintf("%s on %d cores, part %d", name, threads, i), got[i], want[i])
			}
			p.Close()
		}
	}
}

var inf, nan = float32(math.Inf(1)), float32(math.NaN())

// What ops say about zeros, infinities, NaN and ties.
func TestMathEdges(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	row := func(x ...float32) op.Val { return c.From(x, 1, len(x)) }
	for _, test := range []struct {
		name string
		y    op.Val
		want []float32
	}{
		{"softplus", op.Softplus(c, row(-200, -50, 50, 200)), []float32{0, 1.9287499e-22, 50, 200}},
		{"log softmax", op.LogSoftmax(c, row(1000, 0, -inf)), []float32{0, -1000, -inf}},
		{"log-sum-exp", op.LogSumExp(c, row(1000, 1000, -inf), op.All), []float32{1000 + math.Ln2}},
		{"clamp", op.Clamp(c, row(-inf, -2, 0.5, inf), -1, 1), []float32{-1, -1, 0.5, 1}},
		{"max", op.Max(c, row(1, nan, inf), op.EachRow), []float32{nan}},
		{"max down", op.Max(c, c.From([]float32{1, -inf, nan, -inf}, 2, 2), op.EachColumn), []float32{nan, -inf}},
		{"normalize", op.Normalize(c, row(0, 0), 1e-12), []float32{0, 0}},
		{"rank", op.Rank(c, row(2, 7, nan, 7, -inf)), []float32{2, 0, 4, 1, 3}},
		{"top 2", op.TopK(c, row(2, 7, nan, 7, 7), 2), []float32{0, 1, 0, 1, 0}},
		{"top 9", op.TopK(c, row(2, 7), 9), []float32{1, 1}},
		{"kl", op.KL(c, row(0, -inf), row(0, -inf)), []float32{0}},
		{"kl infinite", op.KL(c, op.LogSoftmax(c, row(0, 0)), row(0, -inf)), []float32{inf}},
		{"binary", op.BinaryCrossEntropy(c, row(200, -200), row(1, 0)), []float32{0}},
		{"sum of none", op.Sum(c, c.From(nil, 0, 3), op.EachColumn), []float32{0, 0, 0}},
		{"sum of empty rows", op.Sum(c, c.From(nil, 2, 0), op.EachRow), []float32{0, 0}},
		{"all weights 0", op.SmoothedCrossEntropy(c, row(1, 2), []int32{0}, 0.1, []float32{0}), []float32{0}},
	} {
		kerneltest.CheckBits(t, test.name, c.Data(test.y), test.want)
	}
	if err := c.Err(); err != nil {
		t.Error(err)
	}
}

// Gradients where a formula divides by zero, ties, and through a step.
func TestMathGradientEdges(t *testing.T) {
	for _, test := range []struct {
		name string
		x    []float32
		f    func(c *op.Ctx, x op.Val) op.Val
		want []float32
	}{
		{"norm of zeros", []float32{0, 0}, op.Norm, []float32{0, 0}},
		{"max of equals", []float32{3, 3}, func(c *op.Ctx, x op.Val) op.Val { return op.Max(c, x, op.EachRow) }, []float32{1, 0}},
		{"abs of 0", []float32{0, -2}, func(c *op.Ctx, x op.Val) op.Val { return op.Sum(c, op.Abs(c, x), op.All) }, []float32{0, -1}},
		{"x times its constant", []float32{3, 4}, func(c *op.Ctx, x op.Val) op.Val { return op.Sum(c, op.Mul(c, x, op.Detach(c, x)), op.All) }, []float32{3, 4}},
		{"straight through a top 1", []float32{3, 4}, func(c *op.Ctx, x op.Val) op.Val {
			y := op.StraightThrough(c, op.TopK(c, x, 1), x)
			if d := c.Data(y); d[0] != 0 || d[1] != 1 {
				panic(fmt.Sprint("mask ", d))
			}
			return op.Sum(c, op.Mul(c, y, c.From([]float32{5, 7}, 1, 2)), op.All)
		}, []float32{5, 7}},
		{"kl where p is 0", []float32{0, -inf}, func(c *op.Ctx, x op.Val) op.Val { return op.KL(c, x, x) }, []float32{0, 0}},
	} {
		c := op.NewCtx(op.Exact, nil)
		x := c.From(test.x, 1, len(test.x))
		c.Want(x)
		tape := grad.Start(c)
		if err := tape.Backward(test.f(c, x)); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := tape.Into(x); !slices.Equal(got, test.want) {
			t.Errorf("%s: gradient %v, want %v", test.name, got, test.want)
		}
	}
}

func TestMathErrors(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	ids := []int32{0, 3}
	for want, f := range map[string]func(x, y op.Val) op.Val{
		"op: sub: shapes [2, 3] and [3, 2] differ in a dimension that is 1 in neither": func(x, y op.Val) op.Val { return op.Sub(c, x, y) },
		"op: mse: shapes [2, 3] and [3, 2] differ":                                     func(x, y op.Val) op.Val { return op.MSE(c, x, y) },
		"op: kl: shapes [2, 3] and [1, 3] differ":                                      func(x, y op.Val) op.Val { return op.KL(c, x, op.Sum(c, x, op.EachColumn)) },
		"op: huber: of no numbers: [0, 3]":                                             func(x, y op.Val) op.Val { e := c.From(nil, 0, 3); return op.Huber(c, e, e, 1) },
		"op: mean: of no numbers: [0, 3]":                                              func(x, y op.Val) op.Val { return op.Mean(c, c.From(nil, 0, 3), op.EachColumn) },
		"op: max: of no numbers: [2, 0]":                                               func(x, y op.Val) op.Val { return op.Max(c, c.From(nil, 2, 0), op.EachRow) },
		"op: clamp: nothing is between 2 and 1":                                        func(x, y op.Val) op.Val { return op.Clamp(c, x, 2, 1) },
		"op: columns: place 3 of 3":                                                    func(x, y op.Val) op.Val { return op.Columns(c, x, ids) },
		"op: columns: 3 places for 2 rows":                                             func(x, y op.Val) op.Val { return op.Pick(c, x, []int32{1, 1, 1}) },
		"op: scatter-columns: 2 places for 3 columns":                                  func(x, y op.Val) op.Val { return op.ScatterColumns(c, x, ids, 9) },
		"op: scatter-rows: place 3 of 2":                                               func(x, y op.Val) op.Val { return op.ScatterRows(c, x, ids, 2) },
		"op: concat: [3, 2] beside [2, 3]":                                             func(x, y op.Val) op.Val { return op.ConcatRows(c, x, y) },
		"op: concat: of nothing":                                                       func(x, y op.Val) op.Val { return op.ConcatColumns(c) },
		"op: slice-columns: [2, 4) of 3":                                               func(x, y op.Val) op.Val { return op.SliceColumns(c, x, 2, 4) },
		"op: transpose: 2 in 3 equal parts":                                            func(x, y op.Val) op.Val { return op.Transpose(c, x, 3) },
		"op: top-k: -1 numbers":                                                        func(x, y op.Val) op.Val { return op.TopK(c, x, -1) },
		"op: cumsum: neither along rows nor down columns":                              func(x, y op.Val) op.Val { return op.CumSum(c, x, op.All) },
		"op: matmul: 1 of [2, 3] by [2, 3]":                                            func(x, y op.Val) op.Val { return op.MatMul(c, x, x, 1) },
		"op: matmul-t: [2, 3] by [3, 2]":                                               func(x, y op.Val) op.Val { return op.MatMulT(c, x, y, 1) },
		"op: matmul: 2 in 0 equal parts":                                               func(x, y op.Val) op.Val { return op.MatMul(c, x, y, 0) },
		"op: cross-entropy: smoothing of 2 is not in [0, 1]":                           func(x, y op.Val) op.Val { return op.SmoothedCrossEntropy(c, x, []int32{0, 0}, 2, nil) },
		"op: cross-entropy: 1 weights for 2 rows":                                      func(x, y op.Val) op.Val { return op.SmoothedCrossEntropy(c, x, []int32{0, 0}, 0, []float32{1}) },
		"op: cross-entropy: weight -1 at row 1":                                        func(x, y op.Val) op.Val { return op.SmoothedCrossEntropy(c, x, []int32{0, 0}, 0, []float32{1, -1}) },
		"op: biased attention: bias [2, 3] for 1 heads, 3 queries and 3 keys": func(x, y op.Val) op.Val {
			return op.BiasedAttention(c, y, y, y, x, op.Heads{Query: 1, KV: 1, Dim: 2}, 1)
		},
		"op: biased attention: 2 of queries [3, 2], keys [3, 2], values [3, 2] for {Query:1 KV:1": func(x, y op.Val) op.Val {
			return op.BiasedAttention(c, y, y, y, x, op.Heads{Query: 1, KV: 1, Dim: 2}, 2)
		},
	} {
		x, y := c.From(make([]float32, 6), 2, 3), c.From(make([]float32, 6), 3, 2)
		f(x, y)
		if err := c.Err(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
		c.Reset()
	}
}

// A weight in a file's storage type is a value, too, and a frozen one a constant.
func TestParam(t *testing.T) {
	s, err := tensor.Quantize(tensor.F16, 2, 2, []float32{1, 2, -0.5, 0.25})
	if err != nil {
		t.Fatal(err)
	}
	c := op.NewCtx(op.Exact, nil)
	tape := grad.Start(c)
	v := op.Param(c, op.NewWeight("w", s))
	if got := c.Data(v); !slices.Equal(got, []float32{1, 2, -0.5, 0.25}) || c.Wants(v) || tape.Len() != 0 {
		t.Errorf("%v, wants a gradient %t, %d entries", got, c.Wants(v), tape.Len())
	}
}
