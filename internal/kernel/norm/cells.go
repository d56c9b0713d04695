package norm

import (
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
)

// Cells says over which numbers of x, [T, C], a mean and a variance are taken: the
// rows are cut into segments, the columns into groups, and each segment of a group
// is a cell. One segment of all rows and a group for each column is batch
// normalisation; the pixels of an image as a segment is group normalisation.
type Cells struct {
	Rows   int // rows of a segment; T is a multiple
	Width  int // columns, C
	Groups int // groups of C/Groups columns that stand together
}

func (c Cells) segments(x int) int {
	if c.Width <= 0 || c.Groups <= 0 || c.Width%c.Groups != 0 {
		panic("norm: groups that don't divide the columns")
	}
	check(c.Width, x, x)
	if x > 0 && (c.Rows <= 0 || x%(c.Rows*c.Width) != 0) {
		panic("norm: segments that don't divide the rows")
	}
	if x == 0 {
		return 0
	}
	return x / (c.Rows * c.Width)
}

// cells are the fields of a job over cells. Vectors of a segment stand one after
// another.
type cells struct {
	shape          Cells
	perSegment     int       // blocks
	mean, variance []float32 // [segments, C]
	scale          []float32 // [segments, C]
	part           [2][]float32
	a, b, c        []float32 // [segments, C]
}

func (s *Scratch) beginCells(t cpu.Tier, x []float32, shape Cells) *job {
	j := s.begin(t, x, shape.Width)
	j.shape = shape
	j.cut = min(j.cut, shape.Rows)
	j.perSegment = (shape.Rows + j.cut - 1) / j.cut
	return j
}

// cell returns the segment of block b and the numbers of the block.
func (j *job) cell(b int) (segment, lo, hi int) {
	segment = b / j.perSegment
	from := b % j.perSegment * j.cut
	first := segment * j.shape.Rows
	return segment, (first + from) * j.width, (first + min(from+j.cut, j.shape.Rows)) * j.width
}

// Moments sets mean and variance, [segments, C], to those of the cell that each
// column belongs to; the variance is the biased one.
//
// The sums are of x - k, where k is a column's mean over the segment's first block,
// so that a mean far from zero costs no digits. Blocks are added in float64.
func Moments(p *par.Pool, s *Scratch, mean, variance, x []float32, shape Cells) {
	moments(cpu.Kernels(), p, s, mean, variance, x, shape)
}

func moments(t cpu.Tier, p *par.Pool, s *Scratch, mean, variance, x []float32, shape Cells) {
	n := shape.segments(len(x))
	if n == 0 {
		return
	}
	check(shape.Width, n*shape.Width, len(mean))
	check(shape.Width, n*shape.Width, len(variance))
	j := s.beginCells(t, x, shape)
	j.mean, j.variance = mean, variance
	blocks := n * j.perSegment
	sums := s.take(2 * blocks * j.width)
	j.part = [2][]float32{sums[:blocks*j.width], sums[blocks*j.width:]}
	s.run(p, n, shiftOf)
	s.run(p, blocks, func(j *job, b int) {
		segment, lo, hi := j.cell(b)
		j.k.colMoments(j.x[lo:hi], j.zero(j.part[0], b), j.zero(j.part[1], b), j.of(j.mean, segment))
	})
	s.run(p, n, foldMoments)
	s.end()
}

// shiftOf leaves k in mean.
func shiftOf(j *job, segment int) {
	_, lo, hi := j.cell(segment * j.perSegment)
	k := j.zero(j.mean, segment)
	j.k.colSum(j.x[lo:hi], k)
	rows := float32((hi - lo) / j.width)
	for i := range k {
		k[i] /= rows
	}
}

// foldMoments joins the blocks of a segment and the columns of its groups. The
// conversions keep products from being fused where the compiler may.
func foldMoments(j *job, segment int) {
	k, v := j.of(j.mean, segment), j.of(j.variance, segment)
	rows, wide := float64(j.shape.Rows), j.width/j.shape.Groups
	count := rows * float64(wide)
	first := segment * j.perSegment
	column := func(c int) (sum, squares float64) {
		for b := first; b < first+j.perSegment; b++ {
			sum += float64(j.part[0][b*j.width+c])
			squares += float64(j.part[1][b*j.width+c])
		}
		return sum, squares
	}
	for lo := 0; lo < j.width; lo += wide {
		total := 0.0
		for c := lo; c < lo+wide; c++ {
			sum, _ := column(c)
			total += sum + float64(rows*float64(k[c]))
		}
		mean, spread := total/count, 0.0
		for c := lo; c < lo+wide; c++ {
			sum, squares := column(c)
			d := float64(k[c]) - mean // sum of (x - k + d)²
			spread += squares + float64(d*(2*sum+float64(rows*d)))
		}
		for c := lo; c < lo+wide; c++ {
			k[c], v[c] = float32(mean), float32(max(spread, 0)/count)
		}
	}
}

// Standard sets dst to (x - mean) / sqrt(variance + eps) * w + b, all [T, C], with
// mean and variance [segments, C] and w and b [C]; b may be nil. dst may be x.
func Standard(p *par.Pool, s *Scratch, dst, x, mean, variance, w, b []float32, shape Cells, eps float32) {
	standard(cpu.Kernels(), p, s, dst, x, mean, variance, w, b, shape, eps)
}

func standard(t cpu.Tier, p *par.Pool, s *Scratch, dst, x, mean, variance, w, b []float32, shape Cells, eps float32) {
	n := shape.segments(len(x))
	checkGrads(shape.Width, len(x), nil, dst, w, b)
	if n == 0 {
		return
	}
	check(shape.Width, n*shape.Width, len(mean))
	check(shape.Width, n*shape.Width, len(variance))
	j := s.beginCells(t, x, shape)
	j.dst, j.mean, j.variance, j.w, j.bias, j.eps = dst, mean, variance, w, s.or(b, j.width), eps
	j.scale = s.take(n * j.width)
	for segment := range n {
		scales(j, segment)
	}
	s.run(p, n*j.perSegment, func(j *job, b int) {
		segment, lo, hi := j.cell(b)
		j.k.affine(j.dst[lo:hi], j.x[lo:hi], j.of(j.mean, segment), j.of(j.scale, segment), j.bias)
	})
	s.end()
}

// scales sets a segment's scale to w / sqrt(variance + eps).
func scales(j *job, segment int) {
	v, scale, wide := j.of(j.variance, segment), j.of(j.scale, segment), j.width/j.shape.Groups
	for lo := 0; lo < j.width; lo += wide {
		r := inverse(v[lo] + j.eps)
		for c := lo; c < lo+wide; c++ {
			scale[c] = j.w[c] * r
		}
	}
}
