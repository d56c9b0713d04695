package op_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// wave is n numbers that look like noise.
func wave(n int, seed float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(float64(i)*1.7+seed) * math.Cos(float64(i*i%97)+seed))
	}
	return x
}

// recurrences are the ops that carry a state, on rows of x.
var recurrences = map[string]struct {
	width, state int
	apply        func(c *op.Ctx, x op.Val, runs []int32, state [][]float32, w func(name string, rows, cols int) *op.Weight) op.Val
}{
	"scan": {19, 19, func(c *op.Ctx, x op.Val, runs []int32, state [][]float32, w func(string, int, int) *op.Weight) op.Val {
		return op.Scan(c, op.Sigmoid(c, x), x, runs, state)
	}},
	"selective scan": {36, 36 * 3, func(c *op.Ctx, x op.Val, runs []int32, state [][]float32, w func(string, int, int) *op.Weight) op.Val {
		return op.SelectiveScan(c, x, op.Sigmoid(c, x), op.Linear(c, x, w("bc", 6, 36)), w("alog", 36, 3), w("d", 1, 36), runs, state)
	}},
	"linear attention": {12, 2 * 4 * 6, func(c *op.Ctx, x op.Val, runs []int32, state [][]float32, w func(string, int, int) *op.Weight) op.Val {
		spec := &op.LinearAttentionSpec{Heads: op.Heads{Query: 4, KV: 2, Dim: 4}, Values: 6, Causal: true, Decay: []float32{0.9, 1}, Runs: runs, State: state}
		return op.LinearAttention(c, op.Linear(c, x, w("q", 16, 12)), op.Linear(c, x, w("k", 8, 12)), x, spec)
	}},
	"causal conv": {19, 3 * 19, func(c *op.Ctx, x op.Val, runs []int32, state [][]float32, w func(string, int, int) *op.Weight) op.Val {
		return op.CausalConv(c, x, w("w", 19, 4), runs, state)
	}},
	"rnn": {7, 7, func(c *op.Ctx, x op.Val, runs []int32, state [][]float32, w func(string, int, int) *op.Weight) op.Val {
		return op.RNN(c, x, w("w", 7, 7), w("b", 1, 7), true, runs, state)
	}},
	"gru": {21, 7, func(c *op.Ctx, x op.Val, runs []int32, state [][]float32, w func(string, int, int) *op.Weight) op.Val {
		return op.GRU(c, x, w("w", 21, 7), w("b", 1, 21), runs, state)
	}},
	"lstm": {28, 14, func(c *op.Ctx, x op.Val, runs []int32, state [][]float32, w func(string, int, int) *op.Weight) op.Val {
		return op.LSTM(c, x, w("w", 28, 7), w("b", 1, 28), runs, state)
	}},
}

// sequenceWeights makes weights that are the same each time.
func sequenceWeights() (func(name string, rows, cols int) *op.Weight, map[string]*op.Weight) {
	all := map[string]*op.Weight{}
	return func(name string, rows, cols int) *op.Weight {
		if all[name] == nil {
			all[name] = op.NewWeight(name, tensor.FromFloat32(rows, cols, wave(rows*cols, float64(len(name)))))
			all[name].Train()
		}
		return all[name]
	}, all
}

// A sequence is the same bits, and leaves the same state, in pieces of any length
// and beside any other.
func TestRecurrencesInPieces(t *testing.T) {
	for name, r := range recurrences {
		const rows = 150
		w, _ := sequenceWeights()
		x, begun := wave(rows*r.width, 1), wave(r.state, 2)
		run := func(pieces ...int) (y, state []float32) {
			state = slices.Clone(begun)
			at := 0
			for i, n := range pieces {
				c := op.NewCtx(op.Exact, nil)
				// Another sequence before it, of another length each time.
				other := wave(i*r.width, 3)
				v := c.From(slices.Concat(other, x[at*r.width:(at+n)*r.width]), i+n, r.width)
				z := r.apply(c, v, []int32{int32(i), int32(n)}, [][]float32{wave(r.state, 4), state}, w)
				if c.Err() != nil {
					t.Fatalf("%s: %v", name, c.Err())
				}
				y = append(y, c.Data(z)[i*c.Shape(z).Width():]...)
				at += n
			}
			return y, state
		}
		want, end := run(rows)
		if slices.Equal(end, begun) {
			t.Errorf("%s: the state hasn't changed", name)
		}
		for _, pieces := range [][]int{{1, 149}, {63, 1, 1, 85}, {0, 64, 0, 86}, {70, 80}} {
			y, state := run(pieces...)
			if !slices.Equal(y, want) || !slices.Equal(state, end) {
				t.Errorf("%s: other bits in pieces of %v", name, pieces)
			}
		}
	}
}

