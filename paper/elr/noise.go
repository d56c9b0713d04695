package elr

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/learn/robust"
)

// noise is a way to make labels wrong.
type noise struct {
	name string
	rate float64
	// flips are the classes that are taken for another one; nil: all classes, and the
	// label is drawn anew from all of them.
	flips map[int32]int32
}

// confused are the pairs of Zhang & Sabuncu 2018 for Fashion-MNIST: ankle boots are
// taken for sneakers, sneakers for sandals, pullovers for shirts, and coats and dresses
// for each other.
var confused = map[int32]int32{9: 7, 7: 5, 2: 6, 4: 3, 3: 4}

var noises = []noise{
	{"sym 20", 0.2, nil}, {"sym 40", 0.4, nil}, {"sym 60", 0.6, nil}, {"asym 40", 0.4, confused},
}

// apply returns wrong labels for right ones. Symmetric noise draws the labels of the
// first ceil(rate*N) examples of a permutation from all classes, so that a share of
// rate*(1 - 1/classes) is wrong; asymmetric noise moves a share of rate of each class
// that it names.
func (n noise) apply(labels []int32, classes int, rng *rand.Rand) []int32 {
	out := append([]int32(nil), labels...)
	order := rng.Perm(len(labels))
	if n.flips == nil {
		for _, i := range order[:int(math.Ceil(n.rate*float64(len(labels))))] {
			out[i] = int32(rng.IntN(classes))
		}
		return out
	}
	left := map[int32]int{}
	for from := range n.flips {
		count := 0
		for _, l := range labels {
			if l == from {
				count++
			}
		}
		left[from] = int(math.Round(n.rate * float64(count)))
	}
	for _, i := range order {
		from := labels[i]
		if to, ok := n.flips[from]; ok && left[from] > 0 {
			out[i] = to
			left[from]--
		}
	}
	return out
}

// matrix is the probability that class i is labelled j.
func (n noise) matrix(classes int) ([][]float32, error) {
	if n.flips == nil {
		return robust.SymmetricNoise(classes, n.rate)
	}
	m, err := robust.SymmetricNoise(classes, 0)
	if err != nil {
		return nil, err
	}
	for from, to := range n.flips {
		m[from][from], m[from][to] = float32(1-n.rate), float32(n.rate)
	}
	return m, nil
}

func (n noise) String() string { return fmt.Sprintf("%s %%", n.name) }
