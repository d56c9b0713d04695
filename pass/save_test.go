package pass_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

func save(t *testing.T, p *pass.Pass, rows []int) pass.Saved {
	t.Helper()
	s, err := p.Save(rows)
	must(t, err)
	return s
}

// resumed runs saves to the end.
func resumed(t *testing.T, e *pass.Engine, saved ...pass.Saved) []float32 {
	t.Helper()
	p, err := e.Resume(saved...)
	must(t, err)
	defer p.End()
	must(t, p.Run(bg, saved[0].Boundary, e.Depth()))
	return logits(t, p)
}

func TestSavesOfOneSequenceGoTogether(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	prompt := tokens(1, 9, 50)
	want := through(t, e, pass.NewSeq(prompt...))
	for cut := range 4 {
		s := pass.NewSeq(prompt...)
		p := begin(t, e, s)
		must(t, p.Run(bg, 0, cut))
		parts := []pass.Saved{save(t, p, []int{0, 1}), save(t, p, []int{2, 3, 4, 5, 6}), save(t, p, []int{7, 8})}
		p.End()
		passtest.Same(t, "three saves of one", resumed(t, e, parts...), want)

		s = pass.NewSeq(prompt...) // and one after the other
		p = begin(t, e, s)
		must(t, p.Run(bg, 0, cut))
		parts = []pass.Saved{save(t, p, []int{0, 1}), save(t, p, []int{2, 3, 4, 5, 6, 7, 8})}
		p.End()
		got := append(resumed(t, e, parts[0]), resumed(t, e, parts[1])...)
		passtest.Same(t, "in two resumed passes", got, want)
	}
}

func TestSavesOfSeveralSequencesGoTogether(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	a, b := tokens(1, 4, 50), tokens(2, 3, 50)
	want := append(through(t, e, pass.NewSeq(a...)), through(t, e, pass.NewSeq(b...))...)
	x, y := pass.NewSeq(a...), pass.NewSeq(b...)
	p := begin(t, e, x, y)
	must(t, p.Run(bg, 0, 2))
	one := save(t, p, []int{0, 1, 4, 5}) // the beginnings of both
	two := save(t, p, []int{2, 3, 6})    // and their ends
	p.End()
	r, err := e.Resume(one, two)
	must(t, err)
	defer r.End()
	if !slices.Equal(r.Rows(), []pass.Row{{Seq: 0, Pos: 0}, {Seq: 0, Pos: 1}, {Seq: 0, Pos: 2}, {Seq: 0, Pos: 3}, {Seq: 1, Pos: 0}, {Seq: 1, Pos: 1}, {Seq: 1, Pos: 2}}) {
		t.Errorf("rows %v aren't packed by sequence", r.Rows())
	}
	must(t, r.Run(bg, 2, 3))
	passtest.Same(t, "both", logits(t, r), want)
}

func TestSideOfSeveralSavesIsTakenOnce(t *testing.T) {
	e := engine(t, newEncdec(), pass.Options{})
	seq := func() *pass.Seq { return &pass.Seq{Tokens: tokens(1, 7, edVocab), Target: tokens(2, 5, edVocab)} }
	other := func() *pass.Seq { return &pass.Seq{Tokens: tokens(3, 3, edVocab), Target: tokens(4, 2, edVocab)} }
	want := through(t, e, seq(), other())
	p := begin(t, e, seq())
	must(t, p.Run(bg, 0, 3))
	a, b := save(t, p, []int{0, 1}), save(t, p, []int{2, 3, 4})
	p.End()
	p = begin(t, e, other())
	must(t, p.Run(bg, 0, 3))
	c := save(t, p, nil)
	p.End()
	r, err := e.Resume(a, b, c)
	must(t, err)
	defer r.End()
	again := save(t, r, nil)
	if n := len(again.Side["encoder"].Rows); n != 7+3 {
		t.Errorf("%d rows of encoder output, want 10", n)
	}
	must(t, r.Run(bg, 3, 5))
	passtest.Same(t, "three saves of two", logits(t, r), want)
}

func TestAlignedSidesOfPartialSaves(t *testing.T) {
	e := engine(t, newUnet(), pass.Options{})
	images := func() (s []*pass.Seq) {
		for i := range 3 {
			x := make([]float32, 32)
			for j := range x {
				x[j] = float32(i*7+j%5) - 4
			}
			s = append(s, &pass.Seq{Input: x})
		}
		return s
	}
	want := through(t, e, images()...)
	for cut := range 5 {
		p := begin(t, e, images()...)
		must(t, p.Run(bg, 0, cut))
		a, b := save(t, p, []int{0, 2}), save(t, p, []int{1})
		p.End()
		// Sequences keep the order in which the saves name them: all of both.
		passtest.Same(t, "two saves of three images", resumed(t, e, a, b), want)
	}
}

