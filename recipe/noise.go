package recipe

import (
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
)

// noises is the one table of ways to make labels wrong: synthetic noise. Each gives
// the label that comes in place of another.
var noises = table[func(p params, rng *rand.Rand, label, classes int32) int32]{
	{"symmetric", "with this probability a label is drawn anew from all classes", []param{{"rate", must, 0, 1, false}},
		func(p params, rng *rand.Rand, label, classes int32) int32 {
			other := rng.Int32N(classes)
			if rng.Float64() < p["rate"] {
				return other
			}
			return label
		}},
	{"next", "with this probability a label becomes the next class", []param{{"rate", must, 0, 1, false}},
		func(p params, rng *rand.Rand, label, classes int32) int32 {
			if rng.Float64() < p["rate"] {
				return (label + 1) % classes
			}
			return label
		}},
}

// The streams of random numbers that share a recipe's seed.
const (
	streamWeights = iota + 101
	streamNoise
	streamExamples
	streamAdapter
)

// addNoise makes some labels of a set wrong, and says how many have changed.
func addNoise(s dataset.Set, how string, seed uint64) (noisy dataset.Set, wrong int, err error) {
	m, p, err := noises.parse(how)
	if err != nil {
		return nil, 0, err
	}
	labels, err := dataset.Labels(s)
	if err != nil {
		return nil, 0, err
	}
	rng := rand.New(rand.NewPCG(seed, streamNoise))
	for i, l := range labels {
		if l == op.Ignore {
			continue
		}
		if labels[i] = m.make(p, rng, l, int32(s.Classes())); labels[i] != l {
			wrong++
		}
	}
	noisy, err = dataset.Relabel(s, labels, s.Classes())
	return noisy, wrong, err
}
