package pass

import (
	"fmt"
	"slices"

	"github.com/micaml/mica/op"
)

// Logits reads the head at rows of the stream, negative ones counted from
// the end: [len(rows), V]. The numbers are good until the next call on p.
func (p *Pass) Logits(rows ...int) ([]float32, error) { return p.Head("logits", rows...) }

// Head is Logits for a head of another name. What its numbers are is the
// network's to say; a name that the network lacks is an error.
func (p *Pass) Head(name string, rows ...int) ([]float32, error) {
	v, err := p.HeadVal(name, rows...)
	if err != nil {
		return nil, err
	}
	return p.c.Data(v), nil
}

// HeadVal is Head as a value in the pass's context, for losses. A head that
// fails leaves an untaped pass as it was.
func (p *Pass) HeadVal(name string, rows ...int) (op.Val, error) {
	if p.ended {
		return op.Val{}, ErrEnded
	}
	if err := p.c.Err(); err != nil {
		return op.Val{}, err
	}
	p.closeHead()
	var index []int32
	if p.taped { // it reads them later
		index = op.Room[int32](p.c, len(rows))[:0]
	} else {
		p.ids = slices.Grow(p.ids[:0], len(rows))
		index = p.ids[:0]
	}
	for _, r := range rows {
		if r < 0 {
			r += len(p.rows)
		}
		if r < 0 || r >= len(p.rows) {
			return op.Val{}, fmt.Errorf("pass: head %s: row %d of %d", name, r, len(p.rows))
		}
		index = append(index, int32(r))
	}
	p.head, p.headOn = p.c.Open(), true
	s := p.load(p.at, 0, len(p.rows))
	v, err := p.e.net.Head(p.c, name, s, index)
	if err == nil {
		err = p.c.Err()
	}
	if err != nil && !p.taped {
		p.c.ClearErr()
	}
	return v, err
}

func (p *Pass) closeHead() {
	if p.headOn {
		p.c.Close(p.head)
		p.headOn = false
	}
}
