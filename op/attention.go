package op

import (
	"math"

	"github.com/micaml/mica/internal/kernel/attn"
	"github.com/micaml/mica/tensor"
)

// Heads is the geometry of attention: Query heads in groups that share KV
// heads, all of dimension Dim.
type Heads struct {
	Query, KV, Dim int
	// Window, if not 0, makes causal attention a sliding one (Beltagy et al.
	// 2020): a row at position p sees the entries at positions above p - Window.
	Window int
}

// AttentionSpec says who attends to what in a call of [Attention].
type AttentionSpec struct {
	Heads Heads
	// Causal: the last query of a run sees every entry, the one before it all
	// but the newest, and so on. Otherwise each query sees every entry.
	Causal bool
	Runs   []Run
}

// Run is the rows of one sequence. Runs take the rows of q one after another.
type Run struct {
	Queries int // rows of q
	Keys    int // rows of k and v, from row KeyFrom on
	KeyFrom int
	// Cache is what the sequence remembers: the keys are appended to it, at
	// positions Pos (nil: counted on), before the queries look. nil: nothing
	// is remembered.
	Cache *Cache
	Pos   []int32
	// Kind is how the numbers are kept for the call where Cache is nil: see
	// [NewCache].
	Kind tensor.DType

	temp bool  // Cache is the context's own, for this call
	lens []int // of each head when the call was recorded
}

// Attention is softmax(q kᵀ / sqrt(Dh)) v for each head, with online softmax
// over blocks of 64 entries, so no T x T matrix exists. q [T, H*Dh], k, v
// [Tk, G*Dh] -> [T, H*Dh]. Query head h looks at KV head h / (H/G).
//
// spec must not change while a tape holds the call. Gradients flow to q and
// to the keys and values of this call; older entries of a cache are
// constants, and in a float16 cache the rounding is passed straight through.
func Attention(c *Ctx, q, k, v Val, spec *AttentionSpec) Val {
	h := spec.Heads
	s, sk := c.Shape(q), c.Shape(k)
	if c.err != nil {
		return Val{}
	}
	if h.KV < 1 || h.Dim < 1 || h.Query%h.KV != 0 || s.Width() != h.Query*h.Dim || sk.Width() != h.KV*h.Dim || sk != c.Shape(v) {
		return c.failf("attention", "queries %v, keys %v, values %v for %+v", s, sk, c.Shape(v), h)
	}
	rows := 0
	for _, r := range spec.Runs {
		rows += r.Queries
		if r.Keys < 0 || r.KeyFrom < 0 || r.KeyFrom+r.Keys > sk.Rows() || spec.Causal && r.Queries > r.Keys+cacheLen(r.Cache) {
			return c.failf("attention", "%d queries and keys [%d, +%d) of %d", r.Queries, r.KeyFrom, r.Keys, sk.Rows())
		}
		if r.Cache != nil && !r.Cache.fits(h) {
			return c.failf("attention", "a cache of %d heads of %d for %+v", r.Cache.Heads(), r.Cache.Dim(), h)
		}
	}
	if rows != s.Rows() {
		return c.failf("attention", "runs of %d rows for queries %v", rows, s)
	}
	out := c.Out(s)
	stats := c.Out(MakeShape(2, s.Rows()*h.Query)) // maximum and sum of each row and head
	a := &c.kernels.attn
	a.append(c, c.Data(k), c.Data(v), spec)
	if !a.ascending(spec) {
		return c.failf("attention", "a window of %d over positions that do not ascend", h.Window)
	}
	a.begin(c, spec, c.Data(q), c.Data(out), c.Data(stats), true)
	a.forward(c)
	a.columnSums(c)
	y := c.record(Entry{Op: attentionOp{}, Out: out, In: [3]Val{q, k, v}, Attr: Attr{Spec: spec, Aux: stats}})
	a.release()
	for i := range spec.Runs {
		r := &spec.Runs[i]
		if r.temp {
			r.Cache, r.temp = nil, false
		} else if c.rec != nil {
			// The cache may grow before the backward pass.
			r.lens = Room[int](c, r.Cache.Heads())
			for h := range r.lens {
				r.lens[h] = r.Cache.Len(h)
			}
		}
	}
	return y
}

// len returns how many entries of a head the run looks at.
func (r *Run) len(head int) int {
	if r.lens != nil {
		return r.lens[head]
	}
	return r.Cache.Len(head)
}

