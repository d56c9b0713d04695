package mica_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/micaml/mica"
	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/store"
	"github.com/micaml/mica/tokenizer"
)

var bg = context.Background()

const question = "What is in Paris, the town of the thing?"

func load(t *testing.T, o mica.Options) *mica.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := tinymodel.Write(path); err != nil {
		t.Fatal(err)
	}
	return loadFile(t, path, o)
}

func loadFile(t *testing.T, path string, o mica.Options) *mica.Model {
	t.Helper()
	m, err := mica.Load(bg, path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// byHand is an answer made with packages lm and pass alone.
func byHand(t *testing.T, m *mica.Model, o pass.Options, seq *pass.Seq, s lm.Sampler, most int) []int32 {
	t.Helper()
	eng := pass.NewEngine(m.LM().Net, o)
	defer eng.Close()
	var ids []int32
	for id, err := range lm.Generate(bg, eng, seq, lm.Options{Max: most, Sampler: s, Stop: lm.StopAtEnd(m.LM().Tokenizer)}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

type stream = func(yield func(mica.Piece, error) bool)

// collect takes a whole answer.
func collect(t *testing.T, s stream) (ids []int32, text string) {
	t.Helper()
	for p, err := range s {
		if err != nil {
			t.Fatal(err)
		}
		if p.ID != tokenizer.None {
			ids = append(ids, p.ID)
		}
		text += p.Text
	}
	return ids, text
}

func TestGenerateIsWhatLMGives(t *testing.T) {
	for _, exact := range []bool{false, true} {
		m := load(t, mica.Options{Exact: exact, Threads: 2})
		o := pass.Options{Mode: op.Fast, Threads: 1}
		if exact {
			o.Mode = op.Exact
		}
		for _, s := range []mica.Sampler{{}, {Temperature: 1, Seed: 7}, {Temperature: 2, TopK: 50, TopP: 0.9}} {
			chat, err := m.Chat(question, mica.Message{Role: "system", Content: "Be short."})
			if err != nil {
				t.Fatal(err)
			}
			var r mica.Report
			got, text := collect(t, m.Generate(bg, question, mica.GenerateOptions{Max: 40, Sampler: s, Report: &r,
				Before: []mica.Message{{Role: "system", Content: "Be short."}}}))
			if want := byHand(t, m, o, pass.NewSeq(chat...), s, 40); !slices.Equal(got, want) {
				t.Errorf("exact %v, sampler %+v: tokens %v, want %v", exact, s, got, want)
			}
			if want := m.Text(got); text != want {
				t.Errorf("text %q, want %q", text, want)
			}
			if r.Prompt != len(chat) || r.Kept != nil || r.Layer != -1 || r.Timing.Tokens != len(got) || r.Timing.Finish != "length" || r.Bytes == 0 {
				t.Errorf("report %+v", r)
			}
			got, _ = collect(t, m.Generate(bg, question, mica.GenerateOptions{Max: 9, Sampler: s, Raw: true}))
			if want := byHand(t, m, o, pass.NewSeq(m.Tokens(question)...), s, 9); !slices.Equal(got, want) {
				t.Errorf("raw, exact %v, sampler %+v: tokens %v, want %v", exact, s, got, want)
			}
		}
	}
}

// A pass that kept everything goes on as the whole does, wherever it was
// handed over.
func TestContinueIsTheWhole(t *testing.T) {
	m := load(t, mica.Options{})
	ids, err := m.Chat(question)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []mica.Sampler{{}, {Temperature: 1, Seed: 3}} {
		for _, most := range []int{1, 2, 25} {
			o := mica.GenerateOptions{Max: most, Sampler: s}
			want, wantText := collect(t, m.Generate(bg, question, o))
			for layer := range m.Engine().Depth() + 1 {
				p, err := m.Begin(ids...)
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Run(bg, 0, layer); err != nil {
					t.Fatal(err)
				}
				var r mica.Report
				o.Report = &r
				got, text := collect(t, m.Continue(bg, p, o))
				if !slices.Equal(got, want) || text != wantText {
					t.Errorf("from layer %d: %v %q, want %v %q", layer, got, text, want, wantText)
				}
				if r.Prompt != len(ids) || r.Timing.Tokens != most || r.Timing.Finish != "length" {
					t.Errorf("from layer %d, %d tokens: report %+v", layer, most, r)
				}
			}
		}
	}
}

// What was kept on the way is kept: the same as one token at a time by hand.
func TestContinueAfterKeep(t *testing.T) {
	m := load(t, mica.Options{Exact: true})
	ids := m.Tokens(question)
	kept := []int{0, 1, 5, 9, len(ids) - 1}
	begin := func() *pass.Pass {
		p, err := m.Begin(ids...)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(bg, 0, 1); err != nil {
			t.Fatal(err)
		}
		if err := p.Keep(kept, pass.Compact); err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := begin()
	seq := p.Seqs()[0]
	var want []int32
	for from := 1; len(want) < 6; from = 0 {
		if err := p.Run(bg, from, m.Engine().Depth()); err != nil {
			t.Fatal(err)
		}
		logits, err := p.Logits(-1)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, lm.Argmax(logits))
		seq.Append(want[len(want)-1])
		if err := p.Restart(seq); err != nil {
			t.Fatal(err)
		}
	}
	p.End()
	p = begin()
	seq = p.Seqs()[0]
	got, _ := collect(t, m.Continue(bg, p, mica.GenerateOptions{Max: 6}))
	if !slices.Equal(got, want) {
		t.Errorf("tokens %v, want %v", got, want)
	}
	if lower, upper := seq.Memory(0).Len(0), seq.Memory(1).Len(0); lower != len(ids)+5 || upper != len(kept)+5 {
		t.Errorf("the layers remember %d and %d, want %d and %d", lower, upper, len(ids)+5, len(kept)+5)
	}
	if err := p.Run(bg, 0, 1); !errors.Is(err, pass.ErrEnded) {
		t.Errorf("the pass goes on: %v", err)
	}
}

func TestMethods(t *testing.T) {
	m := load(t, mica.Options{})
	filter, cache := gemfilter.Filter{Layer: 1, Keep: 24}, snapkv.Method{Budget: 12, Window: 4}
	ids, err := m.Chat(question)
	if err != nil {
		t.Fatal(err)
	}
	sel, err := filter.Select(bg, m.Engine(), pass.NewSeq(ids...))
	if err != nil {
		t.Fatal(err)
	}
	seq := pass.NewSeq(ids...).Select(sel.Kept)
	c, err := keep.Compress(m.Engine(), seq, len(seq.Tokens), cache)
	if err != nil {
		t.Fatal(err)
	}
	var want []int32
	for id, err := range lm.Generate(bg, m.Engine(), seq, lm.Options{Max: 8}) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	var r mica.Report
	got, _ := collect(t, m.Generate(bg, question, mica.GenerateOptions{Max: 8, Select: filter, Cache: cache, Report: &r}))
	if !slices.Equal(got, want) || !slices.Equal(r.Kept, sel.Kept) || r.Layer != 1 {
		t.Errorf("tokens %v, want %v; kept %v of layer %d, want %v", got, want, r.Kept, r.Layer, sel.Kept)
	}
	if a, b := r.Cache.After, c.Report().After; a != b || a.Entries != 12*r.Cache.Heads || r.Prompt != len(ids) {
		t.Errorf("report %+v, want %+v", r, c.Report())
	}
}

// ends is a model whose turn ends with a token of one's choice.
func ends(t *testing.T, at int32) *mica.Model {
	t.Helper()
	b, err := tinymodel.Encode()
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Meta.Set("tokenizer.ggml.eos_token_id", uint32(at)); err != nil {
		t.Fatal(err)
	}
	data := make([][]byte, len(f.Tensors))
	for i, x := range f.Tensors {
		data[i] = b[x.Offset : x.Offset+x.Size]
	}
	var out bytes.Buffer
	if err := gguf.Encode(&out, f, func(i int) []byte { return data[i] }); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ends.gguf")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return loadFile(t, path, mica.Options{})
}

func TestEndOfTurn(t *testing.T) {
	want, _ := collect(t, load(t, mica.Options{}).Generate(bg, question, mica.GenerateOptions{Max: 20}))
	for _, n := range []int{0, 4} {
		n = slices.Index(want, want[n]) // where the token first comes
		m := ends(t, want[n])
		var r mica.Report
		o := mica.GenerateOptions{Max: 20, Report: &r}
		got, _ := collect(t, m.Generate(bg, question, o))
		if !slices.Equal(got, want[:n]) || r.Timing.Finish != "stop" {
			t.Errorf("tokens %v, want %v; %+v", got, want[:n], r)
		}
		ids, err := m.Chat(question)
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.Begin(ids...)
		if err != nil {
			t.Fatal(err)
		}
		got, _ = collect(t, m.Continue(bg, p, o))
		if !slices.Equal(got, want[:n]) || r.Timing.Finish != "stop" || r.Timing.Tokens != n {
			t.Errorf("continued: tokens %v, want %v; %+v", got, want[:n], r)
		}
	}
}

func TestCancelInMidGeneration(t *testing.T) {
	m := load(t, mica.Options{})
	ids, err := m.Chat(question)
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("enough")
	for _, way := range []string{"generate", "continue"} {
		ctx, cancel := context.WithCancelCause(bg)
		defer cancel(nil)
		s := m.Generate(ctx, question, mica.GenerateOptions{})
		if way == "continue" {
			p, err := m.Begin(ids...)
			if err != nil {
				t.Fatal(err)
			}
			s = m.Continue(ctx, p, mica.GenerateOptions{})
		}
		var last error
		n := 0
		for _, err := range s {
			if last != nil {
				t.Fatal("something follows an error")
			}
			if last = err; err != nil {
				continue
			}
			if n++; n == 3 {
				cancel(why)
			}
		}
		if n != 3 || !errors.Is(last, why) || !strings.HasPrefix(last.Error(), "mica: ") {
			t.Errorf("%s: %d tokens, then %v", way, n, last)
		}
	}
	if got, _ := collect(t, m.Generate(bg, question, mica.GenerateOptions{Max: 2})); len(got) != 2 {
		t.Errorf("afterwards: %v", got)
	}
}

// Breaking out of a loop leaves nothing behind that runs, and Close ends the
// threads.
func TestBreakLeaksNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	m := load(t, mica.Options{Threads: 4})
	if got, _ := collect(t, m.Generate(bg, question, mica.GenerateOptions{Max: 2})); len(got) != 2 {
		t.Fatal(got)
	}
	open := runtime.NumGoroutine()
	for range 50 {
		var r mica.Report
		for _, err := range m.Generate(bg, question, mica.GenerateOptions{Report: &r}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if r.Timing.Tokens != 1 || r.Timing.Finish != "stop" {
			t.Fatalf("report %+v", r)
		}
		p, err := m.Begin(m.Tokens(question)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range m.Continue(bg, p, mica.GenerateOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if n := runtime.NumGoroutine(); n > open {
		t.Errorf("%d goroutines, were %d", n, open)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	n := runtime.NumGoroutine()
	for wait := time.Now().Add(2 * time.Second); n > before && time.Now().Before(wait); n = runtime.NumGoroutine() {
		runtime.Gosched() // one that has ended may not be counted off yet
	}
	if n > before {
		t.Errorf("%d goroutines after Close, were %d", n, before)
	}
}

func TestSeveralAtOnce(t *testing.T) {
	m := load(t, mica.Options{})
	want, _ := collect(t, m.Generate(bg, question, mica.GenerateOptions{Max: 12}))
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			var got []int32
			for p, err := range m.Generate(bg, question, mica.GenerateOptions{Max: 12}) {
				if err != nil {
					t.Error(err)
					return
				}
				if p.ID != tokenizer.None {
					got = append(got, p.ID)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("tokens %v, want %v", got, want)
			}
		})
	}
	all.Wait()
}

func TestLoadErrors(t *testing.T) {
	t.Setenv("MICA_OFFLINE", "1")
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.gguf")
	if err := os.WriteFile(broken, []byte("GGUF and then nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ref  string
		o    mica.Options
		is   error
		want []string
	}{
		{"smollm2", mica.Options{Dir: dir}, store.ErrNotFound, []string{"mica: smollm2: not found"}},
		{"smollm2", mica.Options{Dir: dir, Fetch: true}, store.ErrOffline, []string{"mica: smollm2: offline"}},
		{"nosuch", mica.Options{Dir: dir, Fetch: true}, store.ErrNotFound, []string{"mica: nosuch: "}},
		{"hf:one", mica.Options{Dir: dir, Fetch: true}, store.ErrReference, []string{"mica: hf:one: "}},
		{broken, mica.Options{Dir: dir}, nil, []string{"mica: ", broken}},
	} {
		m, err := mica.Load(bg, c.ref, c.o)
		if err == nil {
			m.Close()
			t.Errorf("%s: loaded", c.ref)
			continue
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %v", c.ref, err, c.is)
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q has no %q", c.ref, err, w)
			}
		}
	}
	e, ok := errors.AsType[*store.Error](func() error { _, err := mica.Load(bg, "smollm2", mica.Options{Dir: dir}); return err }())
	if !ok || e.Hint != "mica pull smollm2" {
		t.Errorf("the way out is %+v", e)
	}
	path := filepath.Join(dir, "tiny.gguf")
	if err := tinymodel.Write(path); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(bg)
	cancel()
	if _, err := mica.Load(ended, path, mica.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestErrors(t *testing.T) {
	m := load(t, mica.Options{})
	long := strings.Repeat("the the the the ", 10000)
	first := func(s stream) error {
		for _, err := range s {
			return err
		}
		return nil
	}
	generate := func(prompt string, o mica.GenerateOptions) error { return first(m.Generate(bg, prompt, o)) }
	two, err := m.Engine().Begin(pass.NewSeq(1), pass.NewSeq(2))
	if err != nil {
		t.Fatal(err)
	}
	ended, err := m.Begin(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	ended.End()
	_, empty := m.Begin()
	_, tooLong := m.Begin(m.Tokens(long)...)
	for i, c := range []struct {
		err  error
		is   error
		want string
	}{
		{generate("", mica.GenerateOptions{Raw: true}), mica.ErrEmpty, "mica: the prompt has no tokens"},
		{empty, mica.ErrEmpty, "mica: the prompt has no tokens"},
		{generate(long, mica.GenerateOptions{Raw: true}), mica.ErrTooLong, ", and " + m.Name() + " reads 32768"},
		{tooLong, mica.ErrTooLong, "mica: the prompt is longer than the model's context: "},
		{generate("a", mica.GenerateOptions{Raw: true, Before: []mica.Message{{Role: "system"}}}), nil,
			"mica: messages before a raw prompt: there is no chat template to put them in"},
		{generate("a", mica.GenerateOptions{Select: gemfilter.Filter{Layer: 9, Keep: 1}}), keep.ErrArgument,
			"mica: gemfilter: bad setting: layer=9, and the model has layers 0 to 1"},
		{generate("a", mica.GenerateOptions{Cache: snapkv.Method{Budget: 8}}), keep.ErrArgument,
			"mica: snapkv: bad setting: budget=8 must be above window=32"},
		{first(m.Continue(bg, two, mica.GenerateOptions{})), nil, "mica: a pass of 2 sequences goes on as one"},
		{first(m.Continue(bg, ended, mica.GenerateOptions{})), pass.ErrEnded, "mica: pass: the pass has ended"},
	} {
		if c.err == nil || c.is != nil && !errors.Is(c.err, c.is) || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("case %d: %v, want %q", i, c.err, c.want)
		}
	}
	p, err := m.Begin(1, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	p.End()
	for range 2 {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	_, chat := m.Chat("a")
	_, begin := m.Begin(1)
	for i, err := range []error{generate("a", mica.GenerateOptions{}), first(m.Continue(bg, p, mica.GenerateOptions{})), chat, begin} {
		if !errors.Is(err, mica.ErrClosed) || err.Error() != "mica: the model is closed" {
			t.Errorf("closed, case %d: %v", i, err)
		}
	}
}
