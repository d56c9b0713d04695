// Package kernel measures how far training has moved a network: whether it learnt with
// the features that it began with (lazily) or built new ones (richly).
//
// A kernel [n, n] says how alike n examples, or n outputs, are to the network: by its
// hidden states, or by its gradients, which is the tangent kernel (Jacot, Gabriel and
// Hongler 2018). The [Alignment] of the kernels before and after training is 1 if
// nothing that counts has changed; all but their size has then stayed.
//
//	before, err := kernel.Tangent(c, w, trials, 0, outputs)
//	... training ...
//	after, err := kernel.Tangent(c, w, trials, 0, outputs)
//	a, err := kernel.Alignment(before, after)
//
// The inputs must be the same both times. [Spectrum] tells how many directions a weight
// really has.
package kernel

import (
	"errors"
	"fmt"
	"math"

	"github.com/micaml/mica/op"
	"gonum.org/v1/gonum/mat"
)

// Gram is the kernel of rows x [n, d]: x xᵀ [n, n], of sums in float32.
func Gram(c *op.Ctx, x []float32, n int) (*mat.SymDense, error) {
	if n < 1 || len(x) == 0 || len(x)%n != 0 {
		return nil, fmt.Errorf("kernel: %d numbers are not %d rows", len(x), n)
	}
	scope := c.Open()
	defer c.Close(scope)
	v := c.View(x, n, len(x)/n)
	y := op.MatMulT(c, v, v, 1)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return symmetric(c.Data(y), n), nil
}

func symmetric(x []float32, n int) *mat.SymDense {
	k := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			k.SetSym(i, j, float64(x[i*n+j]))
		}
	}
	return k
}

// Alignment is <a, b>/(|a| |b|) of two kernels of the same examples, the cosine of their
// angle: from 0 to 1 for kernels that have no negative eigenvalues. Their sizes don't
// count (Cristianini et al. 2001).
func Alignment(a, b *mat.SymDense) (float64, error) {
	if a == nil || b == nil || a.IsEmpty() || b.IsEmpty() {
		return 0, errors.New("kernel: an empty kernel")
	}
	n := a.SymmetricDim()
	if m := b.SymmetricDim(); m != n {
		return 0, fmt.Errorf("kernel: kernels of %d and of %d examples", n, m)
	}
	// Divided by the largest entries, so that no square leaves the range of float64.
	ma, mb := mat.Norm(a, math.Inf(1)), mat.Norm(b, math.Inf(1))
	if !(ma > 0 && mb > 0) || math.IsInf(ma, 1) || math.IsInf(mb, 1) {
		return 0, errors.New("kernel: a kernel is 0 everywhere or not finite")
	}
	var ab, aa, bb float64
	for i := range n {
		for j := range n {
			x, y := a.At(i, j)/ma, b.At(i, j)/mb
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
	}
	return max(-1, min(1, ab/math.Sqrt(aa*bb))), nil
}

// CentredAlignment is the alignment of kernels from which the mean of the examples was
// taken: CKA (Kornblith et al. 2019). Activities after a ReLU share a large mean, and
// without this their kernels look alike whatever has happened.
func CentredAlignment(a, b *mat.SymDense) (float64, error) {
	if a == nil || b == nil || a.IsEmpty() || b.IsEmpty() {
		return 0, errors.New("kernel: an empty kernel")
	}
	return Alignment(Centre(a), Centre(b))
}

// Centre is the kernel of the same rows less their mean: H k H with H = 1 - 1/n.
func Centre(k *mat.SymDense) *mat.SymDense {
	n := k.SymmetricDim()
	mean, all := make([]float64, n), 0.0
	for i := range n {
		for j := range n {
			mean[i] += k.At(i, j) / float64(n)
		}
		all += mean[i] / float64(n)
	}
	out := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			out.SetSym(i, j, k.At(i, j)-mean[i]-mean[j]+all)
		}
	}
	return out
}

// SameSign is the share of units that are on before and after, or off: of a ReLU, those
// above 0 are on.
func SameSign(before, after []float32) (float64, error) {
	if len(before) == 0 || len(before) != len(after) {
		return 0, fmt.Errorf("kernel: %d numbers before and %d after", len(before), len(after))
	}
	same := 0
	for i, x := range before {
		if (x > 0) == (after[i] > 0) {
			same++
		}
	}
	return float64(same) / float64(len(before)), nil
}
