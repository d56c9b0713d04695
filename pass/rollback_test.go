package pass_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

func TestEndTwiceIsHarmless(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	want := through(t, e, pass.NewSeq(3, 4))
	first := begin(t, e, pass.NewSeq(1, 2))
	first.End()
	other := begin(t, e, pass.NewSeq(3, 4)) // on the buffers of the first
	first.End()
	must(t, other.Run(bg, 0, 3))
	first.End()
	passtest.Same(t, "the other pass", logits(t, other), want)
	for what, err := range map[string]error{"run": first.Run(bg, 0, 1), "keep": first.Keep([]int{0}, pass.Original),
		"restart": first.Restart(pass.NewSeq(1))} {
		if !errors.Is(err, pass.ErrEnded) {
			t.Errorf("%s after End: %v", what, err)
		}
	}
}

func TestFailedPassDisturbsNoOther(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	prompt := tokens(1, 9, 50)
	want := through(t, e, pass.NewSeq(prompt...))
	good := begin(t, e, pass.NewSeq(prompt...))
	must(t, good.Run(bg, 0, 1))
	for range 3 {
		s := pass.NewSeq(tokens(2, 9, 50)...)
		must(t, s.Edit("1.attn.q", func(c *op.Ctx, _ pass.At, x op.Val) op.Val { c.Fail(errBoom); return x }))
		bad := begin(t, e, s)
		if err := bad.Run(bg, 0, 3); !errors.Is(err, errBoom) {
			t.Fatal(err)
		}
		passtest.Same(t, "a pass after a failed one", through(t, e, pass.NewSeq(prompt...)), want)
		bad.End()
	}
	must(t, good.Run(bg, 1, 3))
	passtest.Same(t, "a pass around failed ones", logits(t, good), want)
}

// failure makes a pass over a sequence fail until it is told off.
type failure func(s *pass.Seq, on *bool) (context.Context, error)

func failures() map[string]failure {
	edit := func(site string, f func(c *op.Ctx, x op.Val) op.Val) failure {
		return func(s *pass.Seq, on *bool) (context.Context, error) {
			return bg, s.Edit(site, func(c *op.Ctx, _ pass.At, x op.Val) op.Val {
				if *on {
					return f(c, x)
				}
				return x
			})
		}
	}
	cancel := func(site string, call int) failure {
		return func(s *pass.Seq, on *bool) (context.Context, error) {
			ctx, stop := context.WithCancelCause(bg)
			n := 0
			return ctx, s.Watch(site, func(pass.At, []float32) {
				if n++; *on && n == call {
					stop(errBoom)
				}
			})
		}
	}
	fail := func(c *op.Ctx, x op.Val) op.Val { c.Fail(errBoom); return x }
	return map[string]failure{
		"edit before attention": edit("1.resid_pre", fail),
		"edit after the layer":  edit("1.resid_post", fail),
		"edit of the last":      edit("2.resid_post", fail),
		"edit to another shape": edit("1.resid_pre", func(c *op.Ctx, x op.Val) op.Val { return c.From([]float32{1}, 1, 1) }),
		"cancel in the first":   cancel("0.resid_pre", 1),
		"cancel mid-layer":      cancel("1.resid_post", 2),
		"cancel at the end":     cancel("2.resid_pre", 1),
	}
}

func TestFailedPassPutsSequencesBack(t *testing.T) {
	nets := map[string]pass.Net{"decoder": decoder(t, tensor.F32), "recurrent": newRecurrent()}
	for name, n := range nets {
		for how, fail := range failures() {
			for _, tile := range []int{0, 4} {
				if tile == 0 && (how == "cancel mid-layer" || how == "cancel at the end") {
					continue // no tile comes after
				}
				t.Run(name+"/"+how, func(t *testing.T) { failAndRetry(t, engine(t, n, pass.Options{Tile: tile}), fail) })
			}
		}
	}
}

