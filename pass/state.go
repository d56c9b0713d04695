package pass

import (
	"fmt"

	"github.com/micaml/mica/op"
)

// State is the stream at a boundary as a layer sees it: all rows of a pass,
// or a tile of them. A layer reads X, Rows and Side and leaves its output
// there.
type State struct {
	Stream
	// Side holds what crosses the boundary besides X: skips, encoder memory,
	// masks, a time step. A row-wise layer may write aligned ones only.
	Side map[Key]Stream

	p      *Pass
	layer  int
	lo     int // of the tile
	groups []Group
	pos    []int32
	attend op.AttentionSpec
	done   bool
}

// Group is a stretch of rows [From, To) of one sequence.
type Group struct {
	Seq      *Seq
	From, To int
}

// Boundary returns the boundary below the layer, or the one to embed at.
func (s *State) Boundary() int { return s.layer }

// Target returns the tokens of the second stream of g's sequence that no pass
// has taken yet, and takes them, for the layer that begins that stream. first
// is the position of the first of them.
func (s *State) Target(g Group) (ids []int32, first int32) {
	q := g.Seq
	ids, first = q.Target[q.targetTaken:], int32(q.targetTaken)
	if len(s.p.peek) == 0 {
		q.targetTaken = len(q.Target)
	}
	return ids, first
}

// Groups returns the rows by sequence, in order.
func (s *State) Groups() []Group { return s.groups }

// Positions returns the position of each row.
func (s *State) Positions() []int32 { return s.pos }

// SetRows replaces the rows of the stream, for layers that change them; X
// must follow.
func (s *State) SetRows(rows []Row) {
	s.Rows = rows
	s.index()
}

// index derives groups and positions from the rows. They are appended to
// what an op of this tile may already hold on a tape, so taped states get
// slices of their own.
func (s *State) index() {
	if s.p.taped {
		groups := 0
		for i, r := range s.Rows {
			if i == 0 || r.Seq != s.Rows[i-1].Seq {
				groups++
			}
		}
		s.groups, s.pos = op.Room[Group](s.p.c, groups), op.Room[int32](s.p.c, len(s.Rows))
	}
	s.groups, s.pos = s.groups[:0], s.pos[:0]
	for i, r := range s.Rows {
		s.pos = append(s.pos, r.Pos)
		if i == 0 || r.Seq != s.Rows[i-1].Seq {
			s.groups = append(s.groups, Group{Seq: s.p.seqs[r.Seq], From: i})
		}
		s.groups[len(s.groups)-1].To = i + 1
	}
}

// Memory returns what the layer remembers of g's sequence, empty if this is
// the first pass over it.
func (s *State) Memory(g Group) Memory {
	m := &g.Seq.mem[s.layer]
	if *m == nil {
		*m = s.p.e.net.Memory(s.layer, s.p.e.kind(g.Seq))
	}
	return *m
}

// Done reports whether nobody wants the rest of the layer: a peek has seen
// all its sites. A layer asks before its attention reads or writes memory,
// and returns nil.
func (s *State) Done() bool { return s.done }

// At passes x by a site: watchers see it and edits may replace it. Without
// any it returns x at once.
func (s *State) At(site Site, x op.Val) op.Val {
	p := s.p
	if p.c.Err() != nil {
		s.locate(site)
	}
	if p.hooked {
		for i := range s.groups {
			g := &s.groups[i]
			for j := range g.Seq.hooks {
				if h := &g.Seq.hooks[j]; h.site == site && (h.layer == s.layer || h.layer == allLayers) {
					x = s.call(h, g, x)
				}
			}
		}
	}
	if len(p.peek) > 0 {
		s.peekAt(site, x)
	}
	return x
}

// call runs one hook on the rows of one group.
func (s *State) call(h *hook, g *Group, x op.Val) op.Val {
	c := s.p.c
	shape := c.Shape(x)
	if c.Err() != nil {
		return x
	}
	w := shape.Width()
	at := At{Layer: s.layer, Site: h.site, Rows: s.Rows[g.From:g.To], Width: w}
	if h.gradient != nil {
		return s.gradient(h.gradient, at, x, g.From*w, g.To*w)
	}
	if h.watch != nil {
		if len(s.p.peek) == 0 && !c.Repeating() {
			h.watch(at, c.Data(x)[g.From*w:g.To*w])
		}
		return x
	}
	part, rows := x, []int32(nil)
	if g.From > 0 || g.To < len(s.Rows) {
		rows = make([]int32, 0, g.To-g.From)
		for r := g.From; r < g.To; r++ {
			rows = append(rows, int32(r))
		}
		part = op.Rows(c, x, rows)
	}
	y := h.edit(c, at, part)
	if y == part {
		return x
	}
	if got, want := c.Shape(y), shape.WithRows(g.To-g.From); c.Err() == nil && got != want {
		c.Fail(fmt.Errorf("pass: edit of %d.%s returned shape %v, not %v", s.layer, h.site, got, want))
	}
	if rows == nil {
		return y
	}
	return op.Put(c, x, y, rows)
}

