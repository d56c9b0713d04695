package cli

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
	"github.com/micaml/mica/plot"
)

// begin tells what is asked and in which ways, and heads the table.
func (d *demo) begin() {
	fmt.Fprintln(d.out, paint(d.colorOut, bold, "One fact, hidden in a long text."))
	fmt.Fprintln(d.out)
	d.item("Text", fmt.Sprintf("%s: %s tokens with the question", demoTitle, count(len(d.ids))))
	d.item("Fact", paint(d.colorOut, yellow, demoNeedle)+fmt.Sprintf(" It stands at %d %% of the text.", 100*d.from/len(d.ids)))
	d.item("Asked", demoQuestion)
	fmt.Fprintln(d.out)
	for _, way := range d.ways {
		d.item(way.name, way.what)
	}
	fmt.Fprintln(d.out)
	w := d.columns()
	fmt.Fprintln(d.out, strings.TrimRight(w.line("METHOD", w.first, "KV", "KEPT", w.right, w.answer), " "))
}

// item is a label with its text beside it, whose lines stay beside it.
func (d *demo) item(label, text string) {
	at := 0
	for _, way := range d.ways {
		at = max(at, len(way.name)+2)
	}
	lines := wrap(text, max(16, d.width()-2-at))
	for i, line := range lines {
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(d.out, "  %s%s\n", pad(label, at), line)
	}
}

// demoColumns is how the table is laid out. Its rows come one by one, long
// after each other, so the widths are settled before. Where the answer has no
// room in the row, it has lines of its own.
type demoColumns struct {
	first, right, answer   string // heads
	name, time, kept, rest int    // widths; rest 0: the answer comes below
}

func (d *demo) columns() demoColumns {
	w := demoColumns{first: "FIRST TOKEN", right: "RIGHT", answer: "ANSWER", name: len("METHOD"), kept: max(len("KEPT"), len(count(len(d.ids))))}
	if d.width() < 60 {
		w.first = "FIRST"
	}
	for _, way := range d.ways {
		w.name = max(w.name, len(way.name))
	}
	w.time = max(len(w.first), len("99.9 s"))
	used := w.name + w.time + len("999.9 MB") + w.kept + len(w.right) + 2*5
	if w.rest = d.width() - used; w.rest < len(demoNeedle) {
		w.rest, w.right, w.answer = 0, "", ""
	}
	return w
}

func (w demoColumns) line(name, time, kv, kept, right, answer string) string {
	cells := []string{pad(name, w.name), pad(time, -w.time), pad(kv, -len("999.9 MB")), pad(kept, -w.kept)}
	if w.rest > 0 {
		cells = append(cells, pad(right, len("RIGHT")), answer)
	}
	return strings.Join(cells, "  ")
}

// row tells of one answer.
func (d *demo) row(r demoRow) {
	w := d.columns()
	right, style := "no", red
	if r.Correct {
		right, style = "yes", green
	}
	answer := visibleLine(r.Answer)
	if answer == "" {
		answer = "(nothing)"
	}
	mark := func(s string) string { return strings.ReplaceAll(s, demoAnswer, paint(d.colorOut, green, demoAnswer)) }
	cell := func(s string) string { return paint(d.colorOut, style, s) }
	numbers := []string{r.Method, seconds(time.Duration(r.FirstTokenMS * 1e6)), size(r.KVBytes), count(r.KeptTokens)}
	if w.rest > 0 {
		fmt.Fprintln(d.out, w.line(numbers[0], numbers[1], numbers[2], numbers[3], cell(pad(right, len("RIGHT"))), mark(clip(answer, w.rest))))
		return
	}
	fmt.Fprintln(d.out, w.line(numbers[0], numbers[1], numbers[2], numbers[3], "", ""))
	verdict := map[bool]string{true: "right", false: "wrong"}[r.Correct]
	for _, line := range wrap(cell(verdict)+": "+mark(answer), d.width()-2) {
		fmt.Fprintln(d.out, "  "+line)
	}
}

