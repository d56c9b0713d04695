package kernel

import (
	"errors"
	"fmt"
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/mat"
)

// Spectrum is the singular values of a matrix, and how many of them count. No two
// definitions of an effective rank agree; each of these is 1 for a matrix of rank 1 and n
// for the identity, and doesn't depend on the matrix's size.
type Spectrum struct {
	Values []float64 // from the largest on
	Radius float64   // the largest size of an eigenvalue; NaN if the matrix isn't square
}

// SpectrumOf computes the spectrum of a matrix.
func SpectrumOf(w mat.Matrix) (Spectrum, error) {
	rows, cols := w.Dims()
	for i := range rows {
		for j := range cols {
			if x := w.At(i, j); math.IsNaN(x) || math.IsInf(x, 0) {
				return Spectrum{}, fmt.Errorf("kernel: entry [%d][%d] of the matrix is %v", i, j, x)
			}
		}
	}
	s := Spectrum{Radius: math.NaN()}
	var svd mat.SVD
	if rows == 0 || cols == 0 || !svd.Factorize(w, mat.SVDNone) {
		return s, fmt.Errorf("kernel: no singular values of a matrix of %d x %d", rows, cols)
	}
	if s.Values = svd.Values(nil); s.Values[0] == 0 {
		return s, errors.New("kernel: a matrix of zeros has no rank")
	}
	if rows == cols {
		var e mat.Eigen
		if !e.Factorize(w, mat.EigenNone) {
			return s, errors.New("kernel: the eigenvalues were not found")
		}
		s.Radius = 0
		for _, v := range e.Values(nil) {
			s.Radius = max(s.Radius, cmplx.Abs(v))
		}
	}
	return s, nil
}

// Entropy is the exponential of the entropy of the singular values, as shares of their
// sum (Roy and Vetterli 2007).
func (s Spectrum) Entropy() float64 {
	sum, h := 0.0, 0.0
	for _, x := range s.Values {
		sum += x
	}
	for _, x := range s.Values {
		if p := x / sum; p > 0 {
			h -= p * math.Log(p)
		}
	}
	return math.Exp(h)
}

// Participation is (sum s^2)^2/sum s^4.
func (s Spectrum) Participation() float64 {
	two, four := 0.0, 0.0
	for _, x := range s.Values {
		q := x / s.Values[0]
		two, four = two+q*q, four+q*q*q*q
	}
	return two * two / four
}

// Stable is the squared Frobenius norm over the squared largest singular value.
func (s Spectrum) Stable() float64 {
	two := 0.0
	for _, x := range s.Values {
		q := x / s.Values[0]
		two += q * q
	}
	return two
}
