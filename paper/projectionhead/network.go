package projectionhead

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/learn/contrast"
	"github.com/micaml/mica/learn/head"
	"github.com/micaml/mica/look/probe"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
)

// The encoder is a perceptron of hidden units whose output, linear, is the representation.
const (
	hidden = 128
	width  = 64
	tau    = 0.5
	batch  = 256 // views a step
)

// The tasks.
const (
	texture  = "texture"  // digits on textures, without labels
	coarse   = "coarse"   // the same, told whether a digit is below 5
	spurious = "spurious" // digits whose colour agrees with that label in 95 %
)

// The losses.
const (
	ntXent = "nt-xent"
	supCon = "supcon"
	ce     = "ce"
)

// job is a network to train and to probe. It is the key that a run remembers it by.
type job struct {
	task, loss string
	drop       float64 // probability that a view has no digit
	strength   float64 // of digits
	head       string
	kappa      float64
	out        int // width behind the head; 0: as before it
	decay      float64
	rate       float64
	trial      int
	deep       bool // probe in every way
}

func (j job) key() string { return fmt.Sprintf("%+v", j) }

// seen is what probes find before and after the head: shares of the test that are told
// right, of all or of the worst group.
type seen struct {
	Probe [2]float64 `json:"probe"` // linear, at the features' own proportions; of spurious pictures DFR's worst group
	Held  [2]float64 `json:"held"`  // the same on pictures that settings are chosen by
	// Of spurious pictures: DFR's mean over all, and the worst group of a probe that is
	// fitted to the pictures of training.
	Average [2]float64 `json:"average"`
	Plain   [2]float64 `json:"plain"`
	// Of deep jobs.
	Few          [2]float64 `json:"few"` // least squares of least norm, 5 examples a class
	Standardized [2]float64 `json:"standardized"`
	Whitened     [2]float64 `json:"whitened"`
	Hidden       float64    `json:"hidden"` // the layer before the representation
	Ratio        [2]float64 `json:"ratio"`  // of the largest deviation along a principal direction to the 16th
}

// sizes of a task.
type sizes struct {
	learned, labelled, balanced, held, test int
	steps                                   int
}

// parts are a job's pictures.
type parts struct{ learned, labelled, held, test *pictures }

func (j job) pictures(seed uint64, n sizes) parts {
	make := func(stream uint64, count int, balanced bool) *pictures {
		s := seed + stream<<32
		if j.task != spurious {
			return textured(s, count, j.task == coarse)
		}
		if balanced {
			return coloured(s, count, 0)
		}
		return coloured(s, count, 0.95)
	}
	labelled := n.labelled
	if j.task == spurious { // a small balanced set
		labelled = n.balanced
	}
	return parts{make(0, n.learned, false), make(1, labelled, true), make(2, n.held, true), make(3, n.test, true)}
}

// learner is an encoder with its head.
type learner struct {
	eng  *pass.Engine
	task *train.Classifier
	head head.Head
}

// learn trains the job's network and probes it.
func (j job) learn(ctx context.Context, seed uint64, n sizes, o pass.Options) (seen, error) {
	p := j.pictures(seed, n)
	l, err := j.network(p.learned.inputs(), seed, o)
	if err != nil {
		return seen{}, err
	}
	defer l.eng.Close()
	views := 1
	if j.loss == ntXent {
		views = 2
	}
	set, err := p.learned.set()
	if err != nil {
		return seen{}, err
	}
	data, err := dataset.NewLoader(set, dataset.Options{Batch: batch / views, Seed: seed,
		Transform: contrast.Views(views, p.learned.view(float32(j.strength), j.drop))})
	if err != nil {
		return seen{}, err
	}
	defer data.Close()
	opt, err := optim.New(l.eng.Pool(), optim.AdamW{Decay: j.decay}, l.task.Trained)
	if err != nil {
		return seen{}, err
	}
	loop, err := train.New(l.task, data, opt, train.Options{Steps: n.steps, Seed: seed, Rate: optim.Cosine{From: j.rate, Steps: n.steps}})
	if err != nil {
		return seen{}, err
	}
	if err := loop.Run(ctx); err != nil {
		return seen{}, err
	}
	return j.look(ctx, l, p, seed)
}

// network makes an encoder, which is the same for every head, and the head with the
// loss behind it.
func (j job) network(inputs int, seed uint64, o pass.Options) (*learner, error) {
	net, err := vision.NewMLP(rand.New(rand.NewPCG(seed, 21)), vision.MLP{Inputs: inputs, Hidden: []int{hidden}, Classes: width})
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 22))
	h, err := head.New(rng, "projection", head.Settings{Kind: j.head, In: width, Out: j.out, Kappa: j.kappa})
	if err != nil {
		return nil, err
	}
	trained := []nn.Module{net, h}
	var loss train.Criterion
	switch j.loss {
	case ntXent:
		loss = contrast.NTXent{Temperature: tau}
	case supCon:
		loss = contrast.SupCon{Temperature: tau}
	case ce:
		classifier, err := head.New(rng, "classifier", head.Settings{Kind: head.Linear, In: h.Out(), Out: 2})
		if err != nil {
			return nil, err
		}
		trained = append(trained, classifier)
		loss = head.Projected{Head: classifier, Loss: train.CrossEntropy{}}
	}
	eng := pass.NewEngine(net, o)
	return &learner{eng, &train.Classifier{Engine: eng, Trained: nn.Train(trained...), Criterion: head.Projected{Head: h, Loss: loss}}, h}, nil
}

