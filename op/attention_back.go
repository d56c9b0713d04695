package op

import (
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/attn"
)

// Backward recomputes the probabilities block by block from the stored
// maxima and sums (Dao et al. 2022), so it needs no T x T matrix either.
func (attentionOp) Backward(c *Ctx, e *Entry, g Grads) {
	b := &c.kernels.attnBack
	b.dout, b.heads = g.Of(e.Out), b.heads[:0]
	b.dq, b.dk, b.dv = g.Into(e.In[0]), g.Into(e.In[1]), g.Into(e.In[2])
	spec := e.Attr.Spec.(*AttentionSpec)
	b.begin(c, spec, c.Data(e.In[0]), c.Data(e.Out), c.Data(e.Attr.Aux), false)
	// The units of one head add to the same keys, so they are one iteration,
	// in order.
	for i := range b.units {
		if u := &b.units[i]; i == 0 || u.cache != b.units[i-1].cache || u.head != b.units[i-1].head {
			b.heads = append(b.heads, i)
		}
	}
	b.heads = append(b.heads, len(b.units))
	grain := 1
	for _, r := range spec.Runs {
		if r.Cache.Heads() != spec.Heads.KV {
			grain = len(b.heads) // heads that share keys can't run at once
		}
	}
	for len(b.sums) < c.pool.Workers() {
		b.sums = append(b.sums, nil)
	}
	c.pool.For(len(b.heads)-1, grain, b)
	b.release()
	b.dout, b.dq, b.dk, b.dv = nil, nil, nil, nil
}

// attentionBack is the loop over heads of the backward pass, and the memory that
// it keeps from call to call.
type attentionBack struct {
	attention
	dout, dq, dk, dv []float32
	heads            []int       // where each head's units begin
	sums             [][]float32 // of each worker: the gradients of a head's entries
}

// Do walks heads [lo, hi).
func (b *attentionBack) Do(worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		b.head(worker, b.heads[i], b.heads[i+1])
	}
}

func (b *attentionBack) head(worker, lo, hi int) {
	s, u := &b.work[worker], &b.units[lo]
	h := b.spec.Heads
	run := b.runOf(u)
	kv := u.cache.heads[u.head].kv.Widen()
	n := run.len(u.head)
	if len(b.sums[worker]) < 2*n*h.Dim {
		b.sums[worker] = make([]float32, 2*n*h.Dim)
	}
	dk, dv := b.sums[worker][:n*h.Dim], b.sums[worker][n*h.Dim:2*n*h.Dim]
	clear(dk)
	clear(dv)
	for i := lo; i < hi; i++ {
		u := &b.units[i]
		rows := b.stack(u)
		at := u.first*h.Query*h.Dim + u.head*u.group*h.Dim
		dq := b.dq
		if dq == nil {
			dq = make([]float32, len(b.q))
		}
		s.Backward(kv, &rows, &attn.Grads{DOut: b.dout[at:], DQ: dq[at:], DK: dk, DV: dv, Stride: h.Dim})
	}
	// Only the newest entries are of this call; older ones are constants.
	w := h.KV * h.Dim
	from := u.head / (u.cache.Heads() / h.KV) * h.Dim
	for i := range run.Keys {
		src, dst := (n-run.Keys+i)*h.Dim, (run.KeyFrom+i)*w+from
		if b.dk != nil {
			act.Add(b.dk[dst:dst+h.Dim], b.dk[dst:dst+h.Dim], dk[src:src+h.Dim])
		}
		if b.dv != nil {
			act.Add(b.dv[dst:dst+h.Dim], b.dv[dst:dst+h.Dim], dv[src:src+h.Dim])
		}
	}
}

func (b *attentionBack) runOf(u *unit) *Run {
	first := 0
	for i := range b.spec.Runs {
		if first += b.spec.Runs[i].Queries; u.first < first {
			return &b.spec.Runs[i]
		}
	}
	return nil
}
