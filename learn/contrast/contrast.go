// Package contrast holds losses that learn a representation by comparing examples:
// rows that belong together are drawn together, others apart. They are criteria for
// train.Classifier, whose "logits" are then the representation, [B, D].
//
//	data, err := dataset.NewLoader(set, dataset.Options{Batch: 128, Transform: contrast.Views(2, augment)})
//	task := &train.Classifier{Engine: eng, Trained: nn.Train(net), Criterion: contrast.NTXent{Temperature: 0.5}}
//
// [NTXent] and [Spectral] learn without labels from two views of each example, which
// [Views] makes; [SupCon] learns from labels. A projection head goes between the
// network and the loss: see package learn/head.
package contrast

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

// Views returns a transform for a dataset.Loader that puts n views of each example side
// by side: rows with the same Index. view appends one view of the example x to dst;
// views may have another size than examples, all the same one. Views of a set without
// labels have the label op.Ignore.
func Views(n int, view func(dst, x []float32, rng *rand.Rand) []float32) func(*dataset.Batch, *rand.Rand) error {
	return func(b *dataset.Batch, rng *rand.Rand) error {
		count := b.Len()
		if n < 1 || count == 0 || len(b.X) == 0 || len(b.X)%count != 0 {
			return fmt.Errorf("contrast: %d views of %d examples with %d numbers", n, count, len(b.X))
		}
		width := len(b.X) / count
		out := dataset.Batch{}
		for i := range count {
			for range n {
				out.Index = append(out.Index, b.Index[i])
				out.X = view(out.X, b.X[i*width:(i+1)*width], rng)
				label := int32(op.Ignore)
				if len(b.Labels) == count {
					label = b.Labels[i]
				}
				out.Labels = append(out.Labels, label)
			}
		}
		if len(out.X)%len(out.Index) != 0 {
			return fmt.Errorf("contrast: %d views have %d numbers: they differ in size", len(out.Index), len(out.X))
		}
		b.Index, b.X, b.Labels = out.Index, out.X, out.Labels
		return nil
	}
}

// NTXent is the loss of SimCLR (Chen, Kornblith, Norouzi, Hinton 2020, equation 1): the
// cross-entropy of finding a row's other view by cosine among all other rows. Every
// example of a batch must be there in two views.
type NTXent struct{ Temperature float32 } // 0.5 in the paper on CIFAR-10

// Terms is one: "nt_xent", the mean over rows.
func (k NTXent) Terms(c *op.Ctx, y op.Val, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	if _, err := partners(b.Index); err != nil {
		return nil, err
	}
	loss, _, err := k.loss(c, y, b.Index, nil)
	if err != nil {
		return nil, err
	}
	return []train.Term{{Name: "nt_xent", Val: loss, Weight: 1}}, c.Err()
}

// SupCon is the supervised contrastive loss (Khosla et al. 2020, equation 2), as the
// projection head paper's released code has it: with s_ij = cos(y_i, y_j)/Temperature,
//
//	L = mean over i of [ -mean over P(i) of s_ij + log sum over k != i of e^s_ik ]
//
// where P(i) are the other rows with i's label. A row without any, or with the label
// op.Ignore, is no anchor: it is skipped, and counted in the term "skipped". Others are
// still compared with it.
type SupCon struct{ Temperature float32 } // 0.5 in the projection head paper's code

// Terms are "sup_con", the mean over anchors, and "skipped", how many rows were no
// anchors, which has no weight.
func (k SupCon) Terms(c *op.Ctx, y op.Val, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	if len(b.Labels) != b.Len() {
		return nil, fmt.Errorf("contrast: %d labels for %d rows", len(b.Labels), b.Len())
	}
	group, out := make([]int, b.Len()), make([]bool, b.Len())
	for i, l := range b.Labels {
		group[i], out[i] = int(l), l == op.Ignore
	}
	loss, skipped, err := NTXent(k).loss(c, y, group, out)
	if err != nil {
		return nil, err
	}
	return []train.Term{
		{Name: "sup_con", Val: loss, Weight: 1},
		{Name: "skipped", Val: c.From([]float32{float32(skipped)}, 1)},
	}, c.Err()
}

// shortest is the length that shorter rows count as having in a cosine, as in PyTorch.
const shortest = 1e-8

// loss compares rows by cosine. Rows of the same group belong together; those of out
// belong to nothing.
func (k NTXent) loss(c *op.Ctx, y op.Val, group []int, out []bool) (loss op.Val, skipped int, err error) {
	n, err := rows(c, y, len(group))
	if err != nil {
		return loss, 0, err
	}
	if !(k.Temperature > 0) || math.IsInf(float64(k.Temperature), 0) {
		return loss, 0, fmt.Errorf("contrast: a temperature of %v", k.Temperature)
	}
	size := map[int]int{}
	for i, g := range group {
		if out == nil || !out[i] {
			size[g]++
		}
	}
	anchors, others := make([]int32, 0, n), make([]int32, 0, n*(n-1))
	share := make([]float32, 0, n*(n-1)) // of the positives in each anchor's mean
	for i, g := range group {
		if size[g] < 2 || out != nil && out[i] {
			skipped++
			continue
		}
		anchors = append(anchors, int32(i))
		for j, h := range group {
			if j == i {
				continue
			}
			others = append(others, int32(j))
			p := float32(0)
			if h == g && (out == nil || !out[j]) {
				p = 1 / float32(size[g]-1)
			}
			share = append(share, p)
		}
	}
	if len(anchors) == 0 {
		return loss, skipped, fmt.Errorf("contrast: no two of %d rows belong together: make batches larger", n)
	}
	u := op.Normalize(c, y, shortest)
	s := op.Scale(c, op.MatMulT(c, u, u, 1), 1/k.Temperature)
	if len(anchors) < n {
		s = op.Rows(c, s, anchors)
	}
	s = op.Pick(c, s, others) // without the row itself
	near := op.Sum(c, op.Mul(c, s, c.From(share, len(anchors), n-1)), op.EachRow)
	each := op.Sub(c, op.LogSumExp(c, s, op.EachRow), near)
	return op.Mean(c, each, op.All), skipped, c.Err()
}

// rows checks that y has n rows and returns n.
func rows(c *op.Ctx, y op.Val, n int) (int, error) {
	s := c.Shape(y)
	if c.Err() != nil {
		return 0, c.Err()
	}
	if s.Rows() != n || n < 2 || s.Width() == 0 {
		return 0, fmt.Errorf("contrast: a representation %v of %d examples: at least two rows are compared", s, n)
	}
	return n, nil
}

// partners says for each row which one is the other view of its example.
func partners(index []int) ([]int32, error) {
	first, partner := map[int]int{}, make([]int32, len(index))
	for i := range partner {
		partner[i] = -1
	}
	for i, e := range index {
		j, seen := first[e]
		if !seen {
			first[e] = i
			continue
		}
		if partner[j] >= 0 {
			return nil, fmt.Errorf("contrast: example %d is in the batch more than twice: two views of each are compared", e)
		}
		partner[i], partner[j] = int32(j), int32(i)
	}
	for i, p := range partner {
		if p < 0 {
			return nil, fmt.Errorf("contrast: example %d is in the batch once: two views of each are compared; see Views", index[i])
		}
	}
	return partner, nil
}
