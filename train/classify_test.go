package train_test

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
)

// stripes is pictures of 6x6 whose class is the direction of their stripes, in noise.
func stripes(n int) dataset.Set {
	return dataset.Make(n, []int{6, 6, 1}, 2, func(b *dataset.Batch, i int) error {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		class, phase := int32(rng.IntN(2)), rng.IntN(2)
		for y := range 6 {
			for x := range 6 {
				along := y
				if class == 1 {
					along = x
				}
				b.X = append(b.X, float32((along+phase)%2)+float32(0.5*rng.NormFloat64()))
			}
		}
		b.Labels = append(b.Labels, class)
		return nil
	})
}

// classifier is a network with batch norm and dropout.
func classifier(t *testing.T, dir string, threads int) (*train.Classifier, *train.Loop, func() []uint32) {
	t.Helper()
	n, err := vision.NewCNN(rand.New(rand.NewPCG(3, 3)), vision.CNN{Height: 6, Width: 6, Channels: 1, Classes: 2, Dropout: 0.2,
		Blocks: []vision.Block{{Channels: 8}, {Channels: 8, Residual: true}, {Channels: 8, Stride: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	eng := pass.NewEngine(n, pass.Options{Threads: threads})
	t.Cleanup(eng.Close)
	task := &train.Classifier{Engine: eng, Trained: nn.Train(n), Criterion: train.CrossEntropy{Smoothing: 0.05}}
	data, err := dataset.NewLoader(stripes(200), dataset.Options{Batch: 16, Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(data.Close)
	opt, err := optim.New(nil, optim.SGD{Momentum: 0.9}, task.Trained)
	if err != nil {
		t.Fatal(err)
	}
	ckpt, err := checkpoint.Open(dir, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	loop, err := train.New(task, data, opt, train.Options{Steps: 60, Rate: optim.Constant(0.05), Seed: 4, Checkpoints: ckpt})
	if err != nil {
		t.Fatal(err)
	}
	return task, loop, func() (all []uint32) {
		for _, w := range task.Trained {
			x, _ := w.F32()
			for _, v := range x {
				all = append(all, math.Float32bits(v))
			}
		}
		for _, name := range []string{"conv.0.norm.weight", "conv.2.norm.weight"} {
			for _, v := range n.Running()[name].Var {
				all = append(all, math.Float32bits(v))
			}
		}
		return all
	}
}

func TestClassifierLearns(t *testing.T) {
	task, loop, bits := classifier(t, t.TempDir(), 1)
	before, err := task.Accuracy(bg, stripes(400), 50)
	if err != nil {
		t.Fatal(err)
	}
	if err := loop.Run(bg); err != nil {
		t.Fatal(err)
	}
	after, err := task.Accuracy(bg, stripes(400), 64)
	if err != nil {
		t.Fatal(err)
	}
	if !(after["accuracy"] > 0.95) || !(after["loss"] < before["loss"]) {
		t.Errorf("before %v, after %v", before, after)
	}
	// Whoever evaluates in other batches sees the same network.
	again, err := task.Accuracy(bg, stripes(400), 7)
	if err != nil || again["loss"] != after["loss"] {
		t.Errorf("in batches of 7 the loss is %v, in those of 64 %v: %v", again["loss"], after["loss"], err)
	}

	dir := filepath.Join(t.TempDir(), "resumed")
	for _, stop := range []int{7, 31, 60} { // dropout and statistics go on where they were
		_, loop, other := classifier(t, dir, 2)
		if _, err := loop.Resume(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(bg)
		if err := loop.RunTo(ctx, stop); err != nil {
			t.Fatal(err)
		}
		cancel()
		if stop < 60 {
			if err := loop.Run(ctx); err == nil {
				t.Fatal("it ran on after its context had ended")
			}
		} else if !slices.Equal(other(), bits()) {
			t.Error("other weights or statistics after two resumes with two threads")
		}
	}
}

func TestCriterionSeesTheLabels(t *testing.T) {
	task, loop, _ := classifier(t, t.TempDir(), 1)
	var seen []int32
	task.Criterion = criterion(func(c *op.Ctx, logits op.Val, b *dataset.Batch, s train.Step) ([]train.Term, error) {
		seen = append(seen, b.Labels...)
		loss := op.CrossEntropy(c, logits, b.Labels)
		return []train.Term{{Name: "half", Val: loss, Weight: 0.25}, {Name: "rest", Val: loss, Weight: 0.75}}, nil
	})
	if err := loop.RunTo(bg, 3); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 48 || !slices.Contains(seen, 0) || !slices.Contains(seen, 1) {
		t.Errorf("labels %v", seen)
	}
}

type criterion func(c *op.Ctx, logits op.Val, b *dataset.Batch, s train.Step) ([]train.Term, error)

func (f criterion) Terms(c *op.Ctx, logits op.Val, b *dataset.Batch, s train.Step) ([]train.Term, error) {
	return f(c, logits, b, s)
}
