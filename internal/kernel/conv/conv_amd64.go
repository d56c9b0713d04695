package conv

import "github.com/micaml/mica/internal/cpu"

//go:generate go run -C ../_asm ./conv -out ../conv/conv_amd64.s -stubs ../conv/stubs_amd64.go -pkg conv

func tier(t cpu.Tier) *kernels { return cpu.Of(t, &plain, &avx2, &avx512) }

var avx512 = kernels{
	depthwise: func(s *strip) {
		depthwise512(&s.y[0], 4*s.ys, &s.x[0], 4*s.xs, 4*s.xrow, 4*s.xtap, &s.w[0], 4*s.wrow, 4*s.wtap, s.kh, s.kw, s.n, s.channels, s.add)
	},
	three: func(s *strip) {
		depthwiseThree512(&s.y[0], 4*s.ys, &s.x[0], 4*s.xs, 4*s.xrow, &s.w[0], 4*s.wrow, 4*s.wtap, s.kh, s.n, s.channels, s.left, s.right, s.add)
	},
	grad: func(s *gradStrip) {
		f := [...]func(dw *float32, wtap int, x *float32, xs, xtap int, dy *float32, ys, n, channels int){depthwiseGrad1_512, depthwiseGrad2_512, depthwiseGrad3_512}[s.taps-1]
		f(&s.dw[0], 4*s.wtap, &s.x[0], 4*s.xs, 4*s.xtap, &s.dy[0], 4*s.ys, s.n, s.channels)
	},
	gradThree: func(s *gradStrip) {
		depthwiseGradThree512(&s.dw[0], 4*s.wtap, &s.x[0], 4*s.xs, 4*s.xrow, 4*s.xtap, 4*s.xline, &s.dy[0], 4*s.ys, 4*s.yline, s.kh, s.n, s.lines, s.channels, s.left, s.right)
	},
	copyRows: func(dst []float32, ds int, src []float32, ss, rows, width int) {
		copyRows512(&dst[0], 4*ds, &src[0], 4*ss, rows, width)
	},
	winograd: winogradKernels{
		input: func(s *tileStrip) {
			winogradInput512(&s.tiles[0], 4*s.xi, 4*s.tile, &s.image[0], 4*s.row, 4*s.pixel, s.n, s.channels)
		},
		gradient: func(s *tileStrip) {
			winogradGradient512(&s.tiles[0], 4*s.xi, 4*s.tile, &s.image[0], 4*s.row, 4*s.pixel, s.n, s.channels)
		},
		output: func(s *tileStrip) {
			winogradOutput512(&s.tiles[0], 4*s.xi, 4*s.tile, &s.image[0], 4*s.row, 4*s.pixel, s.n, s.channels, s.add)
		},
		filter: func(u []float32, xi int, g []float32, tap, n int) {
			winogradFilter512(&u[0], 4*xi, &g[0], 4*tap, n)
		},
		filterGradient: func(dw []float32, tap int, m []float32, xi, n int) {
			winogradFilterGradient512(&dw[0], 4*tap, &m[0], 4*xi, n)
		},
	},
}

var avx2 = kernels{
	depthwise: func(s *strip) {
		depthwise256(&s.y[0], 4*s.ys, &s.x[0], 4*s.xs, 4*s.xrow, 4*s.xtap, &s.w[0], 4*s.wrow, 4*s.wtap, s.kh, s.kw, s.n, s.channels, s.add)
	},
	three: func(s *strip) {
		depthwiseThree256(&s.y[0], 4*s.ys, &s.x[0], 4*s.xs, 4*s.xrow, &s.w[0], 4*s.wrow, 4*s.wtap, s.kh, s.n, s.channels, s.left, s.right, s.add)
	},
	grad: func(s *gradStrip) {
		f := [...]func(dw *float32, wtap int, x *float32, xs, xtap int, dy *float32, ys, n, channels int){depthwiseGrad1_256, depthwiseGrad2_256, depthwiseGrad3_256}[s.taps-1]
		f(&s.dw[0], 4*s.wtap, &s.x[0], 4*s.xs, 4*s.xtap, &s.dy[0], 4*s.ys, s.n, s.channels)
	},
	gradThree: func(s *gradStrip) {
		depthwiseGradThree256(&s.dw[0], 4*s.wtap, &s.x[0], 4*s.xs, 4*s.xrow, 4*s.xtap, 4*s.xline, &s.dy[0], 4*s.ys, 4*s.yline, s.kh, s.n, s.lines, s.channels, s.left, s.right)
	},
	copyRows: func(dst []float32, ds int, src []float32, ss, rows, width int) {
		copyRows256(&dst[0], 4*ds, &src[0], 4*ss, rows, width)
	},
	winograd: winogradKernels{
		input: func(s *tileStrip) {
			winogradInput256(&s.tiles[0], 4*s.xi, 4*s.tile, &s.image[0], 4*s.row, 4*s.pixel, s.n, s.channels)
		},
		gradient: func(s *tileStrip) {
			winogradGradient256(&s.tiles[0], 4*s.xi, 4*s.tile, &s.image[0], 4*s.row, 4*s.pixel, s.n, s.channels)
		},
		output: func(s *tileStrip) {
			winogradOutput256(&s.tiles[0], 4*s.xi, 4*s.tile, &s.image[0], 4*s.row, 4*s.pixel, s.n, s.channels, s.add)
		},
		filter: func(u []float32, xi int, g []float32, tap, n int) {
			winogradFilter256(&u[0], 4*xi, &g[0], 4*tap, n)
		},
		filterGradient: func(dw []float32, tap int, m []float32, xi, n int) {
			winogradFilterGradient256(&dw[0], 4*tap, &m[0], 4*xi, n)
		},
	},
}
