package norm

import (
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
)

// Layer takes the mean of each row of x, [T, D], from it, divides by its standard
// deviation, multiplies by w, [D], and adds b, [D], which may be nil. dst may be x.
func Layer(p *par.Pool, s *Scratch, dst, x, w, b []float32, eps float32) {
	layer(cpu.Kernels(), p, s, dst, x, w, b, eps)
}

func layer(t cpu.Tier, p *par.Pool, s *Scratch, dst, x, w, b []float32, eps float32) {
	n := len(w)
	checkGrads(n, len(x), nil, dst, b)
	if len(x) == 0 {
		return
	}
	j := s.begin(t, x, n)
	j.dst, j.w, j.bias, j.eps = dst, w, s.or(b, n), eps
	j.stats = s.take(2 * j.rows)
	s.run(p, j.blocks(), func(j *job, b int) { j.layerRows(b, layerRow) })
	s.end()
}

func layerRow(j *job, _, lo int, mean, r float32) {
	hi := lo + j.width
	j.k.layerScale(j.dst[lo:hi], j.x[lo:hi], j.w, j.bias, mean, r)
}

// together is how many rows' moments are taken at once: enough to hide that a sum
// waits for itself, and few enough that the rows are still near when they are used.
const together = 8

// layerRows calls row for each row of block b with its place, its mean and
// 1 / sqrt(variance + eps).
func (j *job) layerRows(b int, row func(j *job, b, lo int, mean, r float32)) {
	n := j.width
	for lo, hi := j.span(b); lo < hi; {
		to := min(lo+together*n, hi)
		stats := j.stats[2*lo/n : 2*to/n]
		j.k.layerMoments(j.x[lo:to], stats, j.eps)
		for ; lo < to; lo += n {
			row(j, b, lo, stats[0], stats[1])
			stats = stats[2:]
		}
	}
}

// LayerBackward adds the gradients of Layer to dx, [T, D], dw and db, [D], given
// dy, [T, D]. Any of dx, dw and db may be nil.
func LayerBackward(p *par.Pool, s *Scratch, dx, dw, db, dy, x, w []float32, eps float32) {
	layerBackward(cpu.Kernels(), p, s, dx, dw, db, dy, x, w, eps)
}

func layerBackward(t cpu.Tier, p *par.Pool, s *Scratch, dx, dw, db, dy, x, w []float32, eps float32) {
	n := len(w)
	checkGrads(n, len(x), dx, dy, dw, db)
	if len(x) == 0 {
		return
	}
	j := s.begin(t, x, n)
	j.dst, j.dy, j.w, j.eps = dx, dy, w, eps
	blocks := j.blocks()
	buf := s.take(2*j.rows + 2*blocks*n)
	j.stats = buf[:2*j.rows]
	if dw != nil || db != nil {
		sums := buf[2*j.rows:]
		j.dw, j.db = sums[:blocks*n], sums[blocks*n:]
	}
	s.run(p, blocks, func(j *job, b int) { j.layerRows(b, layerBackwardRow) })
	if dw != nil {
		j.k.colSum(j.dw, dw)
	}
	if db != nil {
		j.k.colSum(j.db, db)
	}
	s.end()
}

func layerBackwardRow(j *job, b, lo int, mean, r float32) {
	n := j.width
	row, d := j.x[lo:lo+n], j.dy[lo:lo+n]
	if j.dw != nil {
		j.k.layerGainGrad(j.of(j.dw, b), j.of(j.db, b), d, row, mean, r)
	}
	if j.dst != nil {
		sum, dot := j.k.layerSums(d, j.w, row, mean, r)
		j.k.layerInputGrad(j.dst[lo:lo+n], d, j.w, row, mean, r, sum/float32(n), dot/float32(n))
	}
}
