package pass_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

func TestPeekRefusesWhatIsNotThere(t *testing.T) {
	n := decoder(t, tensor.F32)
	infos := slices.Clone(n.Layers())
	infos[0].Sites = []pass.Site{pass.ResidPre, pass.AttnIn, pass.LastRow, pass.ColumnSums}
	e := engine(t, altered{Net: n, infos: infos}, pass.Options{})
	want := through(t, e, pass.NewSeq(1, 2, 3))
	s := pass.NewSeq(1, 2, 3)
	p := begin(t, e, s)
	before := remembered(s, 3)
	for _, site := range []pass.Site{pass.MLPMid, pass.LastRow, pass.ColumnSums, pass.Site(200)} {
		if x, err := p.Peek(bg, pass.ResidPre, site); err == nil {
			t.Errorf("peek at site %d gave %d numbers", site, len(x[1]))
		}
	}
	if remembered(s, 3) != before {
		t.Error("a refused peek left something in memory")
	}
	must(t, p.Run(bg, 0, 3))
	passtest.Same(t, "the run after refused peeks", logits(t, p), want)
	_, err := p.Peek(bg, pass.ResidPre)
	wantError(t, err, "layer 3 of 3")
}

func TestPeekRefusesATape(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	c := e.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	p, err := e.BeginTaped(c, pass.NewSeq(1, 2, 3))
	must(t, err)
	n := tape.Len()
	_, err = p.Peek(bg, pass.ResidPre)
	wantError(t, err, "taped")
	if tape.Len() != n {
		t.Error("the refused peek is on the tape")
	}
}

// A peek at any site, at any layer, leaves stream, memory, counts and
// watchers as if it had not been.
func TestPeekChangesNothing(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: 4})
	calls := 0
	seqs := func() []*pass.Seq {
		s := []*pass.Seq{pass.NewSeq(tokens(1, 7, 50)...), pass.NewSeq(tokens(2, 5, 50)...)}
		must(t, s[0].Watch("attn.pattern_sums", func(pass.At, []float32) { calls++ }))
		must(t, s[0].Watch("resid_pre", func(pass.At, []float32) { calls++ }))
		through(t, e, s...)
		s[0].Append(tokens(3, 6, 50)...)
		s[1].Append(9)
		return s
	}
	fresh := seqs()
	want := through(t, e, fresh...)
	s := seqs()
	p := begin(t, e, s...)
	for layer := range 3 {
		calls = 0
		saved, err := p.Save(nil)
		must(t, err)
		before := remembered(s[0], 3) + remembered(s[1], 3)
		for _, site := range pass.Sites {
			if !site.Edit {
				continue
			}
			_, err := p.Peek(bg, site.Site)
			must(t, err)
			again, err := p.Save(nil)
			must(t, err)
			passtest.Same(t, "the stream after peek at "+site.Name, again.X.Data, saved.X.Data)
			if remembered(s[0], 3)+remembered(s[1], 3) != before {
				t.Fatalf("peek at %d.%s changed a memory", layer, site.Name)
			}
		}
		if calls != 0 {
			t.Errorf("peeks called watchers %d times", calls)
		}
		must(t, p.Run(bg, layer, layer+1))
	}
	passtest.Same(t, "the run with peeks", logits(t, p), want)
	for i := range s {
		if remembered(s[i], 3) != remembered(fresh[i], 3) {
			t.Errorf("sequence %d remembers something else than without peeks", i)
		}
	}
}

// Peek gives what a watcher of the run sees, for any tile.
func TestPeekSeesWhatTheRunWillSee(t *testing.T) {
	for _, tile := range []int{1, 3, 512} {
		e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: tile})
		s := pass.NewSeq(tokens(1, 11, 50)...)
		seen := map[pass.Site][]float32{}
		for _, site := range pass.Sites {
			if site.Edit {
				must(t, s.Watch(fmt.Sprint("1.", site.Name), func(at pass.At, x []float32) {
					seen[at.Site] = append(seen[at.Site], x...)
				}))
			}
		}
		must(t, s.Edit("1.attn.v", func(c *op.Ctx, _ pass.At, x op.Val) op.Val { return op.Scale(c, x, -2) }))
		p := begin(t, e, s)
		must(t, p.Run(bg, 0, 1))
		peeked := map[pass.Site][]float32{}
		var all []pass.Site
		for _, site := range pass.Sites {
			if site.Edit {
				x, err := p.Peek(bg, site.Site)
				must(t, err)
				peeked[site.Site] = x[0]
				all = append(all, site.Site)
			}
		}
		together, err := p.Peek(bg, all...)
		must(t, err)
		must(t, p.Run(bg, 1, 2))
		for i, site := range all {
			if site == pass.V { // the watcher came before the edit
				for j := range seen[site] {
					seen[site][j] *= -2
				}
			}
			passtest.Same(t, fmt.Sprint("tile ", tile, " ", site), peeked[site], seen[site])
			passtest.Same(t, fmt.Sprint("all at once, tile ", tile, " ", site), together[i], seen[site])
		}
	}
}

func TestPeekLeavesATransientSequenceEmpty(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: 2})
	s := &pass.Seq{Tokens: tokens(1, 9, 50), Transient: true}
	want := through(t, e, pass.NewSeq(s.Tokens...))
	p := begin(t, e, s)
	for layer := range 3 {
		_, err := p.Peek(bg, pass.MLPOut)
		must(t, err)
		if s.Bytes() != 0 {
			t.Errorf("layer %d: a peek left %d bytes", layer, s.Bytes())
		}
		must(t, p.Run(bg, layer, layer+1))
		if s.Bytes() != 0 {
			t.Errorf("layer %d: the run left %d bytes", layer, s.Bytes())
		}
	}
	passtest.Same(t, "a transient sequence", logits(t, p), want)
}

func TestPeekOfARecurrentLayer(t *testing.T) {
	e := engine(t, newRecurrent(), pass.Options{Tile: 3})
	want := through(t, e, pass.NewSeq(tokens(1, 8, 16)...))
	s := pass.NewSeq(tokens(1, 8, 16)...)
	p := begin(t, e, s)
	for layer := range 3 {
		_, err := p.Peek(bg, pass.ResidPost)
		must(t, err)
		must(t, p.Run(bg, layer, layer+1))
	}
	passtest.Same(t, "the run with peeks", logits(t, p), want)
}
