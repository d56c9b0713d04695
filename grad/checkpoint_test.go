package grad_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// deep is a chain of residual layers with a value that stands outside of them,
// run in spans of a length, or whole if that is 0. It returns every gradient.
func deep(t *testing.T, pool *par.Pool, span, nested int) (g [][]float32, room int64, entries int) {
	t.Helper()
	const layers, width, rows = 12, 16, 300
	c := op.NewCtx(op.Exact, pool)
	tape := grad.Start(c)
	defer tape.End()
	fill := func(n int, by float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = by * (float32((i*7919+13)%101)/50 - 1)
		}
		return x
	}
	var w []*op.Weight
	for range layers {
		w = append(w, op.NewWeight("w", tensor.FromFloat32(width, width, fill(width*width, 0.3))))
		w[len(w)-1].Train()
	}
	outside := c.From(fill(rows*width, 0.5), rows, width)
	c.Want(outside)
	run := func(c *op.Ctx, in []op.Val, from, to int) []op.Val {
		x, sum := in[0], in[1]
		for i := from; i < to; i++ {
			y := op.Dropout(c, op.GELU(c, op.Linear(c, x, w[i])), 0.2, op.Draw{Seed: 1, Site: uint32(i)})
			x = op.Add(c, x, op.Mul(c, y, outside))
			sum = op.Add(c, sum, x)
		}
		return []op.Val{x, in[2], sum} // the middle one is handed on
	}
	first := c.From(fill(rows*width, 1), rows, width)
	c.Want(first)
	v := []op.Val{first, first, op.Scale(c, first, 0)}
	in := func(v []op.Val) []op.Val { return []op.Val{v[0], v[2], v[1]} }
	if span == 0 {
		v = run(c, in(v), 0, layers)
	} else {
		for at := 0; at < layers; at += span {
			to := min(at+span, layers)
			v = op.Checkpoint(c, func(c *op.Ctx, x []op.Val) []op.Val {
				if nested == 0 {
					return run(c, x, at, to)
				}
				mid := at + (to-at)/2
				y := op.Checkpoint(c, func(c *op.Ctx, x []op.Val) []op.Val { return run(c, x, at, mid) }, x...)
				return op.Checkpoint(c, func(c *op.Ctx, x []op.Val) []op.Val { return run(c, x, mid, to) }, in(y)...)
			}, in(v)...)
		}
	}
	entries = tape.Len()
	loss := op.Mul(c, op.Add(c, v[0], v[1]), v[2])
	if err := tape.BackwardFrom(grad.Seed{Val: loss, Grad: fill(rows*width, 1)}, grad.Seed{Val: v[2], Grad: fill(rows*width, -1)}); err != nil {
		t.Fatal(err)
	}
	for _, w := range w {
		g = append(g, w.Grad)
	}
	g = append(g, slices.Clone(tape.Of(outside)), slices.Clone(tape.Of(first)))
	return g, c.Bytes(), entries
}

// Gradients of weights, of the input, and of a value that spans captured are the
// same bits with and without checkpoints, and the memory is less.
func TestCheckpoint(t *testing.T) {
	want, whole, all := deep(t, nil, 0, 0)
	for _, span := range []int{1, 3, 4, 5, 12} {
		for threads := 1; threads <= 3; threads++ {
			pool := par.New(threads)
			defer pool.Close()
			for nested := range 2 {
				got, room, entries := deep(t, pool, span, nested)
				for i := range want {
					if !slices.Equal(got[i], want[i]) {
						t.Errorf("spans of %d, nested %d, %d threads: gradient %d differs", span, nested, threads, i)
					}
				}
				if spans := (11 + span) / span; entries != spans+1 { // and the scale
					t.Errorf("spans of %d: %d entries of %d", span, entries, all)
				}
				if span == 3 && room > whole*2/3 {
					t.Errorf("spans of 3 take %d bytes, the whole %d", room, whole)
				}
				if threads == 1 {
					t.Logf("spans of %d, nested %d: %d KiB; whole %d KiB", span, nested, room>>10, whole>>10)
				}
			}
		}
	}
}

