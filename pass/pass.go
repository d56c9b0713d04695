package pass

import (
	"context"
	"fmt"
	"slices"

	"github.com/micaml/mica/op"
)

// Pass is rows of one or more sequences at one boundary between layers.
type Pass struct {
	e       *Engine
	c       *op.Ctx // the pass's own, or the caller's with a tape
	taped   bool
	hooked  bool // some sequence is watched or edited
	adapted bool // some sequence carries an adapter
	ended   bool
	at      int
	seqs    []*Seq
	starts  []start

	rows      []Row
	streams   streams // between layers, if not taped
	kept      State   // between layers, if taped
	state     State   // handed to the network
	ids       []int32
	undo      []undo
	undoLayer int // where the layer at hand begins in undo
	peek      []peek
	head      op.Scope
	headOn    bool
}

// start is what a sequence goes back to if the pass fails.
type start struct {
	taken, target int
	next          int32
	shifts        int
	reserve       int
}

// begin readies a new or reused pass for sequences.
func (p *Pass) begin(e *Engine, seqs []*Seq) error {
	p.e, p.at, p.ended = e, 0, false
	p.seqs = append(p.seqs[:0], seqs...)
	p.commit()
	p.starts, p.peek = p.starts[:0], p.peek[:0]
	p.rows, p.headOn, p.hooked, p.adapted = p.rows[:0], false, false, false
	p.state.p = p
	for i, q := range seqs {
		if q == nil {
			return fmt.Errorf("pass: sequence %d is nil", i)
		}
		if err := q.check(e.layers); err != nil {
			return err
		}
		if p.taped && q.policy != nil {
			return errTapedPolicy
		}
		for len(q.mem) < len(e.layers) {
			q.mem = append(q.mem, nil)
		}
		p.starts = append(p.starts, start{q.taken, q.targetTaken, q.next, len(q.shifts), q.reserve})
		p.hooked = p.hooked || len(q.hooks) > 0
		p.adapted = p.adapted || q.Adapter != nil
	}
	return nil
}

// embed makes the rows of what no pass has taken yet.
func (p *Pass) embed(boundary int) error {
	if boundary < 0 || boundary > len(p.e.layers) {
		return fmt.Errorf("%w: boundary %d of %d layers", ErrBoundary, boundary, len(p.e.layers))
	}
	p.ids = p.ids[:0]
	if p.taped { // it reads them later
		n := p.fresh(boundary)
		p.ids, p.rows = op.Room[int32](p.c, n)[:0], op.Room[Row](p.c, n)[:0]
	}
	for i, q := range p.seqs {
		p.take(int32(i), q, boundary)
	}
	if len(p.rows) == 0 {
		return ErrEmpty
	}
	p.at = boundary
	sc := p.c.Open()
	s := &p.state
	s.reset(p, boundary, 0, p.rows)
	if err := p.sides(s); err != nil {
		return err
	}
	if err := p.e.net.Embed(p.c, s, p.ids); err != nil {
		return err
	}
	if err := p.store(s); err != nil {
		return err
	}
	p.c.Close(sc)
	p.renumber(boundary)
	return nil
}

// fresh is how many rows take adds.
func (p *Pass) fresh(boundary int) int {
	n := 0
	for _, q := range p.seqs {
		switch {
		case boundary > 0:
			n += len(q.Target) - q.targetTaken
		case q.Input != nil:
			n += 1 - min(q.taken, 1)
		default:
			n += len(q.Tokens) - q.taken
		}
	}
	return n
}

// take adds the rows of one sequence.
func (p *Pass) take(i int32, q *Seq, boundary int) {
	switch {
	case boundary > 0:
		for j := q.targetTaken; j < len(q.Target); j++ {
			p.rows = append(p.rows, Row{Seq: i, Pos: int32(j)})
			p.ids = append(p.ids, q.Target[j])
		}
		q.targetTaken = len(q.Target)
	case q.Input != nil:
		if q.taken == 0 {
			p.rows = append(p.rows, Row{Seq: i})
			p.ids = append(p.ids, 0)
			q.taken = 1
		}
	default:
		for _, id := range q.Tokens[q.taken:] {
			p.rows = append(p.rows, Row{Seq: i, Pos: q.next})
			p.ids = append(p.ids, id)
			q.next++
		}
		q.reserve = max(0, q.reserve-(len(q.Tokens)-q.taken))
		q.taken = len(q.Tokens)
	}
}

// At returns the boundary that the stream is at: 0 before the first layer.
func (p *Pass) At() int { return p.at }

// Rows returns the addresses of the rows of the stream.
func (p *Pass) Rows() []Row { return p.rows }

// Seqs returns the sequences of the pass; Row.Seq is an index into it.
func (p *Pass) Seqs() []*Seq { return p.seqs }

