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
	copyRows: func(dst []float32, ds int, src []float32, ss, rows, width int) {
		copyRows512(&dst[0], 4*ds, &src[0], 4*ss, rows, width)
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
	copyRows: func(dst []float32, ds int, src []float32, ss, rows, width int) {
		copyRows256(&dst[0], 4*ds, &src[0], 4*ss, rows, width)
	},
}
