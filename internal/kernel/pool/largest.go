package pool

import (
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/conv"
	"github.com/micaml/mica/internal/par"
)

// job is a pooling as a loop for the pool: over rows of windows, or backward over
// bands of rows of pixels, so that the windows of two cores share no pixel.
type job struct {
	k           *kernels
	shape       *conv.Shape
	h, w        conv.Axis
	x, y, which []float32
	padding     bool
	add         bool
	bands, band int // of an image; rows of pixels of a band
	body        func(j *job, worker, i int)
	back        func(j *job, s *strip, image, i, a int)
	strips      []strip // one for each worker
}

func (s *Scratch) start(p *par.Pool, t cpu.Tier, sh *conv.Shape) {
	j := &s.job
	j.k, j.shape = tier(t), sh
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
	for i := lo; i < hi; i++ {
		j.body(j, worker, i)
	}
}

// grain is how many numbers a core takes at a time: some microseconds of work.
const grain = 16 << 10

// spread calls back for each row a of taps of each row i of windows that falls on
// a pixel, for a pixel in ascending order; without add x begins as zeros.
func (j *job) spread(p *par.Pool, add bool, back func(j *job, s *strip, image, i, a int)) {
	j.add, j.back = add, back
	j.band = min(j.h.Size, 1+grain/(j.w.Size*j.shape.In))
	j.bands = (j.h.Size + j.band - 1) / j.band
	j.body = (*job).oneBand
	p.For(j.shape.N*j.bands, max(1, grain/(j.band*j.w.Size*j.shape.In)), j)
}

func (j *job) oneBand(worker, unit int) {
	image, lo := unit/j.bands, unit%j.bands*j.band
	hi := min(lo+j.band, j.h.Size)
	if !j.add {
		clear(j.x[j.at(image, lo, 0):j.at(image, hi, 0)])
	}
	for i := range j.h.N {
		if j.h.At(i, 0) >= hi || j.h.At(i, j.h.Taps-1) < lo {
			continue
		}
		for a := range j.h.Taps {
			if at := j.h.At(i, a); lo <= at && at < hi {
				j.back(j, &j.strips[worker], image, i, a)
			}
		}
	}
}

// there returns the windows [first, last) of a row whose tap b is there.
func (j *job) there(b int) (first, last int) {
	last = j.w.N
	for first < last && j.w.At(first, b) < 0 {
		first++
	}
	for last > first && j.w.At(last-1, b) >= j.w.Size {
		last--
	}
	return first, last
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

// route gives the numbers of row i of windows to the pixels under their row a of
// taps that they came from.
func (j *job) route(s *strip, image, i, a int) {
	in := j.shape.In
	for c := 0; c < in; c += lanes {
		*s = strip{ys: in, xs: j.w.Stride * in, channels: min(lanes, in-c), kh: 1, kw: 1}
		for b := range j.w.Taps {
			first, last := j.there(b)
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

// share gives the numbers of row i of windows to all pixels under their row a of
// taps.
func (j *job) share(_ *strip, image, i, a int) {
	in := j.shape.In
	for b := range j.w.Taps {
		first, last := j.there(b)
		n := 1 // windows that are neighbours in x, too
		if j.w.Stride == 1 {
			n = last - first
		}
		for k := first; k < last; k += n {
			x := j.x[j.at(image, j.h.At(i, a), j.w.At(k, b)):][:n*in]
			act.Add(x, x, j.y[((image*j.h.N+i)*j.w.N+k)*in:][:n*in])
		}
	}
}
