// Package norm holds the kernels of normalisation, forward and backward: of rows
// (RMS, layer) and of columns and groups of columns (batch, group), and the sums
// of columns.
//
// A sum along a row runs in the 16 lanes and the tree of package act:
//
//	RMS    r  = 1 / sqrt(sum of x*x / n + eps)
//	       y  = (x * r) * w
//	       c  = (sum of (dy*w)*x / n * r) * r
//	       dx = dx + r * ((dy*w) - c*x)
//	       dw = dw + dy * (x*r)
//	layer  m  = sum of x / n, v = sum of (x-m)*(x-m) / n
//	       z  = (x - m) * r, r = 1 / sqrt(v + eps)
//	       y  = z * w + b
//	       dx = dx + r * ((dy*w - m1) - m2*z)
//	            with m1 = sum of (dy*w) / n, m2 = sum of (dy*w)*z / n
//	       dw = dw + dy * z, db = db + dy
//
// where a layer's dx that is set and not added to is the product alone, rounded.
// Products are rounded where they stand in parentheses and fused with the
// additions elsewhere; square root and divisions are correctly rounded. So every
// tier gives the same bits.
//
// A sum down a column is cut into blocks of rows, whose number depends on the
// width alone: within a block it is one chain from zero, and the blocks are added
// in order. So it is the same for any number of threads.
//
// Assembly for the reason in package act. The ladder, on one core of an AMD EPYC
// 9004 whose other core was at work, the least time of some thousand calls, in µs for
// 64 rows of 576 numbers in the second-level cache:
//
//	                                     plain Go   AVX2  AVX-512
//	RMS                                       100    5.4      5.4
//	RMSBackward                               383     12       11
//	Layer, a row at a time                    268     14       13
//	Layer, moments of rows abreast            186    5.6      5.1   used
//	LayerBackward, from x and dy alone        451     14       13
//	LayerBackward, forward's mean and r,
//	  and sums with the gradients of w, b     279    8.3      7.7   used
//	SumRows, sums in memory                    21    1.8      1.8
//	SumRows, sums in registers                 11    1.5      1.5   used
//	                                     1,024 pixels of 32 channels
//	Moments and Standard, sums in memory      172    8.6      9.5
//	StandardBackward, sums in memory          247    9.6       10
//	Moments and Standard, in registers        170    5.6      4.4   used
//	StandardBackward, in registers            241    6.2      6.2   used
//
// A sum along a row is a chain that waits for itself; Layer takes 4 rows abreast
// (2 in AVX2). Both tiers then wait for the cache, so wider registers gain nothing.
// A sum down a column in memory waits in each row until the row before is stored.
// A gradient that is set and not added to what is there saves a pass over dx in
// clearing it, and another in reading it.
package norm

//go:generate go run -C ../_asm ./norm -out ../norm/norm_amd64.s -stubs ../norm/stubs_amd64.go -pkg norm

import (
	"fmt"
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
)

// kernels are one tier's. Slices of one call have the same length, not zero.
type kernels struct {
	// One row.
	sumSquares     func(x []float32) float32
	scale          func(dst, x, w []float32, r float32)
	sumProducts    func(dy, w, x []float32) float32
	inputGrad      func(dx, dy, w, x []float32, r, c float32)
	gainGrad       func(dw, dy, x []float32, r float32)
	layerScale     func(dst, x, w, b []float32, mean, r float32)
	layerGrads     func(dw, db, dy, w, x []float32, mean, r float32) (sum, dot float32)
	layerInputGrad [2]func(dx, dy, w, x []float32, mean, r, m1, m2 float32) // sets, adds

	// Rows of a matrix, at least one. stats has two numbers a row; the other slices
	// are one row long.
	layerMoments func(x, stats []float32, eps float32)
	colSum       func(x, acc []float32)
	colMoments   func(x, sum, squares, shift []float32)
	colGrads     func(dy, x, sum, dot, mean []float32)
	affine       func(dst, x, mean, scale, shift []float32)
	affineGrad   [2]func(dx, dy, x, mean, a, b, c []float32) // sets, adds
}

