package elr_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/learn/elr"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
)

// twin is a small network with batch norm; its average is the weights if decay is 0.
func twin(t *testing.T, seed uint64, decay float64) (elr.Twin, *vision.Convolutional) {
	t.Helper()
	n, err := vision.NewCNN(rand.New(rand.NewPCG(seed, 1)), vision.CNN{Height: 4, Width: 4, Channels: 1, Classes: 3,
		Blocks: []vision.Block{{Channels: 5}, {Channels: 4, Stride: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	eng := pass.NewEngine(n, pass.Options{})
	t.Cleanup(eng.Close)
	task := &train.Classifier{Engine: eng, Trained: nn.Train(n)}
	avg, err := optim.NewAverage(nil, optim.Constant(decay), task.Trained)
	if err != nil {
		t.Fatal(err)
	}
	return elr.Twin{Classifier: task, Average: avg}, n
}

func pictures(n int) *dataset.Batch {
	b := &dataset.Batch{}
	rng := rand.New(rand.NewPCG(8, 8))
	for i := range n {
		b.Index, b.Labels = append(b.Index, i), append(b.Labels, int32(i%3))
		for range 16 {
			b.X = append(b.X, float32(rng.NormFloat64()))
		}
	}
	return b
}

func softmax(x []float32) []float64 {
	p, sum := make([]float64, len(x)), 0.0
	for i := range x {
		p[i] = math.Exp(float64(x[i]))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// Without mixup, with averages that are the weights and the whole of lambda, ELR+ is
// ELR whose averages are of what the other network says.
func TestPlusWithoutMixup(t *testing.T) {
	a, _ := twin(t, 1, 0)
	b, netB := twin(t, 2, 0)
	task, err := elr.NewPlus(a, b, 6, 3, elr.PlusSettings{Lambda: 2, Beta: 0.7})
	if err != nil {
		t.Fatal(err)
	}
	batch := pictures(6)
	before := slices.Clone(netB.Running()["conv.1.norm.weight"].Var)

	c := task.NewCtx()
	tape := grad.Start(c)
	terms, err := task.Loss(c, batch, train.Step{})
	if err != nil {
		t.Fatal(err)
	}
	got := []float64{float64(c.Data(terms[0].Val)[0]), float64(c.Data(terms[1].Val)[0])}
	if terms[1].Weight != 2 {
		t.Errorf("weight %v of the term", terms[1].Weight)
	}
	tape.End()
	if !slices.Equal(before, netB.Running()["conv.1.norm.weight"].Var) {
		t.Error("the look at the other network changed its running statistics")
	}

	said := func(w elr.Twin) [][]float64 { // as it learns: normalised by the batch
		c := w.Engine.NewCtx()
		defer grad.Start(c).End()
		logits, err := w.Classify(c, batch, train.Step{})
		if err != nil {
			t.Fatal(err)
		}
		var p [][]float64
		for i := range 6 {
			p = append(p, softmax(c.Data(logits)[3*i:3*i+3]))
		}
		return p
	}
	pa, pb := said(a), said(b)
	ce, r := 0.0, 0.0
	for i := range 6 {
		ce -= math.Log(pa[i][batch.Labels[i]]) / 6
		inner := 0.0
		for k := range 3 {
			inner += 0.3 * pb[i][k] * pa[i][k]
		}
		r += math.Log(1-inner) / 6
	}
	if math.Abs(got[0]-ce) > 1e-5 || math.Abs(got[1]-r) > 1e-5 {
		t.Errorf("terms %v, want %v and %v", got, ce, r)
	}
}

// Twins learn in turns, an epoch each, and their mean is better than chance; the same
// seed gives the same bits.
func TestTwinsLearn(t *testing.T) {
	run := func() (float64, []float32) {
		a, _ := twin(t, 1, 0.9)
		b, _ := twin(t, 2, 0.9)
		set, err := dataset.NewTable(pictures(30).X, []int{4, 4, 1}, pictures(30).Labels, 3)
		if err != nil {
			t.Fatal(err)
		}
		var loops []*train.Loop
		var first *elr.Plus
		for i, pair := range [][2]elr.Twin{{a, b}, {b, a}} {
			task, err := elr.NewPlus(pair[0], pair[1], 30, 3, elr.PlusSettings{Lambda: 1, Beta: 0.7, Alpha: 1, Ramp: optim.Ramp{Steps: 20}})
			if err != nil {
				t.Fatal(err)
			}
			data, err := dataset.NewLoader(set, dataset.Options{Batch: 10, Seed: uint64(i)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(data.Close)
			o, err := optim.New(nil, optim.SGD{Momentum: 0.9}, task.Weights())
			if err != nil {
				t.Fatal(err)
			}
			l, err := train.New(task, data, o, train.Options{Steps: 90, Rate: optim.Constant(0.05), Seed: 3,
				After: func(int) { pair[0].Average.Update() }})
			if err != nil {
				t.Fatal(err)
			}
			loops = append(loops, l)
			if first == nil {
				first = task
			}
		}
		for epoch := 3; epoch <= 90; epoch += 3 {
			for _, l := range loops {
				if err := l.RunTo(context.Background(), epoch); err != nil {
					t.Fatal(err)
				}
			}
		}
		m, err := train.Accuracy(context.Background(), first.Logits, set, 30)
		if err != nil {
			t.Fatal(err)
		}
		x, err := first.Logits(context.Background(), pictures(30))
		if err != nil {
			t.Fatal(err)
		}
		return m["accuracy"], x
	}
	accuracy, x := run()
	if accuracy < 0.8 {
		t.Errorf("accuracy %v on what was learnt", accuracy)
	}
	if _, again := run(); !slices.Equal(x, again) {
		t.Error("the same seed gave other bits")
	}
}

func TestPlusRefuses(t *testing.T) {
	a, _ := twin(t, 1, 0)
	b, _ := twin(t, 2, 0)
	for want, s := range map[string]elr.PlusSettings{
		"elr: lambda -1 and alpha 0: both are 0 or more": {Lambda: -1},
		"elr: lambda 0 and alpha -1: both are 0 or more": {Alpha: -1},
		"elr: beta 2 is not in [0, 1)":                   {Beta: 2},
	} {
		if _, err := elr.NewPlus(a, b, 6, 3, s); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	task, err := elr.NewPlus(a, b, 6, 4, elr.PlusSettings{Lambda: 1, Beta: 0.7})
	if err != nil {
		t.Fatal(err)
	}
	c := task.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	if _, err := task.Loss(c, pictures(6), train.Step{}); err == nil || err.Error() != "elr: 18 probabilities for 6 examples in 4 classes" {
		t.Error(err)
	}
}
