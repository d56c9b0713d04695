package probe

import (
	"errors"

	"gonum.org/v1/gonum/mat"
)

// Minimum is least squares of least norm towards 1 for an example's class and -1 for
// others: with fewer examples than features it gets all of them right by the smallest
// weights that can, and so uses strong features first. With intercept the means are
// taken out first; without, the bias is 0.
func Minimum(d *Data, intercept bool) (*Probe, error) {
	if err := d.learnable(); err != nil {
		return nil, err
	}
	n, w := d.Len(), d.Width
	x, y := mat.NewDense(n, w, nil), mat.NewDense(n, d.Classes, nil)
	for i, v := range d.X {
		x.Set(i/w, i%w, float64(v))
	}
	for i, l := range d.Labels {
		for k := range d.Classes {
			y.Set(i, k, -1)
		}
		y.Set(i, int(l), 1)
	}
	p := &Probe{Weights: make([]float64, w*d.Classes), Bias: make([]float64, d.Classes)}
	var meanX, meanY []float64
	if intercept {
		meanX, meanY = centre(x), centre(y)
	}
	var svd mat.SVD
	if !svd.Factorize(x, mat.SVDThin) {
		return nil, errors.New("probe: the representation has no singular values")
	}
	rank := 0
	for _, v := range svd.Values(nil) {
		if v > least*svd.Values(nil)[0] {
			rank++
		}
	}
	if rank == 0 {
		return nil, errors.New("probe: the representation is the same for all examples")
	}
	weights := mat.NewDense(w, d.Classes, p.Weights)
	svd.SolveTo(weights, y, rank)
	for k := range p.Bias {
		if !intercept {
			break
		}
		p.Bias[k] = meanY[k]
		for j, m := range meanX {
			p.Bias[k] -= m * weights.At(j, k)
		}
	}
	return p, nil
}

// centre takes the mean of every column out of m and returns them.
func centre(m *mat.Dense) []float64 {
	n, w := m.Dims()
	mean := make([]float64, w)
	for i := range n {
		for j, v := range m.RawRowView(i) {
			mean[j] += v / float64(n)
		}
	}
	m.Apply(func(_, j int, v float64) float64 { return v - mean[j] }, m)
	return mean
}
