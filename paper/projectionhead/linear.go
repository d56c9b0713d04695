package projectionhead

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// The linear theory (section 4): features j of strength phi_j on clean inputs, with
// noise of deviation sigma_j that differs from view to view; a linear network F = W_L ...
// W_1 under the spectral contrastive loss of the population,
//
//	-2 Tr(F S+ Fᵀ) + Tr((F S Fᵀ)²),  S+ = diag(phi²),  S = diag(phi² + sigma²).
//
// It computes in float64: it is theory, and no network.
type linear struct {
	phi, sigma []float64
	widths     []int   // of every layer's output
	decay      float64 // of the weights, as a penalty decay/2 |W|²
	rate       float64
}

// asInSpecification is the net of the specification with a start of its own.
func asInSpecification() linear {
	return linear{phi: []float64{0.2, 0.4, 0.6, 0.8, 1.2, 1.6}, sigma: equal(6, 0.6), widths: []int{8, 8}, rate: 0.005}
}

func equal(n int, x float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = x
	}
	return s
}

// weight is s_j = phi_j / (phi_j² + sigma_j²): what the minimum weighs feature j with.
func weight(phi, sigma float64) float64 { return phi / (phi*phi + sigma*sigma) }

// closed are the weights at the minimum. Of more features than the narrowest layer has
// numbers, those with the largest phi²/(phi²+sigma²) are kept, and the others have 0.
func (l linear) closed() []float64 {
	s := make([]float64, len(l.phi))
	for j := range s {
		s[j] = weight(l.phi[j], l.sigma[j])
	}
	narrow := len(s)
	for _, w := range l.widths {
		narrow = min(narrow, w)
	}
	share, order := make([]float64, len(s)), make([]int, len(s))
	for j := range s {
		share[j] = s[j] * l.phi[j]
	}
	floats.Argsort(share, order) // ascending
	for _, j := range order[:len(s)-narrow] {
		s[j] = 0
	}
	return s
}

// factors are W_1 to W_L.
type factors []blas64.General

func matrix(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float64, rows*cols)}
}

// normal draws factors with a deviation.
func (l linear) normal(seed uint64, deviation float64) factors {
	rng := rand.New(rand.NewPCG(seed, 61))
	var w factors
	in := len(l.phi)
	for _, out := range l.widths {
		m := matrix(out, in)
		for i := range m.Data {
			m.Data[i] = deviation * rng.NormFloat64()
		}
		w, in = append(w, m), out
	}
	return w
}

// balanced draws factors size * Q_l Q_{l-1}ᵀ with orthonormal columns in Q_l and Q_0 = 1,
// so that W_l W_lᵀ = W_{l+1}ᵀ W_{l+1} holds exactly. No layer may be narrower than the
// features are many.
func (l linear) balanced(seed uint64, size float64) factors {
	d := len(l.phi)
	before := mat.NewDense(d, d, nil)
	for j := range d {
		before.Set(j, j, 1)
	}
	var w factors
	for _, random := range l.normal(seed, 1) {
		var qr mat.QR
		square := mat.NewDense(random.Rows, d, nil)
		for i := range random.Rows {
			for j := range d {
				square.Set(i, j, random.Data[i*random.Stride+j])
			}
		}
		qr.Factorize(square)
		var full mat.Dense
		qr.QTo(&full)
		q := mat.DenseCopyOf(full.Slice(0, random.Rows, 0, d))
		m := matrix(random.Rows, random.Cols)
		at := mat.NewDense(m.Rows, m.Cols, m.Data)
		at.Mul(q, before.T())
		at.Scale(size, at)
		w, before = append(w, m), q
	}
	return w
}