// release lets go of the caller's memory.
func (a *attention) release() {
	clear(a.units)
	a.spec, a.q, a.out, a.m, a.l = nil, nil, nil, nil, nil
}

func cacheLen(m *Cache) int {
	if m == nil {
		return 0
	}
	return m.Len(0)
}

// attention is the loop over units of work, and the memory that it keeps
// from call to call.
type attention struct {
	spec   *AttentionSpec
	q, out []float32
	m, l   []float32
	rows   int // T
	units  []unit
	bounds []int     // of all units' rows: how many entries each sees
	scores []float32 // of the units of one position whose cache keeps count
	from   []int     // with a window, the first of them
	work   []attn.Scratch
	split  spanLoop
	sums   sumLoop
	temp   []*Cache // for runs that remember nothing
	taped  int      // of temp, that a tape reads
	used   int      // and others, that this call does
}

// unit is some positions of a run with one cache head: the queries that share
// the same keys.
type unit struct {
	cache  *Cache
	head   int
	group  int
	first  int // row of q
	stat   int // into m and l
	bounds int // into bounds
	n      int // positions
	scores int // into scores, or -1
}

// unitRows is how many rows, positions times the query heads that share a key, a
// unit has at most: enough to use each block of keys well, few enough to share a
// prompt between cores. It is a multiple of the tiles of package attn, 24 rows and
// 48 backward.
const unitRows = 96

// append puts the keys and values of each run into its cache.
func (a *attention) append(c *Ctx, k, v []float32, spec *AttentionSpec) {
	a.used = 0
	w := spec.Heads.KV * spec.Heads.Dim
	for i := range spec.Runs {
		r := &spec.Runs[i]
		if r.Cache == nil {
			r.Cache, r.temp = a.temporary(c, spec.Heads, r.Kind), c.rec == nil
		}
		lo, hi := r.KeyFrom*w, (r.KeyFrom+r.Keys)*w
		r.Cache.Append(spec.Heads, k[lo:hi], v[lo:hi], r.Pos)
	}
}

// temporary returns an empty cache of the context's own, which it has back when
// the call is over, or when the scope of the tape that reads it is closed.
func (a *attention) temporary(c *Ctx, h Heads, kind tensor.DType) *Cache {
	at := a.taped + a.used
	if a.used++; c.rec != nil {
		a.taped, a.used = a.taped+1, 0
	}
	if at == len(a.temp) {
		a.temp = append(a.temp, nil)
	}
	m := &a.temp[at]
	if *m == nil || (*m).Heads() != h.KV || (*m).Dim() != h.Dim || (*m).kind != kind {
		*m = NewCache(h.KV, h.Dim, kind)
	}
	(*m).clear()
	return *m
}

// begin cuts the call into units. count is whether caches that keep count of what
// entries receive count this call.
func (a *attention) begin(c *Ctx, spec *AttentionSpec, q, out, stats []float32, count bool) {
	h := spec.Heads
	a.spec, a.q, a.out = spec, q, out
	a.m, a.l = stats[:len(stats)/2], stats[len(stats)/2:]
	a.rows = len(q) / (h.Query * h.Dim)
	a.units, a.bounds, a.from = a.units[:0], a.bounds[:0], a.from[:0]
	for len(a.work) < c.pool.Workers() {
		a.work = append(a.work, attn.Scratch{})
	}
	for w := range a.work {
		a.work[w].Grow(h.Dim)
	}
	first, stat, scores := 0, 0, 0
	for i := range spec.Runs {
		r := &spec.Runs[i]
		group := h.Query / r.Cache.Heads()
		most := max(1, unitRows/group)
		for head := range r.Cache.Heads() {
			n := r.len(head)
			for at := 0; at < r.Queries; at += most {
				u := unit{cache: r.Cache, head: head, group: group, first: first + at, n: min(most, r.Queries-at),
					stat: stat, bounds: len(a.bounds), scores: -1}
				if count && r.Queries == 1 && r.Cache.sums != nil {
					u.scores = scores
					scores += group * n
				}
				for p := range u.n {
					sees := n
					if spec.Causal {
						sees = n - (r.Queries - 1 - at - p)
					}
					from := 0
					if spec.window() > 0 {
						from = r.Cache.first(head, sees, h.Window)
					}
					for range group {
						a.bounds = append(a.bounds, sees)
						if spec.window() > 0 {
							a.from = append(a.from, from)
						}
					}
				}
				stat += u.n * group
				a.units = append(a.units, u)
			}
		}
		first += r.Queries
	}
	if cap(a.scores) < scores {
		a.scores = make([]float32, scores+scores/2)
	}
	a.scores = a.scores[:scores]
}

