package pool

import "github.com/micaml/mica/internal/cpu"

//go:generate go run -C ../_asm ./pool -out ../pool/pool_amd64.s -stubs ../pool/stubs_amd64.go -pkg pool

func tier(t cpu.Tier) *kernels { return cpu.Of(t, &plain, &avx2, &avx512) }

var avx512 = kernels{
	largest: func(s *strip) {
		largest512(&s.y[0], &s.which[0], 4*s.ys, &s.x[0], 4*s.xs, 4*s.xrow, 4*s.xtap, s.kh, s.kw, s.n, s.channels, s.first, s.skip)
	},
	route: func(s *strip) {
		route512(&s.x[0], 4*s.xs, &s.y[0], &s.which[0], 4*s.ys, s.n, s.channels, s.first)
	},
}

var avx2 = kernels{
	largest: func(s *strip) {
		largest256(&s.y[0], &s.which[0], 4*s.ys, &s.x[0], 4*s.xs, 4*s.xrow, 4*s.xtap, s.kh, s.kw, s.n, s.channels, s.first, s.skip)
	},
	route: func(s *strip) {
		route256(&s.x[0], 4*s.xs, &s.y[0], &s.which[0], 4*s.ys, s.n, s.channels, s.first)
	},
}
