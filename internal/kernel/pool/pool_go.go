package pool

import "fmt"

type kernels struct {
	largest func(s *strip) // y and which from x
	route   func(s *strip) // adds to x the numbers of y whose tap is first
}

// strip is some windows of a row, of at most 16 channels.
type strip struct {
	y, which       []float32
	ys             int // from a window to the next
	x              []float32
	xs, xrow, xtap int // from a window, a row of taps, a tap to the next
	kh, kw         int
	n, channels    int
	first, skip    float32 // the number of the first tap; what is left out between two rows of them
}

// check keeps wrong shapes from the assembly, which checks nothing.
func (s *strip) check() {
	y := (s.n-1)*s.ys + s.channels
	x := (s.n-1)*s.xs + (s.kh-1)*s.xrow + (s.kw-1)*s.xtap + s.channels
	if min(s.n, s.kh, s.kw, s.channels) < 1 || s.channels > lanes || min(len(s.y), len(s.which)) < y || len(s.x) < x {
		panic(fmt.Sprintf("pool: %d windows of %d x %d taps, %d channels; %d, %d and %d numbers, needs %d and %d",
			s.n, s.kh, s.kw, s.channels, len(s.y), len(s.which), len(s.x), y, x))
	}
}

var plain = kernels{largestGo, routeGo}

func largestGo(s *strip) {
	for i := range s.n {
		for c := range s.channels {
			best, number, tap := s.x[i*s.xs+c], s.first, s.first
			for a := range s.kh {
				for b := range s.kw {
					if v := s.x[i*s.xs+a*s.xrow+b*s.xtap+c]; v > best || v != v {
						best, number = v, tap
					}
					tap++
				}
				tap += s.skip
			}
			s.y[i*s.ys+c], s.which[i*s.ys+c] = best, number
		}
	}
}

func routeGo(s *strip) {
	for i := range s.n {
		for c := range s.channels {
			if s.which[i*s.ys+c] == s.first {
				s.x[i*s.xs+c] += s.y[i*s.ys+c]
			}
		}
	}
}