// Run takes the stream through layers from to to-1. from must be the boundary
// that the stream is at. If ctx ends, Run stops between two tiles of rows,
// the pass is over, and its sequences are as they were before it, with
// everything that methods have dropped in the meantime.
func (p *Pass) Run(ctx context.Context, from, to int) error {
	if p.ended {
		return ErrEnded
	}
	if from != p.at || to < from || to > len(p.e.layers) {
		return fmt.Errorf("%w: layers [%d, %d) of %d from boundary %d", ErrBoundary, from, to, len(p.e.layers), p.at)
	}
	p.closeHead()
	for i := from; i < to; i++ {
		if err := p.layer(ctx, i); err != nil {
			p.abort()
			return fmt.Errorf("pass: layer %d (%s): %w", i, p.e.layers[i].Name, err)
		}
		p.at = i + 1
		p.renumber(p.at)
		for _, q := range p.seqs {
			if q.Transient && !p.taped {
				q.mem[i] = nil
			}
		}
	}
	if p.at == len(p.e.layers) {
		p.commit() // nothing fails after that
	}
	return nil
}

// layer runs one layer over the rows, in tiles where it allows that.
func (p *Pass) layer(ctx context.Context, i int) error {
	n, tile := len(p.rows), p.e.opt.Tile
	p.undoLayer = len(p.undo)
	if p.taped || !p.e.layers[i].Rowwise {
		tile = n
	}
	for lo := 0; lo < n; lo += tile {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		hi := min(lo+tile, n)
		sc := p.c.Open()
		s := p.load(i, lo, hi)
		width := p.c.Shape(s.X).Width()
		for _, k := range p.e.layers[i].Side {
			if _, ok := s.Side[k]; !ok {
				return fmt.Errorf("side %q isn't there", k)
			}
		}
		if err := p.e.net.Layer(p.c, i, s); err != nil {
			return err
		}
		if len(p.peek) == 0 {
			if err := p.checkLayer(s, hi-lo, width, p.e.layers[i].Rowwise); err != nil {
				return err
			}
			if err := p.storeTile(s, lo, hi, n); err != nil {
				return err
			}
		}
		if err := p.c.Err(); err != nil {
			return err
		}
		p.c.Close(sc)
	}
	return nil
}

// renumber applies what [Pass.Keep] with Compact decided in earlier passes
// for the rows that arrive at a boundary.
func (p *Pass) renumber(boundary int) {
	for i, q := range p.seqs {
		for _, sh := range q.shifts[:p.starts[i].shifts] {
			if sh.layer != boundary {
				continue
			}
			for r := range p.rows {
				if p.rows[r].Seq == int32(i) {
					p.rows[r].Pos -= sh.less
				}
			}
		}
	}
}

// Restart is Begin on the buffers of a pass that has done its work: a loop
// over tokens that keeps one pass allocates nothing.
func (p *Pass) Restart(seqs ...*Seq) error {
	if p.ended {
		return ErrEnded
	}
	if p.taped || len(seqs) == 0 {
		return fmt.Errorf("%w: restart of a taped pass or with no sequence", ErrEmpty)
	}
	p.c.Reset()
	if err := p.begin(p.e, seqs); err != nil {
		p.End()
		return err
	}
	if err := p.embed(0); err != nil {
		p.abort()
		return err
	}
	return nil
}

// RestartTaped is [Engine.BeginTaped] on the memory of a taped pass that has ended.
// What tapes hold is their contexts', so those of earlier passes may still be at
// work.
func (p *Pass) RestartTaped(c *op.Ctx, seqs ...*Seq) error {
	if !p.ended || !p.taped || len(seqs) == 0 {
		return fmt.Errorf("%w: taped restart of a pass that isn't taped or hasn't ended, or with no sequence", ErrEmpty)
	}
	p.c = c
	if err := p.begin(p.e, seqs); err != nil {
		p.End()
		return err
	}
	if err := p.embed(0); err != nil {
		p.abort()
		return err
	}
	return nil
}

// End gives the pass's buffers back. What its sequences remember stays. A
// second End does nothing.
func (p *Pass) End() {
	if p.ended {
		return
	}
	p.ended = true
	p.commit()
	if !p.taped {
		p.e.recycle(p.c)
	}
	kept, state := p.kept.Side, p.state.Side
	clear(kept)
	clear(state)
	p.c, p.streams, p.kept, p.state = nil, streams{}, State{}, State{}
	p.kept.Side, p.state.Side = kept, state // for RestartTaped
}

// Streams returns what crosses the boundary that p is at. For a taped pass
// these are the values on the tape; otherwise they are copies in c.
func (p *Pass) Streams(c *op.Ctx) (x Stream, side map[Key]Stream) {
	side = map[Key]Stream{}
	if p.taped {
		for k, v := range p.kept.Side {
			side[k] = v
		}
		return Stream{X: p.kept.X, Rows: slices.Clone(p.rows)}, side
	}
	for k, b := range p.streams.side {
		side[k] = Stream{c.ViewShape(slices.Clone(b.data), b.shape), slices.Clone(p.sideRows(b)), b.aligned}
	}
	return Stream{X: c.ViewShape(slices.Clone(p.streams.x.data), p.streams.x.shape), Rows: slices.Clone(p.rows)}, side
}