// gradient of the loss with respect to F: -4 F S+ + 4 F S Fᵀ F S.
func (l linear) gradient(f blas64.General) blas64.General {
	d := len(l.phi)
	inner := matrix(f.Rows, f.Rows)
	fs := matrix(f.Rows, d)
	for i := range f.Rows {
		for j := range d {
			fs.Data[i*d+j] = f.Data[i*d+j] * (l.phi[j]*l.phi[j] + l.sigma[j]*l.sigma[j])
		}
	}
	blas64.Gemm(blas.NoTrans, blas.Trans, 4, fs, f, 0, inner)
	g := matrix(f.Rows, d)
	for i := range f.Rows {
		for j := range d {
			g.Data[i*d+j] = -4 * f.Data[i*d+j] * l.phi[j] * l.phi[j]
		}
	}
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, inner, fs, 1, g)
	return g
}

// products are W_1, W_2 W_1 and so on.
func (w factors) products() []blas64.General {
	out := []blas64.General{w[0]}
	for _, m := range w[1:] {
		last := out[len(out)-1]
		p := matrix(m.Rows, last.Cols)
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, m, last, 0, p)
		out = append(out, p)
	}
	return out
}

// descend takes steps of full-batch gradient descent.
func (l linear) descend(w factors, steps int) {
	for range steps {
		p := w.products()
		g := l.gradient(p[len(p)-1])
		for i := len(w) - 1; i >= 0; i-- {
			var below blas64.General
			if i > 0 { // what the layers below are told, by the weights as they were
				below = matrix(w[i].Cols, g.Cols)
				blas64.Gemm(blas.Trans, blas.NoTrans, 1, w[i], g, 0, below)
			}
			floats.Scale(1-l.rate*l.decay, w[i].Data)
			if i == 0 {
				floats.AddScaled(w[0].Data, -l.rate, g.Data)
				break
			}
			blas64.Gemm(blas.NoTrans, blas.Trans, -l.rate, g, p[i-1], 1, w[i])
			g = below
		}
	}
}

// columns are the lengths of a matrix' columns: what it weighs each feature with.
func columns(m blas64.General) []float64 {
	s := make([]float64, m.Cols)
	for i, x := range m.Data {
		s[i%m.Cols] += x * x
	}
	for j := range s {
		s[j] = math.Sqrt(s[j])
	}
	return s
}

// layers are the weights of the features after every layer.
func (w factors) layers() (all [][]float64) {
	for _, p := range w.products() {
		all = append(all, columns(p))
	}
	return all
}

// imbalance is the largest difference of W_l W_lᵀ and W_{l+1}ᵀ W_{l+1} to what before says,
// if that is given, and to 0 otherwise.
func (w factors) imbalance(before factors) float64 {
	worst := 0.0
	for i := range w[1:] {
		m := w.difference(i)
		if before != nil {
			floats.Sub(m.Data, before.difference(i).Data)
		}
		for _, x := range m.Data {
			worst = max(worst, math.Abs(x))
		}
	}
	return worst
}

// difference is W_l W_lᵀ - W_{l+1}ᵀ W_{l+1}.
func (w factors) difference(l int) blas64.General {
	m := matrix(w[l].Rows, w[l].Rows)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, w[l], w[l], 0, m)
	blas64.Gemm(blas.Trans, blas.NoTrans, -1, w[l+1], w[l+1], 1, m)
	return m
}

func (w factors) clone() factors {
	var out factors
	for _, m := range w {
		c := matrix(m.Rows, m.Cols)
		copy(c.Data, m.Data)
		out = append(out, c)
	}
	return out
}

// singular are the singular values of a matrix, from the largest.
func singular(m blas64.General) []float64 {
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(m.Rows, m.Cols, m.Data), mat.SVDNone) {
		return nil
	}
	return svd.Values(nil)
}

// farthest is the largest absolute difference of two rows of numbers.
func farthest(a, b []float64) float64 { return floats.Distance(a, b, math.Inf(1)) }

// powers are s^p.
func powers(s []float64, p float64) []float64 {
	out := make([]float64, len(s))
	for i, x := range s {
		out[i] = math.Pow(x, p)
	}
	return out
}
