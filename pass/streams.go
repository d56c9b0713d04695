package pass

import (
	"fmt"
	"slices"

	"github.com/micaml/mica/op"
)

// streams holds what crosses a boundary outside any context, so that all of
// a layer's scratch can be given back at once.
type streams struct {
	x    buffer
	side map[Key]*buffer

	spare     []buffer // for reuse
	spareRows []Row
	next      map[Key]buffer
}

type buffer struct {
	data    []float32
	shape   op.Shape
	rows    []Row // of a side stream that isn't aligned
	aligned bool
}

func (b *buffer) view(c *op.Ctx, lo, hi int) op.Val {
	w := b.shape.Width()
	return c.ViewShape(b.data[lo*w:hi*w], b.shape.WithRows(hi-lo))
}

// take drops all rows but those given.
func (b *buffer) take(rows []int) {
	w := b.shape.Width()
	for i, r := range rows {
		copy(b.data[i*w:(i+1)*w], b.data[r*w:(r+1)*w])
	}
	b.data = b.data[:len(rows)*w]
	b.shape = b.shape.WithRows(len(rows))
}

// sideRows returns the addresses of a side stream.
func (p *Pass) sideRows(b *buffer) []Row {
	if b.aligned {
		return p.rows
	}
	return b.rows
}

// reset readies a state for the rows of a tile that begins at row lo.
func (s *State) reset(p *Pass, layer, lo int, rows []Row) {
	s.p, s.layer, s.lo, s.done = p, layer, lo, false
	s.X, s.Rows = op.Val{}, rows
	if s.Side == nil {
		s.Side = map[Key]Stream{}
	}
	clear(s.Side)
	s.index()
}

// sides puts what the sequences bring along into a state.
func (p *Pass) sides(s *State) error {
	for _, q := range p.seqs {
		for k := range q.Side {
			if _, done := s.Side[k]; done {
				continue
			}
			var b Block
			for i, q := range p.seqs {
				if part, ok := q.Side[k]; ok {
					if err := b.add(part, func(Row) (int32, bool) { return int32(i), true }); err != nil {
						return fmt.Errorf("side %q: %w", k, err)
					}
				}
			}
			s.Side[k] = Stream{X: p.c.ViewShape(b.Data, b.Shape), Rows: b.Rows}
		}
	}
	return nil
}

// load hands rows [lo, hi) of the stream to a layer.
func (p *Pass) load(layer, lo, hi int) *State {
	s := &p.state
	if p.taped {
		x, side := p.kept.X, p.kept.Side
		s.reset(p, layer, 0, p.rows)
		s.X = x
		for k, v := range side {
			if v.Aligned {
				v.Rows = p.rows
			}
			s.Side[k] = v
		}
		return s
	}
	s.reset(p, layer, lo, p.rows[lo:hi])
	s.X = p.streams.x.view(p.c, lo, hi)
	for k, b := range p.streams.side {
		if b.aligned {
			s.Side[k] = Stream{b.view(p.c, lo, hi), p.rows[lo:hi], true}
		} else {
			s.Side[k] = Stream{b.view(p.c, 0, b.shape.Rows()), b.rows, false}
		}
	}
	return s
}

// checkLayer tells of a layer that left something that can't cross a
// boundary, given rows of a width.
func (p *Pass) checkLayer(s *State, rows, width int, rowwise bool) error {
	if err := p.checkOutput(s); err != nil || !rowwise {
		return err
	}
	if len(s.Rows) != rows {
		return fmt.Errorf("a row-wise layer left %d rows for %d", len(s.Rows), rows)
	}
	return p.checkRowwise(s, width)
}

// checkOutput tells of a stream that can't cross a boundary.
func (p *Pass) checkOutput(s *State) error {
	got := p.c.Shape(s.X)
	if err := p.c.Err(); err != nil {
		return err
	}
	if got.Rows() != len(s.Rows) {
		return fmt.Errorf("the layer left %v for %d rows", got, len(s.Rows))
	}
	for k, v := range s.Side {
		n := len(v.Rows)
		if v.Aligned {
			n = len(s.Rows)
		}
		if r := p.c.Shape(v.X).Rows(); r != n {
			return fmt.Errorf("the layer left side %q of %d rows with %d addresses", k, r, n)
		}
	}
	return p.c.Err()
}

