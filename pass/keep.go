package pass

import (
	"fmt"
	"slices"

	"github.com/micaml/mica/op"
)

// Positions says which positions rows have after some were dropped.
type Positions struct {
	kind     positionKind
	explicit []int32
}

type positionKind uint8

const (
	original positionKind = iota
	compact
	explicit
)

// Original keeps the positions that the rows had; Compact closes the gaps.
var (
	Original = Positions{}
	Compact  = Positions{kind: compact}
)

// Explicit gives the kept rows these positions.
func Explicit(pos []int32) Positions { return Positions{explicit, pos} }

// Keep drops every row of the stream but those of rows, which ascends, and
// with them the rows of aligned side streams. From here on the layers see
// only these; layers below keep what they remember. With Compact, the tokens
// that later passes append to a sequence are renumbered at this boundary too.
func (p *Pass) Keep(rows []int, pos Positions) error {
	if p.ended {
		return ErrEnded
	}
	if len(rows) == 0 {
		return fmt.Errorf("pass: keep of no rows")
	}
	for i, r := range rows {
		if r < 0 || r >= len(p.rows) || i > 0 && r <= rows[i-1] {
			return fmt.Errorf("pass: keep: row %d (of %d) must ascend within the stream", r, len(p.rows))
		}
	}
	if pos.kind == explicit {
		if len(pos.explicit) != len(rows) {
			return fmt.Errorf("pass: keep: %d positions for %d rows", len(pos.explicit), len(rows))
		}
		for i, x := range pos.explicit {
			if x < 0 {
				return fmt.Errorf("pass: keep: position %d for row %d", x, rows[i])
			}
		}
	}
	p.closeHead()
	old := p.rows
	p.takeRows(rows)
	switch pos.kind {
	case compact:
		p.compact(old)
	case explicit:
		for i := range p.rows {
			p.rows[i].Pos = pos.explicit[i]
		}
	}
	return p.c.Err()
}

// takeRows drops rows of the stream and of its aligned side streams.
func (p *Pass) takeRows(rows []int) {
	kept := make([]Row, len(rows))
	index := make([]int32, len(rows))
	for i, r := range rows {
		kept[i], index[i] = p.rows[r], int32(r)
	}
	p.rows = kept
	if p.taped {
		p.kept.X = op.Rows(p.c, p.kept.X, index)
		for k, v := range p.kept.Side {
			if v.Aligned {
				v.X = op.Rows(p.c, v.X, index)
				p.kept.Side[k] = v
			}
		}
		return
	}
	p.streams.x.take(rows)
	for _, b := range p.streams.side {
		if b.aligned {
			b.take(rows)
		}
	}
}

// compact numbers the kept rows of each sequence without gaps, from the
// position of its first row before the drop, and notes the difference at the
// end for tokens to come.
func (p *Pass) compact(old []Row) {
	for i, q := range p.seqs {
		first, last := int32(-1), int32(-1)
		for _, r := range old {
			if r.Seq == int32(i) {
				if first < 0 {
					first = r.Pos
				}
				last = r.Pos
			}
		}
		next := first
		for r := range p.rows {
			if p.rows[r].Seq == int32(i) {
				p.rows[r].Pos = next
				next++
			}
		}
		if less := last + 1 - next; last >= 0 && less != 0 {
			q.shifts = append(q.shifts, shift{p.at, less})
		}
	}
}

// Replace puts another stream at the boundary: merged, inserted or patched
// rows. x and side must belong to c, which for a taped pass is the tape's
// context. Rows of one sequence must be together, in the order of the
// sequences. A nil side leaves the side streams, which is an error if one is
// aligned and the number of rows changes.
func (p *Pass) Replace(c *op.Ctx, x Stream, side map[Key]Stream) error {
	if p.ended {
		return ErrEnded
	}
	shape := c.Shape(x.X)
	if err := c.Err(); err != nil {
		return err
	}
	if shape.Rows() != len(x.Rows) || len(x.Rows) == 0 {
		return fmt.Errorf("pass: replace: %v with %d addresses", shape, len(x.Rows))
	}
	if i := p.at; i < len(p.e.layers) && p.e.layers[i].Width != shape.Width() {
		return fmt.Errorf("pass: replace: %v, and layer %d takes rows of %d", shape, i, p.e.layers[i].Width)
	}
	for i, r := range x.Rows {
		if r.Seq < 0 || int(r.Seq) >= len(p.seqs) || r.Pos < 0 || i > 0 && r.Seq < x.Rows[i-1].Seq {
			return fmt.Errorf("pass: replace: row %d is of sequence %d (of %d) at %d", i, r.Seq, len(p.seqs), r.Pos)
		}
	}
	p.closeHead()
	s := p.load(p.at, 0, len(p.rows))
	old := len(p.rows)
	for k, v := range s.Side {
		if side == nil && v.Aligned && len(x.Rows) != old {
			return fmt.Errorf("pass: replace: side %q has the rows of the old stream", k)
		}
	}
	if side != nil {
		clear(s.Side)
		for k, v := range side {
			s.Side[k] = Stream{p.adopt(c, v.X), v.Rows, v.Aligned}
		}
	}
	s.X = p.adopt(c, x.X)
	s.SetRows(slices.Clone(x.Rows))
	return p.store(s)
}

// adopt makes a value of another context one of the pass's.
func (p *Pass) adopt(c *op.Ctx, v op.Val) op.Val {
	if c == p.c {
		return v
	}
	return p.c.ViewShape(c.Data(v), c.Shape(v))
}
