package optim

import (
	"fmt"
	"math"

	kernel "github.com/micaml/mica/internal/kernel/optim"
)

// SGD is gradient descent (Robbins & Monro 1951), with a velocity if Momentum is
// not 0 (Polyak 1964; Sutskever et al. 2013 for Nesterov). Per weight w with
// gradient g:
//
//	g = g + Decay*w;  v = Momentum*v + g
//	w = w - lr*v                     or, with Nesterov, w - lr*(g + Momentum*v)
type SGD struct {
	Momentum float32
	Nesterov bool
	Decay    float32 // weight decay, as an L2 penalty
}

func (r SGD) slots() []string {
	if r.Momentum == 0 {
		return nil
	}
	return []string{"velocity"}
}

func (r SGD) check() error {
	if !(r.Momentum >= 0 && r.Momentum < 1) || !(r.Decay >= 0) {
		return fmt.Errorf("optim: SGD with momentum %v and decay %v", r.Momentum, r.Decay)
	}
	if r.Nesterov && r.Momentum == 0 {
		return fmt.Errorf("optim: Nesterov's SGD needs a momentum")
	}
	return nil
}

func (r SGD) inBytes() bool { return false }

func (r SGD) prepare(_ int, lr float64, scale float32) update {
	u := update{kind: plain, sgd: kernel.SGDStep{Scale: scale, Decay: r.Decay, Momentum: r.Momentum, Rate: float32(lr)}}
	if r.Momentum != 0 {
		u.kind = momentum
	}
	if r.Nesterov {
		u.kind = nesterov
	}
	return u
}

// update is a step with its scalars: a value, so that a step allocates nothing.
type update struct {
	kind kind
	sgd  kernel.SGDStep
	adam kernel.AdamStep
}

type kind uint8

const (
	plain kind = iota
	momentum
	nesterov
	adam
)

// apply changes the numbers of a weight; a and b are the slots in order.
func (u *update) apply(w, g, a, b []float32) {
	switch u.kind {
	case plain:
		kernel.SGD(w, g, &u.sgd)
	case momentum:
		kernel.Momentum(w, g, a, &u.sgd)
	case nesterov:
		kernel.Nesterov(w, g, a, &u.sgd)
	case adam:
		kernel.Adam(w, g, a, b, &u.adam)
	}
}

// Adam divides a running mean of the gradient by the root of a running mean of its
// square (Kingma & Ba 2015). At step t, per weight w with gradient g:
//
//	g = g + Decay*w
//	m = Beta1*m + (1-Beta1)*g;  v = Beta2*v + (1-Beta2)*g²
//	w = w - lr * m/(1-Beta1^t) / (sqrt(v/(1-Beta2^t)) + Eps)
type Adam struct {
	Beta1, Beta2 float64 // 0 means 0.9 and 0.999
	Eps          float64 // 0 means 1e-8
	Decay        float64 // weight decay, as an L2 penalty; mostly AdamW is meant

	// Bytes keeps the state of weights of 4,096 numbers and more in 8 bits: two
	// bytes a number instead of eight. Blocks of 256 numbers share a scale, and the
	// 8 bits stand for numbers that are dense where it counts, relative to their
	// size (Dettmers et al. 2022, block-wise dynamic quantization). The steps are
	// those of bitsandbytes, but that a second moment above 0 is never rounded to
	// 0: its mean, which may be kept, would be divided by Eps alone.
	Bytes bool
}

// AdamW is Adam with the decay taken off the weight itself (Loshchilov & Hutter
// 2019): w = w - lr*Decay*w, and Adam's step without a penalty. Unlike PyTorch's,
// its Decay is 0 unless it is set.
type AdamW Adam

func (r Adam) slots() []string  { return []string{"mean", "square"} }
func (r AdamW) slots() []string { return Adam(r).slots() }
func (r Adam) inBytes() bool    { return r.Bytes }
func (r AdamW) inBytes() bool   { return r.Bytes }

func (r Adam) check() error {
	r = r.defaults()
	for _, b := range []float64{r.Beta1, r.Beta2} {
		if !(b >= 0 && b < 1) {
			return fmt.Errorf("optim: Adam with betas %v and %v", r.Beta1, r.Beta2)
		}
	}
	if !(r.Eps > 0) || !(r.Decay >= 0) {
		return fmt.Errorf("optim: Adam with eps %v and decay %v", r.Eps, r.Decay)
	}
	return nil
}

func (r AdamW) check() error { return Adam(r).check() }

func (r Adam) defaults() Adam {
	if r.Beta1 == 0 {
		r.Beta1 = 0.9
	}
	if r.Beta2 == 0 {
		r.Beta2 = 0.999
	}
	if r.Eps == 0 {
		r.Eps = 1e-8
	}
	return r
}

func (r Adam) prepare(t int, lr float64, scale float32) update {
	r = r.defaults()
	return update{kind: adam, adam: kernel.AdamStep{
		Scale: scale,
		Decay: float32(r.Decay),
		Keep:  1,
		C1:    float32(1 - r.Beta1),
		B2:    float32(r.Beta2),
		C2:    float32(1 - r.Beta2),
		Root:  float32(1 / math.Sqrt(1-power(r.Beta2, t))),
		Eps:   float32(r.Eps),
		Rate:  float32(lr / (1 - power(r.Beta1, t))),
	}}
}

func (r AdamW) prepare(t int, lr float64, scale float32) update {
	decay := r.Decay
	r.Decay = 0
	u := Adam(r).prepare(t, lr, scale)
	u.adam.Keep = float32(1 - lr*decay)
	return u
}

// power returns b^n by squaring: products only, which every machine rounds alike.
func power(b float64, n int) float64 {
	p := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			p *= b
		}
		b *= b
	}
	return p
}
