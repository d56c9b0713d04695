// Package qgemm multiplies rows of activations, rounded to 8 bits, by matrices
// of 4- to 8-bit weights in place in a model file: the "fast" mode.
//
// An output is one chain of additions over the blocks of 32 of its row, in order:
//
//	acc = fma(float32(sum of w*x over the block), dw*dx, acc)
//	acc = fma(mw, dx*float32(sum of x), acc)               // Q4_1, Q5_1, Q4_K, Q5_K
//
// with a step of the first kind for each half of 32 in Q6_K, whose sub-blocks are
// 16. Scales dw and minima mw of K-quants are products, rounded to float32. The
// sum inside a block is exact in int32, so any kernel may add it up as it likes,
// and the chain is the same for any number of rows, threads or lanes.
//
// The ladder, on one core of an AMD EPYC 9004 (3.7 GHz), matrices of [1536, 768]
// (versions 1 to 5: [1536, 576]). The limits there: 470 GOP/s of 8-bit products,
// of which the chain, for each 8 steps 3 that share their pipes, leaves 342 (376
// for Q8_0, Q4_0 and Q5_0); and 26 GB/s of reading. "From memory" is so many
// matrices in turn that none stays in the caches.
//
//  1. plain Go, the twin: a row of weights unpacked once for all rows of
//     activations. 1.4 GOP/s for 1 row, 2.0 for 64.
//
//  2. direct: lanes are 16 rows of weights, transposed in registers from where
//     they are stored, VPDPBUSD with the activations broadcast from memory. 1
//     row of Q4_1: 29 GB/s from the cache, 9 from memory, for 16 streams of 16
//     bytes defeat the hardware's prefetcher.
//
//  3. prefetch of the rows that follow, to the second-level cache: 17 to 19
//     GB/s from memory; to the first-level cache only 11.
//
//  4. 128-bit loads and inserts instead of 512-bit broadcasts under a mask, and
//     the high nibbles summed 16 times too large instead of shifted: 32 GB/s
//     from the cache, 20 to 23 from memory. Loads of 32 bytes with more shuffles
//     are no faster.
//
//  5. packed, for more rows: 16 rows of weights unpacked to a panel once, then
//     8 rows of activations at a time, accumulators in registers. 512 rows,
//     packing included: Q4_1 330 GOP/s, Q4_0 360, Q8_0 355, Q5_0 355, Q5_1 328,
//     Q4_K 325, Q5_K 327, Q6_K 303.
//
//  6. prefetches a few at a time, 8 KiB ahead: from memory Q4_K from 15.7 to
//     18.4, Q5_K from 14.4 to 18.7 GB/s. While packing too: 16 rows of Q4_1 from
//     memory in two thirds of the time (3.2 to 4.9 GB/s; Q8_0 4.9 to 8.2).
//
//  7. eight blocks of Q4_0 are nine whole loads: every other block's quants are
//     half a dword late, which one permutation mends, and no scale is gathered
//     apart. 1 row from memory 19.0 to 22.6 GB/s, 8 rows 8.5 to 9.9.
//
//  8. unpacking mixed among the products, instruction by instruction: they use
//     different pipes, whose queues are too short to reach from one phase into
//     the next. 8 rows from the cache: Q4_0 from 306 to 345 GOP/s, Q4_1 267 to
//     300, Q4_K 247 to 267. Broadcasts from registers instead of memory, all that
//     sharing them among more weights could save, change nothing.
//
//  9. AVX2, which has no VPDPBUSD: VPMADDUBSW, its sums kept in 16 bits as long
//     as they fit (8 products of 4 bits, 4 of 5, 2 of 6), then VPMADDWD by ones;
//     2 to 4 rows of activations by a panel. 48 rows from the cache: Q4_0 247
//     GOP/s, Q4_1 and Q4_K 238, Q5_0 220, Q5_1 and Q5_K 208, Q6_K 180, which is
//     62 to 74 % of AVX-512. Q8_0, whose signs VPSIGNB moves to the activations,
//     126: it shares the pipes of the multipliers. Sums kept on the stack, to
//     have four rows of 4 bits instead of three, are no gain.
//
//  10. Q8_0 with VPXOR instead, which is short by one for negative weights: their
//     sum is in the panel. 148 GOP/s, 44 % of AVX-512.
//
//  11. direct for 1 row, not of K-quants: 33 GB/s from the cache instead of 26 by
//     way of a panel (Q8_0), Q4_0 and Q4_1 23 instead of 20; from memory 12.6 to
//     14.7, on a busy machine (AVX-512 beside it 14.7 to 21.6).
//
// For AVX-512 all but 5 are used up to 8 rows, 5 above; two cores reach 679
// GOP/s. From memory, 1 and 8 rows, in GB/s, the best of several runs beside
// other work on the machine: Q8_0 25 and 15, Q4_0 24.1 and 10.9, Q4_1 22.9 and
// 10.3, Q5_0 19.6 and 9.5, Q5_1 21.2 and 10.3, Q4_K 20.3 and 9.4, Q5_K 19.2 and
// 9.8, Q6_K 20.2 and 10.1. So 8 rows take 1.7 (Q8_0) to 2.2 times (Q4_0) as long
// as 1; twice needs 91 % of the limit of the products.
package qgemm

