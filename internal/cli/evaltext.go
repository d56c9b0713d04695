package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/micaml/mica/eval/perplexity"
	"github.com/micaml/mica/pass"
)

// textDoc is the document of eval -f --json.
type textDoc struct {
	evalHead
	Tokens  int       `json:"tokens"` // of the text
	Bytes   int       `json:"bytes"`
	Window  int       `json:"window"` // with the begin token, if there is one
	Stride  int       `json:"stride"`
	Windows int       `json:"windows"`
	Rows    []textRow `json:"rows"`

	compares bool
}

// textRow is how well a text was foretold under one method.
type textRow struct {
	Method     string  `json:"method"`
	Tokens     int     `json:"tokens"` // that count
	Bytes      int     `json:"bytes"`  // of those
	Nats       float64 `json:"nats_per_token"`
	Perplexity float64 `json:"perplexity"`
	Error      float64 `json:"perplexity_error"` // standard error
	BitsByte   float64 `json:"bits_per_byte"`
	Kept       int     `json:"kept_tokens"` // of the context, mean; 0 without --methods
	KVBytes    int64   `json:"kv_bytes"`
	TotalMS    float64 `json:"total_ms"`
}

// evalText reads the text of -f and returns how to measure it.
func (c *call) evalText(ctx context.Context) (measurement, error) {
	var text string
	var err error
	if c.set.file == "-" {
		text, err = c.readStdin(ctx)
	} else {
		text, err = readText(ctx, c.set.file)
	}
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, usage("name a file with text in it", "%s: empty", quoted(c.set.file))
	}
	if !utf8.ValidString(text) {
		return nil, usage("name a file with text in UTF-8", "%s: not UTF-8", quoted(c.set.file))
	}
	return func(ctx context.Context, m *model, eng *pass.Engine, ways []needleMethod) (evaluation, error) {
		return c.measureText(ctx, m, eng, ways, text)
	}, nil
}

func (c *call) measureText(ctx context.Context, m *model, eng *pass.Engine, ways []needleMethod, text string) (*textDoc, error) {
	doc := &textDoc{Bytes: len(text), Window: c.set.window, Stride: c.set.stride, compares: len(ways) > 1}
	var err error
	if doc.evalHead, err = c.evalHead(m, eng, c.set.file); err != nil {
		return nil, err
	}
	if own := m.config().Context; doc.Window > own {
		if c.from["window"] != fromDefault {
			return nil, usage("give --window "+strconv.Itoa(own)+" or less", "--window %d: the model was made for %s tokens", doc.Window, count(own))
		}
		doc.Window = own
	}
	ids, begin := m.Text(text), int32(-1)
	if len(ids) > 0 && ids[0] == m.Tokenizer.BOS() { // text has no control tokens of its own
		begin, ids = ids[0], ids[1:]
	}
	room := doc.Window
	if begin >= 0 {
		room--
	}
	if doc.Stride == 0 {
		doc.Stride = max(1, room/2)
	}
	doc.Tokens = len(ids)
	var windows []perplexity.Window
	if doc.compares {
		windows, err = perplexity.Continuations(len(ids), room, doc.Stride)
	} else {
		windows, err = perplexity.Windows(len(ids), room, doc.Stride, begin >= 0)
	}
	if err != nil {
		return nil, err
	}
	if n := c.set.windows; n > 0 && n < len(windows) {
		windows = windows[:n]
	}
	doc.Windows = len(windows)
	bytes := 0
	for _, w := range windows {
		bytes += len(m.Tokenizer.Decode(ids[w.From:w.End]))
	}
	start, done := time.Now(), 0
	for _, way := range ways {
		row := textRow{Method: way.name, Bytes: bytes}
		var sum perplexity.Sum
		begun := time.Now()
		for i, w := range windows {
			stop := c.working("%s: window %d of %d%s", way.name, i+1, len(windows), timeLeft(start, done, len(ways)*len(windows)-done))
			s, cost, err := foretell(ctx, eng, way, doc.compares, ids, w, begin)
			stop()
			if err != nil {
				return nil, err
			}
			sum.Add(s)
			row.Kept += cost.Kept
			row.KVBytes += cost.Bytes
			done++
		}
		row.Kept /= len(windows)
		row.KVBytes /= int64(len(windows))
		row.TotalMS = millis(time.Since(begun))
		row.Tokens, row.Nats, row.Perplexity, row.Error = sum.Tokens, sum.Mean(), sum.Perplexity(), sum.Error()
		row.BitsByte = sum.Bits() / float64(max(1, bytes))
		doc.Rows = append(doc.Rows, row)
	}
	return doc, nil
}

// foretell measures a window, whole or with its context under a method.
func foretell(ctx context.Context, eng *pass.Engine, way needleMethod, compares bool, ids []int32, w perplexity.Window, begin int32) (perplexity.Sum, perplexity.Cost, error) {
	if !compares {
		s, err := perplexity.Text(ctx, eng, ids, w, begin)
		return s, perplexity.Cost{}, err
	}
	var prompt []int32
	if begin >= 0 {
		prompt = append(prompt, begin)
	}
	prompt = append(prompt, ids[w.Begin:w.From]...)
	return perplexity.Continuation(ctx, eng, prompt, ids[w.From:w.End], perplexity.Method{Select: way.pick, Cache: way.cache})
}

func (d *textDoc) csv(c *call) error {
	w := csv.NewWriter(c.out)
	w.Write([]string{"method", "tokens", "bytes", "nats_per_token", "perplexity", "perplexity_error", "bits_per_byte", "kept_tokens", "kv_bytes", "total_ms"})
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', 10, 64) }
	for _, r := range d.Rows {
		w.Write([]string{r.Method, strconv.Itoa(r.Tokens), strconv.Itoa(r.Bytes), number(r.Nats), number(r.Perplexity), number(r.Error),
			number(r.BitsByte), strconv.Itoa(r.Kept), strconv.FormatInt(r.KVBytes, 10), strconv.FormatFloat(r.TotalMS, 'f', 1, 64)})
	}
	w.Flush()
	return w.Error()
}

func (d *textDoc) print(c *call) {
	header := []string{"METHOD", " TOKENS", " PERPLEXITY", " ±", " NATS/TOKEN", " BITS/BYTE"}
	if d.compares {
		header = append(header, " KEPT", " KV")
	}
	var rows [][]string
	for _, r := range d.Rows {
		row := []string{r.Method, count(r.Tokens), fmt.Sprintf("%.4f", r.Perplexity), fmt.Sprintf("%.4f", r.Error), fmt.Sprintf("%.5f", r.Nats), fmt.Sprintf("%.5f", r.BitsByte)}
		if d.compares {
			row = append(row, count(r.Kept), size(r.KVBytes))
		}
		rows = append(rows, row)
	}
	table(c.out, c.outTTY, header, rows, nil)
	fmt.Fprintf(c.out, "\n%s: %s tokens, %s; windows: %s of %s tokens, stride %s; %s mode\n",
		harmless(d.File), count(d.Tokens), size(int64(d.Bytes)), count(d.Windows), count(d.Window), count(d.Stride), d.Mode)
}
