package gemfilter

import (
	"fmt"
	"math"
	"slices"

	"github.com/micaml/mica/eval/needle"
)

// different counts the numbers whose bits differ.
func different(a, b []float32) int {
	n := 0
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			n++
		}
	}
	return n
}

// score counts right answers.
type score struct{ right, n int }

func (s score) share() float64 {
	if s.n == 0 {
		return 0
	}
	return float64(s.right) / float64(s.n)
}

func (s score) String() string { return fmt.Sprintf("%d/%d", s.right, s.n) }

// count counts the rows that a function takes.
func count(rows []row, of func(row) bool) score {
	var s score
	for _, r := range rows {
		if of(r) {
			s.n++
			if r.Right {
				s.right++
			}
		}
	}
	return s
}

// atSmall is a method's score over the cells with small k. Full attention, which
// has no k, counts once for each of them, so that all are of the same prompts.
func (x *experiment) atSmall(name string) score {
	var s score
	for _, k := range x.ks {
		c := count(x.rows, func(r row) bool {
			return r.method == name && (r.k == k || r.k == 0) && small(k, r.length)
		})
		s.right, s.n = s.right+c.right, s.n+c.n
	}
	return s
}

// median is the middle time to the first token of the rows that a function
// takes, in milliseconds.
func (x *experiment) median(of func(row) bool) float64 {
	var ms []float64
	for _, r := range x.rows {
		if of(r) {
			ms = append(ms, r.FirstMS)
		}
	}
	if len(ms) == 0 {
		return math.NaN()
	}
	slices.Sort(ms)
	return (ms[len(ms)/2] + ms[(len(ms)-1)/2]) / 2
}

func (x *experiment) time(name string, k, length int) float64 {
	return x.median(func(r row) bool { return r.method == name && r.k == k && r.length == length })
}

// judge turns what was measured into verdicts.
func (x *experiment) judge() {
	x.judgeBytes()
	x.judgeCurve()
	x.judgeAnswers()
	x.judgeLayers()
	x.judgeTime()
}

// block is how many entries of a head memory comes in: one block of attention's
// keys.
const block = 64

// blocks rounds up to whole blocks.
func blocks(n int) int64 { return int64((n + block - 1) / block) }

// judgeBytes compares the memory of each GemFilter answer with full
// attention's of the same prompt.
func (x *experiment) judgeBytes() {
	differ, n := 0, 0
	for _, f := range x.rows {
		if f.method != "full" {
			continue
		}
		for _, g := range x.rows {
			if g.method != "gemfilter" || g.length != f.length || g.depth != f.depth || g.trial != f.trial {
				continue
			}
			n++
			if g.Bytes*blocks(f.Prompt) != f.Bytes*blocks(min(g.k, g.Prompt)) {
				differ++
			}
		}
	}
	x.r.Judge("kv-bytes", float64(differ), differ == 0, fmt.Sprintf("answers: %d; memory comes in blocks of %d entries, so both sides are rounded up to those", n, block))
}

func (x *experiment) judgeCurve() {
	last := len(x.curve) - 1
	first := slices.IndexFunc(x.curve, func(l needle.Layer) bool { return l.Distance == 0 })
	after := 0
	if first >= 0 {
		for _, l := range x.curve[first:] {
			if l.Distance != 0 {
				after++
			}
		}
	}
	note := fmt.Sprintf("the median over the held-out prompts is first 0 in layer %d of %d", first, last+1)
	if first < 0 {
		note = "the median over the held-out prompts is 0 in no layer"
		after = last + 1
	}
	x.r.Judge("distance", float64(after), first >= 0 && first < last && after == 0, note)
	best := 0
	for i, l := range x.curve[:last] {
		if l.Recall > x.curve[best].Recall {
			best = i
		}
	}
	x.r.Judge("recall", x.curve[best].Recall, x.curve[best].Recall > found,
		fmt.Sprintf("layer %d; layer 0 keeps %.2f; the layer taken for the filter is %d, with %.2f", best, x.curve[0].Recall, x.layer, x.curve[x.layer].Recall))
}

func (x *experiment) judgeAnswers() {
	all, gem := x.atSmall("full"), x.atSmall("gemfilter")
	points := func(a, b score) float64 { return 100 * (a.share() - b.share()) }
	blind := ""
	if all.share() < sighted {
		blind = fmt.Sprintf("full attention itself is right in %s answers only, so that methods can't be told apart", all)
	}
	decide := func(id string, measured float64, holds bool, note string) {
		if blind != "" {
			x.r.Undecided(id, measured, blind, note)
			return
		}
		x.r.Judge(id, measured, holds, note)
	}
	decide("full", points(gem, all), gem.share() >= all.share()-closeTo, fmt.Sprintf("GemFilter %s, full %s", gem, all))
	random, last := x.atSmall("random"), x.atSmall("last")
	best := random
	if last.right > best.right {
		best = last
	}
	left := math.NaN()
	if all.right > 0 {
		left = float64(best.right) / float64(all.right)
	}
	decide("collapse", left, left <= collapsed, fmt.Sprintf("random %s, last %s, full %s; one depth in %d is the end of the text, which last keeps", random, last, all, len(x.depths)))
	for _, id := range []string{"snapkv", "snapkv-kv"} {
		s := x.atSmall(id)
		decide(id, points(gem, s), gem.right >= s.right, fmt.Sprintf("GemFilter %s, SnapKV %s", gem, s))
	}
	x.r.Judge("beats-full", points(gem, all), gem.right > all.right, "at these lengths")
}

// judgeLayers compares the filter's layer with layer 1 and the last, all with
// the smallest k.
func (x *experiment) judgeLayers() {
	k, last := slices.Min(x.ks), x.eng.Depth()-1
	in := func(rows []row, layer int) score {
		return count(rows, func(r row) bool { return r.layer == layer && r.k == k && small(k, r.length) })
	}
	chosen, early, late := in(x.rows, x.layer), in(x.layers, 1), in(x.layers, last)
	x.r.Judge("layer", 100*(early.share()-chosen.share()), chosen.share()-early.share() >= closeTo && late.right <= chosen.right,
		fmt.Sprintf("k = %d: layer 1 %s, %d %s, %d %s", k, early, x.layer, chosen, last, late))
}

// judgeTime compares the longest text and the smallest k with the cost model.
func (x *experiment) judgeTime() {
	k, length := slices.Min(x.ks), slices.Max(x.lengths)
	prompt := 0
	for _, r := range x.rows {
		if r.length == length {
			prompt = r.Prompt
		}
	}
	whole, gem, snap := x.time("full", 0, length), x.time("gemfilter", k, length), x.time("snapkv", k, length)
	model := float64(x.layer+1)/float64(x.eng.Depth()) + float64(k)/float64(prompt)
	x.r.Judge("time", gem/whole, gem/whole <= slack*model,
		fmt.Sprintf("%d tokens, k = %d, layer %d: the cost model says %.2f; medians %.0f and %.0f ms", prompt, k, x.layer, model, gem, whole))
	x.r.Judge("speed-up", whole/gem, false, fmt.Sprintf("%d tokens, k = %d; against SnapKV %.2f times", prompt, k, snap/gem))
}
