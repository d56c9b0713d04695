// Package robust holds losses that suffer less from wrong labels than cross-entropy
// does: criteria for train.Classifier.
package robust

import (
	"fmt"
	"math"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

// Bootstrap is cross-entropy against a mixture of the label and of what the network
// says (Reed et al. 2015, equations 6 and 7): Weight for the label, the rest for the
// probabilities, or with Hard for the likeliest class. Nothing flows back through the
// mixture.
type Bootstrap struct {
	Weight float32 // 0.95 for probabilities, 0.8 for the class, in the paper
	Hard   bool
}

// Terms is one: "bootstrap".
func (k Bootstrap) Terms(c *op.Ctx, logits op.Val, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	if !(k.Weight >= 0 && k.Weight <= 1) {
		return nil, fmt.Errorf("robust: a weight of %v for the label", k.Weight)
	}
	q, err := oneHot(c, logits, b.Labels)
	if err != nil {
		return nil, err
	}
	said := op.Detach(c, op.Softmax(c, logits))
	if k.Hard {
		likeliest := make([]int32, len(b.Labels))
		p, classes := c.Data(said), c.Shape(logits).Width()
		for i := range likeliest {
			row := p[i*classes : (i+1)*classes]
			for j, x := range row {
				if x > row[likeliest[i]] {
					likeliest[i] = int32(j)
				}
			}
		}
		if said, err = oneHot(c, logits, likeliest); err != nil {
			return nil, err
		}
	}
	q = op.Add(c, op.Scale(c, q, k.Weight), op.Scale(c, said, 1-k.Weight))
	return []train.Term{{Name: "bootstrap", Val: op.SoftCrossEntropy(c, logits, q), Weight: 1}}, c.Err()
}

// Generalized is the mean of (1 - p^Q)/Q for the label's probability p: between
// cross-entropy (Q to 0) and mean absolute error (Q = 1) (Zhang & Sabuncu 2018,
// equation 6).
type Generalized struct{ Q float32 } // 0.7 in the paper

// Terms is one: "generalized".
func (k Generalized) Terms(c *op.Ctx, logits op.Val, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	if !(k.Q > 0 && k.Q <= 1) {
		return nil, fmt.Errorf("robust: q of %v is not in (0, 1]", k.Q)
	}
	if err := checkLabels(c, logits, b.Labels); err != nil {
		return nil, err
	}
	log := op.Pick(c, op.LogSoftmax(c, logits), b.Labels)
	power := op.Exp(c, op.Scale(c, log, k.Q))
	loss := op.Scale(c, op.Sub(c, c.From([]float32{1}, 1), op.Mean(c, power, op.All)), 1/k.Q)
	return []train.Term{{Name: "generalized", Val: loss, Weight: 1}}, c.Err()
}

// Symmetric is A times cross-entropy plus B times the reverse one, in which log 0 is -4
// (Wang et al. 2019, equation 7).
type Symmetric struct{ A, B float32 } // 0.1 and 1 for CIFAR-10, 6 and 0.1 for CIFAR-100, in the paper

// Terms are "cross_entropy" and "reverse": the latter is 4 times the mean probability
// of all classes but the label's.
func (k Symmetric) Terms(c *op.Ctx, logits op.Val, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	if err := checkLabels(c, logits, b.Labels); err != nil {
		return nil, err
	}
	right := op.Exp(c, op.Pick(c, op.LogSoftmax(c, logits), b.Labels))
	reverse := op.Scale(c, op.Sub(c, c.From([]float32{1}, 1), op.Mean(c, right, op.All)), 4)
	return []train.Term{
		{Name: "cross_entropy", Val: op.CrossEntropy(c, logits, b.Labels), Weight: k.A},
		{Name: "reverse", Val: reverse, Weight: k.B},
	}, c.Err()
}

// Forward is cross-entropy of what the labels' noise makes of the network's
// probabilities: -log of sum_j p_j Noise[j][label], with Noise[j][k] the probability
// that class j is labelled k (Patrini et al. 2017, theorem 2).
type Forward struct{ Noise [][]float32 }

// Terms is one: "forward".
func (k Forward) Terms(c *op.Ctx, logits op.Val, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	if err := checkLabels(c, logits, b.Labels); err != nil {
		return nil, err
	}
	classes := c.Shape(logits).Width()
	if len(k.Noise) != classes {
		return nil, fmt.Errorf("robust: a noise matrix of %d rows for %d classes", len(k.Noise), classes)
	}
	columns := make([]float32, 0, len(b.Labels)*classes) // row i: the noise's column of label i
	for _, label := range b.Labels {
		for j, row := range k.Noise {
			if len(row) != classes {
				return nil, fmt.Errorf("robust: row %d of the noise matrix has %d numbers for %d classes", j, len(row), classes)
			}
			columns = append(columns, row[label])
		}
	}
	m := c.From(columns, len(b.Labels), classes)
	// Small enough to be nothing, and large enough for a logarithm.
	p := op.Clamp(c, op.Sum(c, op.Mul(c, op.Softmax(c, logits), m), op.EachRow), 1e-12, 1)
	return []train.Term{{Name: "forward", Val: op.Scale(c, op.Mean(c, op.Log(c, p), op.All), -1), Weight: 1}}, c.Err()
}

func checkLabels(c *op.Ctx, logits op.Val, labels []int32) error {
	s := c.Shape(logits)
	if c.Err() != nil {
		return c.Err()
	}
	if len(labels) != s.Rows() || s.Rows() == 0 {
		return fmt.Errorf("robust: %d labels for %d rows", len(labels), s.Rows())
	}
	for i, l := range labels {
		if l < 0 || int(l) >= s.Width() {
			return fmt.Errorf("robust: label %d at row %d is not in [0, %d)", l, i, s.Width())
		}
	}
	return nil
}

// oneHot is a row for each label, [B, classes].
func oneHot(c *op.Ctx, logits op.Val, labels []int32) (op.Val, error) {
	if err := checkLabels(c, logits, labels); err != nil {
		return op.Val{}, err
	}
	classes := c.Shape(logits).Width()
	q := c.Out(op.MakeShape(len(labels), classes))
	if c.Err() != nil {
		return q, c.Err()
	}
	clear(c.Data(q))
	for i, l := range labels {
		c.Data(q)[i*classes+int(l)] = 1
	}
	return q, nil
}

// SymmetricNoise is the matrix of labels that are drawn anew from all classes with
// the probability rate.
func SymmetricNoise(classes int, rate float64) ([][]float32, error) {
	if classes < 2 || !(rate >= 0 && rate <= 1) || math.IsNaN(rate) {
		return nil, fmt.Errorf("robust: noise of rate %v for %d classes", rate, classes)
	}
	m := make([][]float32, classes)
	for i := range m {
		m[i] = make([]float32, classes)
		for j := range m[i] {
			m[i][j] = float32(rate / float64(classes))
		}
		m[i][i] += float32(1 - rate)
	}
	return m, nil
}
