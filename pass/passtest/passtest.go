// Package passtest holds networks to the laws of the waist. Every network
// that implements pass.Net calls [Conform] in its tests.
package passtest

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// Case is a network with sequences to run through it.
type Case struct {
	Net pass.Net
	// Seqs makes the sequences anew, the same each time. A network that takes
	// several is given all of them in one pass, too.
	Seqs func() []*pass.Seq
	// Weights to compare gradients of; all must be trainable.
	Weights []*op.Weight
	// Head to read; "" means "logits".
	Head string
	// Steps says that a sequence may come token by token.
	Steps bool
	// Modes to test; nil: exact.
	Modes []op.Mode
}

// Conform tests the laws: spans run apart equal the whole; save and resume
// change nothing; sequences together equal each alone; identity edits change
// no bit; keeping every row equals keeping none; tokens one by one, in
// chunks and all at once agree; threads don't matter; gradients through
// spans are the gradients of the whole. All are equalities of bits.
func Conform(t *testing.T, c Case) {
	if c.Head == "" {
		c.Head = "logits"
	}
	if c.Modes == nil {
		c.Modes = []op.Mode{op.Exact}
	}
	for _, m := range c.Modes {
		t.Run(m.String(), func(t *testing.T) {
			k := checker{Case: c, mode: m, eng: pass.NewEngine(c.Net, pass.Options{Mode: m, Threads: 2})}
			defer k.eng.Close()
			want := k.whole(t, k.eng, c.Seqs())
			for name, law := range map[string]func(*testing.T, []float32){
				"spans": k.spans, "resume": k.resume, "together": k.together, "identity": k.identity,
				"keep all": k.keepAll, "steps": k.steps, "threads and tiles": k.threads,
			} {
				t.Run(name, func(t *testing.T) { law(t, want) })
			}
			t.Run("gradients", k.gradients)
		})
	}
}

type checker struct {
	Case
	mode op.Mode
	eng  *pass.Engine
}

var bg = context.Background()

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// all returns the head at every row.
func (k *checker) all(t *testing.T, p *pass.Pass) []float32 {
	t.Helper()
	rows := make([]int, len(p.Rows()))
	for i := range rows {
		rows[i] = i
	}
	x, err := p.Head(k.Head, rows...)
	must(t, err)
	return append([]float32(nil), x...)
}

func (k *checker) whole(t *testing.T, eng *pass.Engine, seqs []*pass.Seq) []float32 {
	t.Helper()
	p, err := eng.Begin(seqs...)
	must(t, err)
	defer p.End()
	must(t, p.Run(bg, 0, eng.Depth()))
	return k.all(t, p)
}

// Same fails unless a and b are the same bits.
func Same(t *testing.T, what string, a, b []float32) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%s: %d numbers, want %d", what, len(a), len(b))
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			t.Fatalf("%s: number %d is %v (%#x), want %v (%#x)", what, i, a[i], math.Float32bits(a[i]), b[i], math.Float32bits(b[i]))
		}
	}
}

func (k *checker) spans(t *testing.T, want []float32) {
	depth := k.eng.Depth()
	for cut := 0; cut <= depth; cut++ {
		p, err := k.eng.Begin(k.Seqs()...)
		must(t, err)
		must(t, p.Run(bg, 0, cut))
		must(t, p.Run(bg, cut, depth))
		Same(t, fmt.Sprint("cut at ", cut), k.all(t, p), want)
		p.End()
	}
	p, err := k.eng.Begin(k.Seqs()...)
	must(t, err)
	defer p.End()
	for i := range depth {
		must(t, p.Run(bg, i, i+1))
	}
	Same(t, "layer by layer", k.all(t, p), want)
}

func (k *checker) resume(t *testing.T, want []float32) {
	depth := k.eng.Depth()
	for cut := 0; cut <= depth; cut++ {
		p, err := k.eng.Begin(k.Seqs()...)
		must(t, err)
		must(t, p.Run(bg, 0, cut))
		s, err := p.Save(nil)
		must(t, err)
		p.End()
		q, err := k.eng.Resume(s)
		must(t, err)
		must(t, q.Run(bg, cut, depth))
		Same(t, fmt.Sprint("resumed at ", cut), k.all(t, q), want)
		q.End()
	}
}

func (k *checker) together(t *testing.T, want []float32) {
	var apart []float32
	for i := range k.Seqs() {
		apart = append(apart, k.whole(t, k.eng, k.Seqs()[i:i+1])...)
	}
	Same(t, "each alone", apart, want)
}

func (k *checker) identity(t *testing.T, want []float32) {
	for _, site := range pass.Sites {
		seqs := k.Seqs()
		offered := false
		for _, l := range k.Net.Layers() {
			for _, s := range l.Sites {
				offered = offered || s == site.Site
			}
		}
		if !offered || !site.Edit {
			continue
		}
		calls := 0
		must(t, seqs[0].Edit(site.Name, func(c *op.Ctx, at pass.At, x op.Val) op.Val { calls++; return x }))
		if len(seqs) > 1 { // a copy with the same numbers is no change either
			must(t, seqs[1].Edit(site.Name, func(c *op.Ctx, at pass.At, x op.Val) op.Val {
				y := c.Out(c.Shape(x))
				copy(c.Data(y), c.Data(x))
				return y
			}))
		}
		must(t, seqs[0].Watch(site.Name, func(at pass.At, x []float32) { calls++ }))
		Same(t, "identity at "+site.Name, k.whole(t, k.eng, seqs), want)
		if calls == 0 {
			t.Errorf("site %s is offered and was never passed", site.Name)
		}
	}
}

