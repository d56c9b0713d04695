package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/micaml/mica/eval/needle"
	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/pass"
)

var needleVerb = verb{
	name: "needle", args: "MODEL", maxArgs: 1,
	short: "hide facts in a long text and ask for them, by length, depth and method",
	long: `needle hides a fact in a long text and asks the model for it, for each length of
the text in tokens, each depth in percent, and each method, and always without
any. The text is that of -f, repeated if it is too short; without -f it is from
Newton's Opticks. The table shows the share of right answers; -o FILE writes all
rows as .csv or .json, or a map of the scores as .svg or .html.

What has been answered is kept in mica's cache and is not asked again, so an
interrupted run goes on where it was; --fresh asks again.

--find-layer finds the layer for GemFilter instead: where the tokens that each
layer would keep lie, as seen from the needle. The layer that it recommends is
kept for the model and used by --select gemfilter from then on.`,
	example: `  mica needle smollm2 --length 1000,2000,4000 --methods "gemfilter snapkv gemfilter+snapkv:budget=256"
  mica needle smollm2 --methods gemfilter:keep=512 --trials 5 -o map.svg
  mica needle smollm2 --find-layer --length 2000`,
	flags: []string{"model", "file", "length", "depths", "methods", "trials", "fact", "find-layer", "fresh", "raw", "answer", "seed", "mode", "threads"},
	run:   runNeedle,
}

// needleDoc is the document of needle --json.
type needleDoc struct {
	head
	Mode    string      `json:"mode"`
	Threads int         `json:"threads"`
	Fact    string      `json:"fact"`
	Raw     bool        `json:"raw"` // no chat template
	Rows    []needleRow `json:"rows"`
}

// needleRow is one answer.
type needleRow struct {
	Method    string  `json:"method"`
	Length    int     `json:"length"` // of the text with the needle, in tokens
	Depth     int     `json:"depth_percent"`
	Trial     int     `json:"trial"`
	Correct   bool    `json:"correct"`
	Score     float64 `json:"score"`
	Answer    string  `json:"answer"`
	Expected  string  `json:"expected"`
	Prompt    int     `json:"prompt_tokens"`
	Kept      int     `json:"kept_tokens"`
	PrefillMS float64 `json:"prefill_ms"`
	KVBytes   int64   `json:"kv_bytes"`
}

// needleMethod is a method as typed, or "full".
type needleMethod struct {
	name   string
	choice *selection      // of tokens of the prompt; nil: all
	pick   keep.Selector   // made of it for the model
	cache  keep.Compressor // nil: everything is remembered
}

// resolved is the name with what the settings come to: the layer of a plain
// "gemfilter" is another one once --find-layer has found it.
func (m *needleMethod) resolved() string { return fmt.Sprintf("%s %+v %+v", m.name, m.pick, m.cache) }

// needlePlan is what a run asks.
type needlePlan struct {
	lengths, depths []int
	methods         []needleMethod
	facts           []needle.Fact // one for each trial
	hay             *needle.Hay
	text            string // of the haystack
}

func runNeedle(ctx context.Context, c *call) error {
	var plan needlePlan
	var err error
	if plan.lengths, err = parseList("length", c.set.lengths, 16, 1<<20); err != nil {
		return err
	}
	if plan.depths, err = parseList("depth", c.set.needleDepths, 0, 100); err != nil {
		return err
	}
	format, err := outputFormat(c.set.output, "csv", "json", "svg", "html")
	if err != nil {
		return err
	}
	if c.set.findLayer && format == "html" {
		return usage("end it in .csv, .json or .svg", "--output %s: --find-layer makes no page", quoted(c.set.output))
	}
	if plan.methods, err = parseMethods(c.set.methods); err != nil {
		return err
	}
	if plan.text, err = c.haystack(ctx); err != nil {
		return err
	}
	for trial := range c.set.trials {
		plan.facts = append(plan.facts, c.fact(trial))
	}
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	if plan.hay, err = needle.NewHay(m.Tokenizer, plan.text); err != nil {
		return usage("name a file with text in it", "%w", err)
	}
	for i := range plan.methods {
		if s := plan.methods[i].choice; s != nil {
			if plan.methods[i].pick, err = s.method.make(m, s.params); err != nil {
				return err
			}
		}
	}
	eng, err := c.engine(m, nil)
	if err != nil {
		return err
	}
	defer eng.Close()
	if c.set.findLayer {
		return c.findLayer(ctx, m, eng, &plan, format)
	}
	digest, err := m.digest()
	if err != nil {
		return err
	}
	doc := needleDoc{head: c.head(digest), Mode: eng.Mode().String(), Threads: eng.Threads(), Fact: c.set.fact, Raw: c.set.raw || m.Template == nil}
	if doc.Rows, err = c.askAll(ctx, m, eng, &plan, digest); err != nil {
		return err
	}
	return doc.write(c, m.file.Name, &plan, format)
}

// haystack is the text of -f, or the demo's document.
func (c *call) haystack(ctx context.Context) (string, error) {
	if c.set.file == "" {
		return needle.Opticks, nil
	}
	p, err := c.readPrompt(ctx)
	return p.document, err
}

// fact is the fact of a trial.
func (c *call) fact(trial int) needle.Fact {
	if c.set.fact == "sandwich" {
		return needle.Sandwich()
	}
	return needle.Number(c.set.seed<<16 + uint64(trial))
}

