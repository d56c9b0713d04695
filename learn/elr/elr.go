// Package elr keeps a network from learning wrong labels by heart: early-learning
// regularization.
//
// Liu, Niles-Weed, Razavian, Fernandez-Granda, "Early-Learning Regularization Prevents
// Memorization of Noisy Labels", NeurIPS 2020 (arXiv 2007.00151), equation 6, and the
// authors' released code.
//
// While a network learns from labels some of which are wrong, it first gets the true
// class even of wrongly labelled examples right. [Loss] keeps a running average of
// what it said about each example and adds a term that pulls it towards that. It is a
// criterion for train.Classifier: nothing else of the training changes.
package elr

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/train"
)

// clamp keeps probabilities away from 0 and 1, as the released code does.
const clamp = 1e-4

// Settings of a [Loss].
type Settings struct {
	Lambda float32 // weight of the term: 3 for CIFAR-10, 7 for 100 classes
	Beta   float32 // how slowly the averages move: 0.7 to 0.9
	// Divergence replaces the term by the cross-entropy of the averages and the
	// network's probabilities, the form that the paper says fails (section 4.2).
	Divergence bool
}

// Loss is cross-entropy and the term: criterion and memory of N examples.
type Loss struct {
	Settings
	targets Table
}

// New returns the loss for a set of examples in classes.
func New(examples, classes int, s Settings) (*Loss, error) {
	if !(s.Lambda >= 0) || math.IsInf(float64(s.Lambda), 0) {
		return nil, fmt.Errorf("elr: lambda %v is negative or no number", s.Lambda)
	}
	t, err := NewTable(examples, classes, s.Beta)
	if err != nil {
		return nil, err
	}
	return &Loss{s, *t}, nil
}

// Terms are "cross_entropy" and "elr", the mean of log(1 - <t, p>), which is negative
// or 0. p are the probabilities of logits [B, classes], kept within [1e-4, 1-1e-4], and
// t the averages, which have taken p in. An example that is twice in a batch counts
// twice, and the last one decides its average.
func (l *Loss) Terms(c *op.Ctx, logits op.Val, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	p := op.Softmax(c, logits)
	near := op.Clamp(c, p, clamp, 1-clamp)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if !c.Repeating() {
		if err := l.targets.Update(b.Index, c.Data(near)); err != nil {
			return nil, err
		}
	}
	t, err := l.targets.rows(c, b.Index)
	if err != nil {
		return nil, err
	}
	terms := []train.Term{{Name: "cross_entropy", Val: op.CrossEntropy(c, logits, b.Labels), Weight: 1}}
	if l.Divergence {
		return append(terms, train.Term{Name: "divergence", Val: op.SoftCrossEntropy(c, logits, t), Weight: l.Lambda}), c.Err()
	}
	return append(terms, train.Term{Name: "elr", Val: Term(c, t, near), Weight: l.Lambda}), c.Err()
}

// Term is the mean over rows of log(1 - <t, p>), for constants t and probabilities p,
// both [B, classes].
func Term(c *op.Ctx, t, p op.Val) op.Val {
	inner := op.Sum(c, op.Mul(c, t, p), op.EachRow)
	return op.Mean(c, op.Log(c, op.Sub(c, c.From([]float32{1}, 1), inner)), op.All)
}

// Parts is the table of averages.
func (l *Loss) Parts() map[string]checkpoint.Part {
	return map[string]checkpoint.Part{"elr": &l.targets}
}

// Targets are the averages.
func (l *Loss) Targets() *Table { return &l.targets }

// Table is a running average of probabilities for each example, which begins at 0.
type Table struct {
	beta    float32
	classes int
	data    []float32 // [N, classes]
}

// maxTable is how many numbers a table has at most: 4 GB.
const maxTable = 1 << 30

