// Package pool is the pooling of images, forward and backward: the largest number
// or the average of windows. A pixel is a row and a channel is a column, as in
// package conv, whose Shape says the windows; padding has no numbers.
//
// The largest number is the first of equal ones in the order of the taps (row of
// the window, column), and a NaN, the last one, over any number. Its gradient goes
// to the pixel that it came from. An average is a depthwise convolution with equal
// weights: 1/taps if the padding counts, otherwise 1 and a product with 1/count
// after it; its gradient is divided first. A pixel adds what it gets, tap after tap
// inside a row of windows, row after row.
//
// The ladder:
//
//  1. Windows of one pixel after another, 16 channels as lanes; the tap's number
//     runs along in a register, so that forward remembers it and backward compares
//     instead of searching again.
//
// Versions of several pixels at a time would save nothing: a window's numbers are
// read once each. Backward goes in bands of rows of pixels, so that the cores share
// one large image as well as many; an average's gradient as the adjoint of the
// convolution took a pass for each pixel of a window, 49 for an image of 7 x 7.
package pool

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/conv"
	"github.com/micaml/mica/internal/par"
)

const lanes = 16

// Scratch is the memory of the poolings of a pass; see conv.Scratch.
type Scratch struct {
	conv    conv.Scratch
	weights []float32
	scaled  []float32
	job     job
}

func axes(s *conv.Shape) (h, w conv.Axis) {
	return conv.Axis{N: s.OutH, Stride: s.StrideH, First: -s.Top, Step: s.DilationH, Taps: s.KH, Size: s.H},
		conv.Axis{N: s.OutW, Stride: s.StrideW, First: -s.Left, Step: s.DilationW, Taps: s.KW, Size: s.W}
}

// Max sets y to the largest number of each window and which to its tap, as a
// float32; a window that is all padding has -Inf and tap -1. which has the size
// of y.
func Max(p *par.Pool, s *Scratch, sh *conv.Shape, y, which, x []float32) {
	largest(cpu.Kernels(), p, s, sh, y, which, x)
}

func largest(t cpu.Tier, p *par.Pool, s *Scratch, sh *conv.Shape, y, which, x []float32) {
	check(sh, len(x), len(y), len(which))
	s.start(p, t, sh)
	s.job.x, s.job.y, s.job.which = x, y, which
	s.job.body = func(j *job, worker, i int) {
		for c := 0; c < j.shape.In; c += lanes {
			j.row(&j.strips[worker], i/j.h.N, i%j.h.N, c)
		}
	}
	p.For(sh.N*sh.OutH, 1+4096/(sh.OutW*sh.In), &s.job)
	s.job.stop()
}

// MaxBackward sets dx to the gradient with respect to x, or adds it.
func MaxBackward(p *par.Pool, s *Scratch, sh *conv.Shape, dx, dy, which []float32, add bool) {
	largestBackward(cpu.Kernels(), p, s, sh, dx, dy, which, add)
}

func largestBackward(t cpu.Tier, p *par.Pool, s *Scratch, sh *conv.Shape, dx, dy, which []float32, add bool) {
	check(sh, len(dx), len(dy), len(which))
	s.start(p, t, sh)
	s.job.x, s.job.y, s.job.which = dx, dy, which
	s.job.spread(p, add, (*job).route)
	s.job.stop()
}

// Average sets y to the average of each window: of all its taps if padding counts,
// as zeros, otherwise of those that are there.
func Average(p *par.Pool, s *Scratch, sh *conv.Shape, y, x []float32, padding bool) {
	conv.Forward(p, &s.conv, sh, y, x, s.equal(sh, padding), false)
	if !padding {
		s.byCount(p, sh, y, y, false)
	}
}

// AverageBackward sets dx to the gradient with respect to x, or adds it.
func AverageBackward(p *par.Pool, s *Scratch, sh *conv.Shape, dx, dy []float32, padding, add bool) {
	if len(s.scaled) < len(dy) {
		s.scaled = make([]float32, len(dy))
	}
	check(sh, len(dx), len(dy), len(dy))
	s.byCount(p, sh, s.scaled[:len(dy)], dy, padding)
	s.start(p, cpu.Kernels(), sh)
	s.job.x, s.job.y = dx, s.scaled[:len(dy)]
	s.job.spread(p, add, (*job).share)
	s.job.stop()
}

// equal returns the weights of an average.
func (s *Scratch) equal(sh *conv.Shape, padding bool) []float32 {
	n := sh.Out * sh.Terms()
	if len(s.weights) < n {
		s.weights = make([]float32, n)
	}
	w := float32(1)
	if padding {
		w /= float32(sh.KH * sh.KW)
	}
	for i := range s.weights[:n] {
		s.weights[i] = w
	}
	return s.weights[:n]
}

// byCount divides each pixel by the number of its taps, or of those that are there.
func (s *Scratch) byCount(p *par.Pool, sh *conv.Shape, dst, src []float32, padding bool) {
	s.start(p, cpu.Kernels(), sh)
	j := &s.job
	j.x, j.y, j.padding = src, dst, padding
	j.body = func(j *job, _, i int) {
		a, b := j.h.Clip(i % j.h.N)
		c := j.shape.Out
		for k := range j.w.N {
			taps := j.h.Taps * j.w.Taps
			if !j.padding {
				lo, hi := j.w.Clip(k)
				taps = max(1, (b-a)*(hi-lo))
			}
			at := (i*j.w.N + k) * c
			act.Scale(j.y[at:][:c], j.x[at:][:c], 1/float32(taps))
		}
	}
	p.For(sh.N*sh.OutH, 1+grain/(sh.OutW*sh.Out), j)
	j.stop()
}

func check(s *conv.Shape, x, y, which int) {
	if s.In != s.Out || x < s.N*s.H*s.W*s.In || min(y, which) < s.N*s.OutH*s.OutW*s.Out {
		panic(fmt.Sprintf("pool: %d, %d and %d numbers for %+v", x, y, which, *s))
	}
}
