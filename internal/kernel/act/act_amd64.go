package act

import "github.com/micaml/mica/internal/cpu"

func tier(t cpu.Tier) *kernels { return cpu.Of(t, &plain, &avx2, &avx512) }

var avx512 = kernels{
	add:    func(dst, x, y []float32) { add512(&dst[0], &x[0], &y[0], len(dst)) },
	mul:    func(dst, x, y []float32) { mul512(&dst[0], &x[0], &y[0], len(dst)) },
	swiglu: func(dst, x, y []float32) { swiglu512(&dst[0], &x[0], &y[0], len(dst)) },
	mulAdd: func(dst, x, y []float32) { mulAdd512(&dst[0], &x[0], &y[0], &dst[0], len(dst)) },
	scale:  func(dst, x []float32, s float32) { scale512(&dst[0], &x[0], len(dst), s) },
	divide: func(dst, x []float32, s float32) { divide512(&dst[0], &x[0], len(dst), s) },
	axpy:   func(y []float32, s float32, x []float32) { axpy512(&y[0], &x[0], &y[0], len(y), s) },

	relu:             func(dst, x []float32) { relu512(&dst[0], &x[0], len(dst)) },
	sigmoid:          func(dst, x []float32) { sigmoid512(&dst[0], &x[0], len(dst)) },
	tanh:             func(dst, x []float32) { tanh512(&dst[0], &x[0], len(dst)) },
	silu:             func(dst, x []float32) { silu512(&dst[0], &x[0], len(dst)) },
	gelu:             func(dst, x []float32) { gelu512(&dst[0], &x[0], len(dst)) },
	geluTanh:         func(dst, x []float32) { geluTanh512(&dst[0], &x[0], len(dst)) },
	reluBackward:     func(dx, dy, x []float32) { reluBackward512(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	reluGradient:     func(dx, dy, x []float32) { reluGradient512(&dx[0], &dy[0], &x[0], len(dx)) },
	sigmoidBackward:  func(dx, dy, x []float32) { sigmoidBackward512(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	tanhBackward:     func(dx, dy, x []float32) { tanhBackward512(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	siluBackward:     func(dx, dy, x []float32) { siluBackward512(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	geluBackward:     func(dx, dy, x []float32) { geluBackward512(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	geluTanhBackward: func(dx, dy, x []float32) { geluTanhBackward512(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	swigluBackward:   func(dg, du, dy, g, u []float32) { swigluBackward512(&dg[0], &du[0], &dy[0], &g[0], &u[0], len(dg)) },

	sum:     func(x []float32) float32 { return sum512(&x[0], len(x)) },
	largest: func(x []float32) float32 { return max512(&x[0], len(x)) },
	dot:     func(x, y []float32) float32 { return dot512(&x[0], &y[0], len(x)) },
	expSum:  func(dst, x []float32, top float32) float32 { return expSum512(&dst[0], &x[0], len(x), top) },
	sumExp:  func(x []float32, top float32) float32 { return sumExp512(&x[0], len(x), top) },
	softmaxBackward: func(dx, dy, p []float32, dot float32) {
		softmaxBackward512(&dx[0], &dx[0], &dy[0], &p[0], len(dx), dot)
	},
	expAXPY: func(y []float32, s float32, x []float32, top float32) {
		expAXPY512(&y[0], &x[0], &y[0], len(y), s, top)
	},
}

var avx2 = kernels{
	add:    func(dst, x, y []float32) { add256(&dst[0], &x[0], &y[0], len(dst)) },
	mul:    func(dst, x, y []float32) { mul256(&dst[0], &x[0], &y[0], len(dst)) },
	swiglu: func(dst, x, y []float32) { swiglu256(&dst[0], &x[0], &y[0], len(dst)) },
	mulAdd: func(dst, x, y []float32) { mulAdd256(&dst[0], &x[0], &y[0], &dst[0], len(dst)) },
	scale:  func(dst, x []float32, s float32) { scale256(&dst[0], &x[0], len(dst), s) },
	divide: func(dst, x []float32, s float32) { divide256(&dst[0], &x[0], len(dst), s) },
	axpy:   func(y []float32, s float32, x []float32) { axpy256(&y[0], &x[0], &y[0], len(y), s) },

	relu:             func(dst, x []float32) { relu256(&dst[0], &x[0], len(dst)) },
	sigmoid:          func(dst, x []float32) { sigmoid256(&dst[0], &x[0], len(dst)) },
	tanh:             func(dst, x []float32) { tanh256(&dst[0], &x[0], len(dst)) },
	silu:             func(dst, x []float32) { silu256(&dst[0], &x[0], len(dst)) },
	gelu:             func(dst, x []float32) { gelu256(&dst[0], &x[0], len(dst)) },
	geluTanh:         func(dst, x []float32) { geluTanh256(&dst[0], &x[0], len(dst)) },
	reluBackward:     func(dx, dy, x []float32) { reluBackward256(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	reluGradient:     func(dx, dy, x []float32) { reluGradient256(&dx[0], &dy[0], &x[0], len(dx)) },
	sigmoidBackward:  func(dx, dy, x []float32) { sigmoidBackward256(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	tanhBackward:     func(dx, dy, x []float32) { tanhBackward256(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	siluBackward:     func(dx, dy, x []float32) { siluBackward256(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	geluBackward:     func(dx, dy, x []float32) { geluBackward256(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	geluTanhBackward: func(dx, dy, x []float32) { geluTanhBackward256(&dx[0], &dx[0], &dy[0], &x[0], len(dx)) },
	swigluBackward:   func(dg, du, dy, g, u []float32) { swigluBackward256(&dg[0], &du[0], &dy[0], &g[0], &u[0], len(dg)) },

	sum:     func(x []float32) float32 { return sum256(&x[0], len(x)) },
	largest: func(x []float32) float32 { return max256(&x[0], len(x)) },
	dot:     func(x, y []float32) float32 { return dot256(&x[0], &y[0], len(x)) },
	expSum:  func(dst, x []float32, top float32) float32 { return expSum256(&dst[0], &x[0], len(x), top) },
	sumExp:  func(x []float32, top float32) float32 { return sumExp256(&x[0], len(x), top) },
	softmaxBackward: func(dx, dy, p []float32, dot float32) {
		softmaxBackward256(&dx[0], &dx[0], &dy[0], &p[0], len(dx), dot)
	},
	expAXPY: func(y []float32, s float32, x []float32, top float32) {
		expAXPY256(&y[0], &x[0], &y[0], len(y), s, top)
	},
}
