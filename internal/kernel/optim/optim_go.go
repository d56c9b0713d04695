package optim

import (
	"math"

	"github.com/micaml/mica/internal/f32"
)

// plain are the twins, in plain Go.
var plain = kernels{sgd: sgdGo, momentum: momentumGo, nesterov: nesterovGo, adam: adamGo}

func sgdGo(w, g []float32, s *SGDStep) {
	for i, x := range w {
		w[i] = f32.FMA(-s.Rate, f32.FMA(s.Decay, x, g[i]*s.Scale), x)
	}
}

func momentumGo(w, g, v []float32, s *SGDStep) {
	for i, x := range w {
		d := f32.FMA(s.Decay, x, g[i]*s.Scale)
		v[i] = f32.FMA(v[i], s.Momentum, d)
		w[i] = f32.FMA(-s.Rate, v[i], x)
	}
}

func nesterovGo(w, g, v []float32, s *SGDStep) {
	for i, x := range w {
		d := f32.FMA(s.Decay, x, g[i]*s.Scale)
		v[i] = f32.FMA(v[i], s.Momentum, d)
		w[i] = f32.FMA(-s.Rate, f32.FMA(s.Momentum, v[i], d), x)
	}
}

func adamGo(w, g, m, v []float32, s *AdamStep) {
	for i, x := range w {
		d := f32.FMA(s.Decay, x, g[i]*s.Scale)
		m[i] = f32.FMA(s.C1, d-m[i], m[i])
		v[i] = f32.FMA(s.C2*d, d, v[i]*s.B2)
		root := float32(math.Sqrt(float64(v[i]))) // still correctly rounded: 53 bits are more than twice 24
		w[i] = f32.FMA(-s.Rate, m[i]/f32.FMA(root, s.Root, s.Eps), x*s.Keep)
	}
}
