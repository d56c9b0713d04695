package pass

import (
	"fmt"
	"maps"
	"slices"

	"github.com/micaml/mica/op"
)

// Saved is rows of a stream at a boundary, outside any pass: to catch up
// later, to verify drafts, or to cross a wire. Every field is plain data but
// for Seqs, which the other end has of its own, and shapes, which travel as
// their dimensions.
type Saved struct {
	Boundary int
	Seqs     []*Seq
	X        Block
	Side     map[Key]Block
}

// Block is the data of a stream.
type Block struct {
	Data    []float32
	Shape   op.Shape
	Rows    []Row // Seq is an index into Saved.Seqs
	Aligned bool  // of a side stream: it has the rows of X
}

// Save copies rows of the stream, all of them if rows is nil, and of the
// aligned side streams; others are copied whole.
func (p *Pass) Save(rows []int) (Saved, error) {
	if p.ended {
		return Saved{}, ErrEnded
	}
	for _, r := range rows {
		if r < 0 || r >= len(p.rows) {
			return Saved{}, fmt.Errorf("pass: save: row %d of %d", r, len(p.rows))
		}
	}
	s := Saved{Boundary: p.at, Seqs: slices.Clone(p.seqs), Side: map[Key]Block{}}
	if p.taped {
		s.X = Block{Data: p.c.Data(p.kept.X), Shape: p.c.Shape(p.kept.X), Rows: p.rows}.take(rows)
		for k, v := range p.kept.Side {
			s.Side[k] = sideBlock(p.c.Data(v.X), p.c.Shape(v.X), v.Rows, v.Aligned, p.rows, rows)
		}
		return s, p.c.Err()
	}
	x := &p.streams.x
	s.X = Block{Data: x.data, Shape: x.shape, Rows: p.rows}.take(rows)
	for k, b := range p.streams.side {
		s.Side[k] = sideBlock(b.data, b.shape, b.rows, b.aligned, p.rows, rows)
	}
	return s, nil
}

func sideBlock(data []float32, shape op.Shape, own []Row, aligned bool, stream []Row, rows []int) Block {
	if !aligned {
		return Block{Data: data, Shape: shape, Rows: own}.take(nil)
	}
	b := Block{Data: data, Shape: shape, Rows: stream}.take(rows)
	b.Aligned = true
	return b
}

// take copies rows, all of them if rows is nil.
func (b Block) take(rows []int) Block {
	if rows == nil {
		return Block{slices.Clone(b.Data), b.Shape, slices.Clone(b.Rows), b.Aligned}
	}
	w := b.Shape.Width()
	y := Block{Shape: b.Shape.WithRows(len(rows)), Aligned: b.Aligned}
	for _, r := range rows {
		y.Data = append(y.Data, b.Data[r*w:(r+1)*w]...)
		y.Rows = append(y.Rows, b.Rows[r])
	}
	return y
}

// add appends the rows of part that seq wants, with the index that it gives
// them.
func (b *Block) add(part Block, seq func(Row) (int32, bool)) error {
	w := part.Shape.Width()
	if len(part.Data) != part.Shape.Len() || len(part.Rows) != part.Shape.Rows() {
		return fmt.Errorf("pass: %d numbers and %d addresses for shape %v", len(part.Data), len(part.Rows), part.Shape)
	}
	if b.Shape.Rank() == 0 {
		b.Shape, b.Aligned = part.Shape, part.Aligned
	} else if b.Shape.WithRows(0) != part.Shape.WithRows(0) || b.Aligned != part.Aligned {
		return fmt.Errorf("pass: streams of shapes %v and %v don't go together", b.Shape, part.Shape)
	}
	for r, row := range part.Rows {
		if i, ok := seq(row); ok {
			b.Rows = append(b.Rows, Row{Seq: i, Pos: row.Pos})
			b.Data = append(b.Data, part.Data[r*w:(r+1)*w]...)
		}
	}
	b.Shape = b.Shape.WithRows(len(b.Rows))
	return nil
}

// Resume starts a pass from saved rows, all at one boundary. Rows of several
// saves of one sequence are put together in the order given; a side stream
// that isn't aligned is taken from the first of them.
func (e *Engine) Resume(saved ...Saved) (*Pass, error) { return e.resume(nil, saved) }

// ResumeTaped is Resume on a context that the caller records gradients in.
// The streams are leaves, whose gradients the tape collects; [Pass.Streams]
// names them.
func (e *Engine) ResumeTaped(c *op.Ctx, saved ...Saved) (*Pass, error) { return e.resume(c, saved) }