//go:generate go run -C ../_asm ./qgemm -out ../qgemm/qgemm_amd64.s -stubs ../qgemm/stubs_amd64.go -pkg qgemm

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/tensor"
)

const (
	elems = 32 // numbers in a block
	tile  = 8  // rows of activations that a kernel takes at a time
	lanes = 16 // rows of weights, one in each lane

	// maxPanel is the bytes of 16 rows of one block unpacked, which is, each with
	// the rows as lanes: scales, minima (Q6_K: scales of the second half; other
	// formats without minima: nothing), both float32, and 8 times 4 quants of
	// each row as unsigned bytes (Q8_0 128 too large, Q5_0 16, Q4_0 8, Q6_K 32).
	maxPanel = lanes * (elems + 4 + 4)
)

// Supports reports whether MulT takes weights of this dtype.
func Supports(dt tensor.DType) bool { return formatOf(dt) >= 0 }

// Acts is a matrix of activations, [T, K], rounded to 8 bits in blocks of 32 by
// Quantize, and the working memory of the products with it. The zero value is
// ready; what it has allocated it keeps for later use. It serves one loop at a
// time.
type Acts struct {
	m, k int

	// Tile by tile of 8 rows (fewer in the last), block by block, row by row: a
	// kernel reads them from front to back.
	q      []int8    // x = d*q; 32 for each block
	d      []float32 // amax/127
	s      []float32 // d times the sum of q
	bias   []int32   // -8 times the sum of q: unsigned weights are too large by 8, 2*8 or 16*8
	halves []int32   // -32 times the sums of the first and the second half of q, for Q6_K

	rounding quantizeTask
	product  mulTask
	work     []scratch // of each worker
}

// scratch is what a worker needs to itself.
type scratch struct {
	panel  []byte  // 16 rows of weights unpacked
	edge   []byte  // the last rows of weights, padded to 16
	blocks []block // a row of weights unpacked, for the plain-Go twin

	tile [tile * lanes]float32 // the last columns of outputs, padded to 16, for AVX2
}

// Quantize rounds x, [m, k] in row-major order, which must have that length; k
// must be a multiple of 32. For each block of 32
//
//	d = amax/127, q = x/d to nearest, ties to even (as x * (1/d))
//
// where q is 0 if d is subnormal. A block with a NaN or an infinity has such a
// d, and so every product with its row is NaN or infinite too.
func (a *Acts) Quantize(p *par.Pool, x []float32, m, k int) {
	a.quantize(cpu.Kernels(), p, x, m, k)
}

