package pass_test

import (
	"errors"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// moody is a network whose head fails in several ways.
type moody struct{ pass.Net }

func (n moody) Head(c *op.Ctx, name string, s *pass.State, rows []int32) (op.Val, error) {
	switch name {
	case "error":
		return op.Val{}, errBoom
	case "ctx":
		c.Fail(errBoom)
		return op.Val{}, nil
	case "shape":
		return op.Add(c, s.X, c.From([]float32{1, 2}, 1, 2)), nil
	}
	return n.Net.Head(c, name, s, rows)
}

func TestFailedHeadLeavesThePassUsable(t *testing.T) {
	e := engine(t, moody{decoder(t, tensor.F32)}, pass.Options{})
	lens := begin(t, e, pass.NewSeq(1, 2, 3))
	must(t, lens.Run(bg, 0, 1))
	wantLens := logits(t, lens)
	must(t, lens.Run(bg, 1, 3))
	want := logits(t, lens)

	p := begin(t, e, pass.NewSeq(1, 2, 3))
	must(t, p.Run(bg, 0, 1))
	for range 2 {
		for _, head := range []string{"error", "ctx", "shape", "no such head"} {
			if _, err := p.Head(head, 0); err == nil {
				t.Errorf("head %q didn't fail", head)
			}
		}
		if _, err := p.Logits(3); err == nil {
			t.Error("read row 3 of 3")
		}
		if _, err := p.Logits(-4); err == nil {
			t.Error("read row -4 of 3")
		}
		passtest.Same(t, "the head after that", logits(t, p), wantLens)
	}
	_, _ = p.Head("ctx", 0)
	must(t, p.Run(bg, 1, 3))
	passtest.Same(t, "the layers after that", logits(t, p), want)
	last, err := p.Logits(-1)
	must(t, err)
	passtest.Same(t, "the last row from the end", last, want[2*50:])
}

func TestRunsOutOfOrderAreRefused(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	want := through(t, e, pass.NewSeq(1, 2, 3))
	p := begin(t, e, pass.NewSeq(1, 2, 3))
	must(t, p.Run(bg, 0, 1))
	for _, span := range [][2]int{{0, 1}, {2, 3}, {1, 0}, {1, 4}, {-1, 2}} {
		if err := p.Run(bg, span[0], span[1]); !errors.Is(err, pass.ErrBoundary) {
			t.Errorf("layers [%d, %d) from boundary 1: %v, want ErrBoundary", span[0], span[1], err)
		}
	}
	must(t, p.Run(bg, 1, 3))
	passtest.Same(t, "the run after refusals", logits(t, p), want)
}
