package pass_test

import (
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// A watcher of gradients changes no bit of the others, is called for its own rows,
// and sees through frozen, quantised weights.
func TestWatchGradient(t *testing.T) {
	n := decoder(t, tensor.Q4_0)
	e := engine(t, n, pass.Options{})
	run := func(watch bool) (logits []float32, entries int, seen map[string][]float32) {
		seqs := raggedSeqs()
		seen = map[string][]float32{}
		if watch {
			for _, site := range []string{"attn.q", "1.resid_post", "mlp.post"} {
				must(t, seqs[2].WatchGradient(site, func(at pass.At, d []float32) {
					if len(at.Rows) != 71 || at.Rows[0].Seq != 2 || len(d) != 71*at.Width {
						t.Errorf("called for %d rows of sequence %d with %d numbers", len(at.Rows), at.Rows[0].Seq, len(d))
					}
					seen[string(rune('0'+at.Layer))+"."+at.Site.String()] = slices.Clone(d)
				}))
			}
		}
		c := e.NewCtx()
		tape := grad.Start(c)
		defer tape.End()
		p, err := e.BeginTaped(c, seqs...)
		must(t, err)
		defer p.End()
		must(t, p.Run(bg, 0, 3))
		v, err := p.HeadVal("logits", -1)
		must(t, err)
		logits, entries = slices.Clone(c.Data(v)), tape.Len()
		loss := op.CrossEntropy(c, v, []int32{4})
		if err := tape.Backward(loss); watch == (err != nil) { // nothing else wants one
			t.Errorf("watched %v: %v", watch, err)
		}
		return logits, entries, seen
	}
	plain, entries, _ := run(false)
	if entries != 0 {
		t.Errorf("a frozen network that nobody watches records %d ops", entries)
	}
	watched, _, seen := run(true)
	passtest.Same(t, "logits", watched, plain)
	if len(seen) != 7 {
		t.Errorf("saw %d sites, want 3 layers' of two and one", len(seen))
	}
	for name, d := range seen {
		if !slices.ContainsFunc(d, func(x float32) bool { return x != 0 }) {
			t.Errorf("the gradient at %s is zero", name)
		}
	}
}

// Passes that serve don't call a watcher of gradients, and don't pay for it.
func TestWatchGradientWithoutTape(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{Threads: 1})
	q := pass.NewSeq(1, 2, 3)
	want := through(t, e, pass.NewSeq(1, 2, 3))
	must(t, q.WatchGradient("resid_mid", func(pass.At, []float32) { t.Error("called") }))
	passtest.Same(t, "logits", through(t, e, q), want)
	wantError(t, q.WatchGradient("attn.pattern_last", nil), "no gradient goes through")
	wantError(t, q.WatchGradient("attn.x", nil), "no such site")
	must(t, q.WatchGradient("7.attn.q", nil))
	_, err := e.Begin(q)
	wantError(t, err, "site 7.attn.q: the network has 3 layers")
}
