// Package optim holds the updates of the optimisers: one pass over the weight, its
// gradient and the optimiser's state, which reads each number once and writes it
// once.
//
// Each number depends on no other, so there is no order of additions. With g the
// gradient, and products rounded where they stand in parentheses and fused with
// the additions elsewhere:
//
//	all       g = (g * scale) + decay * w
//	SGD       w = w - rate * g
//	momentum  v = v * mu + g;  w = w - rate * v
//	Nesterov  v = v * mu + g;  w = w - rate * (g + mu * v)
//	Adam      m = m + c1 * (g - m);  v = (v * b2) + (c2 * g) * g
//	          w = (w * keep) - rate * (m / (sqrt(v) * root + eps))
//
// Square root and division are correctly rounded, so every tier gives the same
// bits.
//
// Assembly for the reason in package act. One core of an AMD EPYC 9004, in GB moved a
// second; Adam moves 28 bytes for each number, 16 of them read:
//
//	                      plain Go   AVX2  AVX-512   copy
//	16k numbers, cached
//	  Adam                     2.2     92       96    113
//	  Nesterov                 2.3    167      154
//	4M numbers, in memory
//	  Adam                     2.1     48       50     54
//	  Nesterov                 2.2     48       50
//
// Beyond the cache all that counts is the traffic, so nothing is unrolled, and the
// scalars of Adam, more than AVX2 has registers for, are broadcast where they are
// used.
package optim

//go:generate go run -C ../_asm ./optim -out ../optim/optim_amd64.s -stubs ../optim/stubs_amd64.go -pkg optim

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
)

// SGDStep holds the scalars of a step of gradient descent.
type SGDStep struct{ Scale, Decay, Momentum, Rate float32 }

// AdamStep holds the scalars of a step of Adam: Decay is added to the gradient,
// Keep multiplies the weight, C1 and C2 are 1 less the moments' decays, Root is
// 1/sqrt(1 - B2^t), and Rate is the learning rate over 1 - B1^t.
type AdamStep struct{ Scale, Decay, Keep, C1, B2, C2, Root, Eps, Rate float32 }

// kernels are one tier's. Slices of one call have the same length, not zero.
type kernels struct {
	sgd                func(w, g []float32, s *SGDStep)
	momentum, nesterov func(w, g, v []float32, s *SGDStep)
	adam               func(w, g, m, v []float32, s *AdamStep)
}

// SGD changes w by its gradient g. Lengths that differ are a mistake of the
// program, and panic; so in the others.
func SGD(w, g []float32, s *SGDStep) {
	if same(len(w), len(g), len(g)) {
		tier(cpu.Kernels()).sgd(w, g, s)
	}
}

// Momentum changes w and the velocity v.
func Momentum(w, g, v []float32, s *SGDStep) {
	if same(len(w), len(g), len(v)) {
		tier(cpu.Kernels()).momentum(w, g, v, s)
	}
}

// Nesterov is Momentum, looking one step ahead.
func Nesterov(w, g, v []float32, s *SGDStep) {
	if same(len(w), len(g), len(v)) {
		tier(cpu.Kernels()).nesterov(w, g, v, s)
	}
}

// Adam changes w and the moments m and v.
func Adam(w, g, m, v []float32, s *AdamStep) {
	same(len(w), len(g), len(m))
	if same(len(w), len(g), len(v)) {
		tier(cpu.Kernels()).adam(w, g, m, v, s)
	}
}

// same reports whether there is anything to do.
func same(w, g, state int) bool {
	if w != g || w != state {
		panic(fmt.Sprintf("optim: %d weights, %d gradients, %d numbers of state", w, g, state))
	}
	return w > 0
}
