package norm

import (
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
)

// RMS normalises each row of x, [T, D], and multiplies it by w, [D]. dst may be
// x. Lengths that do not fit are a mistake of the program, and panic.
func RMS(p *par.Pool, s *Scratch, dst, x, w []float32, eps float32) {
	rms(cpu.Kernels(), p, s, dst, x, w, eps)
}

func rms(t cpu.Tier, p *par.Pool, s *Scratch, dst, x, w []float32, eps float32) {
	n := len(w)
	check(n, len(x), len(dst))
	if len(x) == 0 {
		return
	}
	j := s.begin(t, x, n)
	j.dst, j.w, j.eps = dst, w, eps
	s.run(p, j.blocks(), func(j *job, b int) {
		n := j.width
		for lo, hi := j.span(b); lo < hi; lo += n {
			row := j.x[lo : lo+n]
			j.k.scale(j.dst[lo:lo+n], row, j.w, j.rms(row))
		}
	})
	s.end()
}

// rms returns r of a row.
func (j *job) rms(x []float32) float32 {
	return inverse(j.k.sumSquares(x)/float32(len(x)) + j.eps)
}

// RMSBackward adds the gradients of RMS to dx, [T, D], and dw, [D], given dy,
// [T, D]. Either of dx and dw may be nil.
func RMSBackward(p *par.Pool, s *Scratch, dx, dw, dy, x, w []float32, eps float32) {
	rmsBackward(cpu.Kernels(), p, s, dx, dw, dy, x, w, eps)
}

func rmsBackward(t cpu.Tier, p *par.Pool, s *Scratch, dx, dw, dy, x, w []float32, eps float32) {
	n := len(w)
	checkGrads(n, len(x), dx, dy, dw)
	if len(x) == 0 {
		return
	}
	j := s.begin(t, x, n)
	j.dst, j.dy, j.w, j.eps = dx, dy, w, eps
	blocks := j.blocks()
	if dw != nil {
		j.dw = s.take(blocks * n)
	}
	s.run(p, blocks, rmsBackwardBlock)
	if dw != nil {
		j.k.colSum(j.dw, dw)
	}
	s.end()
}

func rmsBackwardBlock(j *job, b int) {
	n := j.width
	if j.dw != nil {
		j.zero(j.dw, b)
	}
	for lo, hi := j.span(b); lo < hi; lo += n {
		row, d := j.x[lo:lo+n], j.dy[lo:lo+n]
		r := j.rms(row)
		if j.dw != nil {
			j.k.gainGrad(j.of(j.dw, b), d, row, r)
		}
		if j.dst != nil {
			c := float32(float32(j.k.sumProducts(d, j.w, row)/float32(n)*r) * r)
			j.k.inputGrad(j.dst[lo:lo+n], d, j.w, row, r, c)
		}
	}
}

// checkGrads checks the lengths of a backward pass; gradients that are nil are
// not wanted.
func checkGrads(width, x int, dx, dy []float32, vectors ...[]float32) {
	check(width, x, len(dy))
	if dx != nil {
		check(width, x, len(dx))
	}
	for _, v := range vectors {
		if v != nil {
			check(width, width, len(v))
		}
	}
}
