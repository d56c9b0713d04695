package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/micaml/mica/eval/perplexity"
	"github.com/micaml/mica/eval/task"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tokenizer"
)

// taskDoc is the document of eval --task --json.
type taskDoc struct {
	evalHead
	Raw     bool         `json:"raw"` // no chat template
	Rows    []taskRow    `json:"rows"`
	Answers []taskAnswer `json:"answers"`
}

// taskRow is the marks of one method. Shares of nothing are 0.
type taskRow struct {
	Method   string  `json:"method"`
	Written  int     `json:"written"` // questions without choices
	Exact    float64 `json:"exact"`   // share of those
	Contains float64 `json:"contains"`
	Chosen   int     `json:"chosen"` // questions with choices
	Right    float64 `json:"right"`  // share of those
	ByLength float64 `json:"right_by_length"`
	Kept     int     `json:"kept_tokens"` // of a prompt, mean
	KVBytes  int64   `json:"kv_bytes"`
	TotalMS  float64 `json:"total_ms"`
}

// taskAnswer is what became of one question under one method.
type taskAnswer struct {
	Line     int        `json:"line"` // of the file
	Method   string     `json:"method"`
	Answer   string     `json:"answer"` // as written, or the likeliest choice
	Expected string     `json:"expected"`
	Prompt   int        `json:"prompt_tokens"`
	Kept     int        `json:"kept_tokens"`
	KVBytes  int64      `json:"kv_bytes"`
	Written  *wroteMark `json:"written,omitempty"`
	Chosen   *choseMark `json:"chosen,omitempty"`
}

type wroteMark struct {
	Exact    bool `json:"exact"`
	Contains bool `json:"contains"`
}

type choseMark struct {
	LogLikelihood []float64 `json:"log_likelihood"` // of each choice, in nats
	Right         bool      `json:"right"`
	ByLength      bool      `json:"right_by_length"`
}

// evalTask reads the questions of --task and returns how to ask them.
func (c *call) evalTask(ctx context.Context) (measurement, error) {
	name, r := c.set.task, c.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fileError(name, err)
		}
		defer f.Close()
		r = f
	}
	b, err := readAll(ctx, r, maxText)
	if err != nil {
		return nil, fileError(name, err)
	}
	if len(b) > maxText {
		return nil, usage("cut it in parts", "%s: more than %s", name, size(maxText))
	}
	items, err := task.Read(strings.NewReader(string(b)))
	if err != nil {
		return nil, failed("each line is an object with a prompt and an answer: see `mica eval -h`", "%s: %w", name, err)
	}
	return func(ctx context.Context, m *model, eng *pass.Engine, ways []needleMethod) (evaluation, error) {
		return c.measureTask(ctx, m, eng, ways, items)
	}, nil
}

func (c *call) measureTask(ctx context.Context, m *model, eng *pass.Engine, ways []needleMethod, items []task.Item) (*taskDoc, error) {
	doc := &taskDoc{Raw: c.set.raw || m.Template == nil}
	var err error
	if doc.evalHead, err = c.evalHead(m, eng, c.set.task); err != nil {
		return nil, err
	}
	total, start, done := len(items)*len(ways), time.Now(), 0
	for _, way := range ways {
		row := taskRow{Method: way.name}
		begun := time.Now()
		for i := range items {
			item := &items[i]
			stop := c.working("%s: question %d of %d%s", way.name, i+1, len(items), timeLeft(start, done, total-done))
			a := taskAnswer{Line: item.Line, Method: way.name, Expected: item.Answers[0]}
			if item.Choices == nil {
				err = c.write(ctx, m, eng, way, item, &a)
			} else {
				err = c.choose(ctx, m, eng, way, item, &a)
			}
			stop()
			if err != nil {
				return nil, atLine(err, c.set.task, item.Line)
			}
			row.add(&a)
			doc.Answers = append(doc.Answers, a)
			done++
		}
		row.TotalMS = millis(time.Since(begun))
		doc.Rows = append(doc.Rows, row.shares())
	}
	return doc, nil
}

// atLine says at which line of a file an error came up; an interruption has no
// place.
func atLine(err error, file string, line int) error {
	f := judge(err)
	if f.code == exitInterrupted || f.code == exitTerminated {
		return err
	}
	return &failure{f.code, fmt.Errorf("%s: line %d: %w", file, line, f.err), f.hint}
}

// write lets the model answer a question in its own words.
func (c *call) write(ctx context.Context, m *model, eng *pass.Engine, way needleMethod, item *task.Item, a *taskAnswer) error {
	ids, err := c.tokens(m, prompt{question: item.Prompt})
	if err != nil {
		return err
	}
	quiet := &ui{out: io.Discard, err: io.Discard, quiet: true}
	g := generation{m: m, eng: eng, ids: ids, method: way.pick, cache: way.cache, max: c.set.answer, context: m.config().Context, start: time.Now()}
	said, err := g.run(ctx, quiet)
	if err != nil {
		return err
	}
	a.Answer = strings.TrimSpace(said.Text)
	a.Prompt, a.Kept, a.KVBytes = said.PromptTokens, said.KeptTokens, said.KVBytes
	a.Written = &wroteMark{item.Exact(said.Text), item.Contains(said.Text)}
	return nil
}

