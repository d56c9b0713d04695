package attn

import (
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/gemm"
)

// Forward writes softmax(q K^T * scale) V of each row to q.Out.
func (s *Scratch) Forward(kv *KV, q *Rows) { s.forward(cpu.Kernels(), kv, q) }

func (s *Scratch) forward(t cpu.Tier, kv *KV, q *Rows) {
	kv.check(q, false)
	if len(q.N) == 0 {
		return
	}
	need("outputs", len(q.Out), q.numbers(kv.Dim))
	s.tier = t
	s.Grow(kv.Dim)
	for r := 0; r < len(q.N); r += rowTile {
		s.rows(kv, q, r, min(r+rowTile, len(q.N)))
	}
}

// rows computes rows [lo, hi), at most rowTile.
func (s *Scratch) rows(kv *KV, q *Rows, lo, hi int) {
	gather(s.q, q.Q, q, lo, hi, kv.Dim)
	first, last := spans(q, lo, hi)
	if last <= first+1 {
		s.part(kv, q, lo, hi, first)
		s.finish(kv, q, lo, hi, s.acc, s.stat)
		return
	}
	n := hi - lo
	s.reset(s.total, s.totals, n, kv.Dim)
	for sp := first; sp < last; sp++ {
		s.part(kv, q, lo, hi, sp)
		join(q, lo, hi, sp, kv.Dim, s.total, s.totals, s.acc, s.stat)
	}
	s.finish(kv, q, lo, hi, s.total, s.totals)
}

// reset readies sums and statistics of n rows.
func (s *Scratch) reset(acc, stat []float32, n, dim int) {
	clear(acc[:n*gemm.Pad(dim)])
	for i := range n {
		stat[2*i], stat[2*i+1] = float32(math.Inf(-1)), 0
	}
}

// part takes rows [lo, hi), whose queries are gathered, through the blocks of one
// span, to s.acc and s.stat.
func (s *Scratch) part(kv *KV, q *Rows, lo, hi, sp int) {
	pd := gemm.Pad(kv.Dim)
	s.reset(s.acc, s.stat, hi-lo, kv.Dim)
	first, last := span(q, lo, hi)
	for b := max(first, sp*spanBlocks); b < min(last, (sp+1)*spanBlocks); b++ {
		i0, i1 := seeing(q, lo, hi, b*Block)
		seen := q.seen(lo+i1-1, b*Block)
		s.scores(kv, b, i0, i1, seen)
		for i := i0; i < i1; i++ {
			if q.Scores != nil {
				copy(q.Scores[(lo+i)*q.Stride+b*Block:][:seen], s.s[i*Block:])
			}
			s.mask[i] = mask(q.bounds(lo+i, b*Block))
		}
		softmax(s.tier, s.s[i0*Block:i1*Block], s.mask[i0:i1], q.Scale, s.stat[2*i0:2*i1], s.corr, s.acc[i0*pd:i1*pd])
		wide := s.wideValues(kv, b, seen)
		// Rows with the same bounds share a tile; most have the whole block.
		for i := i0; i < i1; {
			e := i + 1
			for e < i1 && s.mask[e] == s.mask[i] {
				e++
			}
			if s.mask[i] != 0 {
				from, to := q.bounds(lo+i, b*Block)
				s.values(kv, b, wide, i, e, from, to)
			}
			i = e
		}
	}
}

// finish divides the sums and stores what Rows asks for.
func (s *Scratch) finish(kv *KV, q *Rows, lo, hi int, acc, stat []float32) {
	dim, pd := kv.Dim, gemm.Pad(kv.Dim)
	for i := range hi - lo {
		m, l := stat[2*i], stat[2*i+1]
		out := q.Out[q.at(lo+i):][:dim]
		if q.empty(lo + i) {
			clear(out)
		} else {
			act.Divide(out, acc[i*pd:i*pd+dim], l)
		}
		if q.M != nil {
			q.M[lo+i], q.L[lo+i] = m, l
		}
	}
}

// empty reports whether row r looks at nothing.
func (q *Rows) empty(r int) bool { return q.N[r] <= 0 || q.From != nil && q.From[r] >= q.N[r] }

// span returns the blocks that rows [lo, hi) look at, [first, last).
func span(q *Rows, lo, hi int) (first, last int) {
	if q.From != nil {
		first = max(q.From[lo], 0) / Block
	}
	return first, Blocks(q.N[hi-1])
}

// seeing returns the rows of [lo, hi), counted from lo, that look at the block at
// base. Bounds ascend, so they are neighbours.
func seeing(q *Rows, lo, hi, base int) (i0, i1 int) {
	i1 = hi - lo
	for i0 < i1 && q.N[lo+i0] <= base {
		i0++
	}
	if q.From != nil {
		for i1 > i0 && q.From[lo+i1-1] >= base+Block {
			i1--
		}
	}
	return i0, i1
}

// seen returns how many entries of the block at base come before row r's last.
func (q *Rows) seen(r, base int) int { return min(q.N[r]-base, Block) }

// gather copies rows [lo, hi) of x to dst, Pad(dim) apart.
func gather(dst, x []float32, q *Rows, lo, hi, dim int) {
	pd := gemm.Pad(dim)
	for i := range hi - lo {
		copy(dst[i*pd:i*pd+dim], x[q.at(lo+i):])
	}
}

// scores sets s.s to q k of rows [i0, i1) and the first n entries of a block, not
// yet scaled. What no row looks at may be anything.
func (s *Scratch) scores(kv *KV, b, i0, i1, n int) {
	dim, pd := kv.Dim, gemm.Pad(kv.Dim)
	q, out := s.q[i0*pd:], s.s[i0*Block:]
	if kv.F16 != nil {
		gemm.TileF16(s.tier, i1-i0, n, dim, q, pd, 1, kv.F16[b], Block, out, Block, false)
	} else {
		gemm.Tile(s.tier, i1-i0, n, dim, q, pd, 1, s.wideKeys(kv, b), Block, out, Block, false)
	}
}

// values adds p v of rows [i, e) and entries [from, to) of a block to s.acc. wide
// is what wideValues says.
func (s *Scratch) values(kv *KV, b int, wide []float32, i, e, from, to int) {
	dim, pd := kv.Dim, gemm.Pad(kv.Dim)
	p, acc := s.s[i*Block+from:], s.acc[i*pd:]
	if kv.F16 != nil {
		gemm.TileF16(s.tier, e-i, dim, to-from, p, Block, 1, kv.F16[b][kv.numbers().value(from):], pd, acc, pd, true)
	} else {
		gemm.Tile(s.tier, e-i, dim, to-from, p, Block, 1, wide[from*pd:], pd, acc, pd, true)
	}
}
