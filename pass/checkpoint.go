package pass

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/micaml/mica/op"
)

// RunCheckpointed is [Pass.Run] of which the tape keeps only the streams at both
// ends; the backward pass runs the layers again for what it needs within (see
// [op.Checkpoint]). A network of L layers run in spans of √L so takes the memory
// of 2√L layers instead of L, at the price of a second forward pass, and the
// gradients are the same bits. On a pass without a tape it is Run.
//
// The second run sees the sequences as the first did, hooks included: watchers
// are not called again, and edits are, which must do the same. The layers must
// remember nothing of earlier passes.
func (p *Pass) RunCheckpointed(ctx context.Context, from, to int) error {
	if !p.taped || p.ended || from != p.at || to <= from || to > len(p.e.layers) {
		return p.Run(ctx, from, to)
	}
	for _, q := range p.seqs {
		for i := from; i < to; i++ {
			if m := q.mem[i]; m != nil && m.Len(0) > 0 {
				return fmt.Errorf("%w: layer %d holds entries of an earlier pass, and a checkpointed one can't begin with them", ErrMemory, i)
			}
		}
	}
	// Run ends a pass that fails.
	s := p.span(context.WithoutCancel(ctx), from, to)
	var failed error
	out := op.Checkpoint(p.c, func(c *op.Ctx, in []op.Val) []op.Val {
		if c.Repeating() {
			return s.again(c, in)
		}
		if failed = p.Run(ctx, from, to); failed != nil {
			return nil
		}
		p.own()
		return p.kept.values()
	}, p.kept.values()...)
	if failed != nil {
		return failed
	}
	p.kept = p.kept.with(out)
	return p.c.Err()
}

// own takes the addresses of rows out of the context, whose span is about to end.
func (p *Pass) own() {
	p.rows = slices.Clone(p.rows)
	p.kept.Rows = p.rows
	for k, v := range p.kept.Side {
		v.Rows = slices.Clone(v.Rows)
		p.kept.Side[k] = v
	}
}

// keys returns the names of the side streams in order.
func (s *State) keys() []Key { return slices.Sorted(maps.Keys(s.Side)) }

// values returns what crosses a boundary: X, and the side streams in order.
func (s *State) values() []op.Val {
	v := []op.Val{s.X}
	for _, k := range s.keys() {
		v = append(v, s.Side[k].X)
	}
	return v
}

// with returns s with other values.
func (s *State) with(v []op.Val) State {
	t := *s
	t.X, t.Side = v[0], maps.Clone(s.Side)
	for i, k := range s.keys() {
		side := s.Side[k]
		side.X = v[1+i]
		t.Side[k] = side
	}
	return t
}

// span is what the layers [from, to) of a pass began with.
type span struct {
	ctx      context.Context
	pass     Pass
	from, to int
	seqs     []spanSeq
}

// spanSeq is what a sequence had that layers use or change.
type spanSeq struct {
	hooks  []hook
	target int
	mem    []Memory // of the layers of the span: none
}

func (p *Pass) span(ctx context.Context, from, to int) *span {
	s := &span{ctx: ctx, from: from, to: to, pass: Pass{e: p.e, taped: true, hooked: p.hooked, adapted: p.adapted, at: from,
		seqs: slices.Clone(p.seqs), starts: slices.Clone(p.starts), rows: slices.Clone(p.rows), kept: p.kept.with(p.kept.values())}}
	for _, q := range p.seqs {
		s.seqs = append(s.seqs, spanSeq{hooks: slices.Clone(q.hooks), target: q.targetTaken})
	}
	return s
}

// again runs the span on a pass of its own.
func (s *span) again(c *op.Ctx, in []op.Val) []op.Val {
	p := s.pass
	p.c, p.kept = c, s.pass.kept.with(in)
	p.starts, p.rows = slices.Clone(p.starts), slices.Clone(p.rows)
	then := slices.Clone(s.seqs)
	for i := range then {
		then[i].mem = make([]Memory, s.to-s.from)
	}
	s.swap(then)
	defer s.swap(then)
	for i := s.from; i < s.to; i++ {
		if err := p.layer(s.ctx, i); err != nil {
			c.Fail(fmt.Errorf("pass: layer %d (%s), again: %w", i, p.e.layers[i].Name, err))
			return nil
		}
		p.at = i + 1
		p.renumber(p.at)
	}
	return p.kept.values()
}

// swap exchanges what the sequences have now with what they had then.
func (s *span) swap(then []spanSeq) {
	for i, q := range s.pass.seqs {
		t := &then[i]
		q.hooks, t.hooks = t.hooks, q.hooks
		q.targetTaken, t.target = t.target, q.targetTaken
		for j := range t.mem {
			q.mem[s.from+j], t.mem[j] = t.mem[j], q.mem[s.from+j]
		}
	}
}
