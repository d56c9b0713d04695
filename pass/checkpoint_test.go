package pass_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// learn runs sequences in spans of layers (0: without checkpoints), and returns
// the output, the gradients of the weights, and what the tape's context takes.
func learn(t *testing.T, e *pass.Engine, all []*op.Weight, seqs []*pass.Seq, span int, before func()) (x, g []float32, room int64) {
	t.Helper()
	for _, w := range all {
		w.Train()
		clear(w.Grad)
	}
	c := e.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	p, err := e.BeginTaped(c, seqs...)
	must(t, err)
	defer p.End()
	for at, to := 0, 0; at < e.Depth(); at = to {
		to = e.Depth()
		if span > 0 {
			to = min(at+span, to)
			must(t, p.RunCheckpointed(bg, at, to))
		} else {
			must(t, p.Run(bg, at, to))
		}
	}
	y, _ := p.Streams(c)
	x = slices.Clone(c.Data(y.X))
	d := make([]float32, len(x))
	for i := range d {
		d[i] = float32(i%7) - 2.5
	}
	if before != nil {
		before()
	}
	must(t, tape.BackwardFrom(grad.Seed{Val: y.X, Grad: d}))
	for _, w := range all {
		g = append(g, w.Grad...)
	}
	return x, g, c.Bytes()
}

// Every kind of network learns the same bits in spans of any length, for any
// number of threads, whatever happens to its sequences before the backward pass.
func TestRunCheckpointed(t *testing.T) {
	dec, enc, images, rec := decoder(t, tensor.F32), newEncdec(), newUnet(), newRecurrent()
	image := func(by float32) *pass.Seq {
		x := make([]float32, 32)
		for i := range x {
			x[i] = by * float32(i%5)
		}
		return &pass.Seq{Input: x}
	}
	for _, k := range []struct {
		name string
		net  pass.Net
		all  []*op.Weight
		seqs func() []*pass.Seq
	}{
		{"decoder", dec, dec.Weights(), raggedSeqs},
		{"encoder and decoder", enc, enc.all, func() []*pass.Seq {
			return []*pass.Seq{{Tokens: []int32{1, 2, 3}, Target: []int32{4, 5}}, {Tokens: []int32{6, 7}, Target: []int32{8, 9, 10}}}
		}},
		{"unet", images, images.all, func() []*pass.Seq { return []*pass.Seq{image(0.1), image(-0.2)} }},
		{"recurrent", rec, rec.all, func() []*pass.Seq {
			return []*pass.Seq{pass.NewSeq(1, 2, 3, 4), pass.NewSeq(5)}
		}},
	} {
		wantX, wantG, _ := learn(t, engine(t, k.net, pass.Options{Threads: 1}), k.all, k.seqs(), 0, nil)
		for threads := 1; threads <= 3; threads++ {
			e := engine(t, k.net, pass.Options{Threads: threads})
			for span := 1; span <= e.Depth(); span++ {
				what := fmt.Sprintf("%s, spans of %d, %d threads", k.name, span, threads)
				seqs := k.seqs()
				seen, edits := 0, 0
				hook := func() {
					must(t, seqs[0].Watch("resid_pre", func(pass.At, []float32) { seen++ }))
					must(t, seqs[0].Edit("resid_pre", func(c *op.Ctx, _ pass.At, x op.Val) op.Val {
						edits++
						return x
					}))
				}
				hook()
				x, g, _ := learn(t, e, k.all, seqs, span, func() {
					for _, q := range seqs {
						q.Unhook()
					}
					if seqs[0].Input == nil && seqs[0].Target == nil {
						seqs[0].Append(3)
						through(t, e, seqs[0]) // the memory grows
					}
				})
				passtest.Same(t, "output of "+what, x, wantX)
				passtest.Same(t, "gradients of "+what, g, wantG)
				if edits != 2*seen || seen == 0 {
					t.Errorf("%s: watched %d times and edited %d times, want twice as often", what, seen, edits)
				}
			}
		}
	}
}

// In spans of the root of the depth, a deep network learns in less memory.
func TestCheckpointedMemory(t *testing.T) {
	n := newRecurrent()
	deep := altered{Net: n, layer: func(c *op.Ctx, i int, s *pass.State) error {
		s.X = n.block(c, "rec", s.X)
		return c.Err()
	}}
	n.add("rec.up", 64, rWidth)
	n.add("rec.down", rWidth, 64)
	for i := range 64 {
		deep.infos = append(deep.infos, pass.LayerInfo{Name: fmt.Sprint("rec.", i), Width: rWidth, Rowwise: true})
	}
	e := engine(t, deep, pass.Options{Threads: 1})
	seqs := func() []*pass.Seq { return []*pass.Seq{pass.NewSeq(tokens(3, 300, 16)...)} }
	_, want, whole := learn(t, e, n.all, seqs(), 0, nil)
	_, got, room := learn(t, e, n.all, seqs(), 8, nil)
	passtest.Same(t, "gradients", got, want)
	t.Logf("64 layers take %d KiB, and %d KiB in spans of 8", whole>>10, room>>10)
	if room > whole/3 {
		t.Errorf("spans take %d bytes, the whole %d", room, whole)
	}
}

func TestCheckpointedLimits(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	q := pass.NewSeq(1, 2)
	p := begin(t, e, q)
	must(t, p.RunCheckpointed(bg, 0, 3)) // without a tape: Run
	p.End()
	q.Append(3)
	c := e.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	p, err := e.BeginTaped(c, q)
	must(t, err)
	err = p.RunCheckpointed(bg, 0, 1)
	wantError(t, err, "layer 0 holds entries of an earlier pass")
	if !errors.Is(err, pass.ErrMemory) {
		t.Errorf("%v isn't ErrMemory", err)
	}
	if err := p.RunCheckpointed(bg, 1, 2); !errors.Is(err, pass.ErrBoundary) {
		t.Errorf("another boundary: %v", err)
	}
	p.End()
	ended, cancel := context.WithCancel(bg)
	cancel()
	p, err = e.BeginTaped(c, pass.NewSeq(1, 2))
	must(t, err)
	if err := p.RunCheckpointed(ended, 0, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	if err := p.RunCheckpointed(bg, 0, 2); !errors.Is(err, pass.ErrEnded) {
		t.Errorf("after that: %v", err)
	}
}
