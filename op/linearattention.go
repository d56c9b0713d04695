package op

import (
	"fmt"

	"github.com/micaml/mica/internal/kernel/act"
)

// LinearAttentionSpec says which rows attend to which; it must not change while a
// tape has it.
type LinearAttentionSpec struct {
	Heads  Heads // Dim is that of queries and keys; the window isn't used
	Values int   // dimension of a head's values; 0 means Heads.Dim
	// Causal rows see themselves and earlier rows; otherwise each sees all rows of
	// its run.
	Causal bool
	// Decay is what each KV head keeps of its sums from row to row, [G], as in
	// lightning attention (TransNormerLLM, Qin et al. 2023); nil keeps all. It
	// needs Causal.
	Decay []float32
	// Runs is the number of rows of each sequence, packed one after another.
	Runs []int32
	// State holds each run's sums, [G*Dh*Values], before its first row and, when
	// the op has run, after its last; nil begins with zeros and remembers nothing.
	// It needs Causal.
	State [][]float32
}

func (s *LinearAttentionSpec) values() int {
	if s.Values == 0 {
		return s.Heads.Dim
	}
	return s.Values
}

func (s *LinearAttentionSpec) size() int { return s.Heads.Dim * s.values() }

func (s *LinearAttentionSpec) check(rows int) error {
	h := s.Heads
	switch {
	case h.Dim < 1 || s.values() < 1 || h.KV < 1 || h.Query < h.KV || h.Query%h.KV != 0:
		return fmt.Errorf("%d query heads and %d KV heads of %d and %d", h.Query, h.KV, h.Dim, s.values())
	case s.Decay != nil && len(s.Decay) != h.KV:
		return fmt.Errorf("%d decays for %d KV heads", len(s.Decay), h.KV)
	case !s.Causal && (s.Decay != nil || s.State != nil):
		return fmt.Errorf("decay and state are for causal attention")
	case s.State == nil:
		return checkRuns(rows, s.Runs, make([][]float32, len(s.Runs)), 0)
	}
	return checkRuns(rows, s.Runs, s.State, h.KV*s.size())
}

// LinearAttention is attention without a softmax (Katharopoulos et al. 2020, eq. 10
// to 12, without the division, which a norm replaces: Qin et al. 2022). For each KV
// head
//
//	S[t] = decay S[t-1] + k[t]ᵀ v[t],    o[t] = q[t] S[t]
//
// or with S of all rows if it isn't causal. q [T, H*Dh], k [T, G*Dh], v [T,
// G*Values] -> [T, H*Values]; query head h reads KV head h/(H/G). A feature map and
// a scale of queries and keys are the caller's.
//
// A row depends on the rows before it, in order, so a sequence may come in pieces of
// any length. Gradients flow to q, k and v; a state that comes in is a constant.
func LinearAttention(c *Ctx, q, k, v Val, spec *LinearAttentionSpec) Val {
	sq, sk, sv := c.Shape(q), c.Shape(k), c.Shape(v)
	if c.err != nil {
		return Val{}
	}
	h := spec.Heads
	if err := spec.check(sq.Rows()); err != nil {
		return c.failf("linear attention", "%w", err)
	}
	if sq.Width() != h.Query*h.Dim || sk.Width() != h.KV*h.Dim || sv.Width() != h.KV*spec.values() || sk.Rows() != sq.Rows() || sv.Rows() != sq.Rows() {
		return c.failf("linear attention", "queries %v, keys %v and values %v for %+v", sq, sk, sv, h)
	}
	out, first := c.Out(MakeShape(sq.Rows(), h.Query*spec.values())), Val{}
	if spec.State != nil && c.rec != nil { // for the backward pass
		first = c.Out(MakeShape(len(spec.Runs), h.KV*spec.size()))
	}
	if c.err != nil {
		return Val{}
	}
	for r := range spec.State {
		if first.Valid() {
			copy(c.Data(first)[r*h.KV*spec.size():], spec.State[r])
		}
	}
	t := linearAttention{spec: spec, starts: starts(spec.Runs), q: c.Data(q), k: c.Data(k), v: c.Data(v), out: c.Data(out)}
	t.run(c)
	return c.record(Entry{Op: linearAttentionOp{}, Out: out, In: [3]Val{q, k, v}, Attr: Attr{Spec: spec, Aux: first}})
}

// linearAttention is a loop over runs and KV heads.
type linearAttention struct {
	spec         *LinearAttentionSpec
	starts       []int
	q, k, v, out []float32
	work         [][]float32 // S of each worker

	back       bool
	first      []float32 // states that came in, or nil
	do         []float32
	dq, dk, dv []float32 // nil if nobody wants them
}

func (t *linearAttention) run(c *Ctx) {
	t.work = make([][]float32, c.pool.Workers())
	c.pool.For(len(t.spec.Runs)*t.spec.Heads.KV, 1, t)
}

func (t *linearAttention) Do(worker, lo, hi int) {
	if t.work[worker] == nil {
		t.work[worker] = make([]float32, t.spec.size())
	}
	for i := lo; i < hi; i++ {
		run, head := i/t.spec.Heads.KV, i%t.spec.Heads.KV
		if t.back {
			t.backward(t.work[worker], run, head)
		} else {
			t.forward(t.work[worker], run, head)
		}
	}
}