func failAndRetry(t *testing.T, e *pass.Engine, fail failure) {
	make2 := func() []*pass.Seq {
		s := []*pass.Seq{pass.NewSeq(tokens(1, 10, 16)...), pass.NewSeq(tokens(2, 3, 16)...)}
		if _, ok := e.Net().Memory(0, tensor.F32).(*pass.KV); ok {
			must(t, s[0].Watch("attn.pattern_sums", func(pass.At, []float32) {}))
		}
		through(t, e, s...)
		s[0].Append(tokens(3, 9, 16)...)
		s[1].Append(tokens(4, 2, 16)...)
		return s
	}
	fresh := make2()
	want := through(t, e, fresh...)

	s, on := make2(), true
	ctx, err := fail(s[0], &on)
	must(t, err)
	before := []string{remembered(s[0], 3), remembered(s[1], 3)}
	p := begin(t, e, s...)
	if err := p.Run(ctx, 0, 3); err == nil {
		t.Fatal("the pass didn't fail")
	}
	for i := range s {
		if got := remembered(s[i], 3); got != before[i] {
			t.Errorf("sequence %d remembers\n%s\nwant\n%s", i, got, before[i])
		}
	}
	if _, err := p.Logits(0); !errors.Is(err, pass.ErrEnded) {
		t.Errorf("a failed pass is over, and its head says %v", err)
	}
	on = false
	passtest.Same(t, "the retry", through(t, e, s...), want)
	for i := range s {
		if remembered(s[i], 3) != remembered(fresh[i], 3) {
			t.Errorf("sequence %d remembers something else after the retry", i)
		}
	}
}

// What a method cuts while a pass is under way comes back when it fails, to the
// bit, whatever head held how much, in every kind of cache; and the pass can be
// run again.
func TestFailedPassAfterEviction(t *testing.T) {
	for _, kind := range []pass.KVKind{pass.KVF32, pass.KVF16, pass.KVQ8} {
		e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: 4, KV: kind})
		s := pass.NewSeq(tokens(1, 6, 50)...)
		must(t, s.Watch("attn.pattern_sums", func(pass.At, []float32) {}))
		through(t, e, s)
		m := s.Memory(0).(*pass.KV)
		before := remembered(s, 3)
		on := true
		must(t, s.Edit("1.attn.q", func(c *op.Ctx, _ pass.At, x op.Val) op.Val {
			if on {
				c.Fail(errBoom)
			}
			return x
		}))
		s.Append(tokens(2, 8, 50)...)
		cut := func(p *pass.Pass) {
			must(t, p.Run(bg, 0, 1))
			must(t, m.Keep(0, []int{1, 3, 7, 9}))
			must(t, m.Keep(1, []int{0, 1, 2, 4, 5, 6, 7, 8, 9, 10}))
			must(t, m.Drop(1, 3))
			must(t, m.Truncate(8))
			wantPositions(t, "head 0", m.Positions(0), 1, 3, 7, 9)
			wantPositions(t, "head 1", m.Positions(1), 0, 1, 2, 5, 6, 7, 8, 9)
		}
		p := begin(t, e, s)
		cut(p)
		if err := p.Run(bg, 1, 2); !errors.Is(err, errBoom) {
			t.Fatal(err)
		}
		if got := remembered(s, 3); got != before {
			t.Errorf("after the failure\n%s, want\n%s", got, before)
		}
		on = false
		p = begin(t, e, s)
		cut(p)
		must(t, p.Run(bg, 1, 3))
		p.End()
		wantPositions(t, "head 0 after the retry", m.Positions(0), 1, 3, 7, 9)
		// Nothing is left to go back to.
		m.Rollback()
		wantPositions(t, "head 0 after a rollback of nothing", m.Positions(0), 1, 3, 7, 9)
	}
}

func TestFailedPassLeavesTheReserve(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	for _, reserve := range []int{0, 200} {
		var size []int64
		for _, bad := range []bool{false, true} {
			s := pass.NewSeq(tokens(1, 130, 50)...)
			if reserve > 0 {
				s.Reserve(reserve)
			}
			on := true
			must(t, s.Edit("1.resid_pre", func(c *op.Ctx, _ pass.At, x op.Val) op.Val {
				if on {
					c.Fail(errBoom)
				}
				return x
			}))
			if bad {
				if err := begin(t, e, s).Run(bg, 0, 3); !errors.Is(err, errBoom) {
					t.Fatal(err)
				}
			}
			on = false
			if reserve == 0 {
				s.Tokens = s.Tokens[:5]
			}
			through(t, e, s)
			size = append(size, s.Memory(2).Bytes())
		}
		if size[0] != size[1] {
			t.Errorf("reserve %d: the last layer holds %d bytes after a retry, %d without", reserve, size[1], size[0])
		}
	}
}

func TestFailedEmbedTakesNoInput(t *testing.T) {
	e := engine(t, newUnet(), pass.Options{})
	s := &pass.Seq{Input: make([]float32, 31)}
	if _, err := e.Begin(s); err == nil {
		t.Fatal("an image of the wrong size began")
	}
	s.Input = append(s.Input, 1)
	fresh := &pass.Seq{Input: slices.Clone(s.Input)}
	passtest.Same(t, "the image after all", through(t, e, s), through(t, e, fresh))
}

func TestNilSequenceIsRefused(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	_, err := e.Begin(pass.NewSeq(1), nil)
	wantError(t, err, "sequence 1 is nil")
}