// end tells what was kept, where the picture is, and what to try next.
func (d *demo) end(doc *demoDoc) {
	fmt.Fprintln(d.out)
	full := doc.Rows[0]
	for _, r := range doc.Rows[1:] {
		d.item(r.Method, fmt.Sprintf("the time to the first token is %.0f %% of full's, the memory %.0f %%; of the fact's tokens %.0f %% are kept, of all %.0f %%",
			100*r.FirstTokenMS/full.FirstTokenMS, 100*float64(r.KVBytes)/float64(full.KVBytes), 100*r.FactKept, 100*float64(r.KeptTokens)/float64(r.Length)))
	}
	d.prose("\nWhat " + doc.Rows[1].Method + " kept around the fact:")
	fmt.Fprintln(d.out)
	for _, line := range wrap(d.around(d.colorOut), d.width()-2) {
		fmt.Fprintln(d.out, strings.TrimRight("  "+line, " "))
	}
	if doc.Picture != "" {
		d.prose("\nWhat each way remembers of the text, as a picture:")
		fmt.Fprintf(d.out, "  %s\n", doc.Picture)
	}
	d.prose("\nThis is one fact in one text: a demonstration, not a measurement.")
	fmt.Fprintf(d.out, `
Next:
  mica chat %[1]s
  mica lens %[1]s "The capital of France is"
  mica needle %[1]s --length 1000
With a text and a question of your own:
  mica run %[1]s -f FILE -p QUESTION --select gemfilter --show-kept
`, quoted(d.m.file.Name))
	if _, err := exec.LookPath("mica"); err != nil {
		d.prose("In a clone, write `go run ./cmd/mica` for mica.")
	}
}

// prose writes a paragraph, and a blank line before it if it begins with one.
func (d *demo) prose(text string) {
	if rest, ok := strings.CutPrefix(text, "\n"); ok {
		fmt.Fprintln(d.out)
		text = rest
	}
	fmt.Fprintln(d.out, strings.Join(wrap(text, d.width()), "\n"))
}

// around is what the selection kept around the fact, which is highlighted.
func (d *demo) around(color bool) string {
	return keptBetween(d.m, d.ids, d.ways[1].kept, max(0, d.from-48), min(len(d.ids), d.to+48), color, func(i int) string {
		if i >= d.from && i < d.to {
			return yellow
		}
		return ""
	})
}

// stretches is how many parts of the text the picture tells of.
const stretches = 40

// draw writes the picture: how much of each stretch of the text is remembered.
// It returns the path, or "" if the picture can't be written, which is no
// reason to end without the answers.
func (d *demo) draw() string {
	c := plot.Chart{
		Title: "What is remembered of each part of a text; without a method, all of it", X: "place in the text, percent", Y: "tokens remembered, percent",
		Foot: fmt.Sprintf("%s, 1 prompt of %s tokens, mean of layers and heads; %s mode; mica demo, seed %d", d.m.file.Name, count(len(d.ids)), d.set.mode, d.set.seed),
	}
	n := len(d.ids)
	part := func(way *demoWay, from, to int) float64 {
		return 100 * sum(way.held[from:to]) / float64(max(1, to-from))
	}
	for i := range d.ways[1:] {
		way := &d.ways[1+i]
		l := plot.Line{Label: way.name, Color: i}
		for s := range stretches {
			l.Points = append(l.Points, plot.Point{X: 100 * float64(s) / stretches, Y: part(way, s*n/stretches, (s+1)*n/stretches)})
		}
		// The fact is lost in its stretch, so it has a bar of its own.
		at, fact := 100*float64(d.from)/float64(n)+float64(i)/2, part(way, d.from, d.to)
		bar := plot.Line{Label: fmt.Sprintf("%s, of the fact: %.0f %%", way.name, fact), Color: i, Dashed: true, Points: []plot.Point{{X: at}, {X: at, Y: fact}}}
		c.Lines = append(c.Lines, l, bar)
	}
	err := atomicfile.WriteBytes(demoPicture, 0o644, c.SVG())
	if err != nil {
		d.note("no picture: %v", err)
		return ""
	}
	if path, err := filepath.Abs(demoPicture); err == nil {
		return path
	}
	return demoPicture
}

// visibleLine puts an answer on one line.
func visibleLine(s string) string { return harmless(strings.Join(strings.Fields(s), " ")) }
