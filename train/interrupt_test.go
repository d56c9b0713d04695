package train_test

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/train"
)

type toy struct {
	w    *op.Weight
	run  *op.Running
	hook func(train.Step)
}

func (t *toy) NewCtx() *op.Ctx       { return op.NewCtx(op.Exact, nil) }
func (t *toy) Weights() []*op.Weight { return []*op.Weight{t.w} }
func (t *toy) Parts() map[string]checkpoint.Part {
	return map[string]checkpoint.Part{"statistics": train.Statistics{"n": t.run}}
}
func (t *toy) Loss(c *op.Ctx, b *dataset.Batch, s train.Step) ([]train.Term, error) {
	x := c.From(b.X, b.Len(), len(b.X)/b.Len())
	g, z := op.NewWeight("g", tensor.FromFloat32(1, 2, []float32{1, 1})), (*op.Weight)(nil)
	y := op.BatchNorm(c, op.Linear(c, x, t.w), g, z, t.run, 1e-5, true)
	if t.hook != nil {
		t.hook(s)
	}
	return []train.Term{{Name: "a", Val: op.CrossEntropy(c, y, b.Labels), Weight: 1}}, c.Err()
}

func newToy(t *testing.T, dir string, o train.Options) (*toy, *train.Loop) {
	x := make([]float32, 64*3)
	l := make([]int32, 64)
	for i := range x {
		x[i] = float32(math.Sin(float64(i * i)))
	}
	for i := range l {
		l[i] = int32(i % 2)
	}
	set, err := dataset.NewTable(x, []int{3}, l, 2)
	if err != nil {
		t.Fatal(err)
	}
	data, err := dataset.NewLoader(set, dataset.Options{Batch: 8, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(data.Close)
	k := &toy{w: op.NewWeight("w", tensor.FromFloat32(2, 3, []float32{1, 2, 3, -1, .5, .2})), run: op.NewRunning(2)}
	k.w.Train()
	opt, err := optim.New(nil, optim.SGD{}, k.Weights())
	if err != nil {
		t.Fatal(err)
	}
	if dir != "" {
		if o.Checkpoints, err = checkpoint.Open(dir, checkpoint.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	o.Rate = optim.Constant(0.1)
	loop, err := train.New(k, data, opt, o)
	if err != nil {
		t.Fatal(err)
	}
	return k, loop
}

// A step that has begun is finished, so that no batch leaves its trace twice.
func TestInterruptBetweenMicroBatches(t *testing.T) {
	o := train.Options{Steps: 4, Accumulate: 3}
	want, loop := newToy(t, "", o)
	if err := loop.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first, loop := newToy(t, dir, o)
	ctx, stop := context.WithCancel(context.Background())
	first.hook = func(s train.Step) {
		if s.Number == 1 && s.Micro == 0 {
			stop()
		}
	}
	if err := loop.Run(ctx); err == nil {
		t.Fatal("not interrupted")
	}
	if loop.Step() != 2 {
		t.Errorf("stopped after step %d, not at the end of the second", loop.Step())
	}
	second, loop := newToy(t, dir, o)
	if _, err := loop.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := loop.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range want.run.Mean {
		if want.run.Mean[i] != second.run.Mean[i] {
			t.Errorf("running mean %d: %v, straight %v", i, second.run.Mean[i], want.run.Mean[i])
		}
	}
}

// A metric that isn't finite is never the best, and is logged as null.
func TestInfiniteMetric(t *testing.T) {
	_, loop := newToy(t, t.TempDir(), train.Options{Steps: 2, EvaluateEvery: 1, Best: "-loss",
		Evaluate: func(context.Context) (train.Metrics, error) { return train.Metrics{"loss": math.Inf(1)}, nil }})
	if err := loop.Run(context.Background()); err != nil {
		t.Error(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	_, loop = newToy(t, "", train.Options{Steps: 2, EvaluateEvery: 1, Log: log,
		Evaluate: func(context.Context) (train.Metrics, error) { return train.Metrics{"loss": math.NaN()}, nil }})
	if err := loop.Run(context.Background()); err != nil {
		t.Error(err)
	}
	lines, err := train.ReadLog(log)
	if err != nil || len(lines) == 0 || !math.IsNaN(lines[0].Evaluation["loss"]) {
		t.Errorf("log %v: %v", lines, err)
	}
}
