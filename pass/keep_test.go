package pass_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// entries returns the positions that a layer remembers.
func entries(s *pass.Seq, layer int) []int32 { return s.Memory(layer).(*pass.KV).Positions(0) }

// keepAt runs to a boundary, keeps rows there, and runs the rest.
func keepAt(t *testing.T, e *pass.Engine, s *pass.Seq, boundary int, rows []int, pos pass.Positions) []float32 {
	t.Helper()
	p := begin(t, e, s)
	defer p.End()
	must(t, p.Run(bg, 0, boundary))
	must(t, p.Keep(rows, pos))
	must(t, p.Run(bg, boundary, e.Depth()))
	return logits(t, p)
}

func TestKeepNumbersRowsAndTheTokensAfterThem(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: 4})
	for _, c := range []struct {
		name  string
		pos   pass.Positions
		kept  []int32
		after []int32 // of two more tokens
	}{
		{"original", pass.Original, []int32{0, 5, 9}, []int32{10, 11}},
		{"compact", pass.Compact, []int32{0, 1, 2}, []int32{3, 4}},
		{"explicit", pass.Explicit([]int32{4, 8, 20}), []int32{4, 8, 20}, []int32{10, 11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := pass.NewSeq(tokens(1, 10, 50)...)
			keepAt(t, e, s, 1, []int{0, 5, 9}, c.pos)
			wantPositions(t, "below", entries(s, 0), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
			wantPositions(t, "above", entries(s, 1), c.kept...)
			s.Append(tokens(2, 2, 50)...)
			p := begin(t, e, s)
			must(t, p.Run(bg, 0, 1))
			wantPositions(t, "tokens after, once above", positions(p.Rows()), c.after...)
			must(t, p.Run(bg, 1, 3))
			wantPositions(t, "tokens after, below", entries(s, 0)[10:], 10, 11)
			wantPositions(t, "tokens after, at the top", entries(s, 2), append(c.kept, c.after...)...)
		})
	}
}

// At boundary 0 a compact keep is nothing but the shorter prompt.
func TestCompactAtTheBottomIsTheShorterPrompt(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	s := pass.NewSeq(tokens(1, 20, 50)...)
	rows := []int{2, 3, 7, 11, 19}
	short := s.Select(rows)
	passtest.Same(t, "prompt", keepAt(t, e, s, 0, rows, pass.Compact), through(t, e, short))
	for i := range 5 {
		next := tokens(uint64(i), 1+i, 50)
		s.Append(next...)
		short.Append(next...)
		passtest.Same(t, "chunks after it", through(t, e, s), through(t, e, short))
	}
}

func TestSecondChunkIsCompactedOnTopOfTheFirst(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	s := pass.NewSeq(tokens(1, 10, 50)...)
	keepAt(t, e, s, 1, []int{0, 5, 9}, pass.Compact)
	s.Append(tokens(2, 10, 50)...)
	keepAt(t, e, s, 1, []int{0, 1, 2, 3, 9}, pass.Compact)
	wantPositions(t, "two chunks", entries(s, 1), 0, 1, 2, 3, 4, 5, 6, 7)
	s.Append(7)
	keepAt(t, e, s, 2, []int{0}, pass.Compact)
	wantPositions(t, "the token after", entries(s, 2), 0, 1, 2, 3, 4, 5, 6, 7, 8)
	if s.Next() != 21 || len(entries(s, 0)) != 21 {
		t.Errorf("below, %d entries and next %d, want 21", len(entries(s, 0)), s.Next())
	}
	// A cut at another boundary comes on top of the first.
	s.Append(tokens(3, 4, 50)...)
	keepAt(t, e, s, 2, []int{1, 3}, pass.Compact)
	wantPositions(t, "between the cuts", entries(s, 1)[9:], 9, 10, 11, 12)
	wantPositions(t, "above both", entries(s, 2)[9:], 9, 10)
	s.Append(8)
	through(t, e, s)
	wantPositions(t, "between the cuts", entries(s, 1)[13:], 13)
	wantPositions(t, "above both", entries(s, 2)[11:], 11)
}

func TestResumeAfterKeep(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	for _, pos := range []pass.Positions{pass.Original, pass.Compact, pass.Explicit([]int32{3, 4, 9})} {
		straight := pass.NewSeq(tokens(1, 10, 50)...)
		want := keepAt(t, e, straight, 1, []int{0, 5, 9}, pos)
		s := pass.NewSeq(tokens(1, 10, 50)...)
		p := begin(t, e, s)
		must(t, p.Run(bg, 0, 1))
		must(t, p.Keep([]int{0, 5, 9}, pos))
		saved, err := p.Save(nil)
		must(t, err)
		p.End()
		r, err := e.Resume(saved)
		must(t, err)
		must(t, r.Run(bg, 1, 3))
		passtest.Same(t, "resumed", logits(t, r), want)
		r.End()
		s.Append(4, 5)
		straight.Append(4, 5)
		passtest.Same(t, "and the tokens after", through(t, e, s), through(t, e, straight))
		if remembered(s, 3) != remembered(straight, 3) {
			t.Error("a resumed sequence remembers something else")
		}
	}
}

