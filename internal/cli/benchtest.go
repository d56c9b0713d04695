package cli

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// benchTest is a test: tokens to pass after depth others, all at once or, to
// generate, one by one.
type benchTest struct {
	name   string
	tokens int
	depth  int
	gen    bool // one by one
	all    bool // the logits of every token, not of the last one
	loops  int  // times that a run does it: short ones are hard to time
	kv     pass.KVKind
}

// benchCache reads a --cache, of which bench takes the type of keys and values
// alone: it goes back to where it was after each test, and methods forget.
func benchCache(s string) (pass.KVKind, error) {
	_, m, err := parseCache(s)
	if err != nil || m == nil {
		return pass.KVByMode, err
	}
	if k, ok := m.(keep.Stored); ok && k.Method == nil {
		return k.KV, nil
	}
	return 0, usage("give full:kv=q8, or f16 or f32", "--cache %s: bench measures a type of keys and values, and no method", quoted(s))
}

func (c *call) benchTests() ([]benchTest, error) {
	prompts, err := parseList("prompt", c.set.prompts, 0, 1<<20)
	if err != nil {
		return nil, err
	}
	depths, err := parseList("depth", c.set.depths, 0, 1<<20)
	if err != nil {
		return nil, err
	}
	rows, err := parseList("rows", c.set.rows, 0, 1<<20)
	if err != nil {
		return nil, err
	}
	var tests []benchTest
	for _, n := range prompts {
		if n > 0 {
			tests = append(tests, benchTest{name: fmt.Sprint("pp", n), tokens: n, loops: 1})
		}
	}
	for _, d := range depths {
		at := ""
		if d > 0 {
			at = fmt.Sprint("@d", d)
		}
		if n := c.set.gen; n > 0 {
			tests = append(tests, benchTest{name: fmt.Sprint("tg", n) + at, tokens: n, depth: d, gen: true, loops: 1})
		}
		for _, n := range rows {
			if n > 0 {
				tests = append(tests, benchTest{name: fmt.Sprint("rows", n) + at, tokens: n, depth: d, all: true, loops: 1 + 63/n})
			}
		}
	}
	if len(tests) == 0 {
		return nil, usage("give --prompt N or --gen N above 0", "nothing to measure")
	}
	return tests, nil
}

func (c *call) measure(ctx context.Context, eng *pass.Engine, m *model, t benchTest, profile *op.Profile, l *limits) (benchRow, error) {
	row := benchRow{Test: t.name, Repeat: c.set.repeat, Threads: eng.Threads(), Kernels: cpu.Kernels().String()}
	stop := c.working("measuring %s", t.name)
	defer stop()
	rng := rand.New(rand.NewPCG(c.set.seed, uint64(t.depth+t.tokens)))
	ids := make([]int32, t.depth+t.tokens)
	for i := range ids {
		ids[i] = int32(rng.IntN(m.config().Vocabulary))
	}
	r, err := newBenchRun(ctx, eng, t, ids)
	if err != nil {
		return row, err
	}
	defer r.end()
	var rates []float64
	for i := range c.set.repeat + 1 {
		if i == 1 && profile != nil {
			profile.Start()
		}
		var took time.Duration
		for range t.loops {
			if err := r.rewind(); err != nil {
				return row, err
			}
			if profile != nil {
				profile.Mark()
			}
			start := time.Now()
			if err := r.once(ctx, i == 0); err != nil {
				return row, err
			}
			took += time.Since(start)
		}
		if i > 0 { // the first run maps pages and wakes threads
			rates = append(rates, rate(t.loops*t.tokens, took))
		}
	}
	row.Mean, row.SD = meanSD(rates)
	if profile != nil {
		row.ByOp = byOp(profile, l, c.set.repeat*t.loops)
	}
	return row, nil
}

// benchRun is a test at work: a sequence that has read the tokens before it,
// and one pass for all runs, as in generation.
type benchRun struct {
	benchTest
	eng   *pass.Engine
	seq   *pass.Seq
	p     *pass.Pass
	ids   []int32 // the test's own
	rows  []int   // whose logits are wanted
	marks []pass.Mark
}

func newBenchRun(ctx context.Context, eng *pass.Engine, t benchTest, ids []int32) (*benchRun, error) {
	r := &benchRun{benchTest: t, eng: eng, seq: pass.NewSeq(ids[:t.depth]...), ids: ids[t.depth:], rows: []int{-1}}
	r.seq.KV = t.kv
	r.seq.Reserve(len(ids))
	if t.all {
		r.rows = r.rows[:0]
		for i := range t.tokens {
			r.rows = append(r.rows, i)
		}
	}
	if t.depth == 0 {
		return r, nil
	}
	if err := r.run(ctx); err != nil {
		r.end()
		return nil, err
	}
	for l := range eng.Depth() {
		r.marks = append(r.marks, r.seq.Memory(l).Snapshot())
	}
	return r, nil
}

// run takes what is new in the sequence through the network.
func (r *benchRun) run(ctx context.Context) (err error) {
	if r.p == nil {
		r.p, err = r.eng.Begin(r.seq)
	} else {
		err = r.p.Restart(r.seq)
	}
	if err != nil {
		return err
	}
	return r.p.Run(ctx, 0, r.eng.Depth())
}

// once runs the test; to warm up, the beginning of a long prompt will do.
func (r *benchRun) once(ctx context.Context, warm bool) error {
	if !r.gen {
		n := len(r.ids)
		if warm && !r.all {
			n = min(n, 512)
		}
		return r.step(ctx, r.ids[:n]...)
	}
	for _, id := range r.ids {
		if err := r.step(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// step passes some tokens, and looks at logits as a sampler would.
func (r *benchRun) step(ctx context.Context, ids ...int32) error {
	r.seq.Append(ids...)
	if err := r.run(ctx); err != nil {
		return err
	}
	logits, err := r.p.Logits(r.rows...)
	if err == nil {
		lm.Argmax(logits)
	}
	return err
}

// rewind forgets the test's tokens. Without any before them it takes a new
// sequence, whose memory grows as that of a prompt does.
func (r *benchRun) rewind() error {
	if r.depth == 0 {
		r.end()
		r.p, r.seq = nil, nil
		runtime.GC() // the memory of one run at a time
		r.seq = pass.NewSeq()
		r.seq.KV = r.kv
		r.seq.Reserve(len(r.ids))
		return nil
	}
	for l, mark := range r.marks {
		if err := r.seq.Memory(l).Restore(mark); err != nil {
			return err
		}
	}
	r.seq.SetNext(r.depth)
	return nil
}

func (r *benchRun) end() {
	if r.p != nil {
		r.p.End()
	}
}

// meanSD is the mean and the sample standard deviation.
func meanSD(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	if len(x) < 2 {
		return mean, 0
	}
	for _, v := range x {
		sd += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(sd / float64(len(x)-1))
}
