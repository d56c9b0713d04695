package pool

import (
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/conv"
	"github.com/micaml/mica/internal/par"
)

// job is Max as a loop for the pool over rows of windows, or its gradient over
// images times blocks of 16 channels.
type job struct {
	k           *kernels
	shape       *conv.Shape
	h, w        conv.Axis
	x, y, which []float32
	back        bool
	strips      []strip // one for each worker
}

func (s *Scratch) start(p *par.Pool, t cpu.Tier, sh *conv.Shape) {
	j := &s.job
	j.k, j.shape, j.back = tier(t), sh, false
	j.h, j.w = axes(sh)
	for len(j.strips) < p.Workers() {
		j.strips = append(j.strips, strip{})
	}
}

// stop holds on to nothing of the caller's.
func (j *job) stop() {
	clear(j.strips)
	*j = job{strips: j.strips}
}

func (j *job) Do(worker, lo, hi int) {
	s := &j.strips[worker]
	blocks := (j.shape.In + lanes - 1) / lanes
	for i := lo; i < hi; i++ {
		if !j.back {
			for c := range blocks {
				j.row(s, i/j.h.N, i%j.h.N, c*lanes)
			}
			continue
		}
		for row := range j.h.N {
			j.rowBack(s, i/blocks, row, i%blocks*lanes)
		}
	}
}

// at is where position (i, k) of the taps' origin lies in x.
func (j *job) at(image, h, w int) int { return ((image*j.h.Size+h)*j.w.Size + w) * j.shape.In }

// row computes a row of windows of at most 16 channels.
func (j *job) row(s *strip, image, i, c int) {
	in := j.shape.In
	alo, ahi := j.h.Clip(i)
	left, right := j.w.Inner()
	*s = strip{ys: in, xs: j.w.Stride * in, xrow: j.h.Step * j.w.Size * in, xtap: j.w.Step * in, kh: ahi - alo, channels: min(lanes, in-c)}
	for k := 0; k < j.w.N; k += s.n {
		s.n = 1
		lo, hi := 0, j.w.Taps
		if k >= left && k < right {
			s.n = right - k
		} else {
			lo, hi = j.w.Clip(k)
		}
		at := ((image*j.h.N+i)*j.w.N+k)*in + c
		s.y, s.which, s.kw = j.y[at:], j.which[at:], hi-lo
		if s.kh <= 0 || s.kw <= 0 {
			for q := range s.n * s.channels {
				q = q/s.channels*in + q%s.channels
				s.y[q], s.which[q] = float32(math.Inf(-1)), -1
			}
			continue
		}
		s.x = j.x[j.at(image, j.h.At(i, alo), j.w.At(k, lo))+c:]
		s.first, s.skip = float32(alo*j.w.Taps+lo), float32(j.w.Taps-s.kw)
		s.check()
		j.k.largest(s)
	}
}

// rowBack gives the gradient of a row of windows to the pixels that they had.
func (j *job) rowBack(s *strip, image, i, c int) {
	in := j.shape.In
	alo, ahi := j.h.Clip(i)
	*s = strip{ys: in, xs: j.w.Stride * in, channels: min(lanes, in-c), kh: 1, kw: 1}
	for a := alo; a < ahi; a++ {
		for b := range j.w.Taps {
			// The windows whose tap b is there.
			first, last := 0, j.w.N
			for first < last && j.w.At(first, b) < 0 {
				first++
			}
			for last > first && j.w.At(last-1, b) >= j.w.Size {
				last--
			}
			if s.n = last - first; s.n == 0 {
				continue
			}
			at := ((image*j.h.N+i)*j.w.N+first)*in + c
			s.y, s.which = j.y[at:], j.which[at:]
			s.x = j.x[j.at(image, j.h.At(i, a), j.w.At(first, b))+c:]
			s.first = float32(a*j.w.Taps + b)
			s.check()
			j.k.route(s)
		}
	}
}
