package cli

import (
	"context"
	"strings"
	"time"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
)

var runVerb = verb{
	name: "run", args: "MODEL [PROMPT]", maxArgs: 2,
	short: "answer a prompt",
	long: `run answers a prompt, or a question about a document, and writes the answer as
it comes. The prompt is the document of -f, an empty line, and the text of -p; a
pipe is the prompt if there is neither. It goes through the model's own chat
template unless --raw is given.

--select METHOD keeps the tokens of the prompt that the method picks, and answers
from those as a prompt of their own. gemfilter reads the whole prompt for that,
but only through the lower layers. --cache METHOD reads the prompt whole, and
then each layer remembers only the keys and values that the method picks. keep=N
counts the tokens that a selection leaves of the prompt, budget=N the keys and
values that each head of each layer has room for:

  ` + strings.Join(methodUsage(caches), "\n  "),
	example: `  mica run smollm2 "Why is the sky blue?"
  mica run smollm2 -f notes.txt -p "When is the review?" --select gemfilter --show-kept
  mica run smollm2 -f notes.txt -p "When is the review?" --cache snapkv:budget=256 -v
  git log -5 | mica run smollm2 -f - -p "What changed?"`,
	flags: []string{"model", "prompt", "file", "system", "raw", "adapter", "predict", "context", "select", "show-kept", "kv-cache",
		"mode", "temp", "top-k", "top-p", "seed", "threads", "verbose"},
	run: runRun,
}

// answer is what a run has found: the document of run --json.
type answer struct {
	head
	Text         string       `json:"text"`
	TokenIDs     []int32      `json:"token_ids"`
	PromptTokens int          `json:"prompt_tokens"`
	KeptTokens   int          `json:"kept_tokens"`
	LoadMS       float64      `json:"load_ms"`
	SelectMS     float64      `json:"select_ms"`
	PrefillMS    float64      `json:"prefill_ms"`     // selection and second prefill together
	FirstTokenMS float64      `json:"first_token_ms"` // from text to first token, without loading
	DecodeRate   float64      `json:"decode_tokens_per_s"`
	PrefillRate  float64      `json:"prefill_tokens_per_s"` // of the whole prompt
	Mode         string       `json:"mode"`
	Threads      int          `json:"threads"`
	KVBytes      int64        `json:"kv_bytes"`
	PeakRSS      int64        `json:"peak_rss_bytes"`
	Finish       string       `json:"finish_reason"`
	Adapter      *adapterInfo `json:"adapter"`
	Select       *selected    `json:"select"`
	Cache        *cached      `json:"cache"`

	decode time.Duration
}

// selected tells of a selection: the indices of the prompt tokens that it
// kept, ascending.
type selected struct {
	Method string `json:"method"`
	Layer  int    `json:"layer"` // -1: the method looks at none
	Kept   []int  `json:"kept"`
	Text   string `json:"text,omitempty"` // with --show-kept
}

func runRun(ctx context.Context, c *call) error {
	sel, err := parseSelection(c.set.selection)
	if err != nil {
		return err
	}
	cacheName, cache, err := parseCache(c.set.cache)
	if err != nil {
		return err
	}
	if c.set.showKept && sel == nil {
		return usage("add --select, such as --select gemfilter", "--show-kept: nothing is selected")
	}
	if _, err := c.modelName(); err != nil {
		return err
	}
	p, err := c.readPrompt(ctx)
	if err != nil {
		return err
	}
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	adapter, err := c.adapt(m)
	if err != nil {
		return err
	}
	var method keep.Selector
	if sel != nil {
		if method, err = sel.method.make(m, sel.params); err != nil {
			return err
		}
	}
	eng, err := c.engine(m, nil)
	if err != nil {
		return err
	}
	defer eng.Close()
	start := time.Now()
	ids, err := c.tokens(m, p)
	if err != nil {
		return err
	}
	g := generation{m: m, eng: eng, ids: ids, method: method, cache: cache, start: start, max: c.set.predict}
	if g.context, err = c.contextOf(m); err != nil {
		return err
	}
	g.sampler = lm.Sampler{Temperature: float32(c.set.temp), TopK: c.set.topK, TopP: float32(c.set.topP), Seed: c.set.seed}
	if !c.set.json {
		g.write = c.answerWriter()
	}
	g.selected = func(kept []int) {
		if c.set.showKept && !c.set.json {
			c.say("%s", keptText(m, ids, kept, c.colorErr))
		}
	}
	a, err := g.run(ctx, c.ui)
	if !c.set.json && strings.TrimSpace(a.Text) != "" && !strings.HasSuffix(a.Text, "\n") {
		c.out.Write([]byte("\n"))
	}
	if err != nil {
		return err
	}
	if sel != nil {
		a.Select.Method = sel.method.name
	}
	if a.Cache != nil {
		a.Cache.Method = cacheName
	}
	if c.set.verbose {
		c.tell(a)
	}
	if !c.set.json {
		return nil
	}
	if c.set.showKept {
		a.Select.Text = keptText(m, ids, a.Select.Kept, false)
	}
	digest, err := m.digest()
	if err != nil {
		return err
	}
	a.head, a.LoadMS, a.Adapter = c.head(digest), millis(m.load), adapter
	return c.printJSON(a)
}