// represent returns the layer before the representation, the representation, and what
// the head makes of it, for the pictures x.
func (l *learner) represent(ctx context.Context, x []float32, inputs int) (before, z, y []float32, err error) {
	for lo := 0; lo < len(x); lo += 500 * inputs {
		var seqs []*pass.Seq
		var all []int
		for at := lo; at < min(lo+500*inputs, len(x)); at += inputs {
			all = append(all, len(seqs))
			seqs = append(seqs, &pass.Seq{Input: x[at : at+inputs], Transient: true})
		}
		p, err := l.eng.Begin(seqs...)
		if err != nil {
			return nil, nil, nil, err
		}
		defer p.End()
		if err := p.Run(ctx, 0, l.eng.Depth()); err != nil {
			return nil, nil, nil, err
		}
		c := l.eng.NewCtx()
		s, _ := p.Streams(c)
		before = append(before, c.Data(s.X)...)
		some, err := p.Head("logits", all...)
		if err != nil {
			return nil, nil, nil, err
		}
		z = append(z, some...)
	}
	y, err = head.Project(l.head, z)
	return before, z, y, err
}

// look probes the network.
func (j job) look(ctx context.Context, l *learner, p parts, seed uint64) (seen, error) {
	var out seen
	sets := []*pictures{p.labelled, p.held, p.test}
	if j.task == spurious {
		sets = append(sets, p.learned)
	}
	var at [3][]*probe.Data // hidden, before, after: labelled, held, test, learned
	for _, s := range sets {
		labels, classes := s.digit, digits
		if j.task == spurious {
			labels, classes = s.label, 2
		}
		a, b, c, err := l.represent(ctx, s.clean(float32(j.strength)), s.inputs())
		if err != nil {
			return out, err
		}
		for i, z := range [][]float32{a, b, c} {
			at[i] = append(at[i], s.data(z, labels, classes))
		}
	}
	for side := range 2 {
		var err error
		d := at[1+side]
		if j.task == spurious {
			err = out.spurious(side, d, seed)
		} else if out.Probe[side], out.Held[side], err = tell(d, probe.Scaled); err == nil && j.deep {
			err = out.deeper(side, d, seed)
		}
		if err != nil {
			return out, err
		}
	}
	if !j.deep {
		return out, nil
	}
	var err error
	out.Hidden, _, err = tell(at[0], probe.Scaled)
	return out, err
}

// strongest penalties to choose from, by the held-out pictures.
var penalties = []float64{1e-2, 1e-4}

// tell is the accuracy of a linear probe on the test, and on what is held out.
func tell(d []*probe.Data, kind probe.Kind) (test, held float64, err error) {
	s, err := probe.Fit(d[0], kind)
	if err != nil {
		return 0, 0, err
	}
	var in [3]*probe.Data
	for i := range in {
		if in[i], err = s.Apply(d[i]); err != nil {
			return 0, 0, err
		}
	}
	for i, l2 := range penalties {
		p, err := probe.Logistic(in[0], probe.Penalty{L2: l2})
		if err != nil {
			return 0, 0, err
		}
		h, err := p.Score(in[1])
		if err != nil {
			return 0, 0, err
		}
		if i > 0 && h.Accuracy <= held {
			continue
		}
		t, err := p.Score(in[2])
		if err != nil {
			return 0, 0, err
		}
		test, held = t.Accuracy, h.Accuracy
	}
	return test, held, nil
}

// deeper probes in other ways, on a side of the head.
func (s *seen) deeper(side int, d []*probe.Data, seed uint64) error {
	var err error
	if s.Standardized[side], _, err = tell(d, probe.Standardized); err != nil {
		return err
	}
	if s.Whitened[side], _, err = tell(d, probe.Whitened); err != nil {
		return err
	}
	if s.Ratio[side], err = spread(d[2]); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 23)) // the same draws on both sides
	const draws = 10
	for range draws {
		index, err := probe.Few(d[0], 5, rng)
		if err != nil {
			return err
		}
		p, err := probe.Minimum(d[0].Take(index), true)
		if err != nil {
			return err
		}
		score, err := p.Score(d[2])
		if err != nil {
			return err
		}
		s.Few[side] += score.Accuracy / draws
	}
	return nil
}

// spurious retrains the last layer on the labelled pictures, whose groups are equally
// large, so that there is one subsample; and for comparison on the
// pictures of training.
func (s *seen) spurious(side int, d []*probe.Data, seed uint64) error {
	p, err := probe.Retrain(d[0], probe.Retraining{Subsamples: 1}, rand.New(rand.NewPCG(seed, 24)))
	if err != nil {
		return err
	}
	test, err := p.Score(d[2])
	if err != nil {
		return err
	}
	held, err := p.Score(d[1])
	if err != nil {
		return err
	}
	s.Probe[side], s.Held[side], s.Average[side] = test.Worst, held.Worst, test.Accuracy
	scale, err := probe.Fit(d[3], probe.Standardized)
	if err != nil {
		return err
	}
	in, err := scale.Apply(d[3])
	if err != nil {
		return err
	}
	if p, err = probe.Logistic(in, probe.Penalty{L2: 1e-2}); err != nil {
		return err
	}
	if in, err = scale.Apply(d[2]); err != nil {
		return err
	}
	plain, err := p.Score(in)
	s.Plain[side] = plain.Worst
	return err
}
