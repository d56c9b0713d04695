package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/tensor"
)

func newGrads(p *problem) *Grads {
	r := rand.New(rand.NewPCG(9, 9))
	stride := p.kv.Dim + 2
	return &Grads{
		DOut: normal(r, len(p.q.Out)), DQ: make([]float32, len(p.q.Q)),
		DK: make([]float32, p.entries*stride), DV: make([]float32, p.entries*stride), Stride: stride,
	}
}

// referenceGrads returns dQ (by row), dK and dV (by entry) in float64.
func (p *problem) referenceGrads(dout []float32) (dq, dk, dv [][]float64) {
	zero := func(n int) [][]float64 {
		m := make([][]float64, n)
		for i := range m {
			m[i] = make([]float64, p.kv.Dim)
		}
		return m
	}
	dq, dk, dv = zero(len(p.q.N)), zero(p.entries), zero(p.entries)
	for r := range p.q.N {
		_, prob := p.reference(r)
		at := p.q.at(r)
		dp := make([]float64, p.entries)
		mean := 0.0
		for j, w := range prob {
			for d := range p.kv.Dim {
				dp[j] += float64(dout[at+d]) * float64(p.v[j][d])
			}
			mean += w * dp[j]
		}
		for j, w := range prob {
			ds := w * (dp[j] - mean) * float64(p.q.Scale)
			for d := range p.kv.Dim {
				dq[r][d] += ds * float64(p.k[j][d])
				dk[j][d] += ds * float64(p.q.Q[at+d])
				dv[j][d] += w * float64(dout[at+d])
			}
		}
	}
	return dq, dk, dv
}

// The reference's own gradient is checked by differences of the float64 forward,
// so that both do not share an error.
func TestReferenceGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	p := newProblem(r, 5, 2, 3, 4, tensor.F32, true, 0)
	g := newGrads(p)
	loss := func() float64 {
		sum := 0.0
		for i := range p.q.N {
			out, _ := p.reference(i)
			for d, o := range out {
				sum += o * float64(g.DOut[p.q.at(i)+d])
			}
		}
		return sum
	}
	dq, dk, dv := p.referenceGrads(g.DOut)
	check := func(what string, x *float32, want float64) {
		t.Helper()
		const h = 1.0 / 256
		old := *x
		*x = old + h
		hi, up := loss(), float64(*x)
		*x = old - h
		lo, down := loss(), float64(*x)
		*x = old
		if got := (hi - lo) / (up - down); math.Abs(got-want) > 1e-4*(1+math.Abs(want)) {
			t.Errorf("%s: difference %v, gradient %v", what, got, want)
		}
	}
	for d := range 5 {
		for i := range p.q.N {
			check("q", &p.q.Q[p.q.at(i)+d], dq[i][d])
		}
		for j := range p.entries {
			check("k", &p.k[j][d], dk[j][d])
			check("v", &p.v[j][d], dv[j][d])
		}
	}
}

func TestBackwardAgainstFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, sh := range shapes {
		if sh.kind != tensor.F32 {
			continue
		}
		p := sh.problem(r)
		var want *Grads
		for _, tier := range cpu.Tiers() {
			g := newGrads(p)
			var s Scratch
			s.forward(tier, &p.kv, &p.q)
			s.backward(tier, &p.kv, &p.q, g)
			if want == nil {
				want = g
				continue
			}
			what := fmt.Sprintf("%+v %v ", sh, tier)
			kerneltest.CheckBits(t, what+"dq", g.DQ, want.DQ)
			kerneltest.CheckBits(t, what+"dk", g.DK, want.DK)
			kerneltest.CheckBits(t, what+"dv", g.DV, want.DV)
		}
		dq, dk, dv := p.referenceGrads(want.DOut)
		near := func(what string, got []float32, ref []float64) {
			t.Helper()
			for d, w := range ref {
				if e := math.Abs(float64(got[d]) - w); e > 2e-5*(1+math.Abs(w)) || got[d] != got[d] {
					t.Fatalf("%+v: %s[%d] is %v, want %v", sh, what, d, got[d], w)
				}
			}
		}
		for i := range dq {
			near(fmt.Sprintf("dq of row %d", i), want.DQ[p.q.at(i):], dq[i])
		}
		for j := range dk {
			near(fmt.Sprintf("dk of entry %d", j), want.DK[j*want.Stride:], dk[j])
			near(fmt.Sprintf("dv of entry %d", j), want.DV[j*want.Stride:], dv[j])
		}
	}
}

// Gradients must not depend on how the rows are cut into calls.
func TestBackwardInParts(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	for _, sh := range shapes {
		if sh.kind != tensor.F32 {
			continue
		}
		p := sh.problem(r)
		var s Scratch
		s.Forward(&p.kv, &p.q)
		whole, parts := newGrads(p), newGrads(p)
		s.Backward(&p.kv, &p.q, whole)
		for lo := 0; lo < len(p.q.N); {
			hi := min(lo+p.q.Heads*(1+r.IntN(30)), len(p.q.N))
			g := *parts
			at := lo / p.q.Heads * p.q.PosStride
			g.DOut, g.DQ = g.DOut[at:], g.DQ[at:]
			s.Backward(&p.kv, p.slice(lo, hi), &g)
			lo = hi
		}
		what := fmt.Sprintf("%+v ", sh)
		kerneltest.CheckBits(t, what+"dq", parts.DQ, whole.DQ)
		kerneltest.CheckBits(t, what+"dk", parts.DK, whole.DK)
		kerneltest.CheckBits(t, what+"dv", parts.DV, whole.DV)
	}
}
