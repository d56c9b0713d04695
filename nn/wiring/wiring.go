// Package wiring makes the first matrix of a recurrent layer: random, of a given rank,
// orthogonal, sparse, with types of cells, chains or Dale's law, or from a file.
//
// How large such a matrix is and how it is structured are two things. Every maker here
// takes a gain g and gives a matrix whose Frobenius norm is that of g G/sqrt(n), in the
// mean or to the bit, so that structures can be compared at the same size (Liu et al.
// 2023, arXiv 2310.08513). Entry [i][j] is the connection from unit j to unit i:
// h' = f(x + W h), as op.RNN has it.
//
//	w, err := wiring.Normal(rng, 64, 1.25)
//	w, err = wiring.Rank(w, 8)
//	layer.W = wiring.Weight("rnn.weight", w)
//
// Matrices are float64 until they become weights: after rounding to float32 a matrix of
// rank 8 has a ninth singular value of about 1e-7 of the first.
package wiring

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
	"gonum.org/v1/gonum/mat"
)

// Most is the most units that a matrix here has: 512 MB of float64.
const Most = 1 << 13

// Normal is g G/sqrt(n) [n, n] with G standard normal, whose largest eigenvalue is about
// g (Sompolinsky, Crisanti and Sommers 1988).
func Normal(rng *rand.Rand, n int, gain float64) (*mat.Dense, error) {
	return entries(n, gain, func() float64 { return rng.NormFloat64() })
}

// entries returns entries times gain/sqrt(n), row by row.
func entries(n int, gain float64, next func() float64) (*mat.Dense, error) {
	if err := checkSize(n, gain); err != nil {
		return nil, err
	}
	x := make([]float64, n*n)
	for i := range x {
		x[i] = gain / math.Sqrt(float64(n)) * next()
	}
	return mat.NewDense(n, n, x), nil
}

// Rank is the nearest matrix of rank r to w, which keeps w's r largest singular values,
// stretched to w's Frobenius norm. With the rank of all rows or columns it is w itself.
// w need not be square.
//
// At the same norm a lower rank has a larger first singular value; see [Stretch] for
// matrices that are equal in that.
func Rank(w *mat.Dense, r int) (*mat.Dense, error) {
	if err := check(w); err != nil {
		return nil, err
	}
	rows, cols := w.Dims()
	most := min(rows, cols)
	if r < 1 || r > most {
		return nil, fmt.Errorf("wiring: rank %d of a matrix of %d x %d: want 1 to %d", r, rows, cols, most)
	}
	if r == most {
		return mat.DenseCopyOf(w), nil
	}
	var svd mat.SVD
	if !svd.Factorize(w, mat.SVDThin) {
		return nil, errors.New("wiring: the singular values were not found")
	}
	s := svd.Values(nil)
	if s[r-1] <= 1e-12*s[0] {
		return nil, fmt.Errorf("wiring: rank %d of a matrix that has less: its singular value %d is %g of the first", r, r, s[r-1]/s[0])
	}
	var u, v, us, out mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	us.Mul(u.Slice(0, rows, 0, r), mat.NewDiagDense(r, s[:r]))
	out.Mul(&us, v.Slice(0, cols, 0, r).T())
	return Size(&out, mat.Norm(w, 2))
}

// Size is w times what makes its Frobenius norm this.
func Size(w *mat.Dense, norm float64) (*mat.Dense, error) {
	if err := check(w); err != nil {
		return nil, err
	}
	return scale(w, norm, mat.Norm(w, 2))
}

// Stretch is w times what makes its largest singular value this.
func Stretch(w *mat.Dense, largest float64) (*mat.Dense, error) {
	if err := check(w); err != nil {
		return nil, err
	}
	var svd mat.SVD
	if !svd.Factorize(w, mat.SVDNone) {
		return nil, errors.New("wiring: the singular values were not found")
	}
	return scale(w, largest, svd.Values(nil)[0])
}

func scale(w *mat.Dense, want, have float64) (*mat.Dense, error) {
	if !(want > 0) || math.IsInf(want, 1) || !(have > 0) {
		return nil, fmt.Errorf("wiring: a matrix of size %g can't become one of size %g", have, want)
	}
	var out mat.Dense
	out.Scale(want/have, w)
	return &out, check(&out)
}

// Weight is a matrix as a weight in float32.
func Weight(name string, w mat.Matrix) *op.Weight {
	rows, cols := w.Dims()
	x := make([]float32, 0, rows*cols)
	for i := range rows {
		for j := range cols {
			x = append(x, float32(w.At(i, j)))
		}
	}
	return op.NewWeight(name, tensor.FromFloat32(rows, cols, x))
}

func checkSize(n int, gain float64) error {
	if n < 1 || n > Most {
		return fmt.Errorf("wiring: %d units: want 1 to %d", n, Most)
	}
	if !(gain > 0) || math.IsInf(gain, 1) {
		return fmt.Errorf("wiring: a gain of %v", gain)
	}
	return nil
}

// check tells of matrices that are empty or too large, or have numbers that aren't finite.
func check(w *mat.Dense) error {
	if w == nil || w.IsEmpty() {
		return errors.New("wiring: an empty matrix")
	}
	rows, cols := w.Dims()
	if rows > Most || cols > Most {
		return fmt.Errorf("wiring: a matrix of %d x %d: want at most %d", rows, cols, Most)
	}
	for i := range rows {
		for j := range cols {
			if x := w.At(i, j); math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Errorf("wiring: entry [%d][%d] is %v", i, j, x)
			}
		}
	}
	return nil
}
