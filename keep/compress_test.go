package keep_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/baseline"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/keep/h2o"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/keep/streaming"
	"github.com/micaml/mica/keep/tova"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
)

// With room for every token no method changes a bit.
func TestRoomForAllIsFullAttention(t *testing.T) {
	inEachMode(t, func(t *testing.T, e *pass.Engine) {
		const n, steps = 70, 6
		ids := tokens(1, n)
		full := pass.NewSeq(ids...)
		want := generate(t, e, full, steps, nil)
		for _, budget := range []int{n, n + 1, n + steps, 10 * n} {
			for _, m := range methods(budget) {
				if m.steps && budget < n+steps {
					continue
				}
				s, _ := compress(t, e, m.m, ids)
				passtest.Same(t, fmt.Sprint(m.name, " of ", budget), generate(t, e, s, steps, nil), want)
				if got, want := entries(t, s), entries(t, full); got != want {
					t.Errorf("%s of %d: entries\n%s, want\n%s", m.name, budget, got, want)
				}
			}
		}
	})
}

// Every layer and head keeps what the budget says, in order, the newest
// among it; and goes on so. Less memory is held, in fact and on paper.
func TestBudgetIsKept(t *testing.T) {
	inEachMode(t, func(t *testing.T, e *pass.Engine) {
		const n, budget, steps = 700, 60, 80
		ids := tokens(2, n)
		full := pass.NewSeq(ids...)
		logits := run(t, e, full)
		for _, m := range methods(budget) {
			s, c := compress(t, e, m.m, ids)
			s.Reserve(1000) // must not bring back what compression frees
			// The prompt itself is read with all there is.
			passtest.Same(t, m.name, run(t, e, s), logits)
			total := check(t, m, s, n, budget)
			rep := c.Report()
			if rep.Before != (keep.Size{Entries: n * kvs * layers, Bytes: full.Bytes()}) ||
				rep.After != (keep.Size{Entries: total, Bytes: s.Bytes()}) || rep.Heads != m.heads*layers {
				t.Errorf("%s: report %+v; %d entries and %d bytes are left of %d bytes", m.name, rep, total, s.Bytes(), full.Bytes())
			}
			// A block holds 64 entries, so 60 take one: 700 take eleven.
			if want := full.Bytes() * int64(m.heads) / (11 * kvs); m.name != "pyramid" && s.Bytes() != want {
				t.Errorf("%s: %d bytes, want %d", m.name, s.Bytes(), want)
			}
			most := s.Bytes()
			for i := range steps {
				s.Append(ids[i])
				run(t, e, s)
				if m.steps {
					check(t, m, s, n+i+1, budget)
					// One block more a head is room for the entry that comes.
					if s.Bytes() > 2*most {
						t.Fatalf("%s: %d bytes after %d steps, and %d after the prompt", m.name, s.Bytes(), i+1, most)
					}
				}
			}
			if !m.steps {
				if got := kv(t, s, 1).Len(0); m.name != "pyramid" && got != budget+steps {
					t.Errorf("%s: %d entries after %d steps", m.name, got, steps)
				}
				if s.Bytes() > 3*most {
					t.Errorf("%s: %d bytes after %d steps, and %d after the prompt", m.name, s.Bytes(), steps, most)
				}
			}
			if s.Next() != n+steps {
				t.Errorf("%s: the next position is %d", m.name, s.Next())
			}
		}
	})
}

// check looks at what is kept after n tokens.
func check(t *testing.T, m method, s *pass.Seq, n, budget int) (total int) {
	t.Helper()
	for i := range layers {
		mem := kv(t, s, i)
		if mem.Heads() != m.heads {
			t.Fatalf("%s: layer %d has %d heads, want %d", m.name, i, mem.Heads(), m.heads)
		}
		for h := range mem.Heads() {
			at := mem.Positions(h)
			total += len(at)
			if m.name != "pyramid" && len(at) != budget {
				t.Fatalf("%s: layer %d head %d keeps %d, want %d", m.name, i, h, len(at), budget)
			}
			if !slices.IsSorted(at) || len(slices.Compact(slices.Clone(at))) != len(at) || at[0] < 0 {
				t.Fatalf("%s: layer %d head %d keeps %v", m.name, i, h, at)
			}
			for j := range m.last {
				if got := at[len(at)-1-j]; int(got) != n-1-j {
					t.Fatalf("%s: layer %d head %d keeps %v, without the last %d of %d", m.name, i, h, at, m.last, n)
				}
			}
		}
	}
	return total
}

