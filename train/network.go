package train

import (
	"context"
	"fmt"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// Criterion turns the logits of a batch, [B, classes], into the terms of a loss.
type Criterion interface {
	Terms(c *op.Ctx, logits op.Val, b *dataset.Batch, s Step) ([]Term, error)
}

// CrossEntropy is the criterion of labels that are right: the mean of -log p(label),
// with a share of Smoothing for all classes.
type CrossEntropy struct{ Smoothing float32 }

// Terms is one: "cross_entropy".
func (k CrossEntropy) Terms(c *op.Ctx, logits op.Val, b *dataset.Batch, _ Step) ([]Term, error) {
	terms := op.Room[Term](c, 1)
	terms[0] = Term{"cross_entropy", op.SmoothedCrossEntropy(c, logits, b.Labels, k.Smoothing, nil), 1}
	return terms, nil
}

// Classifier is the task to tell classes of examples. Its network takes each
// example's numbers as the input of a sequence, and its head reads the first row that
// is left of each.
type Classifier struct {
	Engine    *pass.Engine
	Trained   []*op.Weight // all weights; see Task.Weights
	Criterion Criterion    // nil: CrossEntropy
	Head      string       // "" means "logits"

	rows []int
	last last
}

// NewCtx is the engine's.
func (t *Classifier) NewCtx() *op.Ctx { return t.Engine.NewCtx() }

// Weights returns Trained.
func (t *Classifier) Weights() []*op.Weight { return t.Trained }

// Parts are the running statistics of the network and what the criterion keeps.
func (t *Classifier) Parts() map[string]checkpoint.Part {
	parts := map[string]checkpoint.Part{}
	if n, ok := t.Engine.Net().(interface{ Running() map[string]*op.Running }); ok {
		if all := n.Running(); len(all) > 0 {
			parts["statistics"] = Statistics(all)
		}
	}
	if s, ok := t.Criterion.(Stateful); ok {
		for name, p := range s.Parts() {
			parts[name] = p
		}
	}
	return parts
}

// Loss runs the batch through the network.
func (t *Classifier) Loss(c *op.Ctx, b *dataset.Batch, s Step) ([]Term, error) {
	if len(b.Labels) != b.Len() {
		return nil, fmt.Errorf("train: a batch of %d examples with %d labels", b.Len(), len(b.Labels))
	}
	logits, err := t.Classify(c, b, s)
	if err != nil {
		return nil, err
	}
	k := t.Criterion
	if k == nil {
		k = CrossEntropy{}
	}
	return k.Terms(c, logits, b, s)
}

// Classify runs a batch through the network as it learns, in c, and returns its
// logits, [B, classes].
func (t *Classifier) Classify(c *op.Ctx, b *dataset.Batch, s Step) (op.Val, error) {
	seqs, err := t.inputs(b)
	if err != nil {
		return op.Val{}, err
	}
	if n, ok := t.Engine.Net().(Trainee); ok {
		n.Training(s.Clock())
		defer n.Inference()
	}
	p, err := t.last.begin(t.Engine, c, seqs)
	if err != nil {
		return op.Val{}, err
	}
	defer p.End()
	if err := p.Run(context.Background(), 0, t.Engine.Depth()); err != nil {
		return op.Val{}, err
	}
	return p.HeadVal(t.head(), t.first(p)...)
}

// Logits runs a batch without learning and returns its logits, [B, classes].
func (t *Classifier) Logits(ctx context.Context, b *dataset.Batch) ([]float32, error) {
	seqs, err := t.inputs(b)
	if err != nil {
		return nil, err
	}
	p, err := t.Engine.Begin(seqs...)
	if err != nil {
		return nil, err
	}
	defer p.End()
	if err := p.Run(ctx, 0, t.Engine.Depth()); err != nil {
		return nil, err
	}
	return p.Head(t.head(), t.first(p)...)
}

func (t *Classifier) head() string {
	if t.Head == "" {
		return "logits"
	}
	return t.Head
}

// inputs makes a sequence of each example.
func (t *Classifier) inputs(b *dataset.Batch) ([]*pass.Seq, error) {
	n := b.Len()
	if n == 0 || len(b.X) == 0 || len(b.X)%n != 0 {
		return nil, fmt.Errorf("train: a batch of %d examples with %d numbers", n, len(b.X))
	}
	width := len(b.X) / n
	seqs := t.last.sequences(n)
	for i, q := range seqs {
		q.Input = b.X[i*width : (i+1)*width]
	}
	return seqs, nil
}

// first returns the first row of each sequence.
func (t *Classifier) first(p *pass.Pass) []int {
	t.rows = t.rows[:0]
	for i, r := range p.Rows() {
		if int(r.Seq) == len(t.rows) {
			t.rows = append(t.rows, i)
		}
	}
	return t.rows
}

// Accuracy is the share of a set's examples whose likeliest class is their label, and
// the mean cross-entropy of the labels in nats: the metrics "accuracy" and "loss".
// Examples without a label don't count.
func (t *Classifier) Accuracy(ctx context.Context, s dataset.Set, batch int) (Metrics, error) {
	return Accuracy(ctx, t.Logits, s, batch)
}

// Accuracy is [Classifier.Accuracy] of whatever gives logits [B, classes] for a batch.
func Accuracy(ctx context.Context, predict func(context.Context, *dataset.Batch) ([]float32, error), s dataset.Set, batch int) (Metrics, error) {
	right, counted, loss := 0, 0, 0.0
	var b dataset.Batch
	var index []int
	for lo := 0; lo < s.Len(); lo += batch {
		index = index[:0]
		for i := lo; i < min(lo+batch, s.Len()); i++ {
			index = append(index, i)
		}
		b.Reset()
		if err := s.Read(&b, index); err != nil {
			return nil, err
		}
		logits, err := predict(ctx, &b)
		if err != nil {
			return nil, err
		}
		classes := len(logits) / b.Len()
		for i, label := range b.Labels {
			if label == op.Ignore {
				continue
			}
			row := logits[i*classes : (i+1)*classes]
			if int(label) >= classes {
				return nil, fmt.Errorf("train: example %d has label %d, and the network tells %d classes", b.Index[i], label, classes)
			}
			counted++
			loss += surprise(row, int(label))
			if Likeliest(row) == int(label) {
				right++
			}
		}
	}
	if counted == 0 {
		return nil, fmt.Errorf("train: none of %d examples has a label", s.Len())
	}
	return Metrics{"accuracy": float64(right) / float64(counted), "loss": loss / float64(counted)}, nil
}