// Outputs and gradients are the same bits for any number of threads.
func TestSequencesOnThreads(t *testing.T) {
	apply := map[string]func(c *op.Ctx, in func(rows, width int) op.Val, w func(string, int, int) *op.Weight) op.Val{
		"resize": func(c *op.Ctx, in func(rows, width int) op.Val, _ func(string, int, int) *op.Weight) op.Val {
			return op.Resize(c, in(2*30*40, 30), &op.ResizeSpec{H: 30, W: 40, OutH: 43, OutW: 17, Mode: op.ResizeLinear})
		},
		"planes": func(c *op.Ctx, in func(rows, width int) op.Val, _ func(string, int, int) *op.Weight) op.Val {
			return op.Planes(c, in(2*9*50, 7), &op.PlaneSpec{Depth: 9, Pixels: 50, Kernel: 3, Stride: 2, Front: 1, Back: 1})
		},
	}
	for name, r := range recurrences {
		apply[name] = func(c *op.Ctx, in func(rows, width int) op.Val, w func(string, int, int) *op.Weight) op.Val {
			runs, state := []int32{70, 3, 131}, [][]float32{}
			for i := range runs {
				state = append(state, wave(r.state, float64(i)))
			}
			return r.apply(c, in(204, r.width), runs, state, w)
		}
	}
	for name, f := range apply {
		var want [][]float32
		for threads := 1; threads <= 3; threads++ {
			pool := par.New(threads)
			c := op.NewCtx(op.Exact, pool)
			tape := grad.Start(c)
			w, all := sequenceWeights()
			var x op.Val
			y := f(c, func(rows, width int) op.Val {
				x = c.From(wave(rows*width, 5), rows, width)
				c.Want(x)
				return x
			}, w)
			if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: wave(len(c.Data(y)), 6)}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := [][]float32{c.Data(y), tape.Of(x)}
			for _, k := range []string{"w", "b", "d", "alog", "bc", "q", "k"} {
				if all[k] != nil {
					got = append(got, all[k].Grad)
				}
			}
			if want == nil {
				want = got
			}
			for i := range want {
				if !slices.Equal(got[i], want[i]) {
					t.Errorf("%s: result %d has other bits on %d threads", name, i, threads)
				}
			}
			pool.Close()
		}
	}
}