// What is computed depends on the sequence alone: not on threads, tiles or
// how the prompt was cut into passes.
func TestCompressionSameBits(t *testing.T) {
	const n, budget, steps = 150, 40, 8
	ids := tokens(3, n)
	for i, mode := range []op.Mode{op.Exact, op.Fast, op.Fast} {
		net, kv := network(t), kinds[i/2]
		for _, m := range methods(budget) {
			var want []float32
			var kept string
			for _, o := range []pass.Options{{Threads: 1}, {Threads: 3}, {Threads: 2, Tile: 1}, {Threads: 1, Tile: 7}, {Threads: 8, Tile: 64}} {
				o.Mode, o.KV = mode, kv
				e := pass.NewEngine(net, o)
				for _, chunk := range []int{n, 1, 33, 147} {
					s := pass.NewSeq()
					_, err := keep.Compress(e, s, n, m.m)
					must(t, err)
					for at := 0; at+chunk < n; at += chunk {
						s.Append(ids[at : at+chunk]...)
						run(t, e, s)
					}
					s.Append(ids[len(s.Tokens):]...)
					got := generate(t, e, s, steps, nil)
					if want == nil {
						want, kept = got, entries(t, s)
					}
					passtest.Same(t, fmt.Sprintf("%v %s, threads %d, tile %d, chunks of %d", mode, m.name, o.Threads, o.Tile, chunk), got, want)
					if entries(t, s) != kept {
						t.Errorf("%v %s, chunks of %d: other entries", mode, m.name, chunk)
					}
				}
				e.Close()
			}
		}
	}
}

// Attention goes on with exactly the entries that were kept: the same as if
// they were cut by hand from the memory of the whole prompt.
func TestStepsSeeWhatWasKept(t *testing.T) {
	inEachMode(t, func(t *testing.T, e *pass.Engine) {
		const n, budget, steps = 200, 50, 5
		ids := tokens(4, n)
		for _, m := range methods(budget) {
			if m.steps {
				continue
			}
			s, _ := compress(t, e, m.m, ids)
			run(t, e, s)
			hand := pass.NewSeq(ids...)
			run(t, e, hand)
			for i := range layers {
				from, to := kv(t, s, i), kv(t, hand, i)
				if m.heads == queries {
					to.PerQuery(queries)
				}
				for h := range from.Heads() {
					idx := make([]int, from.Len(h))
					for j, p := range from.Positions(h) {
						idx[j] = int(p)
					}
					must(t, to.Keep(h, idx))
				}
			}
			s.Append(5)
			hand.Append(5)
			passtest.Same(t, m.name, generate(t, e, s, steps, nil), generate(t, e, hand, steps, nil))
		}
	})
}

// Sequences of one pass don't touch each other.
func TestCompressionInABatch(t *testing.T) {
	inEachMode(t, func(t *testing.T, e *pass.Engine) {
		const steps = 4
		ms := methods(30)
		prompts := func(i int) []int32 { return tokens(uint64(i), 50+17*i) }
		next := func(i, step int) int32 { return int32((7*i + step) % 60) }
		var want [][]float32
		for i, m := range ms {
			s, _ := compress(t, e, m.m, prompts(i))
			all := run(t, e, s)
			for j := range steps {
				s.Append(next(i, j))
				all = append(all, run(t, e, s)...)
			}
			want = append(want, all)
		}
		seqs := make([]*pass.Seq, len(ms))
		for i, m := range ms {
			seqs[i], _ = compress(t, e, m.m, prompts(i))
		}
		got := make([][]float32, len(ms))
		for j := 0; ; j++ {
			p, err := e.Begin(seqs...)
			must(t, err)
			must(t, p.Run(bg, 0, 1)) // in spans, too
			must(t, p.Run(bg, 1, e.Depth()))
			for i := range ms {
				row := -1
				for r, x := range p.Rows() {
					if int(x.Seq) == i {
						row = r
					}
				}
				x, err := p.Logits(row)
				must(t, err)
				got[i] = append(got[i], x...)
			}
			p.End()
			if j == steps {
				break
			}
			for i := range seqs {
				seqs[i].Append(next(i, j))
			}
		}
		for i, m := range ms {
			passtest.Same(t, m.name, got[i], want[i])
		}
	})
}

