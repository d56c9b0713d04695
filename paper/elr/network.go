package elr

import (
	"context"
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/learn/elr"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
)

// task is a data set with labels of which some are wrong, and how a network learns it.
type task struct {
	learned dataset.Set // with the labels that are given
	truth   []int32     // of learned
	given   []int32
	held    dataset.Set // with wrong labels of the same kind: what settings are chosen by
	test    dataset.Set // with right ones
	noise   noise
	classes int
	hidden  []int // widths of the perceptron
	batch   int
	epochs  int
	every   int // epochs between two looks
	decay   float32
	engine  pass.Options
}

// look is what is seen of a network after an epoch.
type look struct {
	Epoch     int     `json:"epoch"`
	Test      float64 `json:"test"`      // accuracy on right labels
	Held      float64 `json:"held"`      // accuracy on held-out wrong ones
	Clean     float64 `json:"clean"`     // of the examples with a right label: predicted right
	Memorized float64 `json:"memorized"` // of those with a wrong one: predicted as labelled
	Recovered float64 `json:"recovered"` // of those: predicted right
}

// history is a run.
type history struct {
	Looks []look `json:"looks"`
	// Corrected is the share of examples whose likeliest class in ELR's averages is the
	// true one; Precision and Recall are those of taking a label to be wrong because it
	// isn't that class. Only of ELR.
	Corrected float64 `json:"corrected,omitempty"`
	Precision float64 `json:"precision,omitempty"`
	Recall    float64 `json:"recall,omitempty"`
}

// last is the look after the last epoch.
func (h history) last() look { return h.Looks[len(h.Looks)-1] }

// best is the greatest test accuracy after any epoch: what stopping early can reach at
// most.
func (h history) best() (x float64) {
	for _, l := range h.Looks {
		x = max(x, l.Test)
	}
	return x
}

// stopped is the test accuracy where the accuracy on held-out wrong labels is best.
func (h history) stopped() float64 {
	best := h.Looks[0]
	for _, l := range h.Looks {
		if l.Held > best.Held {
			best = l
		}
	}
	return best.Test
}

// learner is one network, or the twins of ELR+, at work.
type learner struct {
	loops   []*train.Loop // that take turns, an epoch each
	predict func(context.Context, *dataset.Batch) ([]float32, error)
	table   *elr.Table // nil: the method has none
	weights []*op.Weight
	closers []func()
}

func (l *learner) close() {
	for _, f := range l.closers {
		f()
	}
}

// learn trains by a method and looks at the network after every few epochs.
func (t *task) learn(ctx context.Context, m method, setting, rate float64, seed uint64) (history, error) {
	l := &learner{}
	defer l.close()
	var err error
	if m.twins {
		err = t.twins(l, setting, rate, seed)
	} else {
		err = t.single(l, m, setting, rate, seed)
	}
	if err != nil {
		return history{}, err
	}
	var h history
	each := t.learned.Len() / t.batch
	for epoch := 1; epoch <= t.epochs; epoch++ {
		for _, loop := range l.loops {
			if err := loop.RunTo(ctx, epoch*each); err != nil {
				return h, err
			}
		}
		if epoch%t.every == 0 || epoch == t.epochs || epoch <= 3 {
			at, err := t.look(ctx, l)
			if err != nil {
				return h, err
			}
			at.Epoch = epoch
			h.Looks = append(h.Looks, at)
		}
	}
	if l.table != nil {
		h.Corrected, h.Precision, h.Recall = t.detect(l.table)
	}
	return h, nil
}

// network makes a perceptron.
func (t *task) network(l *learner, seed uint64) (*train.Classifier, error) {
	inputs := 1
	for _, d := range t.learned.Dims() {
		inputs *= d
	}
	n, err := vision.NewMLP(rand.New(rand.NewPCG(seed, 21)), vision.MLP{Inputs: inputs, Hidden: t.hidden, Classes: t.classes})
	if err != nil {
		return nil, err
	}
	eng := pass.NewEngine(n, t.engine)
	l.closers = append(l.closers, eng.Close)
	l.weights = nn.Train(n)
	return &train.Classifier{Engine: eng, Trained: l.weights}, nil
}

