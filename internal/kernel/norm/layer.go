package norm

import (
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
)

// Layer takes the mean of each row of x, [T, D], from it, divides by its standard
// deviation, multiplies by w, [D], and adds b, [D], which may be nil. dst may be x.
// It leaves mean and 1 / sqrt(variance + eps) of each row in stats, [T, 2], which
// may be nil.
func Layer(p *par.Pool, s *Scratch, dst, x, w, b, stats []float32, eps float32) {
	layer(cpu.Kernels(), p, s, dst, x, w, b, stats, eps)
}

func layer(t cpu.Tier, p *par.Pool, s *Scratch, dst, x, w, b, stats []float32, eps float32) {
	n := len(w)
	checkGrads(n, len(x), nil, dst, b)
	if len(x) == 0 {
		return
	}
	j := s.begin(t, x, n)
	j.dst, j.w, j.bias, j.eps, j.stats = dst, w, s.or(b, n), eps, stats
	if stats == nil {
		j.stats = s.take(2 * j.rows)
	}
	check(2, 2*j.rows, len(j.stats))
	s.run(p, j.blocks(), layerRows)
	s.end()
}

// together is how many rows' moments are taken at once: enough to hide that a sum
// waits for itself, and few enough that the rows are still near when they are used.
const together = 8

func layerRows(j *job, b int) {
	n := j.width
	for lo, hi := j.span(b); lo < hi; {
		to := min(lo+together*n, hi)
		stats := j.stats[2*lo/n : 2*to/n]
		j.k.layerMoments(j.x[lo:to], stats, j.eps)
		for ; lo < to; lo += n {
			j.k.layerScale(j.dst[lo:lo+n], j.x[lo:lo+n], j.w, j.bias, stats[0], stats[1])
			stats = stats[2:]
		}
	}
}

// LayerBackward sets dx, [T, D], to the gradient of Layer with respect to x, or
// adds it, and adds those of w and b to dw and db, [D], given dy, [T, D], and the
// stats that Layer left. Any of dx, dw and db may be nil.
func LayerBackward(p *par.Pool, s *Scratch, dx, dw, db, dy, x, w, stats []float32, add bool) {
	layerBackward(cpu.Kernels(), p, s, dx, dw, db, dy, x, w, stats, add)
}

func layerBackward(t cpu.Tier, p *par.Pool, s *Scratch, dx, dw, db, dy, x, w, stats []float32, add bool) {
	n := len(w)
	checkGrads(n, len(x), dx, dy, dw, db)
	if len(x) == 0 {
		return
	}
	j := s.begin(t, x, n)
	check(2, 2*j.rows, len(stats))
	j.dst, j.dy, j.w, j.stats, j.add = dx, dy, w, stats, choice(add)
	blocks := j.blocks()
	sums := s.take(2 * blocks * n)
	j.dw, j.db = sums[:blocks*n], sums[blocks*n:]
	s.run(p, blocks, layerBackwardRows)
	if dw != nil {
		j.k.colSum(j.dw, dw)
	}
	if db != nil {
		j.k.colSum(j.db, db)
	}
	s.end()
}

func layerBackwardRows(j *job, b int) {
	n := j.width
	dw, db := j.zero(j.dw, b), j.zero(j.db, b)
	for lo, hi := j.span(b); lo < hi; lo += n {
		row, d := j.x[lo:lo+n], j.dy[lo:lo+n]
		mean, r := j.stats[2*lo/n], j.stats[2*lo/n+1]
		sum, dot := j.k.layerGrads(dw, db, d, j.w, row, mean, r)
		if j.dst != nil {
			j.k.layerInputGrad[j.add](j.dst[lo:lo+n], d, j.w, row, mean, r, sum/float32(n), dot/float32(n))
		}
	}
}