// stack describes a unit's rows to the kernels.
func (a *attention) stack(u *unit) attn.Rows {
	h := a.spec.Heads
	at := u.first*h.Query*h.Dim + u.head*u.group*h.Dim
	n := u.n * u.group
	rows := attn.Rows{Heads: u.group, PosStride: h.Query * h.Dim, HeadStride: h.Dim, Q: a.q[at:], Out: a.out[at:],
		Scale: float32(1 / math.Sqrt(float64(h.Dim))), N: a.bounds[u.bounds : u.bounds+n], M: a.m[u.stat : u.stat+n], L: a.l[u.stat : u.stat+n]}
	if a.spec.window() > 0 {
		rows.From = a.from[u.bounds : u.bounds+n]
	}
	if u.scores >= 0 {
		rows.Stride = rows.N[n-1]
		rows.Scores = a.scores[u.scores:][:n*rows.Stride]
	}
	return rows
}

// Do runs units [lo, hi).
func (a *attention) Do(worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		u := &a.units[i]
		rows := a.stack(u)
		a.work[worker].Forward(&u.cache.heads[u.head].kv, &rows)
		a.received(u, &rows)
	}
}

// Pattern returns the attention probabilities of queries that look at what a
// cache holds, the last of them at all of it and each one before at one entry
// less: [H, rows, n], where n is the most entries of a head and heads with
// fewer have zeros at the end. q [rows, H*Dh].
func Pattern(c *Ctx, q Val, m *Cache, h Heads) Val {
	s := c.Shape(q)
	if c.err != nil {
		return Val{}
	}
	if s.Width() != h.Query*h.Dim || !m.fits(h) || s.Rows() > m.shortest() {
		return c.failf("pattern", "queries %v on a cache of %d heads of %d with %d entries", s, m.Heads(), m.Dim(), m.shortest())
	}
	n := m.Longest()
	out := c.Out(MakeShape(h.Query, s.Rows(), n))
	scope := c.Open()
	spec := &AttentionSpec{Heads: h, Causal: true, Runs: []Run{{Queries: s.Rows(), Cache: m}}}
	stats := c.Out(MakeShape(2, s.Rows()*h.Query))
	a := &c.kernels.attn
	if !a.ascending(spec) {
		return c.failf("pattern", "a window of %d over positions that do not ascend", h.Window)
	}
	// The statistics come from a forward pass, whose outputs nobody wants.
	a.begin(c, spec, c.Data(q), c.Data(c.Out(s)), c.Data(stats), false)
	a.forward(c)
	od, flat := c.Data(out), []float32(nil)
	for i := range a.units {
		u := &a.units[i]
		rows := a.stack(u)
		flat = append(flat[:0], make([]float32, len(rows.N)*n)...)
		a.work[0].Probs(&m.heads[u.head].kv, &rows, flat, n)
		for r := range rows.N {
			head, at := u.head*u.group+r%u.group, u.first+r/u.group
			copy(od[(head*s.Rows()+at)*n:][:n], flat[r*n:])
		}
	}
	a.release()
	c.Close(scope)
	return out
}

type attentionOp struct{}

func (attentionOp) Name() string { return "attention" }

func (attentionOp) Cost(c *Ctx, e *Entry) Cost {
	spec := e.Attr.Spec.(*AttentionSpec)
	h, cost := spec.Heads, Cost{Bytes: 8 * int64(c.Shape(e.Out).Len())}
	for _, r := range spec.Runs {
		n, q := int64(r.Keys), int64(r.Queries)
		if r.Cache != nil {
			n = int64(r.Cache.Longest())
			cost.Bytes += r.Cache.Bytes()
		}
		seen := q * n
		if spec.Causal {
			seen -= q * (q - 1) / 2
		}
		if w := int64(spec.window()); w > 0 {
			seen = min(seen, q*w)
		}
		cost.Flops += 4 * seen * int64(h.Query*h.Dim)
	}
	return cost
}
