package probe

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"
)

// Penalty of a probe's weights, but for the bias: the mean cross-entropy in nats gets
// L2/2 times the sum of their squares and L1 times the sum of their absolutes. With a
// tiny L2 and classes that can be separated the probe has nearly the largest margin.
type Penalty struct{ L2, L1 float64 }

// Logistic is softmax regression.
func Logistic(d *Data, p Penalty) (*Probe, error) {
	if err := d.learnable(); err != nil {
		return nil, err
	}
	if !(p.L2 >= 0) || !(p.L1 >= 0) || math.IsInf(p.L2+p.L1, 0) || p.L2+p.L1 == 0 {
		return nil, fmt.Errorf("probe: penalties %v and %v: one of them is above 0, or nothing holds the weights", p.L2, p.L1)
	}
	o := newObjective(d, p.L2)
	var at []float64
	var err error
	if p.L1 == 0 {
		at, err = o.smooth()
	} else {
		at = o.proximal(p.L1)
	}
	if err != nil {
		return nil, err
	}
	if floats.HasNaN(at) {
		return nil, errors.New("probe: the fit is not finite: bring the representation to a scale first")
	}
	weights := d.Width * d.Classes
	return &Probe{Weights: at[:weights], Bias: at[weights:]}, nil
}

// objective is the smooth part of the loss as a function of weights and bias. Scores
// have a row for each class, so that the long side of every product is the inner one.
type objective struct {
	d       *Data
	x, xt   blas64.General // [N, Width], [Width, N]
	scores  blas64.General // [Classes, N]
	slope   blas64.General // [Classes, Width]
	row     []float64      // of one example
	l2      float64
	weights int
}

func newObjective(d *Data, l2 float64) *objective {
	n := d.Len()
	o := &objective{d: d, l2: l2, weights: d.Width * d.Classes, row: make([]float64, d.Classes)}
	o.x, o.xt = general(n, d.Width), general(d.Width, n)
	for i, v := range d.X {
		o.x.Data[i] = float64(v)
		o.xt.Data[i%d.Width*n+i/d.Width] = float64(v)
	}
	o.scores, o.slope = general(d.Classes, n), general(d.Classes, d.Width)
	return o
}

func general(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float64, rows*cols)}
}

// evaluate returns the loss, and writes its gradient over grad.
func (o *objective) evaluate(grad, at []float64) float64 {
	classes, count := o.d.Classes, o.d.Len()
	for k, b := range at[o.weights:] {
		row := o.scores.Data[k*count : (k+1)*count]
		for i := range row {
			row[i] = b
		}
	}
	w := blas64.General{Rows: o.d.Width, Cols: classes, Stride: classes, Data: at[:o.weights]}
	blas64.Gemm(blas.Trans, blas.NoTrans, 1, w, o.xt, 1, o.scores)
	loss, n := o.l2/2*floats.Dot(w.Data, w.Data), float64(count)
	bias := grad[o.weights:]
	clear(bias)
	for i, l := range o.d.Labels {
		for k := range o.row {
			o.row[k] = o.scores.Data[k*count+i]
		}
		sum := floats.LogSumExp(o.row)
		loss += (sum - o.row[l]) / n
		for k, s := range o.row {
			p := math.Exp(s-sum) / n
			if k == int(l) {
				p -= 1 / n
			}
			bias[k] += p
			o.scores.Data[k*count+i] = p
		}
	}
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, o.scores, o.x, 0, o.slope)
	for i := range w.Data {
		grad[i] = o.l2*w.Data[i] + o.slope.Data[i%classes*o.d.Width+i/classes]
	}
	return loss
}

// The fits end at a gradient this small, or after so many steps: by then a probe's
// accuracy has long settled.
const (
	flat         = 1e-6
	mostSteps    = 300
	flatProximal = 1e-5
	mostProximal = 2000
)

// smooth finds the minimum of the smooth part by L-BFGS.
func (o *objective) smooth() ([]float64, error) {
	n := o.weights + o.d.Classes
	seen, slope := make([]float64, n), make([]float64, n) // where the loss was last asked for, and its gradient there
	r, err := optimize.Minimize(optimize.Problem{
		Func: func(at []float64) float64 {
			copy(seen, at)
			return o.evaluate(slope, at)
		},
		Grad: func(grad, at []float64) {
			if !floats.Equal(seen, at) {
				copy(seen, at)
				o.evaluate(slope, at)
			}
			copy(grad, slope)
		},
	}, make([]float64, n), &optimize.Settings{GradientThreshold: flat, MajorIterations: mostSteps}, &optimize.LBFGS{})
	if r == nil {
		return nil, fmt.Errorf("probe: logistic regression: %w", err)
	}
	// A line search that finds no lower point near the minimum is an end too.
	return r.X, nil
}

// proximal finds the minimum with L1 by accelerated proximal gradient steps (Beck &
// Teboulle 2009), which begin anew whenever they go up (O'Donoghue & Candès 2015).
func (o *objective) proximal(l1 float64) []float64 {
	// The curvature is at most half the largest eigenvalue of the mean of [x 1]ᵀ[x 1].
	rate := 1 / (o.curvature()/2 + o.l2)
	at, last, look := make([]float64, o.weights+o.d.Classes), make([]float64, o.weights+o.d.Classes), make([]float64, o.weights+o.d.Classes)
	grad := make([]float64, len(at))
	for k, t := 0, 1.0; k < mostProximal; k++ {
		o.evaluate(grad, look)
		copy(last, at)
		moved, up := 0.0, 0.0
		for i := range at {
			at[i] = look[i] - rate*grad[i]
			if i < o.weights {
				at[i] = math.Copysign(max(0, math.Abs(at[i])-rate*l1), at[i])
			}
			moved = max(moved, math.Abs(at[i]-look[i]))
			up += (look[i] - at[i]) * (at[i] - last[i])
		}
		if moved <= flatProximal*rate {
			break
		}
		next := (1 + math.Sqrt(1+4*t*t)) / 2
		if up > 0 {
			t, next = 1, 1
		}
		for i := range look {
			look[i] = at[i] + (t-1)/next*(at[i]-last[i])
		}
		t = next
	}
	return at
}

// curvature is an upper bound of the largest eigenvalue: some power steps, and a bit.
func (o *objective) curvature() float64 {
	n, w := o.d.Len(), o.d.Width
	v, z := make([]float64, w+1), blas64.Vector{N: n, Inc: 1, Data: make([]float64, n)}
	for i := range v {
		v[i] = 1 / math.Sqrt(float64(w+1))
	}
	value := 0.0
	for range 50 {
		for i := range z.Data {
			z.Data[i] = v[w]
		}
		blas64.Gemv(blas.NoTrans, 1, o.x, blas64.Vector{N: w, Inc: 1, Data: v[:w]}, 1, z)
		v[w] = floats.Sum(z.Data) / float64(n)
		blas64.Gemv(blas.Trans, 1/float64(n), o.x, z, 0, blas64.Vector{N: w, Inc: 1, Data: v[:w]})
		if value = floats.Norm(v, 2); value == 0 {
			return 1
		}
		floats.Scale(1/value, v)
	}
	return 1.1 * value
}
