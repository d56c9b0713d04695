package richlazy

import (
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/look/kernel"
	"github.com/micaml/mica/nn/wiring"
	"gonum.org/v1/gonum/mat"
)

// gain is the paper's g.
const gain = 1.25

// arm is a way to begin, all else being equal.
type arm struct {
	name, what string
	rank       int     // of those that are compared by rank
	gain       float64 // of those that are compared by gain
	// make makes the recurrent matrix from normal w, which all arms of a seed share.
	make       func(rng *rand.Rand, w *mat.Dense) (*mat.Dense, error)
	frozen     bool // only the readout learns
	linearised bool
}

// bound tells of arms that are as lazy as can be in some way.
func (a arm) bound() bool { return a.frozen || a.linearised }

// group is what shares a learning rate: the ranks do, so that they differ in nothing else.
func (a arm) group() string {
	if a.rank > 0 {
		return "ranks"
	}
	return a.name
}

// fullRank is the name of the arm that the others are compared with.
const fullRank = "full"

// ranks are the four that the paper compares, for n units.
func ranks(n int) []int { return []int{1, n / 8, n / 3, n} }

// rankArm is the matrix cut to a rank.
func rankArm(r, n int) arm {
	a := arm{name: fmt.Sprintf("rank %d", r), what: "nearest matrix of this rank, same Frobenius norm", rank: r, make: func(_ *rand.Rand, w *mat.Dense) (*mat.Dense, error) { return wiring.Rank(w, r) }}
	if r == n {
		a.name, a.what, a.gain = fullRank, "normal, g = 1.25", gain
	}
	return a
}

func rankArms(n int) []arm {
	var arms []arm
	for _, r := range ranks(n) {
		arms = append(arms, rankArm(r, n))
	}
	return arms
}

// outside is the correlation of chains whose eigenvalues outside of the others are ±2, and
// a quarter of the share of variance of four types' means for which theirs are about as
// large: over eight steps much larger ones explode.
func outside(n int) float64 { return 4 / (gain * gain * float64(n)) }

// sameSize gives a made matrix the Frobenius norm of w.
func sameSize(w, made *mat.Dense, err error) (*mat.Dense, error) {
	if err != nil {
		return nil, err
	}
	return wiring.Size(made, mat.Norm(w, 2))
}

// armsOf are all arms for n units.
func armsOf(n int) []arm {
	arms := rankArms(n)
	for _, g := range []float64{0.5, 0.8, 2} {
		arms = append(arms, arm{name: fmt.Sprintf("gain %g", g), what: "full rank, another g", gain: g,
			make: func(_ *rand.Rand, w *mat.Dense) (*mat.Dense, error) { return wiring.Size(w, mat.Norm(w, 2)*g/gain) }})
	}
	for _, r := range ranks(n)[:3] {
		arms = append(arms, arm{name: fmt.Sprintf("rank %d, stretched", r), what: "this rank, same largest singular value", make: func(_ *rand.Rand, w *mat.Dense) (*mat.Dense, error) {
			cut, err := wiring.Rank(w, r)
			if err != nil {
				return nil, err
			}
			s, err := kernel.SpectrumOf(w)
			if err != nil {
				return nil, err
			}
			return wiring.Stretch(cut, s.Values[0])
		}})
	}
	return append(arms,
		arm{name: "orthogonal", what: "same norm", make: func(rng *rand.Rand, w *mat.Dense) (*mat.Dense, error) {
			made, err := wiring.Orthogonal(rng, n, gain)
			return sameSize(w, made, err)
		}},
		arm{name: "identity", what: "same norm", make: func(_ *rand.Rand, w *mat.Dense) (*mat.Dense, error) {
			made, err := wiring.Identity(n, gain)
			return sameSize(w, made, err)
		}},
		arm{name: "sparse", what: "a tenth of the connections, same norm", make: func(rng *rand.Rand, w *mat.Dense) (*mat.Dense, error) {
			made, err := wiring.Sparse(rng, n, 0.1, gain)
			return sameSize(w, made, err)
		}},
		arm{name: "cell types", what: "4 types with means of their own, same norm", make: func(rng *rand.Rand, w *mat.Dense) (*mat.Dense, error) {
			made, err := wiring.CellTypes(rng, n, 4, 4*outside(n), gain)
			return sameSize(w, made, err)
		}},
		arm{name: "chains", what: "correlated connections in a row, same norm", make: func(rng *rand.Rand, w *mat.Dense) (*mat.Dense, error) {
			made, err := wiring.Chain(rng, n, outside(n), gain)
			return sameSize(w, made, err)
		}},
		arm{name: "Dale", what: "80 % excite, log-normal; same norm", make: func(rng *rand.Rand, w *mat.Dense) (*mat.Dense, error) {
			made, err := wiring.Dale(rng, n, 0.8, gain)
			return sameSize(w, made, err)
		}},
		arm{name: "readout only", what: "full rank, only the readout learns", frozen: true, make: whole},
		arm{name: "linearised", what: "full rank, the network's first-order expansion learns", linearised: true, make: whole},
		arm{name: "linearised rank 1", what: "rank 1, the network's first-order expansion learns", linearised: true, make: func(_ *rand.Rand, w *mat.Dense) (*mat.Dense, error) { return wiring.Rank(w, 1) }},
	)
}

func whole(_ *rand.Rand, w *mat.Dense) (*mat.Dense, error) { return wiring.Rank(w, min(w.Dims())) }

// structured are the arms that stand for connections as they are measured in brains.
var structured = []string{"cell types", "chains", "Dale"}