// loop makes the loop of a task: SGD with momentum, and a tenth of the rate after 60 %
// of the epochs.
func (t *task) loop(l *learner, what train.Task, c *train.Classifier, rate float64, seed uint64, after func(int)) error {
	data, err := dataset.NewLoader(t.learned, dataset.Options{Batch: t.batch, Seed: seed})
	if err != nil {
		return err
	}
	l.closers = append(l.closers, data.Close)
	opt, err := optim.New(c.Engine.Pool(), optim.SGD{Momentum: 0.9, Decay: t.decay}, c.Trained)
	if err != nil {
		return err
	}
	steps := t.epochs * data.Batches()
	loop, err := train.New(what, data, opt, train.Options{Steps: steps, Seed: seed, After: after,
		Rate: optim.Milestones{From: rate, Factor: 0.1, Steps: []int{steps * 6 / 10}}})
	l.loops = append(l.loops, loop)
	return err
}

func (t *task) single(l *learner, m method, setting, rate float64, seed uint64) error {
	c, err := t.network(l, seed)
	if err != nil {
		return err
	}
	if c.Criterion, err = m.make(setting, t.learned.Len(), t.classes, t.noise); err != nil {
		return err
	}
	if e, ok := c.Criterion.(*elr.Loss); ok {
		l.table = e.Targets()
	}
	l.predict = c.Logits
	return t.loop(l, c, c, rate, seed, nil)
}

// twins are two networks as in the released code: averages of the weights that follow
// by 0.997 a step after a ramp, mixup with a uniform share. The ramps take the share of
// training that the authors' 40,000 steps are of their 200 epochs, half of it.
func (t *task) twins(l *learner, setting, rate float64, seed uint64) error {
	var pair [2]elr.Twin
	for i := range pair {
		c, err := t.network(l, seed+uint64(i)<<32)
		if err != nil {
			return err
		}
		steps := t.epochs * (t.learned.Len() / t.batch)
		avg, err := optim.NewAverage(c.Engine.Pool(), optim.Ramp{To: 0.997, Steps: steps / 2}, c.Trained)
		if err != nil {
			return err
		}
		pair[i] = elr.Twin{Classifier: c, Average: avg}
	}
	for i, own := range pair {
		task, err := elr.NewPlus(own, pair[1-i], t.learned.Len(), t.classes, elr.PlusSettings{
			Lambda: float32(setting), Beta: betaOf(setting), Alpha: 1})
		if err != nil {
			return err
		}
		if i == 0 {
			l.table, l.predict = task.Targets(), task.Logits
		}
		if err := t.loop(l, task, own.Classifier, rate, seed+uint64(i)<<32, func(int) { own.Average.Update() }); err != nil {
			return err
		}
	}
	return nil
}

// look measures the network.
func (t *task) look(ctx context.Context, l *learner) (look, error) {
	var out look
	for _, s := range []struct {
		set  dataset.Set
		into *float64
	}{{t.test, &out.Test}, {t.held, &out.Held}} {
		m, err := train.Accuracy(ctx, l.predict, s.set, 500)
		if err != nil {
			return out, err
		}
		*s.into = m["accuracy"]
	}
	clean, wrong := 0.0, 0.0
	var b dataset.Batch
	for lo := 0; lo < t.learned.Len(); lo += 500 {
		var index []int
		for i := lo; i < min(lo+500, t.learned.Len()); i++ {
			index = append(index, i)
		}
		b.Reset()
		if err := t.learned.Read(&b, index); err != nil {
			return out, err
		}
		logits, err := l.predict(ctx, &b)
		if err != nil {
			return out, err
		}
		for j, i := range index {
			said := int32(train.Likeliest(logits[j*t.classes : (j+1)*t.classes]))
			if t.given[i] == t.truth[i] {
				clean++
				out.Clean += count(said == t.truth[i])
				continue
			}
			wrong++
			out.Memorized += count(said == t.given[i])
			out.Recovered += count(said == t.truth[i])
		}
	}
	out.Clean /= max(clean, 1)
	out.Memorized /= max(wrong, 1)
	out.Recovered /= max(wrong, 1)
	return out, nil
}

// detect says how well the averages tell which labels are wrong.
func (t *task) detect(table *elr.Table) (corrected, precision, recall float64) {
	right, suspected, wrong, caught := 0.0, 0.0, 0.0, 0.0
	for i, truth := range t.truth {
		said := int32(train.Likeliest(table.Row(i)))
		right += count(said == truth)
		suspect, is := said != t.given[i], t.given[i] != truth
		suspected += count(suspect)
		wrong += count(is)
		caught += count(suspect && is)
	}
	return right / float64(len(t.truth)), caught / max(suspected, 1), caught / max(wrong, 1)
}

func count(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
