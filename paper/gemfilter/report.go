package gemfilter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/micaml/mica/eval/needle"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/plot"
)

// report adds tables, one selected text and pictures to the run.
func (x *experiment) report(ctx context.Context) error {
	x.r.Section(paper.Section{Title: "What was asked", Text: fmt.Sprintf(
		"%s, %d layers, %s mode. A sentence like \"%s\" is hidden in a text of %s tokens (Newton's Opticks; the sentence is ours), at %s percent of it; "+
			"the prompt ends in \"The special magic number for <city> is\", without a chat template. Greedy, %d tokens at most; right is an answer with the five digits. "+
			"%d trials with texts and numbers of their own. GemFilter looks in layer %d (0-based), chosen by the curve of other texts and numbers; on those SnapKV did best with a window of %d, which snapkv-kv has.",
		x.m.Net.Config.Name, x.eng.Depth(), x.eng.Mode(), needle.Number(x.r.Seed).Sentence, list(x.lengths), list(x.depths), longest, x.trials, x.layer, x.window)})
	x.r.Section(x.accuracy())
	for _, s := range x.costs() {
		x.r.Section(s)
	}
	x.r.Section(x.layerTable())
	s, err := x.selected(ctx)
	if err != nil {
		return err
	}
	x.r.Section(s)
	return x.pictures()
}

func list(n []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(n), " ", ", "), "[]")
}

// each calls f for full attention and for every method and k.
func (x *experiment) each(f func(name string, k int)) {
	f("full", 0)
	for _, k := range x.ks {
		for _, m := range methods {
			f(m.name, k)
		}
	}
}

// budget writes k, and nothing for the whole prompt.
func budget(k int) string {
	if k == 0 {
		return "all"
	}
	return strconv.Itoa(k)
}

func (x *experiment) accuracy() paper.Section {
	s := paper.Section{Title: "Right answers", Head: []string{"method", " k"}, Text: "Counts over depths and trials, and the share of each trial over all lengths. With small k (at most a quarter of the text): "}
	var parts []string
	for _, name := range append([]string{"full"}, names()...) {
		parts = append(parts, name+" "+x.atSmall(name).String())
	}
	s.Text += strings.Join(parts, ", ") + ".\n"
	for _, m := range methods {
		s.Text += "\n- " + m.name + ": " + m.what
	}
	for _, length := range x.lengths {
		s.Head = append(s.Head, fmt.Sprintf(" %d tokens", length))
	}
	s.Head = append(s.Head, " all", " by trial")
	x.each(func(name string, k int) {
		line := []string{name, budget(k)}
		for _, length := range x.lengths {
			line = append(line, count(x.rows, func(r row) bool { return r.method == name && r.k == k && r.length == length }).String())
		}
		line = append(line, count(x.rows, func(r row) bool { return r.method == name && r.k == k }).String())
		var trials []string
		for trial := range x.trials {
			trials = append(trials, fmt.Sprintf("%.2f", count(x.rows, func(r row) bool { return r.method == name && r.k == k && r.trial == trial }).share()))
		}
		s.Rows = append(s.Rows, append(line, strings.Join(trials, " ")))
	})
	return s
}

func names() []string {
	var n []string
	for _, m := range methods {
		n = append(n, m.name)
	}
	return n
}

// costs are the tables of time and memory, and where GemFilter breaks even.
func (x *experiment) costs() []paper.Section {
	times := paper.Section{Title: "Milliseconds to the first token", Text: "Medians over depths and trials, selection included.", Head: []string{"method", " k"}}
	bytes := paper.Section{Title: "Bytes of keys and values", Text: "When the first token is known; medians of prompts that differ by some tokens.", Head: []string{"method", " k"}}
	even := paper.Section{Title: "Where GemFilter breaks even in time", Text: "Its time to the first token over full attention's: it is faster where this is below 1.", Head: []string{" k"}}
	for _, length := range x.lengths {
		head := fmt.Sprintf(" %d tokens", length)
		times.Head, bytes.Head, even.Head = append(times.Head, head), append(bytes.Head, head), append(even.Head, head)
	}
	x.each(func(name string, k int) {
		t, b := []string{name, budget(k)}, []string{name, budget(k)}
		for _, length := range x.lengths {
			t = append(t, fmt.Sprintf("%.0f", x.time(name, k, length)))
			b = append(b, strconv.FormatInt(x.bytes(name, k, length), 10))
		}
		times.Rows, bytes.Rows = append(times.Rows, t), append(bytes.Rows, b)
	})
	even.Head = append(even.Head, "faster from")
	for _, k := range x.ks {
		line, from := []string{strconv.Itoa(k)}, "at no length asked"
		for _, length := range slices.Backward(x.lengths) {
			ratio := x.time("gemfilter", k, length) / x.time("full", 0, length)
			line = slices.Insert(line, 1, fmt.Sprintf("%.2f", ratio))
		}
		for _, length := range slices.Backward(x.lengths) {
			if x.time("gemfilter", k, length) >= x.time("full", 0, length) {
				break
			}
			from = fmt.Sprintf("%d tokens", length)
		}
		even.Rows = append(even.Rows, append(line, from))
	}
	return []paper.Section{times, bytes, even}
}