func (k *checker) keepAll(t *testing.T, want []float32) {
	depth := k.eng.Depth()
	for _, pos := range []pass.Positions{pass.Original, pass.Compact} {
		for cut := 0; cut <= depth; cut++ {
			p, err := k.eng.Begin(k.Seqs()...)
			must(t, err)
			must(t, p.Run(bg, 0, cut))
			rows := make([]int, len(p.Rows()))
			for i := range rows {
				rows[i] = i
			}
			must(t, p.Keep(rows, pos))
			must(t, p.Run(bg, cut, depth))
			Same(t, fmt.Sprint("all kept at ", cut), k.all(t, p), want)
			p.End()
		}
	}
}

func (k *checker) steps(t *testing.T, want []float32) {
	if !k.Steps {
		t.Skip("not a network that takes tokens one by one")
	}
	for _, chunk := range []int{1, 2, 3} {
		var got []float32
		for _, full := range k.Seqs() {
			q := &pass.Seq{KV: full.KV}
			for at := 0; at < len(full.Tokens); at += chunk {
				q.Append(full.Tokens[at:min(at+chunk, len(full.Tokens))]...)
				got = append(got, k.whole(t, k.eng, []*pass.Seq{q})...)
			}
		}
		Same(t, fmt.Sprint("in chunks of ", chunk), got, want)
	}
}

func (k *checker) threads(t *testing.T, want []float32) {
	for _, o := range []pass.Options{{Threads: 1}, {Threads: 3}, {Threads: 8}, {Threads: 2, Tile: 1}, {Threads: 1, Tile: 3}} {
		o.Mode = k.mode
		eng := pass.NewEngine(k.Net, o)
		Same(t, fmt.Sprintf("threads %d, tile %d", o.Threads, o.Tile), k.whole(t, eng, k.Seqs()), want)
		eng.Close()
	}
}

// loss is the cross-entropy of the head at every row with targets that
// depend on the row only.
func (k *checker) loss(t *testing.T, c *op.Ctx, p *pass.Pass) op.Val {
	t.Helper()
	rows := make([]int, len(p.Rows()))
	for i := range rows {
		rows[i] = i
	}
	v, err := p.HeadVal(k.Head, rows...)
	must(t, err)
	targets := make([]int32, len(rows))
	for i := range targets {
		targets[i] = int32(i*7+3) % int32(c.Shape(v).Width())
	}
	return op.CrossEntropy(c, v, targets)
}

func (k *checker) takeGrads() []float32 {
	var g []float32
	for _, w := range k.Weights {
		g = append(g, w.Grad...)
		clear(w.Grad)
	}
	return g
}

func (k *checker) gradients(t *testing.T) {
	if len(k.Weights) == 0 {
		t.Skip("no weights to train")
	}
	for _, w := range k.Weights {
		w.Train()
		clear(w.Grad)
	}
	depth := k.eng.Depth()
	c := k.eng.NewCtx()
	tape := grad.Start(c)
	p, err := k.eng.BeginTaped(c, k.Seqs()...)
	must(t, err)
	must(t, p.Run(bg, 0, depth))
	must(t, tape.Backward(k.loss(t, c, p)))
	p.End()
	tape.End()
	want := k.takeGrads()
	zero := 0
	for _, g := range want {
		if g == 0 {
			zero++
		}
	}
	if zero == len(want) {
		t.Fatal("every gradient is zero")
	}
	for cut := 0; cut <= depth; cut++ {
		k.cutGradients(t, cut)
		Same(t, fmt.Sprint("gradients cut at ", cut), k.takeGrads(), want)
	}
}

// cutGradients runs the network as two spans, each on a tape of its own.
func (k *checker) cutGradients(t *testing.T, cut int) {
	lower := k.eng.NewCtx()
	lt := grad.Start(lower)
	p, err := k.eng.BeginTaped(lower, k.Seqs()...)
	must(t, err)
	must(t, p.Run(bg, 0, cut))
	saved, err := p.Save(nil)
	must(t, err)
	saved.Seqs = k.Seqs() // memories of its own: the upper span's layers are others
	outX, outSide := p.Streams(lower)

	upper := k.eng.NewCtx()
	ut := grad.Start(upper)
	u, err := k.eng.ResumeTaped(upper, saved)
	must(t, err)
	inX, inSide := u.Streams(upper)
	must(t, u.Run(bg, cut, k.eng.Depth()))
	must(t, ut.Backward(k.loss(t, upper, u)))

	seeds := []grad.Seed{{Val: outX.X, Grad: ut.Into(inX.X)}}
	for key, s := range outSide {
		seeds = append(seeds, grad.Seed{Val: s.X, Grad: ut.Into(inSide[key].X)})
	}
	if err := lt.BackwardFrom(seeds...); err != nil && cut > 0 {
		t.Fatal(err)
	}
	p.End()
	u.End()
	lt.End()
	ut.End()
}

// Allocs returns how often f allocates on the heap, the least of three calls
// after a first one: the runtime itself allocates now and then when a thread
// goes to sleep, and what f allocates, it allocates each time.
func Allocs(f func()) float64 {
	least := math.Inf(1)
	for range 3 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}
