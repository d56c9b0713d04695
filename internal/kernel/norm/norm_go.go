package norm

import "github.com/micaml/mica/internal/f32"

// plain are the twins, in plain Go.
var plain = kernels{
	sumSquares: sumSquaresGo, scale: scaleGo, sumProducts: sumProductsGo, inputGrad: inputGradGo, gainGrad: gainGradGo,
}

func sumSquaresGo(x []float32) float32 {
	var z [16]float32
	for i, v := range x {
		z[i&15] = f32.FMA(v, v, z[i&15])
	}
	return f32.SumLanes(&z)
}

func scaleGo(dst, x, w []float32, r float32) {
	for i, v := range x {
		dst[i] = float32(v*r) * w[i]
	}
}

func sumProductsGo(dy, w, x []float32) float32 {
	var z [16]float32
	for i, v := range x {
		z[i&15] = f32.FMA(dy[i]*w[i], v, z[i&15])
	}
	return f32.SumLanes(&z)
}

func inputGradGo(dx, dy, w, x []float32, r, c float32) {
	for i, v := range x {
		dx[i] = f32.FMA(f32.FMA(-c, v, dy[i]*w[i]), r, dx[i])
	}
}

func gainGradGo(dw, dy, x []float32, r float32) {
	for i, v := range x {
		dw[i] = f32.FMA(dy[i], v*r, dw[i])
	}
}