// answerWriter writes pieces of the answer as they come. The escape
// character, which no answer needs, doesn't reach a terminal.
func (c *call) answerWriter() func(string) error {
	return func(s string) error {
		if c.outTTY > 0 {
			s = strings.ReplaceAll(s, "\x1b", "\uFFFD")
		}
		c.overwrite("")
		_, err := c.out.Write([]byte(s))
		return err
	}
}

// tell writes where the time went.
func (c *call) tell(a *answer) {
	c.note("prompt    %s tokens, %s kept", count(a.PromptTokens), count(a.KeptTokens))
	if a.Select != nil {
		c.note("select    %s", seconds(time.Duration(a.SelectMS*1e6)))
	}
	c.note("prefill   %s, %.0f tokens/s", seconds(time.Duration(a.PrefillMS*1e6)), a.PrefillRate)
	c.note("decode    %s, %s tokens, %.1f tokens/s", seconds(a.decode), count(len(a.TokenIDs)), a.DecodeRate)
	if a.Cache != nil {
		c.note("cache     %s, in %s", a.Cache, seconds(time.Duration(a.Cache.CompressMS*1e6)))
	}
	c.note("memory    %s of keys and values, %s in all", size(a.KVBytes), size(a.PeakRSS))
}

// generation is one way from prompt tokens to an answer.
type generation struct {
	m            *model
	eng          *pass.Engine
	ids          []int32
	method       keep.Selector   // nil: the whole prompt
	cache        keep.Compressor // nil: all of it is remembered
	sampler      lm.Sampler
	max, context int
	start        time.Time          // of the work on this prompt
	selected     func(kept []int)   // called before the answer begins; may be nil
	write        func(string) error // gets the text as it comes; may be nil

	seq *pass.Seq // what run has read and answered, as the layers remember it
}

// run selects, reads and generates. The answer is not nil even with an error.
func (g *generation) run(ctx context.Context, u *ui) (*answer, error) {
	a := &answer{TokenIDs: []int32{}, PromptTokens: len(g.ids), KeptTokens: len(g.ids), Mode: g.eng.Mode().String(), Threads: g.eng.Threads()}
	seq := pass.NewSeq(g.ids...)
	if g.method != nil {
		stop := u.working("selecting from %s tokens", count(len(g.ids)))
		begin := time.Now()
		s, err := g.method.Select(ctx, g.eng, seq)
		stop()
		if err != nil {
			return a, err
		}
		a.SelectMS = millis(time.Since(begin))
		a.KeptTokens, a.Select = len(s.Kept), &selected{Layer: s.Layer, Kept: s.Kept}
		seq = seq.Select(s.Kept)
		if g.selected != nil {
			g.selected(s.Kept)
		}
	}
	g.seq = seq
	if g.cache != nil {
		report, err := compressed(g.eng, seq, g.cache)
		if err != nil {
			return a, err
		}
		defer func() { a.Cache = report() }()
	}
	var timing lm.Timing
	stop := u.working("reading %s tokens", count(len(seq.Tokens)))
	defer stop()
	opt := lm.Options{Max: g.max, Sampler: g.sampler, Stop: lm.StopAtEnd(g.m.Tokenizer), Context: g.context, Timing: &timing}
	stream := g.m.Tokenizer.Stream()
	var text strings.Builder
	emit := func(piece string) error {
		text.WriteString(piece)
		if g.write == nil || piece == "" {
			return nil
		}
		return g.write(piece)
	}
	var err error
	for id, e := range lm.Generate(ctx, g.eng, seq, opt) {
		stop()
		if err = e; err != nil {
			break
		}
		if len(a.TokenIDs) == 0 {
			a.FirstTokenMS = millis(time.Since(g.start))
		}
		a.TokenIDs = append(a.TokenIDs, id)
		if err = emit(stream.Add(id)); err != nil {
			break
		}
	}
	stop()
	if e := emit(strings.ToValidUTF8(stream.Flush(), "\uFFFD")); err == nil {
		err = e
	}
	a.Text = strings.ToValidUTF8(text.String(), "\uFFFD")
	a.PrefillMS = a.SelectMS + millis(timing.Prompt)
	a.PrefillRate = rate(len(g.ids), time.Duration(a.PrefillMS*1e6))
	a.decode = timing.Decode
	// The first token comes out of the prompt; only those after it decode.
	a.DecodeRate = rate(max(0, len(a.TokenIDs)-1), timing.Decode)
	a.KVBytes, a.PeakRSS, a.Finish = seq.Bytes(), peakRSS(), timing.Finish
	return a, err
}