// Scratch is what calls of one goroutine keep between them; the zero Scratch is
// ready. A call allocates only while its Scratch still grows.
type Scratch struct {
	job   job
	buf   []float32
	zeros []float32 // a bias that isn't there
}

// job is a loop over blocks of rows. Its fields are what the kinds of block need.
type job struct {
	k     *kernels
	block func(j *job, b int)

	dst, x, dy, w, bias []float32
	add                 int // 1 if the gradient with respect to x is added to dst
	width, rows, cut    int
	eps                 float32
	stats               []float32 // mean and r of each row
	dw, db              []float32 // one row a block

	cells
}

func (j *job) Do(_, lo, hi int) {
	for b := lo; b < hi; b++ {
		j.block(j, b)
	}
}

// grain is how many numbers a core takes at a time: some microseconds of work.
const grain = 16 << 10

// cutRows is how many rows of a width make a block: about a grain, but enough of
// them that what the blocks leave to be added is little beside them. It decides
// the order of additions, so it may depend on nothing else.
func cutRows(width int) int { return min(max(grain/width, 16), 256) }

// run does the blocks of j, in any order, and then forgets j's slices.
func (s *Scratch) run(p *par.Pool, blocks int, block func(j *job, b int)) {
	s.job.block = block
	each := max(1, grain/(s.job.cut*s.job.width))
	p.For(blocks, each, &s.job)
}

// span returns the numbers of block b's rows.
func (j *job) span(b int) (lo, hi int) {
	return b * j.cut * j.width, min((b+1)*j.cut, j.rows) * j.width
}

// take returns n numbers, any, that are good until the next call of take.
func (s *Scratch) take(n int) []float32 {
	if cap(s.buf) < n {
		s.buf = make([]float32, n)
	}
	return s.buf[:n]
}

// of returns a row of a matrix as wide as x.
func (j *job) of(m []float32, row int) []float32 { return m[row*j.width : (row+1)*j.width] }

// zero returns a row of a matrix as wide as x, cleared: the sum of a block, which
// so is cleared by the core that adds to it.
func (j *job) zero(m []float32, row int) []float32 {
	z := j.of(m, row)
	clear(z)
	return z
}

// choice is the index of a kernel that sets, 0, or adds, 1.
func choice(add bool) int {
	if add {
		return 1
	}
	return 0
}

// or returns b, or zeros in its place.
func (s *Scratch) or(b []float32, n int) []float32 {
	if b != nil {
		return b
	}
	if len(s.zeros) < n {
		s.zeros = make([]float32, n)
	}
	return s.zeros[:n]
}

// SumRows adds the sum of the rows of x, [T, D], to dst, [D].
func SumRows(p *par.Pool, s *Scratch, dst, x []float32) { sumRows(cpu.Kernels(), p, s, dst, x) }

func sumRows(t cpu.Tier, p *par.Pool, s *Scratch, dst, x []float32) {
	n := len(dst)
	check(n, len(x), len(x))
	if len(x) == 0 {
		return
	}
	j := s.begin(t, x, n)
	blocks := j.blocks()
	j.db = s.take(blocks * n)
	s.run(p, blocks, func(j *job, b int) {
		lo, hi := j.span(b)
		j.k.colSum(j.x[lo:hi], j.zero(j.db, b))
	})
	j.k.colSum(j.db, dst)
	s.end()
}

// begin sets up a job on the rows of x.
func (s *Scratch) begin(t cpu.Tier, x []float32, width int) *job {
	s.job = job{k: tier(t), x: x, width: width, rows: len(x) / width, cut: cutRows(width)}
	return &s.job
}

// end lets go of the caller's slices.
func (s *Scratch) end() { s.job = job{} }

func (j *job) blocks() int { return (j.rows + j.cut - 1) / j.cut }

// inverse returns 1 / sqrt(v). Through float64 the root is still correctly
// rounded: 53 bits are more than twice 24.
func inverse(v float32) float32 { return 1 / float32(math.Sqrt(float64(v))) }

func check(width, x, other int) {
	if x != other || x > 0 && (width == 0 || x%width != 0) {
		panic(fmt.Sprintf("norm: %d and %d numbers in rows of %d", x, other, width))
	}
}
