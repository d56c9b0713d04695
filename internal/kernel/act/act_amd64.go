package act

import "github.com/micaml/mica/internal/cpu"

func tier(t cpu.Tier) *kernels {
	if t == cpu.AVX512 {
		return &avx512
	}
	return &plain
}

var avx512 = kernels{
	add:          func(dst, x, y []float32) { add512(&dst[0], &x[0], &y[0], len(dst)) },
	mul:          func(dst, x, y []float32) { mul512(&dst[0], &x[0], &y[0], len(dst)) },
	scale:        func(dst, x []float32, s float32) { scale512(&dst[0], &x[0], len(dst), s) },
	divide:       func(dst, x []float32, s float32) { divide512(&dst[0], &x[0], len(dst), s) },
	axpy:         func(y []float32, s float32, x []float32) { axpy512(&y[0], &x[0], &y[0], len(y), s) },
	silu:         func(dst, x []float32) { silu512(&dst[0], &x[0], len(dst)) },
	siluBackward: func(dx, dy, x []float32) { siluBackward512(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	swiglu:       func(dst, g, u []float32) { swiglu512(&dst[0], &g[0], &u[0], len(dst)) },
	sum:          func(x []float32) float32 { return sum512(&x[0], len(x)) },
	dot:          func(x, y []float32) float32 { return dot512(&x[0], &y[0], len(x)) },
	largest:      func(x []float32) float32 { return max512(&x[0], len(x)) },
	expSum:       func(dst, x []float32, top float32) float32 { return expSum512(&dst[0], &x[0], len(x), top) },
}