// Heads is the geometry of attention: H query heads in groups that share G
// KV heads, all of dimension Dim.
type Heads = op.Heads

// Attend is causal attention of the rows of each sequence to what the layer
// remembers of it, after the rows' own keys and values have been remembered.
// q [T, H*Dh], k, v [T, G*Dh] -> [T, H*Dh].
func (s *State) Attend(q, k, v op.Val, h Heads) op.Val {
	c := s.p.c
	spec := s.spec(h, true)
	for _, g := range s.groups {
		run := op.Run{Queries: g.To - g.From, Keys: g.To - g.From, KeyFrom: g.From, Pos: s.pos[g.From:g.To]}
		if s.forgets(g) {
			run.Kind = s.p.e.kind(g.Seq)
			spec.Runs = append(spec.Runs, run)
			continue
		}
		m, ok := s.Memory(g).(*KV)
		if !ok {
			c.Fail(fmt.Errorf("pass: layer %d attends without a KV memory", s.layer))
			return op.Val{}
		}
		if s.p.hooked && g.Seq.hooked(s.layer, ColumnSums) {
			m.TrackSums(h.Query)
		}
		if g.Seq.policy != nil {
			if err := s.attending(g, q, m, h); err != nil {
				c.Fail(err)
				return op.Val{}
			}
		} else if g.Seq.reserve > 0 {
			m.Reserve(m.Longest() + g.To - g.From + g.Seq.reserve)
		}
		s.checkpoint(m)
		run.Cache = m.Cache
		spec.Runs = append(spec.Runs, run)
	}
	z := op.Attention(c, q, k, v, spec)
	if c.Err() == nil && s.p.hooked && len(s.p.peek) == 0 && !c.Repeating() {
		s.patterns(q, h)
	}
	for _, g := range s.groups {
		if g.Seq.policy != nil && c.Err() == nil {
			s.attended(g)
		}
	}
	return z
}

// forgets reports whether nobody needs what attention remembers of g's sequence
// but the tape: the context has room for that.
func (s *State) forgets(g Group) bool {
	return s.p.taped && !s.p.hooked && g.Seq.Transient && g.Seq.mem[s.layer] == nil
}

// AttendTo is attention of the rows to a side stream of the same sequences,
// each row seeing every entry: cross-attention, or an encoder's own rows
// where k and v are of the stream itself. side holds the addresses of k's
// and v's rows.
func (s *State) AttendTo(q, k, v op.Val, side []Row, h Heads) op.Val {
	spec := s.spec(h, false)
	for _, g := range s.groups {
		from := 0
		for from < len(side) && side[from].Seq != s.Rows[g.From].Seq {
			from++
		}
		to := from
		for to < len(side) && side[to].Seq == s.Rows[g.From].Seq {
			to++
		}
		spec.Runs = append(spec.Runs, op.Run{Queries: g.To - g.From, Keys: to - from, KeyFrom: from})
	}
	return op.Attention(s.p.c, q, k, v, spec)
}

// spec returns an attention spec to fill: the state's own, or a new one that
// a tape may hold on to.
func (s *State) spec(h Heads, causal bool) *op.AttentionSpec {
	spec := &s.attend
	if s.p.taped {
		spec = &op.Room[op.AttentionSpec](s.p.c, 1)[0]
		spec.Runs = op.Room[op.Run](s.p.c, len(s.groups))
	}
	spec.Heads, spec.Causal, spec.Runs = h, causal, spec.Runs[:0]
	return spec
}

// patterns serves watchers of attention statistics.
func (s *State) patterns(q op.Val, h Heads) {
	c := s.p.c
	for _, g := range s.groups {
		m := s.Memory(g).(*KV)
		if g.Seq.hooked(s.layer, LastRow) && s.last(g) {
			pat := op.Pattern(c, op.Rows(c, q, []int32{int32(g.To - 1)}), m.Cache, h)
			s.deliver(g, LastRow, h.Query, c.Data(pat))
		}
		if g.Seq.hooked(s.layer, ColumnSums) && s.last(g) {
			s.deliver(g, ColumnSums, h.Query, m.Sums())
		}
	}
}

// last reports whether g ends with the last row of its sequence in the pass,
// and not only in this tile.
func (s *State) last(g Group) bool {
	end := s.lo + g.To
	return end >= len(s.p.rows) || s.p.rows[end].Seq != s.p.rows[end-1].Seq
}

func (s *State) deliver(g Group, site Site, heads int, x []float32) {
	for j := range g.Seq.hooks {
		h := &g.Seq.hooks[j]
		if h.watch != nil && h.site == site && (h.layer == s.layer || h.layer == allLayers) {
			h.watch(At{Layer: s.layer, Site: site, Rows: s.Rows[g.From:g.To], Width: len(x) / heads}, x)
		}
	}
}