func (e *Engine) resume(c *op.Ctx, saved []Saved) (*Pass, error) {
	var seqs []*Seq
	keys := map[Key]bool{}
	for _, s := range saved {
		if s.Boundary != saved[0].Boundary || s.Boundary < 0 || s.Boundary > len(e.layers) {
			return nil, fmt.Errorf("%w: resume at boundaries %d and %d of %d layers", ErrBoundary, saved[0].Boundary, s.Boundary, len(e.layers))
		}
		if err := s.check(); err != nil {
			return nil, err
		}
		for _, q := range s.Seqs {
			if !slices.Contains(seqs, q) {
				seqs = append(seqs, q)
			}
		}
		for k := range s.Side {
			keys[k] = true
		}
	}
	x, err := join(saved, seqs, true, func(s *Saved) (Block, bool) { return s.X, true })
	if err != nil {
		return nil, err
	}
	p, err := e.open(c, seqs)
	if err != nil {
		return nil, err
	}
	p.at, p.rows = saved[0].Boundary, x.Rows
	sc := p.c.Open()
	s := &p.state
	s.reset(p, p.at, 0, p.rows)
	s.X = p.c.ViewShape(x.Data, x.Shape)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		b, err := join(saved, seqs, false, func(s *Saved) (Block, bool) { v, ok := s.Side[k]; return v, ok })
		if err != nil {
			p.abort()
			return nil, fmt.Errorf("side %q: %w", k, err)
		}
		s.Side[k] = Stream{p.c.ViewShape(b.Data, b.Shape), b.Rows, b.Aligned}
	}
	if w := p.c.Shape(s.X).Width(); p.at < len(e.layers) && w != e.layers[p.at].Width {
		p.abort()
		return nil, fmt.Errorf("pass: resume: rows of %d, and layer %d takes %d", w, p.at, e.layers[p.at].Width)
	}
	if p.taped {
		p.c.Want(s.X)
		for _, v := range s.Side {
			p.c.Want(v.X)
		}
	}
	if err := p.store(s); err != nil {
		p.abort()
		return nil, fmt.Errorf("pass: resume: %w", err)
	}
	p.c.Close(sc)
	return p, nil
}

// check compares sizes: a Saved may have come over a wire.
func (s *Saved) check() error {
	blocks := []Block{s.X}
	for _, b := range s.Side {
		blocks = append(blocks, b)
	}
	for _, q := range s.Seqs {
		if q == nil {
			return fmt.Errorf("pass: saved stream of no sequence")
		}
	}
	for _, b := range blocks {
		if len(b.Rows) == 0 || b.Shape.Rows() != len(b.Rows) || !holds(b.Shape, len(b.Data)) {
			return fmt.Errorf("pass: saved stream: %d numbers and %d addresses for shape %v", len(b.Data), len(b.Rows), b.Shape)
		}
		for _, r := range b.Rows {
			if r.Seq < 0 || int(r.Seq) >= len(s.Seqs) || r.Pos < 0 {
				return fmt.Errorf("pass: saved stream: row of sequence %d (of %d) at %d", r.Seq, len(s.Seqs), r.Pos)
			}
		}
		if b.Aligned && !slices.Equal(b.Rows, s.X.Rows) {
			return fmt.Errorf("pass: saved side stream: it doesn't have the rows of the stream")
		}
	}
	return nil
}

// holds reports whether n numbers fill a shape; products that overflow don't.
func holds(s op.Shape, n int) bool {
	have := 1
	for i := range s.Rank() {
		d := s.Dim(i)
		if d < 1 || d > n {
			return false
		}
		if have *= d; have > n {
			return false
		}
	}
	return have == n
}

// join packs the blocks of several saves, by sequence. Of side streams that
// aren't aligned each sequence's rows are taken once.
func join(saved []Saved, seqs []*Seq, stream bool, get func(*Saved) (Block, bool)) (Block, error) {
	var out Block
	for i, q := range seqs {
		taken := false
		for j := range saved {
			b, ok := get(&saved[j])
			if !ok || taken && !stream && !b.Aligned {
				continue
			}
			before := len(out.Rows)
			if err := out.add(b, func(r Row) (int32, bool) { return int32(i), saved[j].Seqs[r.Seq] == q }); err != nil {
				return out, err
			}
			taken = taken || len(out.Rows) > before
		}
	}
	return out, nil
}