// stopper ends a context when a layer is reached.
type stopper struct {
	*lm.Decoder
	at   int
	stop context.CancelFunc
}

func (n *stopper) Layer(c *op.Ctx, i int, s *pass.State) error {
	if i == n.at && n.stop != nil {
		n.stop()
	}
	return n.Decoder.Layer(c, i, s)
}

// What was stopped half-way, prompt or step, can be run again.
func TestStoppedPassIsRunAgain(t *testing.T) {
	const n, steps = 150, 5
	ids := tokens(5, n)
	for i, m := range append(methods(40), methods(40)...) {
		net := &stopper{Decoder: network(t), at: 1}
		e := engine(t, net, pass.Options{Mode: op.Fast, Threads: 1, Tile: 64, KV: kinds[i/len(methods(40))]})
		undisturbed, _ := compress(t, e, m.m, ids)
		want := generate(t, e, undisturbed, steps, nil)
		for _, first := range []int{n, 141} { // at once, or the last 9 tokens apart
			s := pass.NewSeq(ids[:first]...)
			_, err := keep.Compress(e, s, n, m.m)
			must(t, err)
			if first < n {
				run(t, e, s)
				s.Append(ids[first:]...)
			}
			stopped := func(at int) {
				net.at = at
				for range 2 {
					ctx, cancel := context.WithCancel(bg)
					net.stop = cancel
					p, err := e.Begin(s)
					must(t, err)
					if err := p.Run(ctx, 0, layers); !errors.Is(err, context.Canceled) {
						t.Fatalf("%s: stopped: %v", m.name, err)
					}
				}
				net.stop = nil
			}
			stopped(1)
			got := run(t, e, s)
			for i, last := 0, got; i < steps; i++ {
				s.Append(lm.Argmax(last))
				stopped(i % (layers - 1))
				last = run(t, e, s)
				got = append(got, last...)
			}
			passtest.Same(t, m.name, got, want)
			if got, want := entries(t, s), entries(t, undisturbed); got != want {
				t.Errorf("%s: entries\n%s, want\n%s", m.name, got, want)
			}
		}
	}
}

// probe is a Compressor that keeps everything and lets a test look.
type probe struct {
	plan keep.Plan
	look func(l *keep.Layer) error
}

func (p probe) Plan(int) (keep.Plan, error)  { return p.plan, nil }
func (p probe) Compress(l *keep.Layer) error { return p.look(l) }

// Each query spends an attention of 1, so what the keys receive adds up to
// the number of queries.
func TestReceivedAddsUp(t *testing.T) {
	inEachMode(t, func(t *testing.T, e *pass.Engine) {
		const n, steps = 300, 3
		calls := 0
		s, _ := compress(t, e, probe{keep.Plan{Sums: true, Steps: true, Queries: 4}, func(l *keep.Layer) error {
			seen := n + calls/layers
			for q := range queries {
				sum := 0.0
				for _, x := range l.Received(q) {
					sum += float64(x)
				}
				if len(l.Received(q)) != seen || math.Abs(sum-float64(seen)) > 1e-3 {
					t.Errorf("layer %d head %d: %d keys have received %v in all, want %d", l.Index, q, len(l.Received(q)), sum, seen)
				}
			}
			p, rows, width, err := l.Attention(4)
			if err != nil || rows != 4 || width != seen {
				t.Fatalf("attention [%d, %d, %d], %v", queries, rows, width, err)
			}
			for r := range queries * rows {
				sum := 0.0
				for _, x := range p[r*width : (r+1)*width] {
					sum += float64(x)
				}
				if math.Abs(sum-1) > 1e-4 {
					t.Errorf("layer %d row %d: probabilities add up to %v", l.Index, r, sum)
				}
			}
			if l.Step != (calls >= layers) || l.Prompt != n || l.Depth != layers || l.Index != calls%layers {
				t.Errorf("call %d: %+v", calls, l)
			}
			calls++
			return nil
		}}, tokens(6, n))
		generate(t, e, s, steps, nil)
		if calls != layers*(1+steps) {
			t.Errorf("%d calls", calls)
		}
	})
}

