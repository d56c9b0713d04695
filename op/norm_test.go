package op_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

func row(name string, x ...float32) *op.Weight {
	return op.NewWeight(name, tensor.FromFloat32(1, len(x), x))
}

// Once its buffers have grown, a normalisation allocates nothing, also when the
// pool shares it out.
func TestNormsAllocateNothing(t *testing.T) {
	pool := par.New(2)
	defer pool.Close()
	c := op.NewCtx(op.Exact, pool)
	const rows, width = 2048, 32
	x := make([]float32, rows*width)
	w := row("w", make([]float32, width)...)
	run := op.NewRunning(width)
	for name, f := range map[string]func(x op.Val){
		"rms norm":   func(x op.Val) { op.RMSNorm(c, x, w, 1e-5) },
		"layer norm": func(x op.Val) { op.LayerNorm(c, x, w, w, 1e-5) },
		"batch norm": func(x op.Val) { op.BatchNorm(c, x, w, nil, run, 1e-5, true) },
		"group norm": func(x op.Val) { op.GroupNorm(c, x, w, w, 8, 4, 1e-5) },
	} {
		if n := testing.AllocsPerRun(10, func() {
			s := c.Open()
			f(c.View(x, rows, width))
			c.Close(s)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if c.Err() != nil {
		t.Error(c.Err())
	}
}

// A bias may be trained where gain and input are frozen.
func TestNormBiasAlone(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	tape := grad.Start(c)
	b := row("b", 0, 0)
	b.Train()
	y := op.LayerNorm(c, c.From([]float32{1, 2, 3, 5}, 2, 2), row("w", 1, 1), b, 0)
	if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: []float32{1, 2, 3, 4}}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Grad, []float32{4, 6}) {
		t.Errorf("gradient %v, want [4 6]", b.Grad)
	}
}

// Training moves the running statistics, and inference reads them and leaves them.
func TestBatchNormRuns(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	run := op.NewRunning(1)
	run.Momentum = 0.5
	w := row("w", 1)
	op.BatchNorm(c, c.From([]float32{1, 5}, 2, 1), w, nil, run, 0, true) // mean 3, variance 8 of a sample
	if run.Mean[0] != 1.5 || run.Var[0] != 4.5 {
		t.Errorf("running mean %v and variance %v, want 1.5 and 4.5", run.Mean, run.Var)
	}
	run.Var[0] = 4
	y := c.Data(op.BatchNorm(c, c.From([]float32{1.5, 5.5}, 2, 1), w, nil, run, 0, false))
	if !slices.Equal(y, []float32{0, 2}) || run.Mean[0] != 1.5 {
		t.Errorf("inference gives %v with mean %v, want [0 2] with 1.5", y, run.Mean)
	}
}

func TestNormErrors(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	w, wide := row("w", 1, 1), row("wide", 1, 1, 1)
	half, err := tensor.NewStorage(tensor.F16, 1, 2, make([]byte, 4))
	if err != nil {
		t.Fatal(err)
	}
	run := op.NewRunning(2)
	for want, f := range map[string]func(x op.Val) op.Val{
		"rms norm: gain wide":        func(x op.Val) op.Val { return op.RMSNorm(c, x, wide, 1) },
		"layer norm: wide is F32":    func(x op.Val) op.Val { return op.LayerNorm(c, x, w, wide, 1) },
		"layer norm: no gain":        func(x op.Val) op.Val { return op.LayerNorm(c, x, nil, w, 1) },
		"layer norm: half is F16":    func(x op.Val) op.Val { return op.LayerNorm(c, x, op.NewWeight("half", half), nil, 1) },
		"batch norm: wide is F32":    func(x op.Val) op.Val { return op.BatchNorm(c, x, wide, nil, run, 1, true) },
		"batch norm: no running":     func(x op.Val) op.Val { return op.BatchNorm(c, x, w, nil, nil, 1, false) },
		"batch norm: 3 running mean": func(x op.Val) op.Val { return op.BatchNorm(c, x, w, nil, op.NewRunning(3), 1, false) },
		"batch norm: training on 1": func(x op.Val) op.Val {
			return op.BatchNorm(c, c.View([]float32{1, 2}, 1, 2), w, nil, run, 1, true)
		},
		"group norm: 2 samples":   func(x op.Val) op.Val { return op.GroupNorm(c, x, w, nil, 2, 1, 1) },
		"group norm: 0 samples":   func(x op.Val) op.Val { return op.GroupNorm(c, x, w, nil, 0, 1, 1) },
		"3 groups don't divide":   func(x op.Val) op.Val { return op.GroupNorm(c, x, w, nil, 3, 3, 1) },
		"group norm: wide is F32": func(x op.Val) op.Val { return op.GroupNorm(c, x, w, wide, 3, 1, 1) },
	} {
		f(c.From(make([]float32, 6), 3, 2))
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		c.Reset()
	}
}

// No rows are no work, and no error.
func TestNormsOfNothing(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	w := row("w", 1, 1)
	x := c.From(nil, 0, 2)
	op.RMSNorm(c, x, w, 1)
	op.LayerNorm(c, x, w, w, 1)
	op.BatchNorm(c, x, w, w, op.NewRunning(2), 1, false)
	op.Bias(c, x, w)
	if c.Err() != nil {
		t.Error(c.Err())
	}
}

// A row of equal numbers has no variance: eps keeps it finite.
func TestLayerNormOfAConstant(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	y := c.Data(op.LayerNorm(c, c.From([]float32{3, 3, 3}, 1, 3), row("w", 1, 1, 1), nil, 1e-5))
	for _, v := range y {
		if math.Abs(float64(v)) > 1e-3 {
			t.Errorf("%v, want zeros", y)
		}
	}
}
