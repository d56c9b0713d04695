package pass_test

import (
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
)

// skipping is three row-wise layers with a skip around the middle. The first
// leaves its input aside, as it came and scaled, and the last turns the
// stream and both skips around.
func skipping() altered {
	n := newRecurrent()
	return altered{Net: n, layer: func(c *op.Ctx, i int, s *pass.State) error {
		switch i {
		case 0:
			s.Side["whole"] = pass.Stream{X: s.X, Aligned: true}
			s.Side["half"] = pass.Stream{X: op.Scale(c, s.X, 0.5), Aligned: true}
		case 1:
			h := s.Side["half"]
			h.X = op.Mul(c, h.X, s.X)
			s.Side["half"] = h
		case 2:
			x, whole, half := s.X, s.Side["whole"], s.Side["half"]
			s.X = whole.X
			s.Side["whole"] = half
			s.Side["half"] = pass.Stream{X: x, Aligned: true}
			return nil
		}
		return n.Layer(c, i, s)
	}}
}

func TestRowwiseLayersWriteAlignedSides(t *testing.T) {
	n := skipping()
	one := engine(t, n, pass.Options{})
	run := func(e *pass.Engine) (pass.Saved, []float32) {
		p := begin(t, e, pass.NewSeq(tokens(1, 10, 16)...), pass.NewSeq(tokens(2, 3, 16)...))
		defer p.End()
		must(t, p.Run(bg, 0, 3))
		return save(t, p, nil), logits(t, p)
	}
	want, wantLogits := run(one)
	if len(want.Side) != 2 {
		t.Fatalf("sides %v", want.Side)
	}
	for _, tile := range []int{1, 3, 4, 12, 13} {
		got, gotLogits := run(engine(t, n, pass.Options{Tile: tile}))
		passtest.Same(t, "stream", got.X.Data, want.X.Data)
		passtest.Same(t, "logits", gotLogits, wantLogits)
		for k, b := range want.Side {
			passtest.Same(t, "side "+string(k), got.Side[k].Data, b.Data)
		}
	}
	// All three are what boundary 2 had.
	p := begin(t, one, pass.NewSeq(tokens(1, 10, 16)...), pass.NewSeq(tokens(2, 3, 16)...))
	must(t, p.Run(bg, 0, 2))
	below := save(t, p, nil)
	passtest.Same(t, "the stream aside", want.Side["half"].Data, below.X.Data)
	passtest.Same(t, "one skip in place of the other", want.Side["whole"].Data, below.Side["half"].Data)
	passtest.Same(t, "the skip as the stream", want.X.Data, below.Side["whole"].Data)
}

func TestIllegalSideWritesAreNamed(t *testing.T) {
	n := newRecurrent()
	encoder := map[pass.Key]pass.Block{"memory": {Data: make([]float32, 20), Shape: op.MakeShape(2, 10), Rows: make([]pass.Row, 2)}}
	for what, c := range map[string]struct {
		layer func(c *op.Ctx, s *pass.State)
		says  string
	}{
		"a new one with rows of its own": {func(c *op.Ctx, s *pass.State) { s.Side["extra"] = pass.Stream{X: s.X, Rows: s.Rows} }, `"extra"`},
		"another in its place": {func(c *op.Ctx, s *pass.State) {
			m := s.Side["memory"]
			m.X = op.Scale(c, m.X, 2)
			s.Side["memory"] = m
		}, `"memory"`},
		"aligned in its place": {func(c *op.Ctx, s *pass.State) { s.Side["memory"] = pass.Stream{X: s.X, Aligned: true} }, `"memory"`},
		"one taken away":       {func(c *op.Ctx, s *pass.State) { delete(s.Side, "memory") }, `"memory"`},
		"too many addresses": {func(c *op.Ctx, s *pass.State) {
			s.Side["extra"] = pass.Stream{X: s.Side["memory"].X, Rows: make([]pass.Row, 3)}
		}, `"extra"`},
		"aligned of other length": {func(c *op.Ctx, s *pass.State) {
			s.Side["extra"] = pass.Stream{X: op.Rows(c, s.Side["memory"].X, []int32{0, 1, 0, 1, 0, 1, 0}), Aligned: true}
		}, `"extra"`},
	} {
		for _, tile := range []int{0, 3} {
			e := engine(t, altered{Net: n, layer: func(ctx *op.Ctx, i int, s *pass.State) error {
				if i == 1 {
					c.layer(ctx, s)
				}
				return n.Layer(ctx, i, s)
			}}, pass.Options{Tile: tile})
			s := pass.NewSeq(tokens(1, 8, 16)...)
			s.Side = encoder
			t.Run(what, func(t *testing.T) { wantError(t, begin(t, e, s).Run(bg, 0, 3), "layer 1 (rec.1)", c.says) })
		}
	}
}

func TestLayersThatLeaveNoStreamAreNamed(t *testing.T) {
	n := newRecurrent()
	for what, layer := range map[string]func(c *op.Ctx, s *pass.State){
		"nothing":       func(c *op.Ctx, s *pass.State) { s.X = op.Val{} },
		"too few rows":  func(c *op.Ctx, s *pass.State) { s.X = op.Rows(c, s.X, []int32{0}) },
		"too many rows": func(c *op.Ctx, s *pass.State) { s.X = op.Rows(c, s.X, make([]int32, 20)) },
		"fewer rows, said so": func(c *op.Ctx, s *pass.State) {
			s.X = op.Rows(c, s.X, []int32{0})
			s.SetRows(s.Rows[:1])
		},
		"other width": func(c *op.Ctx, s *pass.State) {
			s.X = op.Reshape(c, op.Rows(c, s.X, make([]int32, 2*len(s.Rows))), len(s.Rows), 20)
		},
	} {
		for _, tile := range []int{0, 3} {
			e := engine(t, altered{Net: n, layer: func(c *op.Ctx, i int, s *pass.State) error {
				if i == 2 {
					layer(c, s)
					return nil
				}
				return n.Layer(c, i, s)
			}}, pass.Options{Tile: tile})
			s := pass.NewSeq(tokens(1, 8, 16)...)
			err := begin(t, e, s).Run(bg, 0, 3)
			t.Run(what, func(t *testing.T) { wantError(t, err, "layer 2 (rec.2)") })
			if s.Next() != 0 {
				t.Errorf("%s: the tokens were taken all the same", what)
			}
		}
	}
}

func TestRowwiseLawsHoldOnATape(t *testing.T) {
	n := newRecurrent()
	e := engine(t, altered{Net: n, layer: func(c *op.Ctx, i int, s *pass.State) error {
		s.Side["extra"] = pass.Stream{X: s.X, Rows: s.Rows}
		return n.Layer(c, i, s)
	}}, pass.Options{})
	c := e.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	p, err := e.BeginTaped(c, pass.NewSeq(1, 2, 3))
	must(t, err)
	wantError(t, p.Run(bg, 0, 3), "layer 0 (rec.0)", `"extra"`)
}
