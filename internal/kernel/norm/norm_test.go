package norm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
)

// operands of one call: m are three matrices and one of two columns, v vectors as long as a row, of which
// scalars are the first numbers of the last.
type operands struct{ m, v [][]float32 }

func newOperands(n, rows int, slice func(n int) []float32) operands {
	var o operands
	for range 3 {
		o.m = append(o.m, slice(rows*n))
	}
	o.m = append(o.m, slice(2*rows))
	for range 5 {
		o.v = append(o.v, slice(n))
	}
	return o
}

func (o operands) clone() operands {
	var c operands
	for _, x := range o.m {
		c.m = append(c.m, append([]float32(nil), x...))
	}
	for _, x := range o.v {
		c.v = append(c.v, append([]float32(nil), x...))
	}
	return c
}

// scalar i is any number of the operands.
func (o operands) scalar(i int) float32 { s := o.v[4]; return s[i%len(s)] }

// twinTests and guardTests name every assembly function, for the test in
// kerneltest that looks for uncovered ones.
var twinTests = map[string]func(k *kernels, o operands) (a, b float32){
	"sumSquares*": func(k *kernels, o operands) (float32, float32) { return k.sumSquares(o.v[0]), 0 },
	"scale*": func(k *kernels, o operands) (float32, float32) {
		k.scale(o.v[0], o.v[1], o.v[2], o.scalar(0))
		return 0, 0
	},
	"sumProducts*": func(k *kernels, o operands) (float32, float32) { return k.sumProducts(o.v[0], o.v[1], o.v[2]), 0 },
	"inputGrad*": func(k *kernels, o operands) (float32, float32) {
		k.inputGrad(o.v[0], o.v[1], o.v[2], o.v[3], o.scalar(0), o.scalar(1))
		return 0, 0
	},
	"gainGrad*": func(k *kernels, o operands) (float32, float32) {
		k.gainGrad(o.v[0], o.v[1], o.v[2], o.scalar(0))
		return 0, 0
	},
	"layerMoments*": func(k *kernels, o operands) (float32, float32) {
		k.layerMoments(o.m[0], o.m[3], o.scalar(0))
		return 0, 0
	},
	"layerScale*": func(k *kernels, o operands) (float32, float32) {
		k.layerScale(o.v[0], o.v[1], o.v[2], o.v[3], o.scalar(0), o.scalar(1))
		return 0, 0
	},
	"layerGrads*": func(k *kernels, o operands) (float32, float32) {
		return k.layerGrads(o.v[0], o.v[1], o.v[2], o.v[3], o.v[4], o.scalar(0), o.scalar(1))
	},
	"layerInputGrad[0-9]*": func(k *kernels, o operands) (float32, float32) {
		k.layerInputGrad[0](o.v[0], o.v[1], o.v[2], o.v[3], o.scalar(0), o.scalar(1), o.scalar(2), o.scalar(3))
		return 0, 0
	},
	"layerInputGradAdd*": func(k *kernels, o operands) (float32, float32) {
		k.layerInputGrad[1](o.v[0], o.v[1], o.v[2], o.v[3], o.scalar(0), o.scalar(1), o.scalar(2), o.scalar(3))
		return 0, 0
	},
	"colSum*": func(k *kernels, o operands) (float32, float32) { k.colSum(o.m[0], o.v[0]); return 0, 0 },
	"colMoments*": func(k *kernels, o operands) (float32, float32) {
		k.colMoments(o.m[0], o.v[0], o.v[1], o.v[2])
		return 0, 0
	},
	"colGrads*": func(k *kernels, o operands) (float32, float32) {
		k.colGrads(o.m[0], o.m[1], o.v[0], o.v[1], o.v[2])
		return 0, 0
	},
	"affine[0-9]*": func(k *kernels, o operands) (float32, float32) {
		k.affine(o.m[0], o.m[1], o.v[0], o.v[1], o.v[2])
		return 0, 0
	},
	"affineGrad[0-9]*": func(k *kernels, o operands) (float32, float32) {
		k.affineGrad[0](o.m[0], o.m[1], o.m[2], o.v[0], o.v[1], o.v[2], o.v[3])
		return 0, 0
	},
	"affineGradAdd*": func(k *kernels, o operands) (float32, float32) {
		k.affineGrad[1](o.m[0], o.m[1], o.m[2], o.v[0], o.v[1], o.v[2], o.v[3])
		return 0, 0
	},
}

var guardTests = map[string]func(t *testing.T){"*512": guard, "*256": guard}

func TestTwin(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(1, 2))
		for name, f := range twinTests {
			for n := 1; n < 130; n++ {
				for _, share := range []float64{0, 0.05, 0.6} {
					got := newOperands(n, 1+n%6, func(n int) []float32 {
						x := make([]float32, n)
						kerneltest.Awkward(x, r.Uint64, share)
						return x
					})
					want := got.clone()
					a, b := f(tier(tr), got)
					c, d := f(&plain, want)
					what := fmt.Sprintf("%s of %d", name, n)
					kerneltest.CheckBits(t, "result of "+what, []float32{a, b}, []float32{c, d})
					for i := range got.m {
						kerneltest.CheckBits(t, what, got.m[i], want.m[i])
					}
					for i := range got.v {
						kerneltest.CheckBits(t, what, got.v[i], want.v[i])
					}
				}
			}
		}
	})
}

func TestGuardPages(t *testing.T) {
	for name, f := range guardTests {
		t.Run(name, f)
	}
}

func guard(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		for _, edge := range kerneltest.Edges {
			for n := 1; n < 100; n++ { // groups of panels have up to 64 columns
				o := newOperands(n, 1+n%5, func(n int) []float32 { return kerneltest.GuardedOf[float32](t, n, edge) })
				for _, f := range twinTests {
					f(tier(tr), o)
				}
			}
		}
	})
}
