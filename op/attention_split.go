package op

import "github.com/micaml/mica/internal/kernel/attn"

// forward runs the units on every core. A prompt has more than enough of them;
// a generated token has one for each KV head, whose entries are shared out, span
// by span, so that three heads keep two cores busy.
func (a *attention) forward(c *Ctx) {
	if len(a.units) < 4*c.pool.Workers() && c.pool.Workers() > 1 && a.cut() {
		c.pool.For(len(a.split.parts), 1, &a.split)
		for i := range a.units {
			a.join(i)
		}
		a.split.attention = nil
		return
	}
	c.pool.For(len(a.units), 1, a)
}

// spanLoop is a loop over the spans of units.
type spanLoop struct {
	*attention
	parts []part
	sums  []float32 // of all parts
}

// part is one span of a unit, with its sums from at on.
type part struct{ unit, span, at int }

// cut lists the units' spans; it reports whether they are of any use.
func (a *attention) cut() bool {
	s := &a.split
	s.parts = s.parts[:0]
	longest, at := 0, 0
	for i := range a.units {
		u := &a.units[i]
		rows := u.n * u.group
		if rows > attn.PartRows {
			return false
		}
		n := attn.Spans(a.bounds[u.bounds+rows-1])
		longest = max(longest, n)
		for sp := range n {
			s.parts = append(s.parts, part{i, sp, at})
			at += attn.PartSize(rows, a.spec.Heads.Dim)
		}
	}
	if longest < 2 {
		return false
	}
	if cap(s.sums) < at {
		s.sums = make([]float32, at+at/2)
	}
	s.sums, s.attention = s.sums[:at], a
	return true
}

// Do runs parts [lo, hi).
func (s *spanLoop) Do(worker, lo, hi int) {
	for _, p := range s.parts[lo:hi] {
		u := &s.units[p.unit]
		rows := s.stack(u)
		s.work[worker].Part(&u.cache.heads[u.head].kv, &rows, p.span, s.sums[p.at:])
	}
}

// join puts the parts of a unit, which are neighbours, together.
func (a *attention) join(unit int) {
	u := &a.units[unit]
	rows, kv := a.stack(u), &u.cache.heads[u.head].kv
	for _, p := range a.split.parts {
		if p.unit == unit {
			a.work[0].Join(kv, &rows, a.split.sums[p.at:])
			a.received(u, &rows)
			return
		}
	}
	a.work[0].Forward(kv, &rows) // nothing to look at
}
