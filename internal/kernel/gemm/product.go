package gemm

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/tensor"
)

const (
	// width is the columns of a panel and depth the most rows of one that are
	// packed at a time: 256 KiB, which stays in the second-level cache while
	// all the rows of a pass over it. depth is a multiple of Segment and of
	// every block.
	width = 64
	depth = 1024
	// fewest is the most rows that are multiplied without a panel.
	fewest = 16
	// scratch is what decoded rows take at most: a segment of 16 rows, 16 sums and
	// 16 numbers more, or in plain Go a panel's depth of one row.
	scratch = Lanes * (Segment + 2)
)

// Scratch holds the panels of the products of one pass. The zero value is ready;
// it grows to one panel for each worker and then allocates no more. It must not
// be used by two products at once.
type Scratch struct {
	work []workspace
	job  product
	rows []float32 // of a, moved apart
}

// workspace belongs to one worker.
type workspace struct {
	panel []float32 // [depth][width]
	row   []float32 // [scratch] decoded rows
}

func (s *Scratch) grow(workers int) {
	for len(s.work) < workers {
		s.work = append(s.work, workspace{
			panel: make([]float32, depth*width),
			row:   make([]float32, scratch),
		})
	}
}

// MulT computes c = a w^T, or c += a w^T if acc is set: c [m,n], a [m,k],
// w [n,k]. It is y = x W^T of a linear layer.
func MulT(p *par.Pool, s *Scratch, c []float32, m, n, k int, a []float32, w *tensor.Storage, acc bool) {
	checkWeights(w, n, k)
	s.run(p, product{kind: mulT, tier: cpu.Kernels(), c: c, a: a, w: w, m: m, n: n, k: k, acc: acc})
}

// Mul computes c = a w, or c += a w: c [m,k], a [m,n], w [n,k]. It is
// dX = dY W of a linear layer; stored blocks are decoded a panel at a time.
func Mul(p *par.Pool, s *Scratch, c []float32, m, k, n int, a []float32, w *tensor.Storage, acc bool) {
	checkWeights(w, n, k)
	s.run(p, product{kind: mul, tier: cpu.Kernels(), c: c, a: a, w: w, m: m, n: k, k: n, acc: acc})
}

// MulAT computes c = a^T x, or c += a^T x: c [n,k], a [m,n], x [m,k], summed
// over the m rows. It is dW = dY^T X of a linear layer.
func MulAT(p *par.Pool, s *Scratch, c []float32, n, k, m int, a, x []float32, acc bool) {
	s.run(p, product{kind: mulAT, tier: cpu.Kernels(), c: c, a: a, x: x, m: n, n: k, k: m, acc: acc})
}

// checkWeights panics, as a programming error, if w is not [n,k] of floats.
func checkWeights(w *tensor.Storage, n, k int) {
	if w.Rows != n || w.Cols != k || !w.DType.IsFloat() {
		panic(fmt.Sprintf("gemm: weights are %d x %d %v, want %d x %d floats", w.Rows, w.Cols, w.DType, n, k))
	}
}

type kind uint8

const (
	mulT kind = iota
	mul
	mulAT
)

// product is one product c [m,n], summed over k, as a loop for the pool. Its
// iterations are panels of columns times chunks of rows or, for a few rows, groups
// of 16 columns; each holds whole sums.
type product struct {
	kind    kind
	tier    cpu.Tier
	acc     bool
	single  bool // by gemv
	few     bool // by few
	c, a, x []float32
	w       *tensor.Storage
	m, n, k int
	lda     int // numbers between the rows of a, but of mulAT
	chunk   int // rows in a chunk
	chunks  int
	work    []workspace
}

