package train_test

import (
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/train"
)

// Once every buffer is there, a step of training allocates nothing on the heap: a
// batch's gradients, and a whole step of the loop with the batch that is read ahead.
func TestSteadyStepAllocatesNothing(t *testing.T) {
	random := func() *rand.Rand { return rand.New(rand.NewPCG(3, 3)) }
	cnn, err := vision.NewCNN(random(), vision.CNN{Height: 6, Width: 6, Channels: 1, Classes: 2, Dropout: 0.2,
		Blocks: []vision.Block{{Channels: 8}, {Channels: 8, Residual: true}, {Channels: 8, Stride: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	mlp, err := vision.NewMLP(random(), vision.MLP{Inputs: 36, Hidden: []int{16, 16}, Classes: 2, Dropout: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	vit, err := vision.NewViT(random(), vision.ViT{Height: 6, Width: 6, Channels: 1, Patch: 3, Layers: 2, Dim: 16, Heads: 2, MLP: 32, Classes: 2})
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]interface {
		pass.Net
		nn.Module
	}{"cnn": cnn, "mlp": mlp, "vit": vit} {
		trained := nn.Train(n)
		set, err := dataset.NewTable(pixels(36*40), []int{36}, make([]int32, 40), 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2} {
			eng := pass.NewEngine(n, pass.Options{Threads: threads})
			noAllocations(t, name, &train.Classifier{Engine: eng, Trained: trained}, set)
			eng.Close()
		}
	}
	s := newSetting(t, 2)
	noAllocations(t, "lm", s.task, s.data.Set())
}

func noAllocations(t *testing.T, name string, task train.Task, set dataset.Set) {
	t.Run(name, func(t *testing.T) {
		c := task.NewCtx()
		b := &dataset.Batch{}
		if err := set.Read(b, []int{0, 1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		gradients := func() {
			tape := grad.Start(c)
			defer tape.End()
			terms, err := task.Loss(c, b, train.Step{})
			if err != nil {
				t.Fatal(err)
			}
			if err := tape.Backward(terms[0].Val); err != nil {
				t.Fatal(err)
			}
		}
		none(t, "gradients", gradients)

		data, err := dataset.NewLoader(set, dataset.Options{Batch: 4, Seed: 5, Transform: func(b *dataset.Batch, rng *rand.Rand) error {
			rng.Shuffle(b.Len(), func(int, int) {})
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		opt, err := optim.New(nil, optim.AdamW{Decay: 0.01}, task.Weights())
		if err != nil {
			t.Fatal(err)
		}
		loop, err := train.New(task, data, opt, train.Options{Steps: 1 << 20, Rate: optim.Constant(1e-3), Clip: 1, Accumulate: 2})
		if err != nil {
			t.Fatal(err)
		}
		none(t, "a step of the loop", func() {
			if err := loop.RunTo(bg, loop.Step()+1); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// Batches whose losses are on one tape don't disturb each other, checkpointed or not.
func TestTwoBatchesOnOneTape(t *testing.T) {
	for _, checkpointed := range []bool{false, true} {
		s := newSetting(t, 1)
		s.task.Checkpointed = checkpointed
		c := s.task.NewCtx()
		run := func(tapes ...[]int) []float32 {
			for _, w := range s.task.Trained {
				clear(w.Grad)
			}
			for _, examples := range tapes {
				tape := grad.Start(c)
				var seeds []grad.Seed
				for i := len(examples) - 1; i >= 0; i-- {
					b := &dataset.Batch{}
					if err := s.data.Set().Read(b, examples[i:i+1]); err != nil {
						t.Fatal(err)
					}
					terms, err := s.task.Loss(c, b, train.Step{})
					if err != nil {
						t.Fatal(err)
					}
					seeds = append(seeds, grad.Seed{Val: terms[0].Val, Grad: []float32{1}})
				}
				if err := tape.BackwardFrom(seeds...); err != nil {
					t.Fatal(err)
				}
				tape.End()
				tape.End()
			}
			var all []float32
			for _, w := range s.task.Trained {
				all = append(all, w.Grad...)
			}
			return all
		}
		passtest.Same(t, "gradients of two batches on one tape", run([]int{3, 8}), run([]int{3}, []int{8}))
	}
}

func none(t *testing.T, what string, f func()) {
	t.Helper()
	for range 20 {
		f()
	}
	if n := passtest.Allocs(func() {
		for range 20 {
			f()
		}
	}); n != 0 {
		t.Errorf("%s: 20 times allocate %v times", what, n)
	}
}

func pixels(n int) []float32 {
	rng, x := rand.New(rand.NewPCG(1, 2)), make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}