// bytes is the middle of the memory that a method takes.
func (x *experiment) bytes(name string, k, length int) int64 {
	var all []int64
	for _, r := range x.rows {
		if r.method == name && r.k == k && r.length == length {
			all = append(all, r.Bytes)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func (x *experiment) layerTable() paper.Section {
	s := paper.Section{
		Title: "What a filter in each layer keeps of the needle",
		Text:  fmt.Sprintf("Held-out prompts with small k. Distance is D_l, the median; found is the share of prompts with D_l = 0; recall is the mean share of the needle's tokens that are kept. The filter's layer is %d.", x.layer),
		Head:  []string{" layer", " distance", " found", " recall"},
	}
	for _, l := range x.curve {
		s.Rows = append(s.Rows, []string{strconv.Itoa(l.Layer), fmt.Sprintf("%g", l.Distance), fmt.Sprintf("%.2f", l.Found), fmt.Sprintf("%.2f", l.Recall)})
	}
	return s
}

// selected shows what the filter kept of one prompt.
func (x *experiment) selected(ctx context.Context) (paper.Section, error) {
	k, length := slices.Min(x.ks), slices.Min(x.lengths)
	p, err := x.hide(0, length, 50)
	if err != nil {
		return paper.Section{}, err
	}
	f := gemfilter.Filter{Layer: x.layer, Keep: k}
	s, err := f.Select(ctx, x.eng, pass.NewSeq(p.ids...))
	if err != nil {
		return paper.Section{}, err
	}
	return paper.Section{
		Title: "What the filter kept of one prompt",
		Text: fmt.Sprintf("%d of %d tokens, layer %d. Hidden: %s\n\n%s", len(s.Kept), len(p.ids), x.layer, p.fact.Sentence,
			gaps(p.ids, s.Kept, x.m.Tokenizer.Decode)),
		Plain: true,
	}, nil
}

// gaps is the kept text with a mark for each run of tokens that is missing.
func gaps(ids []int32, kept []int, decode func([]int32) string) string {
	var b strings.Builder
	next := 0
	gap := func(to int) {
		if to > next {
			fmt.Fprintf(&b, "[... %d ...]", to-next)
		}
	}
	for i := 0; i < len(kept); {
		j := i + 1
		for j < len(kept) && kept[j] == kept[j-1]+1 {
			j++
		}
		gap(kept[i])
		next = kept[j-1] + 1
		b.WriteString(strings.ToValidUTF8(decode(ids[kept[i]:next]), "\uFFFD"))
		i = j
	}
	gap(len(ids))
	return b.String()
}

func (x *experiment) pictures() error {
	for _, k := range x.ks {
		if err := x.r.Picture(fmt.Sprintf("needle-%d.svg", k), x.heat(k).SVG()); err != nil {
			return err
		}
	}
	found := plot.Line{Label: "needle found (distance 0)"}
	recall := plot.Line{Label: "share of the needle kept", Color: 1, Dashed: true}
	distance := plot.Line{Label: "D_l"}
	for _, l := range x.curve {
		at := float64(l.Layer)
		found.Points = append(found.Points, plot.Point{X: at, Y: l.Found})
		recall.Points = append(recall.Points, plot.Point{X: at, Y: l.Recall})
		distance.Points = append(distance.Points, plot.Point{X: at, Y: l.Distance})
	}
	foot := fmt.Sprintf("%s; held-out prompts, k at most a quarter of the text; filter in layer %d", x.m.Net.Config.Name, x.layer)
	if err := x.r.Picture("layers.svg", plot.Chart{Title: "Where a filter finds the needle", X: "layer", Y: "share of prompts, of tokens",
		Lines: []plot.Line{found, recall}, Foot: foot}.SVG()); err != nil {
		return err
	}
	if err := x.r.Picture("distance.svg", plot.Chart{Title: "From the needle to the nearest token kept", X: "layer", Y: "tokens, median",
		Lines: []plot.Line{distance}, Foot: foot}.SVG()); err != nil {
		return err
	}
	return x.r.Picture("time.svg", x.timeChart().SVG())
}

// heat is the maps of one k: full attention and every method.
func (x *experiment) heat(k int) plot.Heat {
	h := plot.Heat{
		Title: fmt.Sprintf("Five digits in a text, k = %d: share of right answers", k), X: "length, tokens", Y: "depth, percent",
		Foot: fmt.Sprintf("%s, %s mode; trials: %d; seed %d; a k above a quarter of the text is no test of a filter", x.m.Net.Config.Name, x.eng.Mode(), x.trials, x.r.Seed),
	}
	for _, n := range x.lengths {
		h.Columns = append(h.Columns, strconv.Itoa(n))
	}
	for _, n := range x.depths {
		h.Rows = append(h.Rows, strconv.Itoa(n))
	}
	for _, name := range append([]string{"full"}, names()...) {
		p := plot.Panel{Title: name}
		for _, depth := range x.depths {
			var line []float64
			for _, length := range x.lengths {
				line = append(line, count(x.rows, func(r row) bool {
					return r.method == name && (r.k == k || r.k == 0) && r.length == length && r.depth == depth
				}).share())
			}
			p.Cells = append(p.Cells, line)
		}
		h.Panels = append(h.Panels, p)
	}
	return h
}

func (x *experiment) timeChart() plot.Chart {
	c := plot.Chart{
		Title: "Time to the first token", X: "length, tokens", Y: "ms", Log: true,
		Foot: fmt.Sprintf("%s, %s mode, %d threads; medians over depths and trials; filter in layer %d", x.m.Net.Config.Name, x.eng.Mode(), x.eng.Threads(), x.layer),
	}
	add := func(name string, k, color int, dashed bool, label string) {
		l := plot.Line{Label: label, Color: color, Dashed: dashed}
		for _, length := range x.lengths {
			l.Points = append(l.Points, plot.Point{X: float64(length), Y: x.time(name, k, length)})
		}
		c.Lines = append(c.Lines, l)
	}
	add("full", 0, 0, false, "full attention")
	add("snapkv", slices.Min(x.ks), 0, true, fmt.Sprintf("SnapKV, k = %d", slices.Min(x.ks)))
	for i, k := range x.ks {
		add("gemfilter", k, 1+i, false, fmt.Sprintf("GemFilter, k = %d", k))
	}
	return c
}
