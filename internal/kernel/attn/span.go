package attn

import (
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/f32"
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/gemm"
)

// Span is the number of entries in a span; see the package comment.
const Span = spanBlocks * Block

const spanBlocks = 16

// Spans returns how many spans n entries take.
func Spans(n int) int { return (n + Span - 1) / Span }

// PartRows is how many rows Part and Join take at most.
const PartRows = rowTile

// spans returns the spans that rows [lo, hi) look at, [first, last).
func spans(q *Rows, lo, hi int) (first, last int) {
	first, last = span(q, lo, hi)
	return first / spanBlocks, (last + spanBlocks - 1) / spanBlocks
}

// sees reports whether row r looks into a span.
func (q *Rows) sees(r, sp int) bool {
	from, to := 0, min(q.N[r], (sp+1)*Span)
	if q.From != nil {
		from = q.From[r]
	}
	return max(from, sp*Span) < to
}

// PartSize returns how many numbers a span's part of the rows takes.
func PartSize(rows, dim int) int { return rows * (gemm.Pad(dim) + 2) }

// Part computes what one span gives to the rows, at most PartRows, for Join: so
// several cores can share the entries of few rows. part holds PartSize numbers.
func (s *Scratch) Part(kv *KV, q *Rows, sp int, part []float32) {
	kv.check(q, false)
	n := len(q.N)
	if n == 0 {
		return
	}
	need("rows of a part", PartRows, n)
	need("part", len(part), PartSize(n, kv.Dim))
	s.tier = cpu.Kernels()
	s.Grow(kv.Dim)
	gather(s.q, q.Q, q, 0, n, kv.Dim)
	s.part(kv, q, 0, n, sp)
	acc := n * gemm.Pad(kv.Dim)
	copy(part[:acc], s.acc)
	copy(part[acc:], s.stat[:2*n])
}

// Join is Forward from parts, those of spans 0 to Spans(N of the last row)-1 one
// after another. The bits are those of Forward.
func (s *Scratch) Join(kv *KV, q *Rows, parts []float32) {
	kv.check(q, false)
	n := len(q.N)
	if n == 0 {
		return
	}
	first, last := spans(q, 0, n)
	size, acc := PartSize(n, kv.Dim), n*gemm.Pad(kv.Dim)
	need("rows of parts", PartRows, n)
	need("parts", len(parts), last*size)
	need("outputs", len(q.Out), q.numbers(kv.Dim))
	s.Grow(kv.Dim)
	s.reset(s.total, s.totals, n, kv.Dim)
	for sp := first; sp < last; sp++ {
		p := parts[sp*size:][:size]
		join(q, 0, n, sp, kv.Dim, s.total, s.totals, p[:acc], p[acc:])
	}
	s.finish(kv, q, 0, n, s.total, s.totals)
}

// join adds a span's sums to those of the spans before it:
//
//	m' = max(m, m of the span)
//	l  = l*exp(m - m') + (l of the span)*exp(m of the span - m')
//
// and acc like l. A row's first span is taken as it is. acc is spent.
func join(q *Rows, lo, hi, sp, dim int, total, totals, acc, stat []float32) {
	pd := gemm.Pad(dim)
	for i := range hi - lo {
		if !q.sees(lo+i, sp) {
			continue
		}
		sum, part := total[i*pd:(i+1)*pd], acc[i*pd:(i+1)*pd]
		m0, m1 := totals[2*i], stat[2*i]
		if sp == 0 || !q.sees(lo+i, sp-1) {
			copy(sum, part)
			totals[2*i], totals[2*i+1] = m1, stat[2*i+1]
			continue
		}
		m := max(m0, m1)
		a, b := f32.Exp(m0-m), f32.Exp(m1-m)
		if math.IsInf(float64(m0), -1) { // as between blocks
			a = 0
		}
		act.Scale(sum, sum, a)
		act.Scale(part, part, b)
		act.Add(sum, sum, part)
		totals[2*i], totals[2*i+1] = m, float32(totals[2*i+1]*a)+float32(stat[2*i+1]*b)
	}
}