func TestSaveIsACopy(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	want := through(t, e, pass.NewSeq(1, 2, 3))
	p := begin(t, e, pass.NewSeq(1, 2, 3))
	must(t, p.Run(bg, 0, 1))
	s := save(t, p, nil)
	kept := slices.Clone(s.X.Data)
	must(t, p.Run(bg, 1, 2))
	passtest.Same(t, "the save after the pass went on", s.X.Data, kept)
	clear(s.X.Data)
	clear(s.X.Rows)
	must(t, p.Run(bg, 2, 3))
	passtest.Same(t, "the pass after the save was cleared", logits(t, p), want)
	if _, err := p.Save([]int{3}); err == nil {
		t.Error("saved row 3 of 3")
	}
}

func TestHostileSavesAreRefused(t *testing.T) {
	e := engine(t, newEncdec(), pass.Options{})
	good := func() pass.Saved {
		p := begin(t, e, &pass.Seq{Tokens: tokens(1, 4, edVocab), Target: tokens(2, 3, edVocab)})
		defer p.End()
		must(t, p.Run(bg, 0, 3))
		return save(t, p, nil)
	}
	side := func(s *pass.Saved, f func(b *pass.Block)) {
		b := s.Side["encoder"]
		f(&b)
		s.Side["encoder"] = b
	}
	for what, spoil := range map[string]func(s *pass.Saved){
		"no rows":                  func(s *pass.Saved) { s.X = pass.Block{} },
		"too few numbers":          func(s *pass.Saved) { s.X.Data = s.X.Data[:5] },
		"too many numbers":         func(s *pass.Saved) { s.X.Data = append(s.X.Data, 0) },
		"too few addresses":        func(s *pass.Saved) { s.X.Rows = s.X.Rows[:1] },
		"rows of no width":         func(s *pass.Saved) { s.X.Shape, s.X.Data = op.MakeShape(3, 0), nil },
		"negative dimensions":      func(s *pass.Saved) { s.X.Shape = op.MakeShape(3, -4, -3) },
		"dimensions that overflow": func(s *pass.Saved) { s.X.Shape = op.MakeShape(3, 1<<30, 1<<30, 12) },
		"another width":            func(s *pass.Saved) { s.X.Shape, s.X.Data = op.MakeShape(3, 1), s.X.Data[:3] },
		"a negative position":      func(s *pass.Saved) { s.X.Rows[1].Pos = -1 },
		"a negative sequence":      func(s *pass.Saved) { s.X.Rows[1].Seq = -1 },
		"a sequence too far":       func(s *pass.Saved) { s.X.Rows[1].Seq = 1 },
		"no sequences":             func(s *pass.Saved) { s.Seqs = nil },
		"a nil sequence":           func(s *pass.Saved) { s.Seqs[0] = nil },
		"a negative boundary":      func(s *pass.Saved) { s.Boundary = -1 },
		"a boundary too far":       func(s *pass.Saved) { s.Boundary = 6 },
		"a short side":             func(s *pass.Saved) { side(s, func(b *pass.Block) { b.Data = b.Data[:7] }) },
		"a side far away":          func(s *pass.Saved) { side(s, func(b *pass.Block) { b.Rows[0].Seq = 9 }) },
		"a side that isn't aligned": func(s *pass.Saved) {
			side(s, func(b *pass.Block) { b.Aligned = true })
		},
	} {
		s := good()
		spoil(&s)
		if p, err := e.Resume(s); err == nil {
			t.Errorf("resumed with %s: rows %v", what, p.Rows())
		}
	}
	s := good()
	delete(s.Side, "encoder")
	p, err := e.Resume(s)
	must(t, err)
	wantError(t, p.Run(bg, 3, 5), "dec.0", "encoder")
	if _, err := e.Resume(); !errors.Is(err, pass.ErrEmpty) {
		t.Errorf("resume of nothing: %v, want ErrEmpty", err)
	}
	a, b := good(), good()
	b.Boundary = 4
	if _, err := e.Resume(a, b); !errors.Is(err, pass.ErrBoundary) {
		t.Errorf("resume at two boundaries: %v, want ErrBoundary", err)
	}
	a, b = good(), good()
	b.X.Shape, b.X.Data = op.MakeShape(3, 6), b.X.Data[:18]
	if _, err := e.Resume(a, b); err == nil {
		t.Error("resumed rows of two widths")
	}
}
