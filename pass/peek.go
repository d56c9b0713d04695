package pass

import (
	"context"
	"fmt"
	"slices"

	"github.com/micaml/mica/op"
)

type peek struct {
	site Site
	x    []float32
	seen int // rows
}

// Peek runs layer At() only as far as the named sites, for a look at what
// the layer would do: it changes neither the stream nor any memory. Edits
// apply, watchers are not called. It returns the numbers of each site for all
// rows, [len(Rows()), width].
func (p *Pass) Peek(ctx context.Context, s ...Site) ([][]float32, error) {
	if p.ended {
		return nil, ErrEnded
	}
	if p.taped {
		return nil, fmt.Errorf("pass: peek on a taped pass: run the layer and watch it")
	}
	if p.at >= len(p.e.layers) {
		return nil, fmt.Errorf("%w: peek into layer %d of %d", ErrBoundary, p.at, len(p.e.layers))
	}
	for _, site := range s {
		if !slices.Contains(p.e.layers[p.at].Sites, site) || !Sites[site].Edit {
			return nil, fmt.Errorf("pass: layer %d has no site %s to peek at", p.at, site)
		}
	}
	for _, site := range s {
		p.peek = append(p.peek, peek{site: site})
	}
	p.closeHead()
	before := len(p.undo)
	err := p.layer(ctx, p.at)
	p.rollback(before)
	for _, q := range p.seqs {
		if q.Transient { // as nobody may run the layer, who would free it?
			q.mem[p.at] = nil
		}
	}
	out := make([][]float32, len(s))
	for i := range out {
		out[i] = p.peek[i].x
	}
	p.peek = p.peek[:0]
	if err != nil {
		p.abort()
		return nil, fmt.Errorf("pass: peek into layer %d: %w", p.at, err)
	}
	return out, nil
}

// peekAt takes the numbers of a site along and notes when all are seen.
func (s *State) peekAt(site Site, x op.Val) {
	p := s.p
	s.done = true
	for i := range p.peek {
		k := &p.peek[i]
		if k.site == site {
			k.x = append(k.x, p.c.Data(x)...)
			k.seen += len(s.Rows)
		}
		s.done = s.done && k.seen >= s.lo+len(s.Rows)
	}
}
