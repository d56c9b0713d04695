package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
)

// Optimizer changes weights by their gradients: optim.Optimizer for weights that are
// all treated the same, optim.Groups for others.
type Optimizer interface {
	checkpoint.Part
	// Clip returns the norm of all gradients as one vector; with a longer one than
	// most, the next Step takes them shorter.
	Clip(most float64) float64
	Step(rate float64)
	Zero()
}

// Metrics are measures by name.
type Metrics map[string]float64

// Options say how a loop goes. The zero value of each but Steps and Rate is sensible.
type Options struct {
	Steps int
	Rate  optim.Schedule // the learning rate by step, counted from 0
	// Clip is the norm that gradients have at most; 0: any.
	Clip float64
	// Accumulate is how many batches make a step; 0 means 1. The loss of a step is
	// the mean over them.
	Accumulate int
	Seed       uint64

	// Evaluate measures the network on data that it isn't trained on, every
	// EvaluateEvery steps (0: never) and after the last.
	Evaluate      func(ctx context.Context) (Metrics, error)
	EvaluateEvery int
	// Best names the metric of Evaluate by which the best checkpoint is marked; a
	// minus in front says that less is better. "": none is.
	Best string
	// Patience ends training after so many evaluations without a better one; 0: never.
	Patience int

	// After is called after every step: for moving averages of the weights and the
	// like, whose state belongs into Parts.
	After func(step int)
	Parts map[string]checkpoint.Part

	Checkpoints *checkpoint.Dir // nil: none
	SaveEvery   int             // steps; 0: only at the end and when interrupted
	// Log is a file of JSON lines, one every LogEvery steps (0 means 10) and one for
	// each evaluation; "": none. See [ReadLog].
	Log      string
	LogEvery int
	// Progress hears of every step; may be nil.
	Progress func(Progress)
}

// Progress is where a loop stands.
type Progress struct {
	Step, Steps int
	Epoch       int
	Loss        float64
	Rate        float64
	Left        time.Duration // as far as can be told
}

// Loop trains. It serves one goroutine.
type Loop struct {
	task Task
	data *dataset.Loader
	opt  Optimizer
	o    Options
	ctx  *op.Ctx
	at   state
	log  *log
	pace pace

	saved int // the step of the last checkpoint, -1: none
	seeds []grad.Seed
	ones  []float32 // their gradients
}

// New returns a loop before its first step. The optimizer must be of task's weights.
func New(task Task, data *dataset.Loader, opt Optimizer, o Options) (*Loop, error) {
	switch {
	case o.Steps <= 0:
		return nil, fmt.Errorf("train: %d steps", o.Steps)
	case o.Rate == nil:
		return nil, errors.New("train: no learning rate")
	case o.Accumulate < 0 || o.Accumulate > 1<<16:
		return nil, fmt.Errorf("train: %d batches a step", o.Accumulate)
	case !(o.Clip >= 0):
		return nil, fmt.Errorf("train: clip gradients to a norm of %v", o.Clip)
	case o.EvaluateEvery > 0 && o.Evaluate == nil:
		return nil, fmt.Errorf("train: evaluate every %d steps: nothing to evaluate", o.EvaluateEvery)
	case (o.Best != "" || o.Patience > 0) && o.EvaluateEvery <= 0:
		return nil, errors.New("train: the best checkpoint and patience need evaluations")
	case o.Patience > 0 && o.Best == "":
		return nil, errors.New("train: patience with which metric? name it in Best")
	}
	o.Accumulate = max(1, o.Accumulate)
	if o.LogEvery <= 0 {
		o.LogEvery = 10
	}
	if o.Clip == 0 {
		o.Clip = math.Inf(1)
	}
	trained := 0
	for _, w := range task.Weights() {
		if w.Grad != nil {
			trained++
		}
	}
	if trained == 0 {
		return nil, errors.New("train: no weight is to be trained")
	}
	l := &Loop{task: task, data: data, opt: opt, o: o, ctx: task.NewCtx(), saved: -1}
	l.at.Sums = Metrics{}
	_, err := l.parts()
	return l, err
}

// Step is how many steps have been taken.
func (l *Loop) Step() int { return l.at.Step }

// Stopped says whether patience has ended training before its last step.
func (l *Loop) Stopped() bool { return l.o.Patience > 0 && l.at.Worse >= l.o.Patience }

// Run takes the steps that are left. When ctx ends, the step at work is finished, a
// checkpoint is saved, and ctx's error returned: Resume goes on from there.
func (l *Loop) Run(ctx context.Context) error { return l.RunTo(ctx, l.o.Steps) }

// RunTo is Run up to a step, for networks that are trained in turns.
func (l *Loop) RunTo(ctx context.Context, step int) (err error) {
	if l.log == nil && l.o.Log != "" {
		if l.log, err = openLog(l.o.Log, l.at.Step, l.at.Evaluated); err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, l.log.close())
			l.log = nil
		}()
	}
	step = min(step, l.o.Steps)
	for {
		if err := l.evaluate(ctx); err != nil {
			return l.ended(ctx, err)
		}
		done := l.at.Step == l.o.Steps || l.Stopped()
		if done || l.at.Step > 0 && l.o.SaveEvery > 0 && l.at.Step%l.o.SaveEvery == 0 {
			if err := l.save(); err != nil {
				return err
			}
		}
		if done || l.at.Step >= step {
			return nil
		}
		if ctx.Err() != nil {
			return l.ended(ctx, ctx.Err())
		}
		if err := l.step(); err != nil {
			return fmt.Errorf("train: step %d: %w", l.at.Step, err)
		}
		if l.log != nil && (l.at.Step%l.o.LogEvery == 0 || l.at.Step == l.o.Steps) {
			if err := l.log.line(l.line(l.o.Rate.At(l.at.Step - 1))); err != nil {
				return err
			}
		}
	}
}

