package elr

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// The linear model of the paper's theory (section 3): two classes of points x = y v +
// sigma w around v and -v, w normal, more dimensions than points, a share of the labels
// flipped, and softmax regression from zero by gradient descent.
const (
	linearPoints = 300
	linearDim    = 600
	linearSigma  = 0.1
	linearFlips  = 0.4
	linearSteps  = 3000
	linearBeta   = 0.7
)

// linearPoint is what is seen after a step.
type linearPoint struct {
	Step      int
	Recovered float64 // share of the flipped points whose true class is predicted
	Memorized float64 // share of them whose wrong label is predicted
	Test      float64 // share of fresh points whose class is predicted
}

// linear runs gradient descent of rate 1 on the logits (x.theta, -x.theta), with the
// term of weight lambda. It computes in float64: it is theory, and no network.
func linear(lambda float64, seed uint64, steps int) []linearPoint {
	rng := rand.New(rand.NewPCG(seed, 11))
	x, truth := linearData(rng, linearPoints)
	fresh, freshTruth := linearData(rng, 1000)
	label := append([]float64(nil), truth...)
	flipped := rng.Perm(linearPoints)[:int(linearFlips*linearPoints)]
	for _, i := range flipped {
		label[i] = -truth[i]
	}
	theta, g, z := vector(linearDim), vector(linearPoints), vector(linearPoints)
	t := make([]float64, linearPoints) // average of the probability of the first class
	u := make([]float64, linearPoints) // and of the second
	var seen []linearPoint
	next := 1
	for step := 1; step <= steps; step++ {
		blas64.Gemv(blas.NoTrans, 1, x, theta, 0, z)
		for i := range linearPoints {
			p := 1 / (1 + math.Exp(-2*z.Data[i]))
			near := min(max(p, 1e-4), 1-1e-4)
			t[i] = linearBeta*t[i] + (1-linearBeta)*near
			u[i] = linearBeta*u[i] + (1-linearBeta)*(1-near)
			y := (1 + label[i]) / 2
			d := p - y
			if lambda > 0 && p == near {
				inner := t[i]*p + u[i]*(1-p)
				d += lambda * p * (inner - t[i]) / (1 - inner)
			}
			g.Data[i] = 2 * d / linearPoints
		}
		blas64.Gemv(blas.Trans, -1, x, g, 1, theta)
		if step == next || step == steps {
			next = max(step+1, int(math.Ceil(float64(step)*1.15)))
			blas64.Gemv(blas.NoTrans, 1, x, theta, 0, z)
			pt := linearPoint{Step: step, Test: agree(fresh, theta, freshTruth)}
			for _, i := range flipped {
				if z.Data[i]*truth[i] > 0 {
					pt.Recovered += 1 / float64(len(flipped))
				} else {
					pt.Memorized += 1 / float64(len(flipped))
				}
			}
			seen = append(seen, pt)
		}
	}
	return seen
}

func vector(n int) blas64.Vector { return blas64.Vector{N: n, Inc: 1, Data: make([]float64, n)} }

// linearData draws points, [n, linearDim], and their classes, 1 and -1. v is the first
// axis.
func linearData(rng *rand.Rand, n int) (x blas64.General, truth []float64) {
	x = blas64.General{Rows: n, Cols: linearDim, Stride: linearDim, Data: make([]float64, n*linearDim)}
	for i := range n {
		y := float64(2*rng.IntN(2) - 1)
		truth = append(truth, y)
		for j := range linearDim {
			x.Data[i*linearDim+j] = linearSigma * rng.NormFloat64()
		}
		x.Data[i*linearDim] += y
	}
	return x, truth
}

// agree is the share of points that theta puts into their class.
func agree(x blas64.General, theta blas64.Vector, truth []float64) float64 {
	z := vector(x.Rows)
	blas64.Gemv(blas.NoTrans, 1, x, theta, 0, z)
	right := 0
	for i, y := range truth {
		if z.Data[i]*y > 0 {
			right++
		}
	}
	return float64(right) / float64(x.Rows)
}

// at returns what was seen at the first point at or after a step.
func at(seen []linearPoint, step int) linearPoint {
	for _, p := range seen {
		if p.Step >= step {
			return p
		}
	}
	return seen[len(seen)-1]
}
