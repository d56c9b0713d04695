package probe

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Kind says what a [Scaler] makes equal.
type Kind string

// The kinds.
const (
	Scaled       Kind = "scaled"       // the whole: a mean square of 1, features keep their proportions
	Standardized Kind = "standardized" // every feature: mean 0, deviation 1
	Whitened     Kind = "whitened"     // every direction: mean 0, covariance 1
)

// least is the share of the largest deviation below which a direction counts as empty:
// float32 has no more digits.
const least = 1e-6

// Scaler brings representations to a scale: x -> (x - mean) M, of the width of x, or
// less if whitening found empty directions.
type Scaler struct {
	kind Kind
	mean []float64
	m    *mat.Dense // [Width, width after]
}

// Fit finds the scale of data.
func Fit(d *Data, kind Kind) (*Scaler, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	n, w := d.Len(), d.Width
	s := &Scaler{kind: kind, mean: make([]float64, w)}
	square := 0.0
	for i, x := range d.X {
		s.mean[i%w] += float64(x) / float64(n)
		square += float64(x) * float64(x) / float64(len(d.X))
	}
	if kind == Scaled {
		clear(s.mean)
		s.m = diagonal(w, func(int) float64 { return inverse(math.Sqrt(square), 0) })
		return s, nil
	}
	centred := mat.NewDense(n, w, nil)
	for i, x := range d.X {
		centred.Set(i/w, i%w, float64(x)-s.mean[i%w])
	}
	var cov mat.SymDense
	cov.SymOuterK(1/float64(n), centred.T())
	switch kind {
	case Standardized:
		top := 0.0
		for j := range w {
			top = max(top, math.Sqrt(cov.At(j, j)))
		}
		s.m = diagonal(w, func(j int) float64 { return inverse(math.Sqrt(cov.At(j, j)), least*top) })
	case Whitened:
		var e mat.EigenSym
		if !e.Factorize(&cov, true) {
			return nil, fmt.Errorf("probe: no principal directions of %d examples were found", n)
		}
		values := e.Values(nil) // ascending
		top := math.Sqrt(max(0, values[w-1]))
		first := 0
		for first < w-1 && !(math.Sqrt(max(0, values[first])) > least*top) {
			first++
		}
		var v mat.Dense
		e.VectorsTo(&v)
		s.m = mat.DenseCopyOf(v.Slice(0, w, first, w))
		s.m.Apply(func(_, j int, x float64) float64 { return x * inverse(math.Sqrt(max(0, values[first+j])), 0) }, s.m)
	default:
		return nil, fmt.Errorf("probe: scale %q is none of scaled, standardized, whitened", kind)
	}
	return s, nil
}

func diagonal(n int, f func(int) float64) *mat.Dense {
	m := mat.NewDense(n, n, nil)
	for i := range n {
		m.Set(i, i, f(i))
	}
	return m
}

// inverse is 1/x, or 0 for what is no more than floor: a feature that doesn't vary
// tells nothing.
func inverse(x, floor float64) float64 {
	if x <= floor {
		return 0
	}
	return 1 / x
}

// Apply returns data of d's examples in that scale.
func (s *Scaler) Apply(d *Data) (*Data, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.Width != len(s.mean) {
		return nil, fmt.Errorf("probe: a scale of width %d for data of width %d", len(s.mean), d.Width)
	}
	x := mat.NewDense(d.Len(), d.Width, nil)
	for i, v := range d.X {
		x.Set(i/d.Width, i%d.Width, float64(v)-s.mean[i%d.Width])
	}
	o := *d
	_, o.Width = s.m.Dims()
	o.X = make([]float32, d.Len()*o.Width)
	if s.kind != Whitened { // a diagonal
		for i := range o.X {
			o.X[i] = float32(x.At(i/o.Width, i%o.Width) * s.m.At(i%o.Width, i%o.Width))
		}
		return &o, nil
	}
	var y mat.Dense
	y.Mul(x, s.m)
	for i := range o.X {
		o.X[i] = float32(y.At(i/o.Width, i%o.Width))
	}
	return &o, nil
}
