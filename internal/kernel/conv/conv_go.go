package conv

import "github.com/micaml/mica/internal/f32"

// kernels are the depthwise kernels of a tier.
type kernels struct {
	depthwise func(s *strip)
	grad      func(s *gradStrip)
}

// strip is some pixels of a row of the result, of at most 16 channels: pixel i is
// the sum of kh x kw taps of x, which begins with its first one.
type strip struct {
	y              []float32
	ys             int // from a pixel to the next
	x              []float32
	xs, xrow, xtap int // from a pixel, a kernel row, a tap to the next
	w              []float32
	wrow, wtap     int
	kh, kw         int
	n, channels    int
	add            bool
}

// check keeps wrong shapes from the assembly, which checks nothing.
func (s *strip) check() {
	need("y of a strip", len(s.y), (s.n-1)*s.ys+s.channels)
	need("x of a strip", len(s.x), (s.n-1)*s.xs+(s.kh-1)*s.xrow+(s.kw-1)*s.xtap+s.channels)
	need("weights of a strip", len(s.w), (s.kh-1)*s.wrow+(s.kw-1)*s.wtap+lanes)
	if min(s.n, s.kh, s.kw, s.channels) < 1 || s.channels > lanes {
		panic("conv: empty strip, or more than 16 channels")
	}
}

// gradStrip adds to the sums of taps, in dw, the products of n pixels of x and dy.
type gradStrip struct {
	dw          []float32
	wtap        int
	x           []float32
	xs, xtap    int
	dy          []float32
	ys          int
	taps        int // 1 to 3
	n, channels int
}

func (s *gradStrip) check() {
	need("dw of a strip", len(s.dw), (s.taps-1)*s.wtap+lanes)
	need("x of a strip", len(s.x), (s.n-1)*s.xs+(s.taps-1)*s.xtap+s.channels)
	need("dy of a strip", len(s.dy), (s.n-1)*s.ys+s.channels)
	if min(s.n, s.channels) < 1 || s.channels > lanes || s.taps < 1 || s.taps > 3 {
		panic("conv: empty strip, or more than 16 channels, or not 1 to 3 taps")
	}
}

var plain = kernels{depthwiseGo, depthwiseGradGo}

func depthwiseGo(s *strip) {
	for i := range s.n {
		for c := range s.channels {
			var acc float32
			for a := range s.kh {
				for b := range s.kw {
					acc = f32.FMA(s.x[i*s.xs+a*s.xrow+b*s.xtap+c], s.w[a*s.wrow+b*s.wtap+c], acc)
				}
			}
			if s.add {
				acc += s.y[i*s.ys+c]
			}
			s.y[i*s.ys+c] = acc
		}
	}
}

func depthwiseGradGo(s *gradStrip) {
	for t := range s.taps {
		for c := range s.channels {
			acc := s.dw[t*s.wtap+c]
			for i := range s.n {
				acc = f32.FMA(s.x[i*s.xs+t*s.xtap+c], s.dy[i*s.ys+c], acc)
			}
			s.dw[t*s.wtap+c] = acc
		}
	}
}
