package dataset

import (
	"errors"
	"fmt"
	"slices"

	"github.com/micaml/mica/op"
)

// Set is examples that can be read in any order, by several goroutines at once.
type Set interface {
	// Len is the number of examples.
	Len() int
	// Dims is the shape of one example's numbers: [28, 28, 1] for a gray picture
	// of 28x28, [64] for a row of 64, nil if it has none.
	Dims() []int
	// Classes is the number of classes of the labels, 0 if they aren't classes or
	// there are none.
	Classes() int
	// Read appends the examples of index to b, in that order.
	Read(b *Batch, index []int) error
}

// Batch is examples side by side. What a set doesn't have is nil.
type Batch struct {
	// Index says which example of the set each is: the same in every epoch,
	// however the set is shuffled.
	Index []int
	// X holds the numbers, [B, Dims...].
	X []float32
	// Labels holds a class for each example, or op.Ignore for none.
	Labels []int32
	// Tokens holds a sequence for each example. They may differ in length.
	Tokens [][]int32
	// Targets holds what is to be predicted after each token, or op.Ignore, for
	// each example; nil where that is the next token.
	Targets [][]int32
}

// Len is the number of examples.
func (b *Batch) Len() int { return len(b.Index) }

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	b.Index, b.X, b.Labels = b.Index[:0], b.X[:0], b.Labels[:0]
	b.Tokens, b.Targets = b.Tokens[:0], b.Targets[:0]
}

// ErrIndex says that a set has no such example.
var ErrIndex = errors.New("dataset: no such example")

func checkIndex(index []int, n int) error {
	for _, i := range index {
		if i < 0 || i >= n {
			return fmt.Errorf("%w: %d of %d", ErrIndex, i, n)
		}
	}
	return nil
}

// table is numbers and labels in memory.
type table struct {
	x       []float32
	dims    []int
	width   int
	labels  []int32
	classes int
	n       int
}

// NewTable is a set of examples in memory: x holds the numbers of each, of the
// shape dims, one after the other, and labels a class below classes for each.
// labels may be nil. Neither is copied.
func NewTable(x []float32, dims []int, labels []int32, classes int) (Set, error) {
	width := 1
	for _, d := range dims {
		if d <= 0 || width > 1<<30/d {
			return nil, fmt.Errorf("dataset: examples of shape %v", dims)
		}
		width *= d
	}
	if len(x)%width != 0 {
		return nil, fmt.Errorf("dataset: %d numbers don't make examples of shape %v", len(x), dims)
	}
	t := &table{x: x, dims: slices.Clone(dims), width: width, labels: labels, classes: classes, n: len(x) / width}
	if labels == nil {
		t.classes = 0
		return t, nil
	}
	if len(labels) != t.n {
		return nil, fmt.Errorf("dataset: %d labels for %d examples", len(labels), t.n)
	}
	return t, checkLabels(labels, classes)
}

func checkLabels(labels []int32, classes int) error {
	for i, l := range labels {
		if l != op.Ignore && (l < 0 || int(l) >= classes) {
			return fmt.Errorf("dataset: example %d has label %d, of %d classes", i, l, classes)
		}
	}
	return nil
}

func (t *table) Len() int     { return t.n }
func (t *table) Dims() []int  { return t.dims }
func (t *table) Classes() int { return t.classes }

func (t *table) Read(b *Batch, index []int) error {
	if err := checkIndex(index, t.n); err != nil {
		return err
	}
	for _, i := range index {
		b.Index = append(b.Index, i)
		b.X = append(b.X, t.x[i*t.width:(i+1)*t.width]...)
		if t.labels != nil {
			b.Labels = append(b.Labels, t.labels[i])
		}
	}
	return nil
}
