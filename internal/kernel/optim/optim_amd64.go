package optim

import "github.com/micaml/mica/internal/cpu"

func tier(t cpu.Tier) *kernels { return cpu.Of(t, &plain, &avx2, &avx512) }

var avx512 = kernels{
	sgd: func(w, g []float32, s *SGDStep) {
		sgd512(&w[0], &g[0], len(w), s.Scale, s.Decay, s.Rate)
	},
	momentum: func(w, g, v []float32, s *SGDStep) {
		momentum512(&w[0], &g[0], &v[0], len(w), s.Scale, s.Decay, s.Momentum, s.Rate)
	},
	nesterov: func(w, g, v []float32, s *SGDStep) {
		nesterov512(&w[0], &g[0], &v[0], len(w), s.Scale, s.Decay, s.Momentum, s.Rate)
	},
	adam: func(w, g, m, v []float32, s *AdamStep) {
		adam512(&w[0], &g[0], &m[0], &v[0], len(w), s.Scale, s.Decay, s.Keep, s.C1, s.B2, s.C2, s.Root, s.Eps, s.Rate)
	},
}

var avx2 = kernels{
	sgd: func(w, g []float32, s *SGDStep) {
		sgd256(&w[0], &g[0], len(w), s.Scale, s.Decay, s.Rate)
	},
	momentum: func(w, g, v []float32, s *SGDStep) {
		momentum256(&w[0], &g[0], &v[0], len(w), s.Scale, s.Decay, s.Momentum, s.Rate)
	},
	nesterov: func(w, g, v []float32, s *SGDStep) {
		nesterov256(&w[0], &g[0], &v[0], len(w), s.Scale, s.Decay, s.Momentum, s.Rate)
	},
	adam: func(w, g, m, v []float32, s *AdamStep) {
		adam256(&w[0], &g[0], &m[0], &v[0], len(w), s.Scale, s.Decay, s.Keep, s.C1, s.B2, s.C2, s.Root, s.Eps, s.Rate)
	},
}