// rows returns the rows of a run, and what a head's sums keep from row to row.
func (t *linearAttention) rows(run, head int) (from, to int, decay float32) {
	decay = 1
	if t.spec.Decay != nil {
		decay = t.spec.Decay[head]
	}
	return t.starts[run], t.starts[run] + int(t.spec.Runs[run]), decay
}

// of returns head i of n, of width numbers, of a row.
func of(x []float32, row, n, i, width int) []float32 { return x[(row*n+i)*width:][:width] }

// remember adds a row's key and value, each times f, to s: [Dh][Values].
func remember(s, k, v []float32, decay float32) {
	if decay != 1 {
		act.Scale(s, s, decay)
	}
	for i, x := range k {
		act.AXPY(s[i*len(v):(i+1)*len(v)], x, v)
	}
}

func (t *linearAttention) forward(s []float32, run, head int) {
	h, dv := t.spec.Heads, t.spec.values()
	from, to, decay := t.rows(run, head)
	if t.spec.State != nil {
		s = t.spec.State[run][head*len(s):][:len(s)]
	} else {
		clear(s)
	}
	read := func(row int) {
		for g := head * h.Query / h.KV; g < (head+1)*h.Query/h.KV; g++ {
			o := of(t.out, row, h.Query, g, dv)
			clear(o)
			for i, x := range of(t.q, row, h.Query, g, h.Dim) {
				act.AXPY(o, x, s[i*dv:(i+1)*dv])
			}
		}
	}
	for row := from; row < to; row++ {
		remember(s, of(t.k, row, h.KV, head, h.Dim), of(t.v, row, h.KV, head, dv), decay)
		if t.spec.Causal {
			read(row)
		}
	}
	for row := from; row < to && !t.spec.Causal; row++ {
		read(row)
	}
}

// backward goes through the rows twice: forwards with the sums S for the gradients
// of queries, and backwards with the gradients of S for those of keys and values.
func (t *linearAttention) backward(s []float32, run, head int) {
	h, dv := t.spec.Heads, t.spec.values()
	from, to, decay := t.rows(run, head)
	first, last := head*h.Query/h.KV, (head+1)*h.Query/h.KV
	clear(s)
	if t.first != nil {
		copy(s, t.first[(run*h.KV+head)*len(s):])
	}
	queries := func(row int) {
		for g := first; g < last; g++ {
			do := of(t.do, row, h.Query, g, dv)
			for i, dq := 0, of(t.dq, row, h.Query, g, h.Dim); i < len(dq); i++ {
				dq[i] += act.Dot(s[i*dv:(i+1)*dv], do)
			}
		}
	}
	if t.dq != nil {
		for row := from; row < to; row++ {
			remember(s, of(t.k, row, h.KV, head, h.Dim), of(t.v, row, h.KV, head, dv), decay)
			if t.spec.Causal {
				queries(row)
			}
		}
		for row := from; row < to && !t.spec.Causal; row++ {
			queries(row)
		}
	}
	if t.dk == nil && t.dv == nil {
		return
	}
	clear(s)
	sums := func(row int) {
		for g := first; g < last; g++ {
			f := decay // once a row
			if g > first {
				f = 1
			}
			remember(s, of(t.q, row, h.Query, g, h.Dim), of(t.do, row, h.Query, g, dv), f)
		}
	}
	for row := to - 1; row >= from && !t.spec.Causal; row-- {
		sums(row)
	}
	for row := to - 1; row >= from; row-- {
		if t.spec.Causal {
			sums(row)
		}
		k, v := of(t.k, row, h.KV, head, h.Dim), of(t.v, row, h.KV, head, dv)
		for i := range k {
			if t.dk != nil {
				of(t.dk, row, h.KV, head, h.Dim)[i] += act.Dot(s[i*dv:(i+1)*dv], v)
			}
			if t.dv != nil {
				act.AXPY(of(t.dv, row, h.KV, head, dv), k[i], s[i*dv:(i+1)*dv])
			}
		}
	}
}

type linearAttentionOp struct{}

func (linearAttentionOp) Name() string { return "linear-attention" }

func (linearAttentionOp) Backward(c *Ctx, e *Entry, g Grads) {
	spec := e.Attr.Spec.(*LinearAttentionSpec)
	t := linearAttention{spec: spec, starts: starts(spec.Runs), q: c.Data(e.In[0]), k: c.Data(e.In[1]), v: c.Data(e.In[2]), back: true,
		do: g.Of(e.Out), dq: g.Into(e.In[0]), dk: g.Into(e.In[1]), dv: g.Into(e.In[2])}
	if e.Attr.Aux.Valid() {
		t.first = c.Data(e.Attr.Aux)
	}
	t.run(c)
}

func (linearAttentionOp) Cost(c *Ctx, e *Entry) Cost {
	spec := e.Attr.Spec.(*LinearAttentionSpec)
	t, size := int64(c.Shape(e.Out).Rows()), int64(spec.size())
	cost := Cost{Flops: 2 * t * size * int64(spec.Heads.Query+spec.Heads.KV), Bytes: 4 * int64(c.Shape(e.Out).Len())}
	for _, v := range e.In {
		cost.Bytes += 4 * int64(c.Shape(v).Len())
	}
	return cost
}
