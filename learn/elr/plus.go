package elr

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/train"
)

// Twin is one of the two networks of ELR+, with the moving average of its weights.
type Twin struct {
	*train.Classifier
	Average *optim.Average
}

// PlusSettings are those of [Plus].
type PlusSettings struct {
	Lambda float32
	Beta   float32
	// Alpha is the parameter of mixup's beta distribution (Zhang et al. 2018); 0: no
	// mixup.
	Alpha float64
	// Ramp is the share of Lambda by step: nil for all of it, optim.Ramp in the
	// released code.
	Ramp optim.Schedule
}

// Plus is the task of ELR+ (section 4.3 and appendix; the released code where they
// differ): a network learns from mixed pictures, and the averages that it is pulled
// towards are of what the other network's moving average says of the plain ones. Each
// of the twins has a Plus and a train.Loop of its own; they take turns, an epoch each.
type Plus struct {
	PlusSettings
	own, other Twin
	targets    *Table
	classes    int
	look       *op.Ctx // of the other network
}

// NewPlus returns the task of own.
func NewPlus(own, other Twin, examples, classes int, s PlusSettings) (*Plus, error) {
	if !(s.Lambda >= 0) || !(s.Alpha >= 0) {
		return nil, fmt.Errorf("elr: lambda %v and alpha %v: both are 0 or more", s.Lambda, s.Alpha)
	}
	if s.Ramp == nil {
		s.Ramp = optim.Constant(1)
	}
	t, err := NewTable(examples, classes, s.Beta)
	return &Plus{PlusSettings: s, own: own, other: other, targets: t, classes: classes, look: other.Engine.NewCtx()}, err
}

// NewCtx is the own network's.
func (t *Plus) NewCtx() *op.Ctx { return t.own.NewCtx() }

// Weights returns the own network's.
func (t *Plus) Weights() []*op.Weight { return t.own.Weights() }

// Targets are the averages.
func (t *Plus) Targets() *Table { return t.targets }

// Parts are the averages, those of the weights, and the network's own.
func (t *Plus) Parts() map[string]checkpoint.Part {
	p := t.own.Parts()
	p["elr"], p["average"] = t.targets, t.own.Average
	return p
}

// Loss has the terms "cross_entropy", against mixed labels, and "elr".
func (t *Plus) Loss(c *op.Ctx, b *dataset.Batch, s train.Step) ([]train.Term, error) {
	n := b.Len()
	if n == 0 || len(b.Labels) != n || len(b.X)%n != 0 {
		return nil, fmt.Errorf("elr: a batch of %d examples with %d labels and %d numbers", n, len(b.Labels), len(b.X))
	}
	if !c.Repeating() {
		said, err := t.otherSays(b, s)
		if err != nil {
			return nil, err
		}
		if err := t.targets.Update(b.Index, said); err != nil {
			return nil, err
		}
	}
	k := s.Clock()
	rng := rand.New(rand.NewPCG(k.Seed, k.Step))
	share, with := float32(1), make([]int, n)
	for i := range with {
		with[i] = i
	}
	if t.Alpha > 0 {
		l := distuv.Beta{Alpha: t.Alpha, Beta: t.Alpha, Src: rng}.Rand()
		share = float32(max(l, 1-l))
		rng.Shuffle(n, func(i, j int) { with[i], with[j] = with[j], with[i] })
	}

	mixed := dataset.Batch{Index: b.Index, X: make([]float32, len(b.X))}
	width := len(b.X) / n
	mix(mixed.X, b.X, width, share, with)
	logits, err := t.own.Classify(c, &mixed, s)
	if err != nil {
		return nil, err
	}
	if w := c.Shape(logits).Width(); w != t.classes {
		return nil, fmt.Errorf("elr: the network tells %d classes, and the averages are of %d", w, t.classes)
	}
	hot, y := make([]float32, n*t.classes), make([]float32, n*t.classes)
	for i, l := range b.Labels {
		if l < 0 || int(l) >= t.classes {
			return nil, fmt.Errorf("elr: example %d has label %d, of %d classes", b.Index[i], l, t.classes)
		}
		hot[i*t.classes+int(l)] = 1
	}
	mix(y, hot, t.classes, share, with)
	plain, q := make([]float32, n*t.classes), make([]float32, n*t.classes)
	for i, e := range b.Index {
		copy(plain[i*t.classes:], t.targets.Row(e))
	}
	mix(q, plain, t.classes, share, with)

	near := op.Clamp(c, op.Softmax(c, logits), clamp, 1-clamp)
	return []train.Term{
		{Name: "cross_entropy", Val: op.SoftCrossEntropy(c, logits, c.From(y, n, t.classes)), Weight: 1},
		{Name: "elr", Val: Term(c, c.From(q, n, t.classes), near), Weight: t.Lambda * float32(t.Ramp.At(s.Number))},
	}, c.Err()
}

// mix writes share of each row and the rest of the row with[i].
func mix(dst, src []float32, width int, share float32, with []int) {
	for i, j := range with {
		for k := range width {
			x, y := src[i*width+k], src[j*width+k]
			dst[i*width+k] = float32(share*x) + float32((1-share)*y)
		}
	}
}

// otherSays returns the probabilities of the other network's average, [B, classes]. As
// in the released code it normalises by the batch; what it sees leaves no trace in
// running statistics.
func (t *Plus) otherSays(b *dataset.Batch, s train.Step) (p []float32, err error) {
	c := t.look
	tape := grad.Start(c) // for the batch as a network sees it that learns; nobody walks it
	defer tape.End()
	err = t.other.Average.With(func() error {
		var err error
		c.Repeat(func() {
			var logits op.Val
			if logits, err = t.other.Classify(c, b, s); err == nil {
				p = append(p, c.Data(op.Softmax(c, logits))...)
			}
		})
		return err
	})
	if err == nil {
		err = c.Err()
	}
	c.ClearErr()
	return p, err
}

// Logits are the mean of the two networks' logits for a batch, [B, classes]: what
// ELR+ predicts by.
func (t *Plus) Logits(ctx context.Context, b *dataset.Batch) ([]float32, error) {
	x, err := t.own.Logits(ctx, b)
	if err != nil {
		return nil, err
	}
	y, err := t.other.Logits(ctx, b)
	if err != nil {
		return nil, err
	}
	for i := range x {
		x[i] = (x[i] + y[i]) / 2
	}
	return x, nil
}
