// Package probe asks what can be read linearly from a frozen representation.
//
//	d := &probe.Data{X: z, Width: 64, Labels: labels, Classes: 10}
//	s, err := probe.Fit(d, probe.Standardized)    // or Scaled, Whitened
//	p, err := probe.Logistic(s.Apply(d), probe.Penalty{L2: 1e-4})
//	score, err := p.Score(s.Apply(test))
//
// [Logistic] is the usual probe. [Minimum] is the one of few examples: least squares of
// least norm. [Retrain] is DFR: the last layer is trained anew on a set in which every
// group is as large as the others. [Score] has the accuracy of the worst group.
//
// A probe with few examples or a penalty feels the scale of each feature, which is
// often what is asked for; a whitened representation has none. Computations are in
// float64 and depend on their input alone.
package probe

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Data is N examples of a representation.
type Data struct {
	X       []float32 // [N, Width]
	Width   int
	Labels  []int32 // [N], below Classes
	Classes int
	// Group says which group each example belongs to, for [Score] and [Retrain]; nil:
	// there are none.
	Group  []int32 // [N], below Groups
	Groups int
}

// Len is the number of examples.
func (d *Data) Len() int { return len(d.Labels) }

// largest is how many numbers a set or a probe can have.
const largest = 1 << 28

// check tells of data that can't be read.
func (d *Data) check() error {
	n := len(d.Labels)
	switch {
	case n == 0:
		return errors.New("probe: no examples")
	case d.Width <= 0 || n > largest/d.Width || len(d.X) != n*d.Width:
		return fmt.Errorf("probe: %d numbers for %d examples of width %d", len(d.X), n, d.Width)
	case d.Classes < 2 || d.Classes > largest/d.Width:
		return fmt.Errorf("probe: %d classes", d.Classes)
	case d.Group != nil && len(d.Group) != n:
		return fmt.Errorf("probe: %d groups for %d examples", len(d.Group), n)
	}
	for i, l := range d.Labels {
		if l < 0 || int(l) >= d.Classes {
			return fmt.Errorf("probe: example %d has label %d, of %d classes", i, l, d.Classes)
		}
	}
	for i, g := range d.Group {
		if g < 0 || int(g) >= d.Groups {
			return fmt.Errorf("probe: example %d is of group %d, of %d", i, g, d.Groups)
		}
	}
	for i, x := range d.X {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("probe: number %d of example %d is %v", i%d.Width, i/d.Width, x)
		}
	}
	return nil
}

// learnable is check for data that a probe is fitted to.
func (d *Data) learnable() error {
	if err := d.check(); err != nil {
		return err
	}
	for _, l := range d.Labels {
		if l != d.Labels[0] {
			return nil
		}
	}
	return fmt.Errorf("probe: all %d examples are of class %d: nothing can be told apart", len(d.Labels), d.Labels[0])
}

// Take is the examples of index, in that order, as data of their own.
func (d *Data) Take(index []int) *Data {
	o := *d
	o.X, o.Labels, o.Group = nil, nil, nil
	for _, i := range index {
		o.X = append(o.X, d.X[i*d.Width:(i+1)*d.Width]...)
		o.Labels = append(o.Labels, d.Labels[i])
		if d.Group != nil {
			o.Group = append(o.Group, d.Group[i])
		}
	}
	return &o
}

// Few draws shots examples of each class, in order of class.
func Few(d *Data, shots int, rng *rand.Rand) ([]int, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	return draw(d.Labels, d.Classes, shots, "class", rng)
}

// draw draws count examples of every kind.
func draw(kind []int32, kinds, count int, what string, rng *rand.Rand) ([]int, error) {
	if count < 1 {
		return nil, fmt.Errorf("probe: %d examples of each %s", count, what)
	}
	of := make([][]int, kinds)
	for i, k := range kind {
		of[k] = append(of[k], i)
	}
	var all []int
	for k, members := range of {
		if len(members) < count {
			return nil, fmt.Errorf("probe: %s %d has %d examples, and %d are asked for", what, k, len(members), count)
		}
		rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		all = append(all, members[:count]...)
	}
	return all, nil
}

// Probe is a linear map to a score for each class; the highest is what it says.
type Probe struct {
	Weights []float64 // [Width, Classes]
	Bias    []float64 // [Classes]
}

// Predict returns the likeliest class of each row of x, [N, width].
func (p *Probe) Predict(x []float32) ([]int32, error) {
	classes := len(p.Bias)
	width := len(p.Weights) / max(1, classes)
	if width == 0 || len(x)%width != 0 {
		return nil, fmt.Errorf("probe: %d numbers for a probe of width %d", len(x), width)
	}
	out := make([]int32, len(x)/width)
	score := make([]float64, classes)
	for i := range out {
		copy(score, p.Bias)
		for j, v := range x[i*width : (i+1)*width] {
			for k, w := range p.Weights[j*classes : (j+1)*classes] {
				score[k] += float64(v) * w
			}
		}
		for k := range score {
			if score[k] > score[out[i]] {
				out[i] = int32(k)
			}
		}
	}
	return out, nil
}

// Score is how often a probe is right.
type Score struct {
	Accuracy float64   // share of all examples
	Groups   []float64 // of each group; nil if the data has none
	Worst    float64   // of the group with the lowest; Accuracy if there are none
}

// Score measures p on data. Every group must have an example.
func (p *Probe) Score(d *Data) (Score, error) {
	if err := d.check(); err != nil {
		return Score{}, err
	}
	said, err := p.Predict(d.X)
	if err != nil {
		return Score{}, err
	}
	if len(said) != d.Len() || len(p.Bias) != d.Classes {
		return Score{}, fmt.Errorf("probe: a probe [%d] of %d classes for data of width %d and %d classes", len(p.Weights), len(p.Bias), d.Width, d.Classes)
	}
	s := Score{}
	right, count := make([]float64, d.Groups), make([]float64, d.Groups)
	for i, l := range d.Labels {
		hit := 0.0
		if said[i] == l {
			hit = 1
		}
		s.Accuracy += hit / float64(d.Len())
		if d.Group != nil {
			right[d.Group[i]] += hit
			count[d.Group[i]]++
		}
	}
	s.Worst = s.Accuracy
	if d.Group == nil {
		return s, nil
	}
	s.Worst = 1
	for g := range right {
		if count[g] == 0 {
			return Score{}, fmt.Errorf("probe: group %d of %d is empty", g, d.Groups)
		}
		s.Groups = append(s.Groups, right[g]/count[g])
		s.Worst = min(s.Worst, s.Groups[g])
	}
	return s, nil
}
