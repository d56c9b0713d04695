package norm

import "github.com/micaml/mica/internal/f32"

func colSumGo(x, acc []float32) {
	for ; len(x) > 0; x = x[len(acc):] {
		for i := range acc {
			acc[i] += x[i]
		}
	}
}

func colMomentsGo(x, sum, squares, shift []float32) {
	for ; len(x) > 0; x = x[len(sum):] {
		for i := range sum {
			d := x[i] - shift[i]
			sum[i] += d
			squares[i] = f32.FMA(d, d, squares[i])
		}
	}
}

func colGradsGo(dy, x, sum, dot, mean []float32) {
	for n := len(sum); len(x) > 0; dy, x = dy[n:], x[n:] {
		for i := range sum {
			sum[i] += dy[i]
			dot[i] = f32.FMA(dy[i], x[i]-mean[i], dot[i])
		}
	}
}

func affineGo(dst, x, mean, scale, shift []float32) {
	for n := len(mean); len(x) > 0; dst, x = dst[n:], x[n:] {
		for i := range mean {
			dst[i] = f32.FMA(x[i]-mean[i], scale[i], shift[i])
		}
	}
}

func affineGradGo(dx, dy, x, mean, a, b, c []float32) {
	for n := len(mean); len(x) > 0; dx, dy, x = dx[n:], dy[n:], x[n:] {
		for i := range mean {
			dx[i] = f32.FMA(a[i], dy[i], f32.FMA(b[i], x[i]-mean[i], c[i]))
		}
	}
}

func affineGradAddGo(dx, dy, x, mean, a, b, c []float32) {
	for n := len(mean); len(x) > 0; dx, dy, x = dx[n:], dy[n:], x[n:] {
		for i := range mean {
			dx[i] += f32.FMA(a[i], dy[i], f32.FMA(b[i], x[i]-mean[i], c[i]))
		}
	}
}