// Streaming keeps what it says, step by step.
func TestStreamingEntries(t *testing.T) {
	e := engine(t, network(t), pass.Options{Threads: 1})
	s, _ := compress(t, e, streaming.Method{Budget: 7, Sinks: 3}, tokens(7, 20))
	at := func() string { return fmt.Sprint(kv(t, s, 2).Positions(1)) }
	run(t, e, s)
	if got := at(); got != "[0 1 2 16 17 18 19]" {
		t.Errorf("after the prompt %s", got)
	}
	generate(t, e, func() *pass.Seq { s.Append(1); return s }(), 2, nil)
	if got := at(); got != "[0 1 2 19 20 21 22]" {
		t.Errorf("three tokens later %s", got)
	}
}

// One seed is one draw; another seed, layer or head is another.
func TestRandomDraws(t *testing.T) {
	e := engine(t, network(t), pass.Options{Threads: 1})
	draw := func(seed uint64) string {
		s, _ := compress(t, e, baseline.RandomCache{Budget: 40, Window: 4, Seed: seed}, tokens(8, 200))
		run(t, e, s)
		return entries(t, s)
	}
	if draw(1) != draw(1) {
		t.Error("one seed, two draws")
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(draw(1)+draw(2)), "\n") {
		_, at, _ := strings.Cut(line, "[")
		seen[at] = true
	}
	if len(seen) != 2*layers*kvs {
		t.Errorf("%d draws for 2 seeds in %d heads", len(seen), layers*kvs)
	}
}

// All heads of a layer keep the same with TOVA; with SnapKV per query head
// they don't.
func TestHeadsTogetherOrApart(t *testing.T) {
	e := engine(t, network(t), pass.Options{Threads: 1})
	same := func(m keep.Compressor) bool {
		s, _ := compress(t, e, m, tokens(8, 200))
		generate(t, e, s, 5, nil)
		for i := range layers {
			for h := range kv(t, s, i).Heads() {
				if !slices.Equal(kv(t, s, i).Positions(h), kv(t, s, i).Positions(0)) {
					return false
				}
			}
		}
		return true
	}
	if !same(tova.Method{Budget: 30}) {
		t.Error("tova: heads keep different entries")
	}
	if same(snapkv.Method{Budget: 30, Window: 8, PerQuery: true}) {
		t.Error("snapkv: all query heads keep the same entries")
	}
}

// A selection makes a prompt of its own, which may then be compressed.
func TestSelectThenCompress(t *testing.T) {
	inEachMode(t, func(t *testing.T, e *pass.Engine) {
		long := pass.NewSeq(tokens(9, 400)...)
		sel, err := gemfilter.Filter{Layer: 1, Keep: 120}.Select(bg, e, long)
		must(t, err)
		short := long.Select(sel.Kept)
		want := generate(t, e, short, 4, nil)
		m := snapkv.Method{Budget: 120, Window: 8}
		s, _ := compress(t, e, m, long.Select(sel.Kept).Tokens)
		passtest.Same(t, "room for all that was selected", generate(t, e, s, 4, nil), want)
		m.Budget = 40
		s, c := compress(t, e, m, long.Select(sel.Kept).Tokens)
		run(t, e, s)
		if r := c.Report(); r.Before.Entries != 120*kvs*layers || r.After.Entries != 40*kvs*layers {
			t.Errorf("report %+v", r)
		}
	})
}