func TestKeepRetriedAfterCancel(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	straight, s := pass.NewSeq(tokens(1, 10, 50)...), pass.NewSeq(tokens(1, 10, 50)...)
	want := keepAt(t, e, straight, 1, []int{0, 5, 9}, pass.Compact)
	cancelled := func() {
		p := begin(t, e, s)
		must(t, p.Run(bg, 0, 1))
		must(t, p.Keep([]int{0, 1}, pass.Compact))
		ctx, stop := context.WithCancel(bg)
		stop()
		if p.Run(ctx, 1, 3) == nil {
			t.Fatal("a cancelled run went on")
		}
	}
	cancelled()
	cancelled()
	passtest.Same(t, "retried", keepAt(t, e, s, 1, []int{0, 5, 9}, pass.Compact), want)
	s.Append(tokens(2, 5, 50)...)
	cancelled()
	cancelled()
	through(t, e, s)
	wantPositions(t, "the tokens after", entries(s, 1), 0, 1, 2, 3, 4, 5, 6, 7)
}

func TestKeepInABatch(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	make3 := func() []*pass.Seq {
		return []*pass.Seq{pass.NewSeq(tokens(1, 6, 50)...), pass.NewSeq(tokens(2, 4, 50)...), pass.NewSeq(tokens(3, 5, 50)...)}
	}
	alone := make3()
	var want []float32
	want = append(want, keepAt(t, e, alone[0], 2, []int{1, 5}, pass.Compact)...)
	want = append(want, keepAt(t, e, alone[2], 2, []int{0, 1, 4}, pass.Compact)...)
	s := make3()
	p := begin(t, e, s...)
	must(t, p.Run(bg, 0, 2))
	must(t, p.Keep([]int{1, 5, 10, 11, 14}, pass.Compact)) // nothing of the second
	must(t, p.Run(bg, 2, 3))
	passtest.Same(t, "each as if alone", logits(t, p), want)
	p.End()
	for i := range s {
		s[i].Append(9)
	}
	through(t, e, s...)
	wantPositions(t, "first", entries(s[0], 2), 0, 1, 2)
	wantPositions(t, "second", entries(s[1], 2), 0)
	wantPositions(t, "third", entries(s[2], 2), 0, 1, 2, 3)
}

func TestAlignedSidesFollowKeep(t *testing.T) {
	e := engine(t, newUnet(), pass.Options{})
	r := rand.New(rand.NewPCG(8, 8))
	x := make([][]float32, 4)
	for i := range x {
		for range 32 {
			x[i] = append(x[i], float32(r.NormFloat64()))
		}
	}
	images := func(idx ...int) (s []*pass.Seq) {
		for _, i := range idx {
			s = append(s, &pass.Seq{Input: x[i]})
		}
		return s
	}
	want := through(t, e, images(1, 3)...)
	for cut := range 5 {
		p := begin(t, e, images(0, 1, 2, 3)...)
		must(t, p.Run(bg, 0, cut))
		must(t, p.Keep([]int{1, 3}, pass.Original))
		must(t, p.Run(bg, cut, 5))
		passtest.Same(t, "two of four images", logits(t, p), want)
		p.End()
	}
}

func TestOtherSidesStayWholeAfterKeep(t *testing.T) {
	e := engine(t, newEncdec(), pass.Options{})
	s := &pass.Seq{Tokens: tokens(1, 5, edVocab), Target: tokens(2, 5, edVocab)} // as many rows on both sides
	p := begin(t, e, s)
	must(t, p.Run(bg, 0, 3))
	before, err := p.Save(nil)
	must(t, err)
	must(t, p.Keep([]int{4}, pass.Original))
	after, err := p.Save(nil)
	must(t, err)
	if len(after.X.Rows) != 1 || len(after.Side["encoder"].Rows) != 5 {
		t.Errorf("kept %d rows and %d of the encoder, want 1 and 5", len(after.X.Rows), len(after.Side["encoder"].Rows))
	}
	passtest.Same(t, "the encoder's rows", after.Side["encoder"].Data, before.Side["encoder"].Data)
	must(t, p.Run(bg, 3, 5))
}

func TestKeepRefusesBadRows(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	want := through(t, e, pass.NewSeq(1, 2, 3))
	p := begin(t, e, pass.NewSeq(1, 2, 3))
	for _, c := range []struct {
		rows []int
		pos  pass.Positions
		says string
	}{
		{nil, pass.Original, "no rows"},
		{[]int{3}, pass.Original, "row 3 (of 3)"},
		{[]int{-1}, pass.Original, "row -1"},
		{[]int{1, 1}, pass.Compact, "ascend"},
		{[]int{2, 0}, pass.Compact, "ascend"},
		{[]int{0, 1}, pass.Explicit([]int32{0}), "1 positions for 2 rows"},
		{[]int{0, 1}, pass.Explicit([]int32{0, -2}), "position -2 for row 1"},
	} {
		wantError(t, p.Keep(c.rows, c.pos), c.says)
	}
	must(t, p.Run(bg, 0, 3))
	passtest.Same(t, "the run after refusals", logits(t, p), want)
}
