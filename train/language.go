package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// Language is the task to predict tokens: each sequence's next ones, or a batch's
// Targets.
type Language struct {
	Engine  *pass.Engine
	Trained []*op.Weight // all weights; see Task.Weights
	// Checkpointed layers are computed again for the backward pass, which takes less
	// memory and a third more time.
	Checkpointed bool

	seqs    []*pass.Seq
	rows    []int
	targets []int32
	last    last
}

// Span is how many layers of a checkpointed network are computed again at once: the
// root of their number, which takes the least memory (Chen et al. 2016).
func Span(layers int) int { return max(1, int(math.Ceil(math.Sqrt(float64(layers))))) }

// NewCtx is the engine's.
func (t *Language) NewCtx() *op.Ctx { return t.Engine.NewCtx() }

// Weights returns Trained.
func (t *Language) Weights() []*op.Weight { return t.Trained }

// Loss is the mean over all tokens that have a target, in nats.
func (t *Language) Loss(c *op.Ctx, b *dataset.Batch, _ Step) ([]Term, error) {
	if err := t.inputs(b); err != nil {
		return nil, err
	}
	p, err := t.last.begin(t.Engine, c, t.seqs)
	if err != nil {
		return nil, err
	}
	defer p.End()
	run, depth := p.Run, t.Engine.Depth()
	span := depth
	if t.Checkpointed {
		run, span = p.RunCheckpointed, Span(depth)
	}
	for at := 0; at < depth; at += span {
		if err := run(context.Background(), at, min(at+span, depth)); err != nil {
			return nil, err
		}
	}
	logits, err := p.HeadVal("logits", t.rows...)
	if err != nil {
		return nil, err
	}
	terms := op.Room[Term](c, 1)
	targets := append(op.Room[int32](c, len(t.targets))[:0], t.targets...) // the tape reads them later
	terms[0] = Term{"cross_entropy", op.CrossEntropy(c, logits, targets), 1}
	return terms, nil
}

// inputs makes sequences of a batch, and lists the rows that have a target.
func (t *Language) inputs(b *dataset.Batch) error {
	if b.Len() == 0 || len(b.Tokens) != b.Len() {
		return fmt.Errorf("train: a batch of %d examples with %d sequences", b.Len(), len(b.Tokens))
	}
	if b.Targets != nil && len(b.Targets) != b.Len() {
		return fmt.Errorf("train: a batch of %d examples with targets for %d", b.Len(), len(b.Targets))
	}
	t.seqs, t.rows, t.targets = t.last.sequences(b.Len()), t.rows[:0], t.targets[:0]
	row := 0
	for i, ids := range b.Tokens {
		in, out := ids, []int32(nil)
		if b.Targets == nil {
			if len(ids) < 2 {
				return fmt.Errorf("train: example %d has %d tokens: none to predict", b.Index[i], len(ids))
			}
			in, out = ids[:len(ids)-1], ids[1:]
		} else if out = b.Targets[i]; len(out) != len(in) {
			return fmt.Errorf("train: example %d has %d tokens and %d targets", b.Index[i], len(in), len(out))
		}
		t.seqs[i].Tokens = in
		for _, target := range out {
			if target != op.Ignore {
				t.rows, t.targets = append(t.rows, row), append(t.targets, target)
			}
			row++
		}
	}
	if len(t.rows) == 0 {
		return errors.New("train: a batch with nothing to predict")
	}
	return nil
}

// Perplexity measures a set without learning: "loss", the mean in nats over all
// tokens that have a target, "perplexity", its exponential, and "accuracy", the share
// of targets that are the likeliest token.
func (t *Language) Perplexity(ctx context.Context, s dataset.Set, batch int) (Metrics, error) {
	var b dataset.Batch
	loss, right, counted := 0.0, 0, 0
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
		if err := t.inputs(&b); err != nil {
			return nil, err
		}
		logits, err := t.logits(ctx)
		if err != nil {
			return nil, err
		}
		v := len(logits) / len(t.targets)
		for i, target := range t.targets {
			row := logits[i*v : (i+1)*v]
			if target < 0 || int(target) >= v {
				return nil, fmt.Errorf("train: target %d of a vocabulary of %d", target, v)
			}
			loss += surprise(row, int(target))
			if Likeliest(row) == int(target) {
				right++
			}
		}
		counted += len(t.targets)
	}
	mean := loss / float64(counted)
	return Metrics{"loss": mean, "perplexity": math.Exp(mean), "accuracy": float64(right) / float64(counted)}, nil
}

func (t *Language) logits(ctx context.Context) ([]float32, error) {
	p, err := t.Engine.Begin(t.seqs...)
	if err != nil {
		return nil, err
	}
	defer p.End()
	if err := p.Run(ctx, 0, t.Engine.Depth()); err != nil {
		return nil, err
	}
	return p.Head("logits", t.rows...)
}

// surprise is -log softmax(row)[i].
func surprise(row []float32, i int) float64 {
	most := float64(row[Likeliest(row)])
	sum := 0.0
	for _, x := range row {
		sum += math.Exp(float64(x) - most)
	}
	return math.Log(sum) + most - float64(row[i])
}

// Likeliest is the index of the greatest number of a row, the first of equal ones.
func Likeliest(row []float32) int {
	best := 0
	for i, x := range row {
		if x > row[best] {
			best = i
		}
	}
	return best
}