// lm.Generate needs to know nothing of it.
func TestGenerateCompressed(t *testing.T) {
	inEachMode(t, func(t *testing.T, e *pass.Engine) {
		for _, m := range methods(40) {
			ids := tokens(10, 130)
			a, _ := compress(t, e, m.m, ids)
			generate(t, e, a, 12, nil)
			b, _ := compress(t, e, m.m, ids)
			for _, err := range lm.Generate(bg, e, b, lm.Options{Max: 12}) {
				must(t, err)
			}
			if !slices.Equal(a.Tokens, b.Tokens) {
				t.Errorf("%s: %v, want %v", m.name, b.Tokens[130:], a.Tokens[130:])
			}
		}
	})
}

// What a method keeps may be stored in another type: the same as with an engine
// that has it.
func TestStored(t *testing.T) {
	ids := tokens(12, 130)
	own := engine(t, network(t), pass.Options{Mode: op.Fast})
	eight := engine(t, network(t), pass.Options{Mode: op.Fast, KV: pass.KVQ8})
	for _, m := range append(methods(40), method{name: "all"}) {
		a, c := compress(t, own, keep.Stored{Method: m.m, KV: pass.KVQ8}, ids)
		b := pass.NewSeq(ids...)
		if m.m != nil {
			b, _ = compress(t, eight, m.m, ids)
		}
		passtest.Same(t, m.name, generate(t, own, a, 5, nil), generate(t, eight, b, 5, nil))
		if a.Bytes() != b.Bytes() || entries(t, a) != entries(t, b) || c.Report().After.Entries == 0 {
			t.Errorf("%s: %d bytes, want %d; %+v", m.name, a.Bytes(), b.Bytes(), c.Report())
		}
	}
	if _, err := keep.Compress(own, pass.NewSeq(ids...), len(ids), keep.Stored{Method: tova.Method{}}); !errors.Is(err, keep.ErrArgument) {
		t.Errorf("a method's bad settings: %v", err)
	}
}

// Ratios are of the prompt, rounded down.
func TestH2ORatio(t *testing.T) {
	e := engine(t, network(t), pass.Options{Threads: 1})
	for _, c := range []struct{ n, want int }{{159, 30}, {100, 20}, {5, 2}} {
		s, _ := compress(t, e, h2o.Method{HeavyRatio: 0.1, RecentRatio: 0.1, Steps: true}, tokens(11, c.n))
		generate(t, e, s, 3, nil)
		if got := kv(t, s, 0).Len(0); got != c.want {
			t.Errorf("a prompt of %d: %d entries, want %d", c.n, got, c.want)
		}
	}
}

