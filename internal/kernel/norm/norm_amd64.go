package norm

import "github.com/micaml/mica/internal/cpu"

func tier(t cpu.Tier) *kernels {
	if t == cpu.AVX512 {
		return &avx512
	}
	return &plain
}

var avx512 = kernels{
	sumSquares:  func(x []float32) float32 { return sumSquares512(&x[0], len(x)) },
	scale:       func(dst, x, w []float32, r float32) { scale512(&dst[0], &x[0], &w[0], len(x), r) },
	sumProducts: func(dy, w, x []float32) float32 { return sumProducts512(&dy[0], &w[0], &x[0], len(x)) },
	inputGrad: func(dx, dy, w, x []float32, r, c float32) {
		inputGrad512(&dx[0], &dy[0], &w[0], &x[0], len(x), r, c)
	},
	gainGrad: func(dw, dy, x []float32, r float32) { gainGrad512(&dw[0], &dy[0], &x[0], len(x), r) },
}
