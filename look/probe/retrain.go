package probe

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Retraining says how [Retrain] goes. The zero value is the usual one.
type Retraining struct {
	Subsamples int       // averaged; 0: 10
	L1         []float64 // penalties to choose from; nil: 1, 0.1, 0.01, 0.001
}

// Retrain is deep feature reweighting (Kirichenko, Izmailov, Wilson 2023, section 4):
// the last layer is trained anew, on examples among which no group outweighs another.
// As many of each group as the smallest has are drawn and standardised; an L1 logistic
// regression is fitted; the mean over Subsamples draws is the probe, of representations
// as they come. The penalty is the one by which half of every group tells the worst
// group of the other half best.
func Retrain(d *Data, r Retraining, rng *rand.Rand) (*Probe, error) {
	if r.Subsamples == 0 {
		r.Subsamples = 10
	}
	if r.L1 == nil {
		r.L1 = []float64{1, 0.1, 0.01, 0.001}
	}
	if err := d.learnable(); err != nil {
		return nil, err
	}
	if d.Group == nil || d.Groups < 1 {
		return nil, errors.New("probe: retraining needs the groups of the examples")
	}
	if r.Subsamples < 1 || len(r.L1) == 0 {
		return nil, fmt.Errorf("probe: %d subsamples and %d penalties", r.Subsamples, len(r.L1))
	}
	count := make([]int, d.Groups)
	for _, g := range d.Group {
		count[g]++
	}
	least := d.Len()
	for g, n := range count {
		if n == 0 {
			return nil, fmt.Errorf("probe: group %d of %d is empty", g, d.Groups)
		}
		least = min(least, n)
	}
	l1, err := r.choose(d, least, rng)
	if err != nil {
		return nil, err
	}
	mean := &Probe{Weights: make([]float64, d.Width*d.Classes), Bias: make([]float64, d.Classes)}
	for range r.Subsamples {
		index, err := draw(d.Group, d.Groups, least, "group", rng)
		if err != nil {
			return nil, err
		}
		p, err := fitStandardized(d.Take(index), l1)
		if err != nil {
			return nil, err
		}
		for i, w := range p.Weights {
			mean.Weights[i] += w / float64(r.Subsamples)
		}
		for i, b := range p.Bias {
			mean.Bias[i] += b / float64(r.Subsamples)
		}
	}
	return mean, nil
}

// choose returns the penalty.
func (r Retraining) choose(d *Data, least int, rng *rand.Rand) (float64, error) {
	if len(r.L1) == 1 {
		return r.L1[0], nil
	}
	if least < 2 {
		return 0, errors.New("probe: a group of one example can't be halved to choose the penalty: give one penalty")
	}
	index, err := draw(d.Group, d.Groups, least, "group", rng)
	if err != nil {
		return 0, err
	}
	var fit, held []int
	for i, k := range index { // group after group
		if i%least < least/2 {
			fit = append(fit, k)
		} else {
			held = append(held, k)
		}
	}
	best, chosen := -1.0, 0.0
	for _, l1 := range r.L1 {
		p, err := fitStandardized(d.Take(fit), l1)
		if err != nil {
			return 0, err
		}
		s, err := p.Score(d.Take(held))
		if err != nil {
			return 0, err
		}
		if s.Worst > best {
			best, chosen = s.Worst, l1
		}
	}
	return chosen, nil
}

// fitStandardized fits a probe to standardised data and returns it for data as it comes.
func fitStandardized(d *Data, l1 float64) (*Probe, error) {
	s, err := Fit(d, Standardized)
	if err != nil {
		return nil, err
	}
	std, err := s.Apply(d)
	if err != nil {
		return nil, err
	}
	p, err := Logistic(std, Penalty{L1: l1})
	if err != nil {
		return nil, err
	}
	for j := range d.Width {
		for k := range d.Classes {
			w := &p.Weights[j*d.Classes+k]
			*w *= s.m.At(j, j)
			p.Bias[k] -= *w * s.mean[j]
		}
	}
	return p, nil
}
