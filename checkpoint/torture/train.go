package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// interval is how often a checkpoint is saved.
const interval = 50 * time.Millisecond

// training fits a small network to a curve in many dimensions. All that its next
// step depends on is in its state.
type training struct {
	seed    uint64
	weights []*op.Weight
	adam    *optim.Optimizer
	average *optim.Average
	sum     *optim.Sum
	rate    optim.Schedule
	c       *op.Ctx
	loop    struct {
		Step   int
		Draws  uint64    // numbers drawn so far: the position in the data
		Losses []float64 // at every thousandth step
	}
}

const (
	inputs = 64
	hidden = 64
	rows   = 8
)

func newTraining(seed uint64, steps int) (*training, error) {
	t := &training{seed: seed, c: op.NewCtx(op.Exact, nil)}
	r := rand.New(rand.NewPCG(seed, 1))
	for i, n := range [][2]int{{hidden, inputs}, {1, hidden}, {1, hidden}} {
		x := make([]float32, n[0]*n[1])
		for j := range x {
			x[j] = float32(r.NormFloat64() / 8)
		}
		w := op.NewWeight(fmt.Sprintf("blk.%d.weight", i), tensor.FromFloat32(n[0], n[1], x))
		w.Train()
		t.weights = append(t.weights, w)
	}
	var err error
	if t.adam, err = optim.New(nil, optim.AdamW{Decay: 0.01, Bytes: true}, t.weights); err != nil {
		return nil, err
	}
	if t.average, err = optim.NewAverage(nil, optim.Growing(0.99), t.weights); err != nil {
		return nil, err
	}
	if t.sum, err = optim.NewSum(nil, t.weights); err != nil {
		return nil, err
	}
	t.rate = optim.Warmup{Steps: 100, Then: optim.Cosine{From: 0.003, To: 0.0001, Steps: steps}}
	return t, nil
}

func (t *training) state() checkpoint.State {
	return checkpoint.State{
		Weights: t.weights,
		Parts:   map[string]checkpoint.Part{"adam": t.adam, "average": t.average, "sum": t.sum},
		Loop:    &t.loop,
	}
}

// micro is one micro-batch. A step is two, and a checkpoint may come between them.
func (t *training) micro() error {
	r := rand.New(rand.NewPCG(t.seed, t.loop.Draws))
	t.loop.Draws++
	x, y := make([]float32, rows*inputs), make([]float32, rows)
	for i := range rows {
		s := 0.0
		for j := range inputs {
			x[i*inputs+j] = float32(r.NormFloat64())
			s += float64(x[i*inputs+j]) / 8
		}
		y[i] = float32(math.Tanh(s))
	}
	tape := grad.Start(t.c)
	defer tape.End()
	h := op.Tanh(t.c, op.Bias(t.c, op.Linear(t.c, t.c.From(x, rows, inputs), t.weights[0]), t.weights[1]))
	loss := op.MSE(t.c, op.Linear(t.c, h, t.weights[2]), t.c.From(y, rows, 1))
	if err := tape.Backward(loss); err != nil {
		return err
	}
	if t.loop.Step%1000 == 0 {
		t.loop.Losses = append(t.loop.Losses, float64(t.c.Data(loss)[0]))
	}
	t.sum.Add()
	if t.sum.Len() < 2 {
		return nil
	}
	t.sum.Mean()
	optim.Clip(1, t.adam)
	t.adam.Step(t.rate.At(t.loop.Step))
	t.adam.Zero()
	t.average.Update()
	t.loop.Step++
	return nil
}

// print is a hash of all of the state.
func (t *training) print() string {
	h := sha256.New()
	fmt.Fprintf(h, "%+v", t.loop)
	for _, w := range t.weights {
		h.Write(w.Bytes())
	}
	for _, p := range []checkpoint.Part{t.adam, t.average, t.sum} {
		s := p.State()
		fmt.Fprint(h, s.Steps)
		for _, x := range s.Slots {
			h.Write(x.Bytes)
			for _, v := range x.Data {
				fmt.Fprintf(h, "%x ", math.Float32bits(v))
			}
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

// straight trains without a stop, and returns the print at the end.
func straight(seed uint64, steps int) (string, error) {
	t, err := newTraining(seed, steps)
	if err != nil {
		return "", err
	}
	for t.loop.Step < steps {
		if err := t.micro(); err != nil {
			return "", err
		}
	}
	return t.print(), nil
}

// train goes on from the newest checkpoint in the folder to the end, and says what
// it does. A checkpoint's number counts micro-batches.
func train(out io.Writer, folder string, seed uint64, steps int) error {
	t, err := newTraining(seed, steps)
	if err != nil {
		return err
	}
	d, err := checkpoint.Open(folder, checkpoint.Options{Keep: 2, Recipe: fmt.Sprintf("seed %d, %d steps", seed, steps)})
	if err != nil {
		return err
	}
	at, err := d.Latest()
	switch {
	case err == nil:
		if err := at.Load(t.state()); err != nil {
			return err
		}
		say(out, "resumed %d %s", at.Step, t.print())
	case errors.Is(err, checkpoint.ErrNone):
		say(out, "began")
	default:
		return err
	}
	last := time.Now()
	for t.loop.Step < steps {
		if err := t.micro(); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(last) > interval {
			n := int(t.loop.Draws)
			say(out, "saving %d %s", n, t.print())
			if err := d.Save(n, t.state()); err != nil {
				return err
			}
			say(out, "saved %d", n)
			last = now
		}
	}
	say(out, "done %s", t.print())
	return nil
}