func TestSequenceErrors(t *testing.T) {
	w := func(rows, cols int) *op.Weight {
		return op.NewWeight("w", tensor.FromFloat32(rows, cols, make([]float32, rows*cols)))
	}
	half, err := tensor.NewStorage(tensor.F16, 2, 1, make([]byte, 4))
	if err != nil {
		t.Fatal(err)
	}
	state := func(n int) [][]float32 { return [][]float32{make([]float32, n)} }
	three := []int32{3}
	heads := op.Heads{Query: 2, KV: 1, Dim: 1}
	for want, f := range map[string]func(c *op.Ctx, x op.Val) op.Val{ // x is 3 x 2
		"scan: 1 runs of 2 rows with 1 states for 3 rows": func(c *op.Ctx, x op.Val) op.Val { return op.Scan(c, x, x, []int32{2}, state(2)) },
		"scan: a state of 1 numbers, want 2":              func(c *op.Ctx, x op.Val) op.Val { return op.Scan(c, x, x, three, state(1)) },
		"scan: a run of -1 rows":                          func(c *op.Ctx, x op.Val) op.Val { return op.Scan(c, x, x, []int32{-1, 4}, nil) },
		"selective scan: w is F32 1 x 1 for width 2": func(c *op.Ctx, x op.Val) op.Val {
			return op.SelectiveScan(c, x, x, x, w(1, 1), nil, three, state(2))
		},
		"selective scan: h is F16": func(c *op.Ctx, x op.Val) op.Val {
			return op.SelectiveScan(c, x, x, x, op.NewWeight("h", half), nil, three, state(2))
		},
		"selective scan: B and C are [3, 2] for 3 rows and 2 states": func(c *op.Ctx, x op.Val) op.Val {
			return op.SelectiveScan(c, x, x, x, w(2, 2), nil, three, state(4))
		},
		"selective scan: w is F32 1 x 3": func(c *op.Ctx, x op.Val) op.Val {
			return op.SelectiveScan(c, x, x, x, w(2, 1), w(1, 3), three, state(2))
		},
		"selective scan: a state of 3 numbers, want 2": func(c *op.Ctx, x op.Val) op.Val {
			return op.SelectiveScan(c, x, x, x, w(2, 1), nil, three, state(3))
		},
		"linear attention: 2 decays for 1 KV heads": func(c *op.Ctx, x op.Val) op.Val {
			return op.LinearAttention(c, x, x, x, &op.LinearAttentionSpec{Heads: heads, Causal: true, Decay: []float32{1, 1}, Runs: three})
		},
		"linear attention: decay and state are for causal": func(c *op.Ctx, x op.Val) op.Val {
			return op.LinearAttention(c, x, x, x, &op.LinearAttentionSpec{Heads: heads, Runs: three, State: state(1)})
		},
		"linear attention: 0 query heads": func(c *op.Ctx, x op.Val) op.Val {
			return op.LinearAttention(c, x, x, x, &op.LinearAttentionSpec{Causal: true, Runs: three})
		},
		"linear attention: queries [3, 2], keys [3, 2]": func(c *op.Ctx, x op.Val) op.Val {
			return op.LinearAttention(c, x, x, x, &op.LinearAttentionSpec{Heads: heads, Causal: true, Runs: three})
		},
		"causal conv: w is F32 3 x 2": func(c *op.Ctx, x op.Val) op.Val { return op.CausalConv(c, x, w(3, 2), three, state(2)) },
		"causal conv: a state of 0":   func(c *op.Ctx, x op.Val) op.Val { return op.CausalConv(c, x, w(2, 2), three, state(0)) },
		"gru: w is 4 x 1":             func(c *op.Ctx, x op.Val) op.Val { return op.GRU(c, x, w(4, 1), nil, three, state(1)) },
		"lstm: w is 2 x 1":            func(c *op.Ctx, x op.Val) op.Val { return op.LSTM(c, x, w(2, 1), nil, three, state(2)) },
		"resize: 3 rows are no images of 2 x 1": func(c *op.Ctx, x op.Val) op.Val {
			return op.Resize(c, x, &op.ResizeSpec{H: 2, W: 1, OutH: 1, OutW: 1})
		},
		"resize: images of 3 x 1 pixels to 2147483647 x 2": func(c *op.Ctx, x op.Val) op.Val {
			return op.Resize(c, x, &op.ResizeSpec{H: 3, W: 1, OutH: math.MaxInt32, OutW: 2})
		},
		"resize: mode 0 with align-corners true": func(c *op.Ctx, x op.Val) op.Val {
			return op.Resize(c, x, &op.ResizeSpec{H: 3, W: 1, OutH: 3, OutW: 1, AlignCorners: true})
		},
		"planes: 3 rows are no volumes": func(c *op.Ctx, x op.Val) op.Val { return op.Planes(c, x, &op.PlaneSpec{Depth: 2}) },
		"planes: a kernel of 5 planes": func(c *op.Ctx, x op.Val) op.Val {
			return op.Planes(c, x, &op.PlaneSpec{Depth: 3, Kernel: 5, Front: 1})
		},
		"planes: a size is -1": func(c *op.Ctx, x op.Val) op.Val { return op.Planes(c, x, &op.PlaneSpec{Depth: 3, Stride: -1}) },
	} {
		c := op.NewCtx(op.Exact, nil)
		if f(c, c.From(make([]float32, 6), 3, 2)).Valid() || c.Err() == nil || !strings.Contains(c.Err().Error(), want) {
			t.Errorf("error %v, want %q", c.Err(), want)
		}
	}
}

// A pixel that an interpolation doesn't weigh can't spoil it.
func TestResizeLeavesOut(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	nan := float32(math.NaN())
	y := c.Data(op.Resize(c, c.From([]float32{1, nan, 3}, 3, 1), &op.ResizeSpec{H: 1, W: 3, OutH: 1, OutW: 2, Mode: op.ResizeLinear, AlignCorners: true}))
	if fmt.Sprint(y) != "[1 3]" {
		t.Errorf("the corners are %v, want [1 3]", y)
	}
}

// What runs through a cell is as good as its own rows one after another: stored
// weights serve, too.
func TestGRUWithStoredWeights(t *testing.T) {
	raw := make([]byte, 2*3)
	for i, b := range []byte{0x3c, 0xb8, 0x38} { // 1, -0.5, 0.5
		raw[2*i+1] = b
	}
	half, err := tensor.NewStorage(tensor.F16, 3, 1, raw)
	if err != nil {
		t.Fatal(err)
	}
	c := op.NewCtx(op.Exact, nil)
	x := c.From(wave(12, 1), 4, 3)
	got := op.GRU(c, x, op.NewWeight("w", half), nil, []int32{4}, [][]float32{{0.3}})
	want := op.GRU(c, x, op.NewWeight("w", tensor.FromFloat32(3, 1, []float32{1, -0.5, 0.5})), nil, []int32{4}, [][]float32{{0.3}})
	if !slices.Equal(c.Data(got), c.Data(want)) {
		t.Errorf("%v, want %v", c.Data(got), c.Data(want))
	}
}
