package pass_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// gradients trains on three tokens; meanwhile does something between the loss
// and the backward pass.
func gradients(t *testing.T, n *lm.Decoder, e *pass.Engine, meanwhile func(c *op.Ctx, p *pass.Pass, s *pass.Seq)) []float32 {
	t.Helper()
	for _, w := range n.Weights() {
		w.Train()
		clear(w.Grad)
	}
	c := e.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	s := pass.NewSeq(1, 2, 3)
	p, err := e.BeginTaped(c, s)
	must(t, err)
	must(t, p.Run(bg, 0, 3))
	v, err := p.HeadVal("logits", 0, 1, 2)
	must(t, err)
	loss := op.CrossEntropy(c, v, []int32{4, 5, 6})
	meanwhile(c, p, s)
	must(t, tape.Backward(loss))
	var g []float32
	for _, w := range n.Weights() {
		g = append(g, w.Grad...)
	}
	return g
}

func TestGradientsDontMindWhatRunsBeforeBackward(t *testing.T) {
	n := decoder(t, tensor.F32)
	e := engine(t, n, pass.Options{})
	want := gradients(t, n, e, func(*op.Ctx, *pass.Pass, *pass.Seq) {})
	some := 0
	for _, g := range want {
		if g != 0 {
			some++
		}
	}
	if some < len(want)/2 {
		t.Fatalf("only %d of %d gradients aren't zero", some, len(want))
	}
	for what, meanwhile := range map[string]func(c *op.Ctx, p *pass.Pass, s *pass.Seq){
		"the pass's end": func(_ *op.Ctx, p *pass.Pass, _ *pass.Seq) { p.End(); p.End() },
		"other passes": func(_ *op.Ctx, p *pass.Pass, _ *pass.Seq) {
			p.End()
			for i := range 4 {
				through(t, e, pass.NewSeq(tokens(uint64(i), 30, 50)...))
			}
		},
		"another head": func(_ *op.Ctx, p *pass.Pass, _ *pass.Seq) {
			_, err := p.Logits(2, 1, 0)
			must(t, err)
		},
		"the next chunk on the tape": func(c *op.Ctx, p *pass.Pass, s *pass.Seq) {
			s.Append(tokens(1, 70, 50)...) // beyond the block of 64 that the first chunk began
			q, err := e.BeginTaped(c, s)
			must(t, err)
			must(t, q.Run(bg, 0, 3))
			q.End()
		},
		"the next chunk without a tape": func(_ *op.Ctx, _ *pass.Pass, s *pass.Seq) {
			s.Append(7, 8)
			through(t, e, s)
		},
	} {
		passtest.Same(t, "gradients after "+what, gradients(t, n, e, meanwhile), want)
	}
}

// The gradient of a later chunk, whose attention sees remembered entries as
// constants, is the slope of its loss along any direction of its input.
func TestGradientOfALaterChunk(t *testing.T) {
	n := decoder(t, tensor.F32)
	e := engine(t, n, pass.Options{})
	s := pass.NewSeq(tokens(1, 70, 50)...)
	through(t, e, s)
	s.Append(4, 5, 6)
	p := begin(t, e, s)
	saved := save(t, p, nil)
	p.End()
	run := func(x []float32) (float64, []float32) {
		c := e.NewCtx()
		tape := grad.Start(c)
		defer tape.End()
		at := saved
		at.X.Data = x
		p, err := e.ResumeTaped(c, at)
		must(t, err)
		defer p.End()
		in, _ := p.Streams(c)
		must(t, p.Run(bg, 0, 3))
		v, err := p.HeadVal("logits", 0, 1, 2)
		must(t, err)
		loss := op.CrossEntropy(c, v, []int32{5, 6, 7})
		must(t, tape.Backward(loss))
		for i := range 3 {
			must(t, s.Memory(i).Truncate(70))
		}
		return float64(c.Data(loss)[0]), slices.Clone(tape.Of(in.X))
	}
	_, g := run(saved.X.Data)
	r := rand.New(rand.NewPCG(3, 3))
	for range 5 {
		up, down := slices.Clone(saved.X.Data), slices.Clone(saved.X.Data)
		want, size := 0.0, 0.0
		for i, x := range saved.X.Data {
			d := float32(r.NormFloat64()) * max(x, -x) * 2e-3
			up[i], down[i] = x+d, x-d
			want += float64(g[i]) * float64(up[i]-down[i])
			size += math.Pow(float64(g[i])*float64(d), 2)
		}
		above, _ := run(up)
		below, _ := run(down)
		if d := math.Abs(above - below - want); d > 0.02*math.Sqrt(size) {
			t.Errorf("the loss rises by %v, and the gradient says %v (of about %v)", above-below, want, math.Sqrt(size))
		}
	}
}

// A restarted pass gives the bits of a new one, whatever its memory held, and the
// tape of the pass before may still be at work.
func TestRestartTaped(t *testing.T) {
	n := decoder(t, tensor.F32)
	e := engine(t, n, pass.Options{})
	for _, w := range n.Weights() {
		w.Train()
	}
	c := e.NewCtx()
	q := pass.NewSeq()
	q.Transient = true
	var last *pass.Pass
	begin := func(restart bool, ids []int32) op.Val {
		q.Reset()
		q.Tokens = ids
		p, err := last, error(nil)
		if restart {
			err = p.RestartTaped(c, q)
		} else {
			p, err = e.BeginTaped(c, q)
		}
		must(t, err)
		must(t, p.Run(bg, 0, 3))
		v, err := p.HeadVal("logits", 0, len(ids)-1)
		must(t, err)
		p.End()
		last = p
		return op.CrossEntropy(c, v, []int32{1, 2})
	}
	run := func(restart bool) []float32 {
		for _, w := range n.Weights() {
			clear(w.Grad)
		}
		tape := grad.Start(c)
		defer tape.End()
		a, b := begin(restart, tokens(1, 70, 50)), begin(restart, tokens(2, 9, 50))
		must(t, tape.BackwardFrom(grad.Seed{Val: b, Grad: []float32{1}}, grad.Seed{Val: a, Grad: []float32{1}}))
		var g []float32
		for _, w := range n.Weights() {
			g = append(g, w.Grad...)
		}
		return g
	}
	want := run(false)
	passtest.Same(t, "gradients of restarted passes", run(true), want)
	passtest.Same(t, "gradients of restarted passes, again", run(true), want)

	untaped, err := e.Begin(pass.NewSeq(1, 2))
	must(t, err)
	if err := untaped.RestartTaped(c, q); err == nil {
		t.Error("an untaped pass was restarted with a tape")
	}
	untaped.End()
	if err := untaped.RestartTaped(c, q); err == nil {
		t.Error("an untaped pass that has ended was restarted with a tape")
	}
}
