package norm

import (
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
)

// StandardBackward sets dx, [T, C], to the gradient of Standard with respect to x,
// or adds it, and adds those of w and b to dw and db, [C], given dy, [T, C]; any of
// the three may be nil. If fixed, mean and variance were given and not taken from
// x; otherwise the gradient goes through them too.
//
// With z = (x - mean) * r and sums over a cell of N numbers,
//
//	dx = r * (dy*w - (sum of dy*w)/N - z * (sum of dy*w*z)/N)
//
// which is a*dy + (b*(x-mean) + c) with three numbers for each column, folded in
// float64.
func StandardBackward(p *par.Pool, s *Scratch, dx, dw, db, dy, x, mean, variance, w []float32, shape Cells, eps float32, fixed, add bool) {
	standardBackward(cpu.Kernels(), p, s, dx, dw, db, dy, x, mean, variance, w, shape, eps, fixed, add)
}

func standardBackward(t cpu.Tier, p *par.Pool, s *Scratch, dx, dw, db, dy, x, mean, variance, w []float32, shape Cells, eps float32, fixed, add bool) {
	n := shape.segments(len(x))
	checkGrads(shape.Width, len(x), dx, dy, dw, db, w)
	if n == 0 {
		return
	}
	check(shape.Width, n*shape.Width, len(mean))
	check(shape.Width, n*shape.Width, len(variance))
	j := s.beginCells(t, x, shape)
	j.dst, j.dy, j.mean, j.variance, j.w, j.eps, j.add = dx, dy, mean, variance, w, eps, choice(add)
	blocks, size := n*j.perSegment, n*j.width
	buf := s.take(2*blocks*j.width + 5*size)
	next := func(n int) []float32 {
		b := buf[:n:n]
		buf = buf[n:]
		return b
	}
	j.part = [2][]float32{next(blocks * j.width), next(blocks * j.width)}
	j.a, j.b, j.c = next(size), next(size), next(size)
	j.dw, j.db = next(size), next(size)
	s.run(p, blocks, func(j *job, b int) {
		segment, lo, hi := j.cell(b)
		j.k.colGrads(j.dy[lo:hi], j.x[lo:hi], j.zero(j.part[0], b), j.zero(j.part[1], b), j.of(j.mean, segment))
	})
	s.run(p, n, foldGrads)
	if dw != nil {
		j.k.colSum(j.dw, dw)
	}
	if db != nil {
		j.k.colSum(j.db, db)
	}
	if fixed {
		clear(j.b)
		clear(j.c)
	}
	if dx != nil {
		s.run(p, blocks, func(j *job, b int) {
			segment, lo, hi := j.cell(b)
			j.k.affineGrad[j.add](j.dst[lo:hi], j.dy[lo:hi], j.x[lo:hi], j.of(j.mean, segment),
				j.of(j.a, segment), j.of(j.b, segment), j.of(j.c, segment))
		})
	}
	s.end()
}

// foldGrads joins the blocks of a segment into its share of dw and db and the
// coefficients of dx.
func foldGrads(j *job, segment int) {
	v, dw, db := j.of(j.variance, segment), j.of(j.dw, segment), j.of(j.db, segment)
	a, b, c := j.of(j.a, segment), j.of(j.b, segment), j.of(j.c, segment)
	wide, first := j.width/j.shape.Groups, segment*j.perSegment
	count := float64(j.shape.Rows * wide)
	for lo := 0; lo < j.width; lo += wide {
		r := 1 / math.Sqrt(float64(v[lo]+j.eps))
		all, along := 0.0, 0.0 // sums of dy*w and dy*w*z over the cell
		for i := lo; i < lo+wide; i++ {
			sum, dot := 0.0, 0.0
			for k := first; k < first+j.perSegment; k++ {
				sum += float64(j.part[0][k*j.width+i])
				dot += float64(j.part[1][k*j.width+i])
			}
			dot *= r
			db[i], dw[i] = float32(sum), float32(dot)
			all += float64(float64(j.w[i]) * sum)
			along += float64(float64(j.w[i]) * dot)
		}
		for i := lo; i < lo+wide; i++ {
			a[i] = float32(float64(j.w[i]) * r)
			b[i] = float32(-r * r * along / count)
			c[i] = float32(-r * all / count)
		}
	}
}
