package op

import "github.com/micaml/mica/internal/kernel/attn"

// received adds what each entry received from a single position to the counts of
// a cache that keeps them, from the scores of the pass that has just ended.
func (a *attention) received(u *unit, rows *attn.Rows) {
	if u.scores >= 0 {
		attn.AddProbs(rows, u.cache.sums[u.head*u.group:(u.head+1)*u.group])
	}
}

// columnSums is received for several positions: the rows of a head in order, and
// so by one worker.
func (a *attention) columnSums(c *Ctx) {
	s := &a.sums
	s.first = s.first[:0]
	for i := range a.units {
		u := &a.units[i]
		if u.cache.sums != nil && u.scores < 0 && (i == 0 || u.cache != a.units[i-1].cache || u.head != a.units[i-1].head) {
			s.first = append(s.first, i)
		}
	}
	if len(s.first) == 0 {
		return
	}
	for len(s.work) < c.pool.Workers() {
		s.work = append(s.work, sumScratch{})
	}
	s.attention = a
	c.pool.For(len(s.first), 1, s)
	s.attention = nil
}

// sumLoop is a loop over the cache heads that keep count.
type sumLoop struct {
	*attention
	first []int // unit of each
	work  []sumScratch
}

// sumScratch is a worker's memory.
type sumScratch struct {
	n, from []int
	m, l    []float32
}

// Do runs cache heads [lo, hi).
func (s *sumLoop) Do(worker, lo, hi int) {
	for _, i := range s.first[lo:hi] {
		first := &s.units[i]
		for ; i < len(s.units) && s.units[i].cache == first.cache && s.units[i].head == first.head; i++ {
			s.positions(worker, &s.units[i])
		}
	}
}

// positions takes one query head after another.
func (s *sumLoop) positions(worker int, u *unit) {
	rows, w := s.stack(u), &s.work[worker]
	for g := range u.group {
		one := rows
		one.Heads, one.Q, one.Out = 1, rows.Q[g*rows.HeadStride:], nil
		w.n, w.from, w.m, w.l = w.n[:0], w.from[:0], w.m[:0], w.l[:0]
		for r := g; r < len(rows.N); r += u.group {
			w.n = append(w.n, rows.N[r])
			if rows.From != nil {
				w.from = append(w.from, rows.From[r])
			}
			w.m = append(w.m, rows.M[r])
			w.l = append(w.l, rows.L[r])
		}
		one.N, one.M, one.L = w.n, w.m, w.l
		if rows.From != nil {
			one.From = w.from
		}
		s.attention.work[worker].ColumnSums(&u.cache.heads[u.head].kv, &one, u.cache.sums[u.head*u.group+g])
	}
}