// A span is run again once, if its output matters, and knows that.
func TestCheckpointRuns(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	runs, again := 0, 0
	f := func(c *op.Ctx, in []op.Val) []op.Val {
		runs++
		if c.Repeating() {
			again++
		}
		return []op.Val{op.Scale(c, in[0], 2), op.Scale(c, in[0], 5)}
	}
	x := c.From([]float32{1, 2}, 1, 2)
	op.Checkpoint(c, f, x)
	if runs != 1 {
		t.Fatalf("%d runs without a tape", runs)
	}
	tape := grad.Start(c)
	defer tape.End()
	if op.Checkpoint(c, f, x); tape.Len() != 0 {
		t.Error("a span that nobody wants gradients of is on the tape")
	}
	c.Want(x)
	y, _ := op.Checkpoint(c, f, x), op.Checkpoint(c, f, x)
	z := op.Mul(c, y[1], x)
	runs = 0
	if err := tape.BackwardFrom(grad.Seed{Val: z, Grad: []float32{1, 1}}); err != nil {
		t.Fatal(err)
	}
	if runs != 1 || again != 1 || c.Repeating() {
		t.Errorf("%d runs, %d of them again; want the one that the loss depends on", runs, again)
	}
	if g := tape.Of(x); !slices.Equal(g, []float32{10, 20}) {
		t.Errorf("gradient %v, want [10 20]", g)
	}
}

// What fails within a span is an error of the walk.
func TestCheckpointFails(t *testing.T) {
	boom := errors.New("boom")
	for want, f := range map[string]func(c *op.Ctx, x op.Val) []op.Val{
		"boom":             func(c *op.Ctx, x op.Val) []op.Val { c.Fail(boom); return nil },
		"gave 2 values":    func(c *op.Ctx, x op.Val) []op.Val { return []op.Val{x, x} },
		"after its scope ": func(c *op.Ctx, x op.Val) []op.Val { return []op.Val{op.Scale(c, stale(c), 1)} },
	} {
		c := op.NewCtx(op.Exact, nil)
		tape := grad.Start(c)
		x := c.From([]float32{1}, 1, 1)
		c.Want(x)
		y := op.Checkpoint(c, func(c *op.Ctx, in []op.Val) []op.Val {
			if c.Repeating() {
				return f(c, in[0])
			}
			return []op.Val{op.Scale(c, in[0], 2)}
		}, x)
		if err := tape.Backward(y[0]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		tape.End()
	}
}

func stale(c *op.Ctx) op.Val {
	d := op.NewCtx(op.Exact, nil)
	for range 100 {
		d.From([]float32{1}, 1, 1)
	}
	return d.From([]float32{1}, 1, 1)
}

// Running statistics take a batch in once.
func TestCheckpointedBatchNorm(t *testing.T) {
	run := op.NewRunning(1)
	w := op.NewWeight("w", tensor.FromFloat32(1, 1, []float32{1}))
	w.Train()
	c := op.NewCtx(op.Exact, nil)
	tape := grad.Start(c)
	defer tape.End()
	x := c.From([]float32{1, 3}, 2, 1)
	y := op.Checkpoint(c, func(c *op.Ctx, in []op.Val) []op.Val {
		return []op.Val{op.BatchNorm(c, in[0], w, nil, run, 0, true)}
	}, x)
	if err := tape.BackwardFrom(grad.Seed{Val: y[0], Grad: []float32{1, 2}}); err != nil {
		t.Fatal(err)
	}
	if run.Mean[0] != 0.2 || !slices.Equal(w.Grad, []float32{1}) {
		t.Errorf("running mean %v and gradient %v, want 0.2 and [1]", run.Mean, w.Grad)
	}
}

// A value that a span gives twice has one gradient, of the same bits as without.
func TestCheckpointGivesTwice(t *testing.T) {
	const n = 64
	run := func(span bool) []float32 {
		c := op.NewCtx(op.Exact, nil)
		tape := grad.Start(c)
		defer tape.End()
		number := func(i, k int) float32 { return float32((i*7919+k*104729+13)%101)/37 - 1 }
		x, v := make([]float32, n), make([]float32, n)
		for i := range x {
			x[i] = number(i, 0)
		}
		in := c.From(x, 1, n)
		c.Want(in)
		f := func(c *op.Ctx, in []op.Val) []op.Val { y := op.Exp(c, in[0]); return []op.Val{y, y} }
		out := f
		if span {
			out = func(c *op.Ctx, in []op.Val) []op.Val { return op.Checkpoint(c, f, in...) }
		}
		y, loss := out(c, []op.Val{in}), c.From([]float32{0}, 1)
		for k := range 4 { // in turns, so that the order of the sum counts
			for i := range v {
				v[i] = number(i, k+1)
			}
			loss = op.Add(c, loss, op.Sum(c, op.Mul(c, y[k%2], c.From(v, 1, n)), op.All))
		}
		if err := tape.Backward(loss); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(tape.Of(in))
	}
	if got, want := run(true), run(false); !slices.Equal(got, want) {
		t.Errorf("gradient %v, without a span %v", got, want)
	}
}