// store takes a layer's output out of the context.
func (p *Pass) store(s *State) error {
	if err := p.checkOutput(s); err != nil {
		return err
	}
	if p.taped {
		old := p.kept.Side
		p.kept = *s
		s.Side = old // two maps that change places
		p.rows = append(op.Room[Row](p.c, len(s.Rows))[:0], s.Rows...)
		return nil
	}
	t := &p.streams
	if t.side == nil {
		t.side, t.next = map[Key]*buffer{}, map[Key]buffer{}
	}
	// What a layer leaves may be a view of what it was given, so nothing is
	// overwritten before all of it has been copied.
	old, rows := t.x, append(t.spareRows[:0], s.Rows...)
	t.x = t.copyOut(p.c, Stream{X: s.X, Aligned: true}, &old)
	for k, v := range s.Side {
		t.next[k] = t.copyOut(p.c, v, t.side[k])
	}
	t.free(old, t.x)
	for k, b := range t.side {
		t.free(*b, t.next[k])
		if _, ok := t.next[k]; !ok {
			delete(t.side, k)
		}
	}
	for k, b := range t.next {
		if t.side[k] == nil {
			t.side[k] = &buffer{}
		}
		*t.side[k] = b
	}
	clear(t.next)
	p.rows, t.spareRows = rows, p.rows
	return nil
}

// copyOut copies a stream to a buffer; one that is own, and unchanged, stays
// where it is.
func (t *streams) copyOut(c *op.Ctx, v Stream, own *buffer) buffer {
	d := c.Data(v.X)
	b := buffer{shape: c.Shape(v.X), aligned: v.Aligned}
	same := own != nil && len(d) > 0 && len(d) == len(own.data) && &d[0] == &own.data[0]
	switch n := len(t.spare); {
	case same:
		b.data, b.rows = own.data, own.rows[:0]
	case n > 0:
		b.data, b.rows = append(t.spare[n-1].data[:0], d...), t.spare[n-1].rows[:0]
		t.spare = t.spare[:n-1]
	default:
		b.data = slices.Clone(d)
	}
	if !v.Aligned {
		b.rows = append(b.rows, v.Rows...)
	}
	return b
}

// free keeps an old buffer for reuse unless now is the same one.
func (t *streams) free(old, now buffer) {
	same := cap(old.data) > 0 && cap(now.data) > 0 && &old.data[:1][0] == &now.data[:1][0]
	if cap(old.data) > 0 && !same && len(t.spare) < 8 {
		t.spare = append(t.spare, old)
	}
}

// crossing returns what crosses the boundary below the layer at hand.
func (p *Pass) crossing(k Key) (data []float32, shape op.Shape, aligned, ok bool) {
	if p.taped {
		v, ok := p.kept.Side[k]
		if !ok {
			return nil, op.Shape{}, false, false
		}
		return p.c.Data(v.X), p.c.Shape(v.X), v.Aligned, true
	}
	b, ok := p.streams.side[k]
	if !ok {
		return nil, op.Shape{}, false, false
	}
	return b.data, b.shape, b.aligned, true
}

// checkRowwise tells of a row-wise layer that did more than it may, in one
// tile just as in many.
func (p *Pass) checkRowwise(s *State, width int) error {
	if w := p.c.Shape(s.X).Width(); w != width {
		return fmt.Errorf("a row-wise layer left rows of %d for rows of %d", w, width)
	}
	for k, v := range s.Side {
		data, shape, aligned, old := p.crossing(k)
		switch now := p.c.Data(v.X); {
		case !v.Aligned && (!old || aligned || len(now) != len(data) || &now[0] != &data[0]):
			return fmt.Errorf("a row-wise layer may write side streams only with the rows of X: %q", k)
		case v.Aligned && old && (!aligned || shape.Width() != p.c.Shape(v.X).Width()):
			return fmt.Errorf("a row-wise layer may not change the shape of a side stream: %q", k)
		}
	}
	missing := func(k Key) bool { _, ok := s.Side[k]; return !ok }
	for k := range p.streams.side {
		if missing(k) {
			return fmt.Errorf("a row-wise layer may not take side streams away: %q", k)
		}
	}
	for k := range p.kept.Side {
		if missing(k) {
			return fmt.Errorf("a row-wise layer may not take side streams away: %q", k)
		}
	}
	return nil
}

// storeTile takes the output of a tile out of the context. Its rows go into
// their place, since later tiles still wait there for their turn.
func (p *Pass) storeTile(s *State, lo, hi, n int) error {
	if hi-lo == n {
		return p.store(s)
	}
	t := &p.streams
	for k, v := range s.Side { // they may be views of each other's old rows, or X's
		if v.Aligned {
			v.X = p.copyOf(v.X)
			s.Side[k] = v
		}
	}
	w := t.x.shape.Width()
	copy(t.x.data[lo*w:hi*w], p.c.Data(s.X))
	for k, v := range s.Side {
		if !v.Aligned {
			continue
		}
		b := t.side[k]
		if b == nil {
			shape := p.c.Shape(v.X).WithRows(n)
			b = &buffer{data: make([]float32, shape.Len()), shape: shape, aligned: true}
			t.side[k] = b
		}
		w := b.shape.Width()
		copy(b.data[lo*w:hi*w], p.c.Data(v.X))
	}
	return nil
}

func (p *Pass) copyOf(v op.Val) op.Val {
	y := p.c.Out(p.c.Shape(v))
	copy(p.c.Data(y), p.c.Data(v))
	return y
}