// NewTable returns a table of zeros.
func NewTable(examples, classes int, beta float32) (*Table, error) {
	if !(beta >= 0 && beta < 1) {
		return nil, fmt.Errorf("elr: beta %v is not in [0, 1)", beta)
	}
	if examples <= 0 || classes <= 1 || examples > maxTable/classes {
		return nil, fmt.Errorf("elr: a table of %d examples in %d classes", examples, classes)
	}
	return &Table{beta: beta, classes: classes, data: make([]float32, examples*classes)}, nil
}

// Update moves the averages of the examples of index towards p [B, classes], whose
// rows are brought to a sum of 1: t = beta*t + (1-beta)*p.
func (t *Table) Update(index []int, p []float32) error {
	if len(index) == 0 {
		return errors.New("elr: a batch of no examples")
	}
	if len(p) != len(index)*t.classes {
		return fmt.Errorf("elr: %d probabilities for %d examples in %d classes", len(p), len(index), t.classes)
	}
	n := len(t.data) / t.classes
	for j, i := range index {
		if i < 0 || i >= n {
			return fmt.Errorf("elr: example %d of %d: the loss was made for another set", i, n)
		}
		sum := 0.0
		for _, x := range p[j*t.classes : (j+1)*t.classes] {
			sum += float64(x)
		}
		if !(sum > 0) || math.IsInf(sum, 0) {
			return fmt.Errorf("elr: example %d has probabilities that sum to %v", i, sum)
		}
	}
	for j, i := range index {
		row, from := t.Row(i), p[j*t.classes:(j+1)*t.classes]
		sum := float32(0)
		for _, x := range from {
			sum += x
		}
		for k, x := range from {
			row[k] = float32(t.beta*row[k]) + float32((1-t.beta)*(x/sum))
		}
	}
	return nil
}

// Row is the average of an example, [classes].
func (t *Table) Row(i int) []float32 { return t.data[i*t.classes : (i+1)*t.classes] }

// rows returns the averages of examples as a constant, [B, classes].
func (t *Table) rows(c *op.Ctx, index []int) (op.Val, error) {
	v := c.Out(op.MakeShape(len(index), t.classes))
	if c.Err() != nil {
		return v, c.Err()
	}
	for j, i := range index {
		copy(c.Data(v)[j*t.classes:], t.Row(i))
	}
	return v, nil
}

// State is the table, for checkpoints.
func (t *Table) State() optim.State {
	return optim.State{Slots: []optim.Slot{{Name: "targets", Data: t.data}}}
}

// Restore copies a table of the same size back.
func (t *Table) Restore(s optim.State) error {
	if len(s.Slots) != 1 || s.Slots[0].Name != "targets" || len(s.Slots[0].Data) != len(t.data) {
		return fmt.Errorf("elr: a state of %d slots is no table of %d numbers", len(s.Slots), len(t.data))
	}
	copy(t.data, s.Slots[0].Data)
	return nil
}

// Suspect is an example whose label the table takes to be wrong.
type Suspect struct {
	Index      int     `json:"index"`
	Label      int32   `json:"label"`
	Target     int32   `json:"target"`     // the likeliest class
	Confidence float32 `json:"confidence"` // its average
}

// Suspects returns the examples whose likeliest class isn't their label, the most
// confident first. Examples that were never seen are none.
func (t *Table) Suspects(labels []int32) ([]Suspect, error) {
	if len(labels)*t.classes != len(t.data) {
		return nil, fmt.Errorf("elr: %d labels for a table of %d examples", len(labels), len(t.data)/t.classes)
	}
	var all []Suspect
	for i, label := range labels {
		row := t.Row(i)
		best := 0
		for k, x := range row {
			if x > row[best] {
				best = k
			}
		}
		if row[best] > 0 && int32(best) != label {
			all = append(all, Suspect{i, label, int32(best), row[best]})
		}
	}
	slices.SortStableFunc(all, func(a, b Suspect) int {
		switch {
		case a.Confidence > b.Confidence:
			return -1
		case a.Confidence < b.Confidence:
			return 1
		}
		return 0
	})
	return all, nil
}