// choose asks how likely each choice is after the prompt.
func (c *call) choose(ctx context.Context, m *model, eng *pass.Engine, way needleMethod, item *task.Item, a *taskAnswer) error {
	a.Chosen = &choseMark{}
	for i, choice := range item.Choices {
		head, rest, err := c.split(m, item.Prompt, choice)
		if err == nil {
			err = c.fits(m, len(head)+len(rest))
		}
		if err != nil {
			return err
		}
		if len(rest) == 0 {
			return usage("write it otherwise", "choice %d adds no token to the prompt", i)
		}
		sum, cost, err := perplexity.Continuation(ctx, eng, head, rest, perplexity.Method{Select: way.pick, Cache: way.cache})
		if err != nil {
			return err
		}
		a.Chosen.LogLikelihood = append(a.Chosen.LogLikelihood, -sum.Nats)
		a.Prompt, a.Kept, a.KVBytes = len(head), cost.Kept, cost.Bytes
	}
	best, byLength := task.Best(item.Choices, a.Chosen.LogLikelihood)
	a.Answer = item.Choices[best]
	a.Chosen.Right, a.Chosen.ByLength = best == item.Right, byLength == item.Right
	return nil
}

// split returns the tokens of a prompt and those of a choice after it. Without
// a chat template these are the tokens of both together beyond as many as the
// prompt has, as lm-evaluation-harness has it: blanks at the prompt's end belong
// to the choice.
func (c *call) split(m *model, question, choice string) (head, rest []int32, err error) {
	if !c.set.raw && m.Template != nil {
		head, err = c.tokens(m, prompt{question: question})
		return head, m.Tokenizer.Encode(strings.TrimSpace(choice), tokenizer.EncodeOptions{}), err
	}
	all := m.Text(task.Join(question, choice))
	n := len(m.Text(strings.TrimRight(question, " ")))
	if n == 0 || n > len(all) {
		return nil, nil, errors.New("the prompt and the choice have no tokens of their own")
	}
	return all[:n], all[n:], nil
}

func (r *taskRow) add(a *taskAnswer) {
	r.Kept += a.Kept
	r.KVBytes += a.KVBytes
	switch {
	case a.Written != nil:
		r.Written++
		r.Exact += one(a.Written.Exact)
		r.Contains += one(a.Written.Contains)
	case a.Chosen != nil:
		r.Chosen++
		r.Right += one(a.Chosen.Right)
		r.ByLength += one(a.Chosen.ByLength)
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// shares turns counts into shares and means.
func (r taskRow) shares() taskRow {
	written, chosen, all := float64(max(1, r.Written)), float64(max(1, r.Chosen)), max(1, r.Written+r.Chosen)
	r.Exact, r.Contains = r.Exact/written, r.Contains/written
	r.Right, r.ByLength = r.Right/chosen, r.ByLength/chosen
	r.Kept, r.KVBytes = r.Kept/all, r.KVBytes/int64(all)
	return r
}

func (d *taskDoc) csv(c *call) error {
	w := csv.NewWriter(c.out)
	w.Write([]string{"line", "method", "answer", "expected", "exact", "contains", "right", "right_by_length", "prompt_tokens", "kept_tokens", "kv_bytes"})
	for _, a := range d.Answers {
		marks := []string{"", "", "", ""} // what wasn't asked has no mark
		if a.Written != nil {
			marks[0], marks[1] = strconv.FormatBool(a.Written.Exact), strconv.FormatBool(a.Written.Contains)
		}
		if a.Chosen != nil {
			marks[2], marks[3] = strconv.FormatBool(a.Chosen.Right), strconv.FormatBool(a.Chosen.ByLength)
		}
		row := append([]string{strconv.Itoa(a.Line), a.Method, a.Answer, a.Expected}, marks...)
		w.Write(append(row, strconv.Itoa(a.Prompt), strconv.Itoa(a.Kept), strconv.FormatInt(a.KVBytes, 10)))
	}
	w.Flush()
	return w.Error()
}

func (d *taskDoc) print(c *call) {
	header := []string{"METHOD", " WRITTEN", " EXACT", " CONTAINS", " CHOSEN", " RIGHT", " BY LENGTH", " KEPT", " KV"}
	var rows [][]string
	for _, r := range d.Rows {
		row := []string{r.Method, count(r.Written), "-", "-", count(r.Chosen), "-", "-", count(r.Kept), size(r.KVBytes)}
		if r.Written > 0 {
			row[2], row[3] = fmt.Sprintf("%.3f", r.Exact), fmt.Sprintf("%.3f", r.Contains)
		}
		if r.Chosen > 0 {
			row[5], row[6] = fmt.Sprintf("%.3f", r.Right), fmt.Sprintf("%.3f", r.ByLength)
		}
		rows = append(rows, row)
	}
	table(c.out, c.outTTY, header, rows, nil)
}