func (a *Acts) quantize(tier cpu.Tier, p *par.Pool, x []float32, m, k int) {
	if m < 0 || k < 0 || k%elems != 0 || len(x) != m*k {
		panic(fmt.Sprintf("qgemm: %d numbers are not %d rows of %d, in blocks of %d", len(x), m, k, elems))
	}
	n := m * k / elems
	a.m, a.k = m, k
	a.q, a.d, a.s = grow(a.q, n*elems), grow(a.d, n), grow(a.s, n)
	a.bias, a.halves = grow(a.bias, n), grow(a.halves, 2*n)
	if n == 0 {
		return
	}
	a.rounding = quantizeTask{tier: tier, a: a, x: x}
	p.For(m, max(1, 8192/k), &a.rounding)
	a.rounding = quantizeTask{}
}

// row returns where block 0 of row i lies, in blocks, and how far apart its
// blocks are.
func (a *Acts) row(i int) (first, step int) {
	t := i - i%tile
	return t*(a.k/elems) + i - t, min(tile, a.m-t)
}

type quantizeTask struct {
	tier cpu.Tier
	a    *Acts
	x    []float32
}

func (t *quantizeTask) Do(_, lo, hi int) {
	a := t.a
	for i := lo; i < hi; i++ {
		first, step := a.row(i)
		quantizeRowTo(t.tier, t.x[i*a.k:(i+1)*a.k], step, a.q[first*elems:], a.d[first:], a.s[first:], a.bias[first:], a.halves[2*first:])
	}
}

// MulT computes c = x w^T: c[i*n+j] is the product of row i of the activations
// and row j of w. c is [m, n], w [n, K] of a dtype that Supports names, and m
// and K those of a. A size that does not fit is a mistake of the program, and
// panics.
func MulT(p *par.Pool, c []float32, m, n int, a *Acts, w *tensor.Storage) {
	mulT(cpu.Kernels(), p, c, m, n, a, w)
}

func mulT(tier cpu.Tier, p *par.Pool, c []float32, m, n int, a *Acts, w *tensor.Storage) {
	f := formatOf(w.DType)
	switch {
	case f < 0:
		panic(fmt.Sprintf("qgemm: no product with %v", w.DType))
	case m != a.m || n != w.Rows || a.k != w.Cols || len(c) != m*n:
		panic(fmt.Sprintf("qgemm: %d numbers for the product of [%d, %d] and [%d, %d]^T (called as %d x %d)",
			len(c), a.m, a.k, w.Rows, w.Cols, m, n))
	case m == 0:
		return
	}
	workers := p.Workers()
	for len(a.work) < workers {
		a.work = append(a.work, scratch{})
	}
	for i := range a.work[:workers] {
		s := &a.work[i]
		s.panel = grow(s.panel, a.k/elems*maxPanel)
		s.edge = grow(s.edge, lanes*w.RowBytes())
		s.blocks = grow(s.blocks, a.k/elems)
	}
	// A unit is 16 columns by some rows. Columns alone make enough of them,
	// except for a narrow matrix on many cores.
	groups := (n + lanes - 1) / lanes
	rows := m
	for groups*((m+rows-1)/rows) < 4*workers && rows > 16*tile {
		rows = (rows/2 + tile - 1) / tile * tile
	}
	t := &a.product
	*t = mulTask{tier: tier, a: a, w: w, c: c, format: f, rows: rows, splits: (m + rows - 1) / rows}
	units := groups * t.splits
	p.For(units, max(1, units/(8*workers)), t)
	*t = mulTask{}
}

type mulTask struct {
	tier   cpu.Tier
	a      *Acts
	w      *tensor.Storage
	c      []float32
	format int
	rows   int // of a unit, a multiple of tile if there are several
	splits int // units for each group of 16 columns
}

func (t *mulTask) Do(worker, lo, hi int) { t.units(&t.a.work[worker], lo, hi) }

// unit returns the columns and the rows of unit u.
func (t *mulTask) unit(u int) (col, cols, row, rows int) {
	col, row = u/t.splits*lanes, u%t.splits*t.rows
	return col, min(lanes, t.w.Rows-col), row, min(t.rows, t.a.m-row)
}

// grow returns a slice of length n, of s if it is large enough.
func grow[E any](s []E, n int) []E {
	if cap(s) < n {
		return make([]E, n)
	}
	return s[:n]
}
