package attn

import (
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/gemm"
)

// Grads are the gradients of one kv head. All are added to.
type Grads struct {
	DOut []float32 // of Out, laid out like it; read only
	DQ   []float32 // laid out like Q
	// DK and DV hold entry j at j*Stride, Dim numbers long.
	DK, DV []float32
	Stride int
}

// backTile is rowTile for Backward: more rows, because it also transposes each
// block for them and reads and writes the block's gradients.
const backTile = 2 * rowTile

// backward is Backward's part of the scratch.
type backward struct {
	dout   []float32 // [backTile][Pad(Dim)]
	d      []float32 // [backTile]: sum of dout*out
	p, ds  []float32 // [backTile][Block]
	keys   []float32 // [Block][Pad(Dim)], the block's keys as rows
	values []float32 // [Dim][Block], its values as a panel
}

func (b *backward) grow(dim int) {
	if pd := gemm.Pad(dim); len(b.dout) < backTile*pd {
		b.dout, b.d = make([]float32, backTile*pd), make([]float32, backTile)
		b.p, b.ds = make([]float32, backTile*Block), make([]float32, backTile*Block)
		b.keys, b.values = make([]float32, Block*pd), make([]float32, Block*pd)
	}
}

// Backward adds the gradients of Forward, whose q.Out, q.M and q.L it needs. The
// cache must be float32, which [KV.Widen] makes it. With D the sum of dOut*Out of a row,
//
//	p  = exp(s - m)/l            dV[j] += sum over rows of p[j] dOut
//	dP = dOut v[j]               dK[j] += sum over rows of dS[j] q
//	dS = p (dP - D) scale        dQ    += sum over j of dS[j] k[j]
//
// dP in gemm's order. The sum over j is a chain of fma for each block, the chains
// then added; the sums over rows are one chain each, which begins at what DV and
// DK hold, so that rows may come in any number of calls. All ascend.
func (s *Scratch) Backward(kv *KV, q *Rows, g *Grads) { s.backward(cpu.Kernels(), kv, q, g) }

func (s *Scratch) backward(t cpu.Tier, kv *KV, q *Rows, g *Grads) {
	kv.check(q, true)
	rows := len(q.N)
	if rows == 0 {
		return
	}
	if kv.F16 != nil || kv.Q8 != nil {
		panic("attn: Backward of a float16 or 8-bit cache")
	}
	n, entries := q.numbers(kv.Dim), q.N[rows-1]
	need("outputs", min(len(q.Out), len(g.DOut)), n)
	need("gradients of queries", len(g.DQ), n)
	need("stride of gradients", g.Stride, kv.Dim)
	if entries > 0 {
		need("gradients of entries", min(len(g.DK), len(g.DV)), (entries-1)*g.Stride+kv.Dim)
	}
	s.tier = t
	s.Grow(kv.Dim)
	s.back.grow(kv.Dim)
	for lo := 0; lo < rows; lo += backTile {
		s.backRows(kv, q, g, lo, min(lo+backTile, rows))
	}
}

func (s *Scratch) backRows(kv *KV, q *Rows, g *Grads, lo, hi int) {
	dim, pd := kv.Dim, gemm.Pad(kv.Dim)
	w := &s.back
	gather(s.q, q.Q, q, lo, hi, dim)
	gather(w.dout, g.DOut, q, lo, hi, dim)
	clear(s.acc[:(hi-lo)*pd])
	for i := range hi - lo {
		w.d[i] = act.Dot(w.dout[i*pd:i*pd+dim], q.Out[q.at(lo+i):][:dim])
	}
	first, last := span(q, lo, hi)
	for b := first; b < last; b++ {
		i0, i1 := seeing(q, lo, hi, b*Block)
		if i0 == i1 {
			continue
		}
		k, v := kv.F32[b][:dim*Block], kv.F32[b][dim*Block:]
		gemm.Transpose(s.tier, w.keys, pd, k, Block, dim, Block)
		gemm.Transpose(s.tier, w.values, Block, v, pd, Block, dim)
		seen := q.seen(lo+i1-1, b*Block)
		s.scores(kv, b, i0, i1, seen)
		gemm.Tile(s.tier, i1-i0, seen, dim, w.dout[i0*pd:], pd, 1, w.values, Block, w.ds[i0*Block:], Block, false)
		for i := i0; i < i1; i++ {
			r := lo + i
			m := mask(q.bounds(r, b*Block))
			p, ds := w.p[i*Block:(i+1)*Block], w.ds[i*Block:(i+1)*Block]
			if s.mask[i] = m; m != math.MaxUint64 {
				clear(p)
			}
			if m != 0 {
				probs(s.tier, p, s.s[i*Block:(i+1)*Block], m, q.Scale, q.M[r], q.L[r], false)
			}
			dscores(s.tier, ds, p, m, w.d[i], q.Scale)
		}
		for i := i0; i < i1; { // rows with the same bounds share a tile
			e := i + 1
			for e < i1 && s.mask[e] == s.mask[i] {
				e++
			}
			if s.mask[i] != 0 {
				from, to := q.bounds(lo+i, b*Block)
				gemm.Tile(s.tier, e-i, dim, to-from, w.ds[i*Block+from:], Block, 1, w.keys[from*pd:], pd, s.acc[i*pd:], pd, true)
			}
			i = e
		}
		at := b * Block * g.Stride
		gemm.Extend(s.tier, seen, dim, i1-i0, w.ds[i0*Block:], 1, Block, s.q[i0*pd:], pd, g.DK[at:], g.Stride)
		gemm.Extend(s.tier, seen, dim, i1-i0, w.p[i0*Block:], 1, Block, w.dout[i0*pd:], pd, g.DV[at:], g.Stride)
	}
	for i := range hi - lo {
		dq := g.DQ[q.at(lo+i):][:dim]
		act.Add(dq, dq, s.acc[i*pd:i*pd+dim])
	}
}
