package cli

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"html"
	"strconv"

	"github.com/micaml/mica/plot"
)

// write delivers the rows in the form that was asked for.
func (d *needleDoc) write(c *call, model string, plan *needlePlan, format string) error {
	switch {
	case c.set.json || format == "json":
		return c.printJSON(d)
	case format == "csv":
		return d.csv(c)
	case format == "svg":
		_, err := c.out.Write(d.heat(model, plan).SVG())
		return err
	case format == "html":
		_, err := c.out.Write(d.html(model, plan))
		return err
	}
	d.print(c, plan)
	return nil
}

func (d *needleDoc) csv(c *call) error {
	w := csv.NewWriter(c.out)
	w.Write([]string{"method", "length", "depth_percent", "trial", "correct", "score", "prompt_tokens", "kept_tokens", "prefill_ms", "kv_bytes", "expected", "answer"})
	for _, r := range d.Rows {
		w.Write([]string{r.Method, strconv.Itoa(r.Length), strconv.Itoa(r.Depth), strconv.Itoa(r.Trial), strconv.FormatBool(r.Correct),
			strconv.FormatFloat(r.Score, 'f', 4, 64), strconv.Itoa(r.Prompt), strconv.Itoa(r.Kept),
			strconv.FormatFloat(r.PrefillMS, 'f', 1, 64), strconv.FormatInt(r.KVBytes, 10), r.Expected, r.Answer})
	}
	w.Flush()
	return w.Error()
}

// heat is a map for each method: mean scores by depth and length.
func (d *needleDoc) heat(model string, plan *needlePlan) plot.Heat {
	h := plot.Heat{
		Title: "Needle in a haystack: " + model, X: "length, tokens", Y: "depth, percent",
		Foot: fmt.Sprintf("mean score, trials: %d; %s mode; mica needle --fact %s; seed %d", len(plan.facts), d.Mode, d.Fact, d.Seed),
	}
	for _, n := range plan.lengths {
		h.Columns = append(h.Columns, count(n))
	}
	for _, n := range plan.depths {
		h.Rows = append(h.Rows, strconv.Itoa(n))
	}
	for _, method := range plan.methods {
		p := plot.Panel{Title: method.name}
		for _, depth := range plan.depths {
			row := []float64{}
			for _, length := range plan.lengths {
				s := d.sum(func(r needleRow) bool { return r.Method == method.name && r.Length == length && r.Depth == depth })
				row = append(row, s.score)
			}
			p.Cells = append(p.Cells, row)
		}
		h.Panels = append(h.Panels, p)
	}
	return h
}

// html is a page with the map and every answer, complete in itself.
func (d *needleDoc) html(model string, plan *needlePlan) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Needle in a haystack: %s</title>
<style>body{font:15px system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}td,th{padding:.25rem .7rem;text-align:left;border-bottom:1px solid #ddd}td.n{text-align:right}.right{color:#0a7d32}.wrong{color:#b3261e}svg{max-width:100%%}</style>
`, html.EscapeString(model))
	b.Write(d.heat(model, plan).SVG())
	b.WriteString("<table><tr><th>method<th>length<th>depth<th>expected<th>answer</tr>\n")
	for _, r := range d.Rows {
		class := "wrong"
		if r.Correct {
			class = "right"
		}
		fmt.Fprintf(&b, `<tr><td>%s<td class="n">%s<td class="n">%d %%<td>%s<td class="%s">%s</tr>`+"\n",
			html.EscapeString(r.Method), count(r.Length), r.Depth, html.EscapeString(r.Expected), class, html.EscapeString(visibleLine(r.Answer)))
	}
	b.WriteString("</table></html>\n")
	return b.Bytes()
}
