package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/op"
)

// relabelled is a set with labels of its own.
type relabelled struct {
	Set
	labels  []int32
	classes int
}

// Relabel is s with other labels, one for each example: wrong ones, to see what
// training makes of them, or coarser ones. labels isn't copied.
func Relabel(s Set, labels []int32, classes int) (Set, error) {
	if len(labels) != s.Len() {
		return nil, fmt.Errorf("dataset: %d labels for %d examples", len(labels), s.Len())
	}
	if err := checkLabels(labels, classes); err != nil {
		return nil, err
	}
	return &relabelled{s, labels, classes}, nil
}

func (r *relabelled) Classes() int { return r.classes }

func (r *relabelled) Read(b *Batch, index []int) error {
	had := len(b.Labels)
	if err := r.Set.Read(b, index); err != nil {
		return err
	}
	b.Labels = b.Labels[:had]
	for _, i := range index {
		b.Labels = append(b.Labels, r.labels[i])
	}
	return nil
}

// subset is some examples of a set.
type subset struct {
	Set
	index []int
}

// Subset is the examples of index alone. Their Index in a batch is the place in
// index, so that it is below the subset's Len. index isn't copied.
func Subset(s Set, index []int) (Set, error) {
	if err := checkIndex(index, s.Len()); err != nil {
		return nil, err
	}
	return &subset{s, index}, nil
}

func (s *subset) Len() int { return len(s.index) }

func (s *subset) Read(b *Batch, index []int) error {
	if err := checkIndex(index, len(s.index)); err != nil {
		return err
	}
	had := len(b.Index)
	for _, i := range index {
		if err := s.Set.Read(b, s.index[i:i+1]); err != nil {
			return err
		}
	}
	copy(b.Index[had:], index)
	return nil
}

// Labels returns the label of every example, op.Ignore where it has none.
func Labels(s Set) ([]int32, error) {
	out := make([]int32, 0, s.Len())
	var b Batch
	for i := range s.Len() {
		b.Reset()
		if err := s.Read(&b, []int{i}); err != nil {
			return nil, err
		}
		if len(b.Labels) == 0 {
			out = append(out, op.Ignore)
			continue
		}
		out = append(out, b.Labels[0])
	}
	return out, nil
}

// Split cuts off a share of every class at random, rounded to whole examples: it
// returns the rest and the share, for training and validation. The same seed gives
// the same cut.
func Split(s Set, share float64, seed uint64) (rest, cut Set, err error) {
	if !(share >= 0 && share <= 1) {
		return nil, nil, fmt.Errorf("dataset: a share of %v to cut off", share)
	}
	labels, err := Labels(s)
	if err != nil {
		return nil, nil, err
	}
	of := make([][]int, s.Classes()+1) // the last: of no class
	for i, l := range labels {
		if l < 0 || int(l) >= s.Classes() { // of no class, or labels that are no classes
			l = int32(len(of) - 1)
		}
		of[l] = append(of[l], i)
	}
	taken := make([]bool, s.Len())
	rng := rand.New(rand.NewPCG(seed, streamSplit))
	for _, members := range of {
		rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		for _, i := range members[:int(math.Round(share*float64(len(members))))] {
			taken[i] = true
		}
	}
	var a, b []int
	for i, t := range taken {
		if t {
			b = append(b, i)
		} else {
			a = append(a, i)
		}
	}
	return &subset{s, a}, &subset{s, b}, nil
}

// The streams of random numbers that share a seed.
const (
	streamOrder = iota + 1
	streamSplit
	streamTransform
)