func TestCompressRefuses(t *testing.T) {
	e := engine(t, network(t), pass.Options{Threads: 1})
	ok := streaming.Method{Budget: 8, Sinks: 2}
	for _, c := range []struct {
		seq    *pass.Seq
		prompt int
		want   string
		is     error
	}{
		{pass.NewSeq(), 0, "pass: no tokens to run", pass.ErrEmpty},
		{&pass.Seq{Tokens: []int32{1}, Target: []int32{2}}, 1, "keep: bad setting: a sequence of something else than tokens alone", keep.ErrArgument},
		{&pass.Seq{Input: []float32{1}}, 1, "keep: bad setting: a sequence of something else than tokens alone", keep.ErrArgument},
		{pass.NewSeq(1), -2, "keep: bad setting: a prompt of -2 tokens", keep.ErrArgument},
		{func() *pass.Seq { s := pass.NewSeq(1, 2, 3); run(t, e, s); return s }(), 3,
			"keep: bad setting: the sequence has run 3 tokens before its compression", keep.ErrArgument},
	} {
		if _, err := keep.Compress(e, c.seq, c.prompt, ok); fmt.Sprint(err) != c.want || !errors.Is(err, c.is) {
			t.Errorf("prompt %d: %v, want %s", c.prompt, err, c.want)
		}
	}
	fails := func(what string, s *pass.Seq, want string) {
		t.Helper()
		p, err := e.Begin(s)
		must(t, err)
		if err = p.Run(bg, 0, layers); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	s := pass.NewSeq(tokens(1, 12)...)
	_, err := keep.Compress(e, s, 10, ok)
	must(t, err)
	fails("a pass over the end of the prompt", s, "a prompt of 10 tokens must end where a pass ends, and this one ends at 12")
	for _, tile := range []int{0, 1} {
		e = engine(t, network(t), pass.Options{Threads: 1, Tile: tile})
		s, _ = compress(t, e, ok, tokens(1, 12))
		run(t, e, s)
		s.Append(3, 4)
		fails("two tokens", s, "needs a pass for each, and got ")
		s.Tokens = s.Tokens[:13]
		run(t, e, s) // and one is fine
	}
	s, _ = compress(t, e, ok, tokens(1, 12))
	c := e.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	if _, err := e.BeginTaped(c, s); err == nil || !strings.Contains(err.Error(), "a taped pass over a sequence with a policy") {
		t.Errorf("taped: %v", err)
	}
	s, _ = compress(t, e, probe{look: func(*keep.Layer) error { return errors.New("went wrong") }}, tokens(1, 12))
	fails("the method", s, "pass: layer 0 (dec.0): policy: went wrong")
	if s.Next() != 0 {
		t.Errorf("a failed pass took the sequence to %d", s.Next())
	}
}

// Methods whose settings leave them nothing to choose say so.
func TestBadSettings(t *testing.T) {
	e := engine(t, network(t), pass.Options{Threads: 1})
	for _, c := range []struct {
		m    keep.Compressor
		want string
	}{
		{snapkv.Method{}, "snapkv: bad setting: budget=0 must be above window=32"},
		{snapkv.Method{Budget: 8, Window: 8}, "snapkv: bad setting: budget=8 must be above window=8"},
		{snapkv.Method{Budget: 8, Window: -1}, "snapkv: bad setting: window=-1 must be at least 1"},
		{snapkv.Method{Budget: 80, Pool: 4}, "snapkv: bad setting: pool=4 must be odd and at least 1"},
		{snapkv.Method{Budget: 80, Pool: -3}, "snapkv: bad setting: pool=-3 must be odd and at least 1"},
		{h2o.Method{Budget: 32, Recent: 32}, "h2o: bad setting: budget=32 must be above recent=32"},
		{h2o.Method{Budget: 0}, "h2o: bad setting: budget=0 must be above recent=0"},
		{h2o.Method{Budget: 9, Recent: -1}, "h2o: bad setting: recent=-1 must be at least 0"},
		{h2o.Method{HeavyRatio: -0.1, RecentRatio: 0.2}, "h2o: bad setting: shares of -0.1 and 0.2 of the prompt"},
		{h2o.Method{HeavyRatio: 0.6, RecentRatio: 0.6}, "h2o: bad setting: shares of 0.6 and 0.6 of the prompt"},
		{h2o.Method{HeavyRatio: math.NaN()}, "h2o: bad setting: shares of NaN and 0 of the prompt"},
		{streaming.Method{Budget: 4, Sinks: 4}, "streaming: bad setting: budget=4 must be above sinks=4"},
		{streaming.Method{Budget: 4, Sinks: -1}, "streaming: bad setting: sinks=-1 must be at least 0"},
		{tova.Method{}, "tova: bad setting: budget=0 must be at least 1"},
		{methods(5)[10].m, "random: bad setting: budget=5 must be above window=5"},
		{methods(8)[11].m, "pyramid: snapkv: bad setting: budget=8 must be above window=8"},
	} {
		s := pass.NewSeq(1, 2, 3)
		if _, err := keep.Compress(e, s, 3, c.m); fmt.Sprint(err) != c.want || !errors.Is(err, keep.ErrArgument) {
			t.Errorf("%+v: %v, want %s", c.m, err, c.want)
		}
	}
}
