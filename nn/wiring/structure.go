package wiring

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Orthogonal is g times a matrix drawn evenly from all orthogonal ones: the Q of a normal
// matrix, with the signs of R's diagonal (Mezzadri 2007; Saxe et al. 2014 for networks).
func Orthogonal(rng *rand.Rand, n int, gain float64) (*mat.Dense, error) {
	w, err := Normal(rng, n, 1)
	if err != nil {
		return nil, err
	}
	if err := checkSize(n, gain); err != nil {
		return nil, err
	}
	var qr mat.QR
	qr.Factorize(w)
	var q, r mat.Dense
	qr.QTo(&q)
	qr.RTo(&r)
	q.Apply(func(_, j int, x float64) float64 { return math.Copysign(gain, r.At(j, j)) * x }, &q)
	return &q, nil
}

// Identity is g times the identity (Le, Jaitly and Hinton 2015, with g = 1).
func Identity(n int, gain float64) (*mat.Dense, error) {
	if err := checkSize(n, gain); err != nil {
		return nil, err
	}
	w := mat.NewDense(n, n, nil)
	for i := range n {
		w.Set(i, i, gain)
	}
	return w, nil
}

// Sparse is normal where there is a connection, which is so with the probability
// density, and 0 elsewhere. The entries are larger by 1/sqrt(density), so that the
// variance is that of [Normal].
func Sparse(rng *rand.Rand, n int, density, gain float64) (*mat.Dense, error) {
	if !(density > 0 && density <= 1) {
		return nil, fmt.Errorf("wiring: a density of %v is not in (0, 1]", density)
	}
	return entries(n, gain, func() float64 {
		if rng.Float64() >= density {
			return 0
		}
		return rng.NormFloat64() / math.Sqrt(density)
	})
}

// CellTypes is a matrix of units of several types, in blocks of equal size: what type a
// sends to type b has a mean, drawn for each pair of types, which makes the given share
// of the variance; the rest is normal. The means are a matrix of at most rank types.
func CellTypes(rng *rand.Rand, n, types int, share, gain float64) (*mat.Dense, error) {
	if types < 1 || types > n {
		return nil, fmt.Errorf("wiring: %d types of %d cells", types, n)
	}
	if !(share >= 0 && share <= 1) {
		return nil, fmt.Errorf("wiring: a share of %v is not in [0, 1]", share)
	}
	if err := checkSize(n, gain); err != nil {
		return nil, err
	}
	means := make([]float64, types*types)
	for i := range means {
		means[i] = math.Sqrt(share) * rng.NormFloat64()
	}
	k := -1
	return entries(n, gain, func() float64 {
		k++
		to, from := k/n*types/n, k%n*types/n
		return means[to*types+from] + math.Sqrt(1-share)*rng.NormFloat64()
	})
}

// Chain is a matrix in which connections that follow each other are correlated:
// corr(W_ij, W_jk) = c, from 0 to below 1/2. Each unit has a strength that belongs to all
// that it sends and all that it receives, W_ij = sqrt(c) (x_i + x_j) + sqrt(1 - 2c) z_ij,
// so connections that converge or diverge are correlated as much. The part of x has rank
// 2 and the eigenvalues ±g sqrt(c n), which lie outside of the others from c n > 1 on
// (Shao et al. 2023 on chain motifs).
func Chain(rng *rand.Rand, n int, c, gain float64) (*mat.Dense, error) {
	if !(c >= 0 && c < 0.5) {
		return nil, fmt.Errorf("wiring: chains with a correlation of %v, which is not in [0, 0.5)", c)
	}
	if err := checkSize(n, gain); err != nil {
		return nil, err
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	k := -1
	return entries(n, gain, func() float64 {
		k++
		return math.Sqrt(c)*(x[k/n]+x[k%n]) + math.Sqrt(1-2*c)*rng.NormFloat64()
	})
}

// Dale is a matrix in which a unit either excites all others or inhibits them: the first
// share of the columns is positive, the rest negative, with sizes whose logarithm is
// standard normal. Inhibition is stronger by as much as it is rarer, so that a row sums
// to 0 in the mean. The Frobenius norm is g sqrt(n).
func Dale(rng *rand.Rand, n int, excitatory, gain float64) (*mat.Dense, error) {
	positive := int(math.Round(excitatory * float64(n)))
	if !(excitatory > 0 && excitatory < 1) || positive < 1 || positive >= n {
		return nil, fmt.Errorf("wiring: a share of %v of %d units excites: both kinds are needed", excitatory, n)
	}
	k := -1
	w, err := entries(n, gain, func() float64 {
		k++
		size := math.Exp(rng.NormFloat64())
		if k%n < positive {
			return size
		}
		return -size * float64(positive) / float64(n-positive)
	})
	if err != nil {
		return nil, err
	}
	return Size(w, gain*math.Sqrt(float64(n)))
}