// hidden is the prompt with a fact hidden in it.
func (c *call) hidden(m *model, plan *needlePlan, trial, length, depth int) ([]int32, error) {
	f := plan.facts[trial]
	text, err := plan.hay.Hide(f, length, depth)
	if err != nil {
		return nil, usage("give a longer --length", "%w", err)
	}
	return c.tokens(m, prompt{question: f.Ask(text)})
}

// askAll asks for every cell of the plan what hasn't been asked before.
func (c *call) askAll(ctx context.Context, m *model, eng *pass.Engine, plan *needlePlan, digest string) ([]needleRow, error) {
	log, err := openNeedleLog(digest, c.set.fresh)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	setting := needleSetting{Mode: eng.Mode().String(), Fact: c.set.fact, Raw: c.set.raw, Seed: c.set.seed, Answer: c.set.answer, Text: digestOf(plan.text)}
	total := len(plan.lengths) * len(plan.depths) * len(plan.methods) * c.set.trials
	var rows []needleRow
	right := map[string]int{}
	begin, asked := time.Now(), 0
	for trial := range c.set.trials {
		for _, length := range plan.lengths {
			for _, depth := range plan.depths {
				var ids []int32
				for _, method := range plan.methods {
					setting.Method, setting.Length, setting.Depth, setting.Trial = method.resolved(), length, depth, trial
					row, ok := log.find(setting)
					if !ok {
						if ids == nil {
							if ids, err = c.hidden(m, plan, trial, length, depth); err != nil {
								return nil, err
							}
						}
						stop := c.working("%d of %d: %s, %s tokens, depth %d %%%s", len(rows)+1, total, method.name, count(length), depth,
							timeLeft(begin, asked, total-len(rows)))
						row, err = c.ask(ctx, m, eng, method, ids, plan.facts[trial])
						stop()
						if err != nil {
							return nil, err
						}
						row.Length, row.Depth, row.Trial = length, depth, trial
						asked++
						if err := log.add(setting, row); err != nil {
							return nil, err
						}
					}
					if row.Correct {
						right[method.name]++
					}
					rows = append(rows, row)
				}
			}
		}
	}
	return rows, nil
}

// timeLeft is about how long the rest takes, once that can be told.
func timeLeft(begin time.Time, done, left int) string {
	if done < 3 {
		return ""
	}
	return ", " + seconds(time.Since(begin)/time.Duration(done)*time.Duration(left)) + " left"
}

// ask runs one prompt under one method.
func (c *call) ask(ctx context.Context, m *model, eng *pass.Engine, method needleMethod, ids []int32, f needle.Fact) (needleRow, error) {
	quiet := &ui{out: io.Discard, err: io.Discard, quiet: true}
	g := generation{m: m, eng: eng, ids: ids, method: method.pick, cache: method.cache, max: c.set.answer, context: m.config().Context, start: time.Now()}
	a, err := g.run(ctx, quiet)
	if err != nil {
		return needleRow{}, err
	}
	row := needleRow{
		Method: method.name, Answer: strings.TrimSpace(a.Text), Expected: f.Answer,
		Prompt: a.PromptTokens, Kept: a.KeptTokens, PrefillMS: a.PrefillMS, KVBytes: a.KVBytes,
	}
	row.Score, row.Correct = f.Score(a.Text)
	return row, nil
}

// parseMethods reads the methods of --methods, which blanks separate. The
// whole prompt comes first, always.
func parseMethods(list string) ([]needleMethod, error) {
	all := []needleMethod{{name: "full"}}
	for _, name := range strings.Fields(list) {
		if name == "full" {
			continue
		}
		if slices.ContainsFunc(all, func(m needleMethod) bool { return m.name == name }) {
			return nil, usage("name it once", "--methods: %s twice", quoted(name))
		}
		m := needleMethod{name: name}
		choice, cache, both := strings.Cut(name, "+")
		if word, _, _ := strings.Cut(choice, ":"); !both && (word == "full" || !slices.Contains(methodNames(methods), word)) && slices.Contains(methodNames(caches), word) {
			choice, cache = "", choice
		}
		var err error
		if m.choice, err = parseMethod("--methods", methods, choice); err != nil {
			return nil, err
		}
		if _, m.cache, err = parseCache(cache); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func (d *needleDoc) print(c *call, plan *needlePlan) {
	header := []string{"METHOD", " LENGTH", " RIGHT", " SCORE", " KEPT", " PREFILL", " KV"}
	var rows [][]string
	for _, method := range plan.methods {
		for _, length := range plan.lengths {
			s := d.sum(func(r needleRow) bool { return r.Method == method.name && r.Length == length })
			rows = append(rows, []string{method.name, count(length), fmt.Sprintf("%d/%d", s.right, s.n), fmt.Sprintf("%.2f", s.score),
				count(s.kept), seconds(s.prefill), size(s.bytes)})
		}
	}
	table(c.out, c.width(), header, rows, nil)
}

// needleSum is what some rows come to: means, but for the counts.
type needleSum struct {
	n, right, kept int
	score          float64
	prefill        time.Duration
	bytes          int64
}

func (d *needleDoc) sum(of func(needleRow) bool) needleSum {
	var s needleSum
	var ms float64
	for _, r := range d.Rows {
		if !of(r) {
			continue
		}
		s.n++
		s.kept += r.Kept
		s.score += r.Score
		s.bytes += r.KVBytes
		ms += r.PrefillMS
		if r.Correct {
			s.right++
		}
	}
	if s.n > 0 {
		s.kept, s.bytes, s.score = s.kept/s.n, s.bytes/int64(s.n), s.score/float64(s.n)
		s.prefill = time.Duration(ms / float64(s.n) * 1e6)
	}
	return s
}
