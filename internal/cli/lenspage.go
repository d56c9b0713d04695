package cli

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"

	"github.com/micaml/mica/plot"
)

// html is the table as a page, complete in itself: all positions, the input
// under the layers, and under the pointer the best guesses.
func (d *lensDoc) html(model string) []byte {
	what := "the likeliest token, and the colour its probability"
	if d.Target != nil {
		what = "the rank of " + visible(d.Target.Token) + " (0: the top), bright where it is high"
	}
	title := html.EscapeString("Logit lens: " + model)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>%s</title>
<style>body{font:15px system-ui,sans-serif;margin:2rem;color:#222}div{overflow-x:auto}td,th{padding:.25rem .6rem;white-space:pre;text-align:left}th{position:sticky;left:0;background:#fff;text-align:right;font-weight:400}tr:last-child td{font-weight:600}</style>
<h1>%[1]s</h1>
<p>Each row is a layer, the last on top, each column a token of the text, which stands under them. A cell has %s; point at it for more. %s mode, mica %s.</p>
<div><table>
`, title, html.EscapeString(what), html.EscapeString(d.Mode), Version)
	for _, l := range slices.Backward(d.Layers) {
		fmt.Fprintf(&b, "<tr><th>%d", l.Layer)
		for i := range d.Tokens {
			text, hint, v := l.pageCell(i)
			fill, ink := plot.Viridis(v)
			fmt.Fprintf(&b, `<td style="background:%s;color:%s" title="%s">%s`, fill, ink, html.EscapeString(hint), html.EscapeString(text))
		}
		b.WriteString("\n")
	}
	b.WriteString("<tr><th>")
	for _, t := range d.Tokens {
		b.WriteString("<td>" + html.EscapeString(visible(t)))
	}
	b.WriteString("\n</table></div></html>\n")
	return b.Bytes()
}

// pageCell is what a cell says, what it says under the pointer, and its colour
// from 0 to 1.
func (l *lensLayer) pageCell(i int) (text, hint string, v float64) {
	var guesses []string
	for _, g := range l.Top[i] {
		guesses = append(guesses, fmt.Sprintf("%.3f %s", g.Probability, visible(g.Token)))
	}
	hint = strings.Join(guesses, "\n")
	if l.Rank != nil {
		// Of tens of thousands of ranks, those near the top are told apart.
		return count(l.Rank[i]), hint, 1 - min(1, math.Log10(float64(1+l.Rank[i]))/4)
	}
	best := l.Top[i][0]
	return visible(best.Token), hint, best.Probability
}