// ended saves what is there if err is that ctx has ended: it stands between two steps.
func (l *Loop) ended(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return errors.Join(ctx.Err(), l.save())
}

// step takes one step. After an error the weights are as they were. It can't be
// interrupted: its batches leave traces in statistics and tables.
func (l *Loop) step() error {
	start := time.Now()
	total := 0.0
	l.opt.Zero()
	for micro := range l.o.Accumulate {
		b, err := l.data.Next(context.Background())
		if err != nil {
			return err
		}
		loss, err := l.gradients(b, Step{l.at.Step, micro, l.o.Seed})
		if err != nil {
			return err
		}
		total += loss / float64(l.o.Accumulate)
	}
	rate := l.o.Rate.At(l.at.Step)
	norm := l.opt.Clip(l.o.Clip)
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return fmt.Errorf("the gradient's norm is %v: a lower learning rate than %v, or Clip, may help", norm, rate)
	}
	l.opt.Step(rate)
	l.at.Step++
	l.at.Position = l.data.Position()
	if l.o.After != nil {
		l.o.After(l.at.Step)
	}
	l.at.Summed++
	l.at.Sums["loss"] += total
	l.at.Sums["norm"] += norm
	l.pace.took(time.Since(start))
	if l.o.Progress != nil {
		l.o.Progress(Progress{Step: l.at.Step, Steps: l.o.Steps, Epoch: l.at.Position.Epoch, Loss: total, Rate: rate,
			Left: l.pace.left(l.o.Steps - l.at.Step)})
	}
	return nil
}

// gradients adds the gradients of a batch's loss and returns the loss.
func (l *Loop) gradients(b *dataset.Batch, s Step) (float64, error) {
	loss, err := l.backward(b, s)
	if err == nil && !math.IsNaN(loss) && !math.IsInf(loss, 0) {
		return loss, nil
	}
	if err != nil {
		return 0, err
	}
	// Once more, to find out where it came from; statistics have taken it in already.
	l.ctx.Trace(op.Finite{})
	defer l.ctx.Trace(nil)
	l.ctx.Repeat(func() { _, err = l.backward(b, s) })
	if err == nil {
		err = errors.New("no op on its own made it so")
	}
	return 0, fmt.Errorf("the loss is %v: %w", loss, err)
}

func (l *Loop) backward(b *dataset.Batch, s Step) (loss float64, err error) {
	c := l.ctx
	c.ClearErr()
	tape := grad.Start(c)
	defer tape.End()
	terms, err := l.task.Loss(c, b, s)
	if err != nil {
		return 0, err
	}
	if err := c.Err(); err != nil {
		return 0, err
	}
	l.seeds, l.ones = l.seeds[:0], append(l.ones[:0], make([]float32, len(terms))...)
	for i, t := range terms {
		if n := c.Shape(t.Val).Len(); n != 1 {
			return 0, fmt.Errorf("term %q of the loss has %d numbers, not one", t.Name, n)
		}
		x := float64(c.Data(t.Val)[0])
		loss += float64(t.Weight) * x
		l.at.Sums[t.Name] += x / float64(l.o.Accumulate)
		l.ones[i] = t.Weight / float32(l.o.Accumulate)
		l.seeds = append(l.seeds, grad.Seed{Val: t.Val, Grad: l.ones[i : i+1]})
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return loss, nil
	}
	return loss, tape.BackwardFrom(l.seeds...)
}

// evaluate measures the network if it is time and hasn't been done.
func (l *Loop) evaluate(ctx context.Context) error {
	at := l.at.Step
	due := l.o.EvaluateEvery > 0 && at > 0 && (at%l.o.EvaluateEvery == 0 || at == l.o.Steps)
	if !due || l.at.Evaluated == at {
		return nil
	}
	m, err := l.o.Evaluate(ctx)
	if err != nil {
		return fmt.Errorf("train: evaluation after step %d: %w", at, err)
	}
	better, err := l.at.judge(l.o.Best, m)
	if err != nil {
		return err
	}
	l.at.Evaluated = at
	if l.log != nil {
		if err := l.log.line(Line{Step: at, Evaluation: m}); err != nil {
			return err
		}
	}
	if !better || l.o.Checkpoints == nil {
		return nil
	}
	if err := l.save(); err != nil {
		return err
	}
	return l.o.Checkpoints.MarkBest(at)
}

// line is what the log says about the steps since its last line.
func (l *Loop) line(rate float64) Line {
	m := Metrics{"rate": rate}
	for k, sum := range l.at.Sums {
		m[k] = sum / float64(l.at.Summed)
	}
	clear(l.at.Sums)
	l.at.Summed = 0
	return Line{Step: l.at.Step, Training: m}
}
