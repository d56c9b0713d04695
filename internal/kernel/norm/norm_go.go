package norm

import "github.com/micaml/mica/internal/f32"

// plain are the twins, in plain Go.
var plain = kernels{
	sumSquares: sumSquaresGo, scale: scaleGo, sumProducts: sumProductsGo, inputGrad: inputGradGo, gainGrad: gainGradGo,
	layerMoments: layerMomentsGo, layerScale: layerScaleGo,
	layerGrads:     layerGradsGo,
	layerInputGrad: [2]func(dx, dy, w, x []float32, mean, r, m1, m2 float32){layerInputGradGo, layerInputGradAddGo},
	colSum:         colSumGo, colMoments: colMomentsGo, colGrads: colGradsGo, affine: affineGo,
	affineGrad: [2]func(dx, dy, x, mean, a, b, c []float32){affineGradGo, affineGradAddGo},
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

func layerMomentsGo(x, stats []float32, eps float32) {
	n := len(x) / (len(stats) / 2)
	for ; len(x) > 0; x, stats = x[n:], stats[2:] {
		var sum, squares [16]float32
		for i, v := range x[:n] {
			sum[i&15] += v
		}
		mean := f32.SumLanes(&sum) / float32(n)
		for i, v := range x[:n] {
			d := v - mean
			squares[i&15] = f32.FMA(d, d, squares[i&15])
		}
		stats[0], stats[1] = mean, inverse(f32.SumLanes(&squares)/float32(n)+eps)
	}
}

func layerScaleGo(dst, x, w, b []float32, mean, r float32) {
	for i, v := range x {
		dst[i] = f32.FMA((v-mean)*r, w[i], b[i])
	}
}

func layerGradsGo(dw, db, dy, w, x []float32, mean, r float32) (sum, dot float32) {
	var s, d [16]float32
	for i, v := range x {
		z := (v - mean) * r
		dw[i] = f32.FMA(dy[i], z, dw[i])
		db[i] += dy[i]
		g := float32(dy[i] * w[i])
		s[i&15] += g
		d[i&15] = f32.FMA(g, z, d[i&15])
	}
	return f32.SumLanes(&s), f32.SumLanes(&d)
}

func layerInputGradGo(dx, dy, w, x []float32, mean, r, m1, m2 float32) {
	for i, v := range x {
		g := float32(dy[i]*w[i]) - m1
		dx[i] = f32.FMA(-m2, (v-mean)*r, g) * r
	}
}

func layerInputGradAddGo(dx, dy, w, x []float32, mean, r, m1, m2 float32) {
	for i, v := range x {
		g := float32(dy[i]*w[i]) - m1
		dx[i] = f32.FMA(f32.FMA(-m2, (v-mean)*r, g), r, dx[i])
	}
}
