package norm

import "github.com/micaml/mica/internal/cpu"

func tier(t cpu.Tier) *kernels { return cpu.Of(t, &plain, &avx2, &avx512) }

var avx512 = kernels{
	sumSquares: func(x []float32) float32 {
		return sumSquares512(&x[0], len(x))
	},
	scale: func(dst, x, w []float32, r float32) {
		scale512(&dst[0], &x[0], &w[0], len(x), r)
	},
	sumProducts: func(dy, w, x []float32) float32 {
		return sumProducts512(&dy[0], &w[0], &x[0], len(x))
	},
	inputGrad: func(dx, dy, w, x []float32, r, c float32) {
		inputGrad512(&dx[0], &dy[0], &w[0], &x[0], len(x), r, c)
	},
	gainGrad: func(dw, dy, x []float32, r float32) {
		gainGrad512(&dw[0], &dy[0], &x[0], len(x), r)
	},
	layerMoments: func(x, stats []float32, eps float32) {
		rows := len(stats) / 2
		n := len(x) / rows
		layerMoments512(&x[0], &stats[0], rows, n, float32(n), eps)
	},
	layerScale: func(dst, x, w, b []float32, mean, r float32) {
		layerScale512(&dst[0], &x[0], &w[0], &b[0], len(x), mean, r)
	},
	layerGrads: func(dw, db, dy, w, x []float32, mean, r float32) (sum, dot float32) {
		return layerGrads512(&dw[0], &db[0], &dy[0], &w[0], &x[0], len(x), mean, r)
	},
	layerInputGrad: [2]func(dx, dy, w, x []float32, mean, r, m1, m2 float32){
		func(dx, dy, w, x []float32, mean, r, m1, m2 float32) {
			layerInputGrad512(&dx[0], &dy[0], &w[0], &x[0], len(x), mean, r, m1, m2)
		},
		func(dx, dy, w, x []float32, mean, r, m1, m2 float32) {
			layerInputGradAdd512(&dx[0], &dy[0], &w[0], &x[0], len(x), mean, r, m1, m2)
		},
	},
	colSum: func(x, acc []float32) {
		colSum512(&x[0], &acc[0], len(x)/len(acc), len(acc))
	},
	colMoments: func(x, sum, squares, shift []float32) {
		colMoments512(&x[0], &sum[0], &squares[0], &shift[0], len(x)/len(sum), len(sum))
	},
	colGrads: func(dy, x, sum, dot, mean []float32) {
		colGrads512(&dy[0], &x[0], &sum[0], &dot[0], &mean[0], len(x)/len(sum), len(sum))
	},
	affine: func(dst, x, mean, scale, shift []float32) {
		affine512(&dst[0], &x[0], &mean[0], &scale[0], &shift[0], len(x)/len(mean), len(mean))
	},
	affineGrad: [2]func(dx, dy, x, mean, a, b, c []float32){
		func(dx, dy, x, mean, a, b, c []float32) {
			affineGrad512(&dx[0], &dy[0], &x[0], &mean[0], &a[0], &b[0], &c[0], len(x)/len(mean), len(mean))
		},
		func(dx, dy, x, mean, a, b, c []float32) {
			affineGradAdd512(&dx[0], &dy[0], &x[0], &mean[0], &a[0], &b[0], &c[0], len(x)/len(mean), len(mean))
		},
	},
}

var avx2 = kernels{
	sumSquares: func(x []float32) float32 {
		return sumSquares256(&x[0], len(x))
	},
	scale: func(dst, x, w []float32, r float32) {
		scale256(&dst[0], &x[0], &w[0], len(x), r)
	},
	sumProducts: func(dy, w, x []float32) float32 {
		return sumProducts256(&dy[0], &w[0], &x[0], len(x))
	},
	inputGrad: func(dx, dy, w, x []float32, r, c float32) {
		inputGrad256(&dx[0], &dy[0], &w[0], &x[0], len(x), r, c)
	},
	gainGrad: func(dw, dy, x []float32, r float32) {
		gainGrad256(&dw[0], &dy[0], &x[0], len(x), r)
	},
	layerMoments: func(x, stats []float32, eps float32) {
		rows := len(stats) / 2
		n := len(x) / rows
		layerMoments256(&x[0], &stats[0], rows, n, float32(n), eps)
	},
	layerScale: func(dst, x, w, b []float32, mean, r float32) {
		layerScale256(&dst[0], &x[0], &w[0], &b[0], len(x), mean, r)
	},
	layerGrads: func(dw, db, dy, w, x []float32, mean, r float32) (sum, dot float32) {
		return layerGrads256(&dw[0], &db[0], &dy[0], &w[0], &x[0], len(x), mean, r)
	},
	layerInputGrad: [2]func(dx, dy, w, x []float32, mean, r, m1, m2 float32){
		func(dx, dy, w, x []float32, mean, r, m1, m2 float32) {
			layerInputGrad256(&dx[0], &dy[0], &w[0], &x[0], len(x), mean, r, m1, m2)
		},
		func(dx, dy, w, x []float32, mean, r, m1, m2 float32) {
			layerInputGradAdd256(&dx[0], &dy[0], &w[0], &x[0], len(x), mean, r, m1, m2)
		},
	},
	colSum: func(x, acc []float32) {
		colSum256(&x[0], &acc[0], len(x)/len(acc), len(acc))
	},
	colMoments: func(x, sum, squares, shift []float32) {
		colMoments256(&x[0], &sum[0], &squares[0], &shift[0], len(x)/len(sum), len(sum))
	},
	colGrads: func(dy, x, sum, dot, mean []float32) {
		colGrads256(&dy[0], &x[0], &sum[0], &dot[0], &mean[0], len(x)/len(sum), len(sum))
	},
	affine: func(dst, x, mean, scale, shift []float32) {
		affine256(&dst[0], &x[0], &mean[0], &scale[0], &shift[0], len(x)/len(mean), len(mean))
	},
	affineGrad: [2]func(dx, dy, x, mean, a, b, c []float32){
		func(dx, dy, x, mean, a, b, c []float32) {
			affineGrad256(&dx[0], &dy[0], &x[0], &mean[0], &a[0], &b[0], &c[0], len(x)/len(mean), len(mean))
		},
		func(dx, dy, x, mean, a, b, c []float32) {
			affineGradAdd256(&dx[0], &dy[0], &x[0], &mean[0], &a[0], &b[0], &c[0], len(x)/len(mean), len(mean))
		},
	},
}
