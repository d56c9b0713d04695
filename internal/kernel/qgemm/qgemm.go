// Package qgemm multiplies rows of activations, rounded to 8 bits, by matrices
// of 8- and 4-bit weights in place in a model file: the "fast" mode.
//
// An output is one chain of additions over the blocks of its row, in order:
//
//	acc = fma(float32(sum of w*x over the block), dw*dx, acc)
//	acc = fma(mw, dx*float32(sum of x), acc)               // Q4_1 only
//
// The sum inside a block is exact in int32, so any kernel may add it up as it
// likes, and the chain is the same for any number of rows, threads or lanes.
//
// The ladder, on one core of an AMD EPYC 9004 (3.7 GHz), Q4_1 of [1536, 576].
// The limits there: 409 GOP/s of 8-bit products, of which the chain, for each 8
// steps 3 that share their pipes, leaves 340 (372 for Q8_0 and Q4_0); and 26
// GB/s of reading. "From memory" is a matrix beyond the third-level cache.
//
//  1. plain Go, the twin: a row of weights unpacked once for all rows of
//     activations. 1.4 GOP/s for 1 row, 2.0 for 64.
//  2. direct: lanes are 16 rows of weights, transposed in registers from where
//     they are stored, VPDPBUSD with the activations broadcast from memory. 1
//     row: 29 GB/s from the cache, 9 from memory, for 16 streams of 16 bytes
//     defeat the hardware's prefetcher.
//  3. prefetch of the rows that follow, to the second-level cache: 17 to 19
//     GB/s from memory; to the first-level cache only 11.
//  4. 128-bit loads and inserts instead of 512-bit broadcasts under a mask, and
//     the high nibbles summed 16 times too large instead of shifted: 32 GB/s
//     from the cache, 20 to 23 from memory, 75 to 80 % of reading alone. 8 rows
//     take 2.4 to 2.8 times as long as 1, the pipes' limit. Q8_0: 24 GB/s from
//     memory, 8 rows 1.7 times; Q4_0: 19 GB/s, 2.1 times.
//  5. packed, for more rows: 16 rows of weights unpacked to a panel once, then
//     8 rows of activations at a time, accumulators in registers. 338 GOP/s for
//     512 rows, packing included (Q4_0 372, Q8_0 361), 307 for 32, 232 for 9.
//
// 2 to 4 are used up to 8 rows, 5 above; two cores reach 679 GOP/s.
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

	// maxPanel is the bytes of 16 rows of one block unpacked: quants as bytes,
	// scales and minima as float32.
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
	q    []int8    // x = d*q; 32 for each block
	d    []float32 // amax/127
	s    []float32 // d times the sum of q
	bias []int32   // -8 times the sum of q: unsigned weights are too large by 8 or 16*8

	rounding quantizeTask
	product  mulTask
	work     []scratch // of each worker
}

// scratch is what a worker needs to itself.
type scratch struct {
	panel []byte // 16 rows of weights unpacked
	edge  []byte // the last rows of weights, padded to 16
	quant []int8 // a row of weights unpacked, for the plain-Go twin
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
	a.q, a.d, a.s, a.bias = grow(a.q, n*elems), grow(a.d, n), grow(a.s, n), grow(a.bias, n)
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
		quantizeRowTo(t.tier, t.x[i*a.k:(i+1)*a.k], step, a.q[first*elems:], a.d[first:], a.s[first:], a.bias[first:])
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
		s.quant = grow(s.quant, a.k)
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