func (s *Scratch) run(p *par.Pool, g product) {
	g.check()
	if g.m == 0 || g.n == 0 {
		return
	}
	if g.k == 0 {
		if !g.acc {
			clear(g.c[:g.m*g.n])
		}
		return
	}
	workers := p.Workers()
	s.grow(workers)
	g.work = s.work
	g.lda = g.k
	g.single = g.kind == mulT && g.m == 1
	g.few = g.kind == mulT && g.m > 1 && g.m <= fewest && hasFew(g.tier, g.w, g.k)
	var n, grain int
	if g.few && g.k%512 == 0 {
		s.apart(&g)
	}
	if g.single || g.few {
		// Claims of 64 KiB of weights: a few microseconds of reading.
		n = (g.n + Lanes - 1) / Lanes
		grain = max(2, (64<<10)/(Lanes*g.w.RowBytes())&^1)
	} else {
		panels := (g.n + width - 1) / width
		g.chunk, g.chunks = cut(g.m, panels, workers)
		n, grain = panels*g.chunks, 1
	}
	s.job = g
	p.For(n, grain, &s.job)
	s.job = product{} // hold on to nothing of the caller's
}

// apart copies the rows of a to where they do not lie a multiple of 2048 bytes
// apart, so that they do not drive each other out of the first-level cache: its
// lines of one such remainder have 8 places.
func (s *Scratch) apart(g *product) {
	g.lda = g.k + Lanes
	if n := g.m * g.lda; len(s.rows) < n {
		s.rows = make([]float32, n)
	}
	for i := range g.m {
		copy(s.rows[i*g.lda:][:g.k], g.a[i*g.k:])
	}
	g.a = s.rows
}

// cut divides m rows so that each worker finds several pieces of work, but not
// into chunks so small that packing a panel for each would show; in smaller ones
// only where a worker would find none.
func cut(m, panels, workers int) (chunk, chunks int) {
	const least, last = 96, 24
	if workers == 1 {
		return m, 1
	}
	chunks = max(1, min((4*workers+panels-1)/panels, m/least), min((workers+panels-1)/panels, m/last))
	chunk = (m + chunks - 1) / chunks
	chunk = (chunk + 5) / 6 * 6 // of the register tile
	return chunk, (m + chunk - 1) / chunk
}

// Do computes iterations [lo, hi).
func (g *product) Do(worker, lo, hi int) {
	ws := &g.work[worker]
	if g.single {
		lo, hi = lo*Lanes, min(hi*Lanes, g.n)
		gemv(g.tier, g.w, lo, g.a[:g.k], g.c[lo:hi], g.acc, ws.row)
		return
	}
	if g.few {
		for col := lo * Lanes; col < min(hi*Lanes, g.n); col += Lanes {
			if g.n-col < Lanes {
				g.block(ws, col, g.n-col, 0, g.m)
			} else {
				few(g.tier, g.w, col, g.m, g.k, g.a, g.lda, g.c[col:], g.n, g.acc)
			}
		}
		return
	}
	for i := lo; i < hi; i++ {
		col, row := i/g.chunks*width, i%g.chunks*g.chunk
		g.block(ws, col, min(width, g.n-col), row, min(g.chunk, g.m-row))
	}
}

// block computes a panel's columns for a chunk of rows.
func (g *product) block(ws *workspace, col, cols, row, rows int) {
	ldp := Pad(cols)
	for from := 0; from < g.k; from += depth {
		k := min(depth, g.k-from)
		at, ars, aks := row*g.lda+from, g.lda, 1
		switch g.kind {
		case mulT:
			packT(g.tier, g.w, col, cols, from, k, ws.panel, ldp, ws.row)
		case mul:
			packN(g.tier, g.w, from, k, col, cols, ws.panel, ldp, ws.row)
		case mulAT:
			packF32(g.tier, g.x[from*g.n+col:], g.n, k, cols, ws.panel, ldp)
			at, ars, aks = from*g.m+row, 1, g.m
		}
		segments(tileF32, g.tier, rows, cols, k, g.a[at:], ars, aks, ws.panel, ldp, g.c[row*g.n+col:], g.n, g.acc || from > 0)
	}
}

func (g *product) check() {
	if min(g.m, g.n, g.k) < 0 {
		panic(fmt.Sprintf("gemm: negative in m %d, n %d, k %d", g.m, g.n, g.k))
	}
	need("c", len(g.c), g.m*g.n)
	need("a", len(g.a), g.m*g.k)
	if g.kind == mulAT {
		need("x", len(g.x), g.k*g.n)
	}
}
