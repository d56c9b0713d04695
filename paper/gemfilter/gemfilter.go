// Package gemfilter tests the claims of the GemFilter paper on a small language
// model that people have.
//
// Shi, Ming, Nguyen, Liang, Joty, "Discovering the Gems in Early Layers",
// 2024 (arXiv 2409.17422). A sentence with a number of five digits is hidden
// in Newton's Opticks, and the prompt ends in the beginning of that sentence,
// which the model is to go on with: a completion, without a chat template. An
// answer is right if its first 8 tokens hold the five digits.
//
// The text is synthetic in that the sentence is ours; the rest is Newton's. Each
// trial has a stretch of the text and numbers of its own, and so have the
// prompts that the filter's layer is chosen with.
package gemfilter

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/micaml/mica/eval/needle"
	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/pass"
)

// Experiment is experiment B: on a real model. Experiment A trains one.
var Experiment = paper.Experiment{Model: "smollm2", Claims: claims, Run: run}

// experiment is a run.
type experiment struct {
	r   *paper.Run
	m   *lm.Model
	eng *pass.Engine
	plan

	layer  int // that the curve says
	window int // of SnapKV, that the same prompts say
	curve  []needle.Layer
	rows   []row
	layers []row // of the filter in other layers, with the smallest k
	steps  int   // done
}

// plan is what is asked.
type plan struct {
	lengths, depths, ks []int // tokens of the text, percent, tokens kept
	trials              int
}

var (
	full  = plan{lengths: []int{256, 512, 1024}, depths: []int{0, 25, 50, 75, 100}, ks: []int{64, 128, 256}, trials: 3}
	quick = plan{lengths: []int{256}, depths: []int{0, 50, 100}, ks: []int{64}, trials: 1}
)

// small reports whether k is at most a quarter of a text, which is where most
// claims are made.
func small(k, length int) bool { return 4*k <= length }

// total is how many answers and curves the plan has.
func (p plan) total() int {
	kept := 0
	for _, length := range p.lengths {
		for _, k := range p.ks {
			if small(k, length) {
				kept++
			}
		}
	}
	chosen := kept * len(p.depths) * (1 + len(windows))
	return chosen + p.trials*len(p.depths)*len(p.lengths)*(1+len(methods)*len(p.ks)+2)
}

// beside is room for what comes after the text, in tokens: the stem and the
// answer, for any tokenizer.
const beside = 128

// row is an answer and what was asked.
type row struct {
	method        string
	k             int // 0: the whole prompt
	length, depth int
	trial         int
	layer         int // of the filter
	answer
}

// noLayer is the layer of methods that have none.
const noLayer = -1

// run measures the claims.
func run(ctx context.Context, r *paper.Run) error {
	m, err := lm.Open(r.Model)
	if err != nil {
		return err
	}
	defer m.Close()
	x := &experiment{r: r, m: m, eng: pass.NewEngine(m.Net, r.Engine), plan: full}
	defer x.eng.Close()
	if r.Quick {
		x.plan = quick
	}
	if need := slices.Max(x.lengths) + beside; m.Net.Config.Context < need {
		return fmt.Errorf("gemfilter: the experiment needs a context of %d tokens, and this model was made for %d", need, m.Net.Config.Context)
	}
	for _, step := range []func(context.Context) error{x.identity, x.chooseLayer, x.chooseWindow, x.askAll, x.askLayers} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	x.judge()
	return x.report(ctx)
}

// prompt is a text with a fact in it and the beginning of its sentence.
type prompt struct {
	ids      []int32
	fact     needle.Fact
	from, to int // the tokens of the sentence
}

// heldOut is the trial of the prompts that the layer is chosen with.
const heldOut = -1

// hide makes the prompt of a cell. Trials have quarters of the text for their
// own, from the start of a sentence on, and each cell has a fact of its own.
func (x *experiment) hide(trial, length, depth int) (prompt, error) {
	text := needle.Opticks
	at := len(text) * (trial - heldOut) / (full.trials + 1)
	if at > 0 {
		at += strings.Index(text[at:], ". ") + 2
	}
	hay, err := needle.NewHay(x.m.Tokenizer, text[at:]+"\n"+text[:at])
	if err != nil {
		return prompt{}, err
	}
	p := prompt{fact: needle.Number(x.seed(trial, length, depth))}
	if text, err = hay.Hide(p.fact, length, depth); err != nil {
		return p, err
	}
	stem, _, _ := strings.Cut(p.fact.Sentence, " "+p.fact.Answer)
	p.ids = x.m.Text(text + "\n" + stem)
	if p.from, p.to = needle.Find(x.m.Tokenizer, p.ids, p.fact.Sentence); p.from == p.to {
		return p, fmt.Errorf("gemfilter: the needle is lost in a prompt of %d tokens", len(p.ids))
	}
	return p, nil
}

// seed is that of a cell's fact.
func (x *experiment) seed(trial, length, depth int) uint64 {
	return x.r.Seed<<32 | uint64(trial-heldOut)<<24 | uint64(length)<<8 | uint64(depth)
}

// progress says what comes next.
func (x *experiment) progress(format string, args ...any) {
	x.r.Progress(x.steps, x.plan.total(), fmt.Sprintf(format, args...))
	x.steps++
}

// chooseLayer looks at every layer of the held-out prompts, with each k that is
// small for them, and takes the layer that [needle.Choose] says.
func (x *experiment) chooseLayer(ctx context.Context) error {
	var curves [][]gemfilter.Near
	for _, length := range x.lengths {
		for _, depth := range x.depths {
			p, err := x.hide(heldOut, length, depth)
			if err != nil {
				return err
			}
			for _, k := range x.ks {
				if !small(k, length) {
					continue
				}
				x.progress("layers of %d tokens, depth %d %%", length, depth)
				c, err := paper.Remember(x.r, fmt.Sprintf("curve %d %d %d", length, depth, k), func() ([]gemfilter.Near, error) {
					return gemfilter.Filter{Keep: k}.Curve(ctx, x.eng, pass.NewSeq(p.ids...), p.from, p.to)
				})
				if err != nil {
					return err
				}
				if len(c) != x.eng.Depth() {
					return fmt.Errorf("gemfilter: a curve of %d layers for a model of %d", len(c), x.eng.Depth())
				}
				curves = append(curves, c)
			}
		}
	}
	x.curve = needle.Layers(curves)
	x.layer = needle.Choose(x.curve)
	return nil
}

// windows are those that SnapKV may have: 32, as released, for budgets of a
// thousand entries and more, takes half of a budget of 64.
var windows = []int{32, 16, 8}

// chooseWindow asks the held-out prompts with small k and each window, and
// takes the one with the most right answers, so that a baseline is chosen for
// as carefully as the method.
func (x *experiment) chooseWindow(ctx context.Context) error {
	most := -1
	for _, w := range windows {
		var rows []row
		for _, length := range x.lengths {
			for _, depth := range x.depths {
				p, err := x.hide(heldOut, length, depth)
				if err != nil {
					return err
				}
				for _, k := range x.ks {
					if !small(k, length) {
						continue
					}
					r := row{method: fmt.Sprintf("snapkv-kv with a window of %d", w), k: k, length: length, depth: depth, trial: heldOut, layer: noLayer}
					if err := x.add(ctx, &rows, r, p, nil, snapkv.Method{Budget: k, Window: w}); err != nil {
						return err
					}
				}
			}
		}
		if right := count(rows, func(row) bool { return true }).right; right > most {
			most, x.window = right, w
		}
	}
	return nil
}

// askAll asks every cell with every method.
func (x *experiment) askAll(ctx context.Context) error {
	return x.cells(func(trial, length, depth int, p prompt) error {
		if err := x.add(ctx, &x.rows, row{method: "full", length: length, depth: depth, trial: trial, layer: noLayer}, p, nil, nil); err != nil {
			return err
		}
		for _, k := range x.ks {
			for _, m := range methods {
				var pick keep.Selector
				var cache keep.Compressor
				r := row{method: m.name, k: k, length: length, depth: depth, trial: trial, layer: noLayer}
				if m.name == "gemfilter" {
					r.layer = x.layer
				}
				if m.pick != nil {
					pick = m.pick(k, x.layer, x.seed(trial, length, depth))
				} else {
					cache = m.cache(k, x.window)
				}
				if err := x.add(ctx, &x.rows, r, p, pick, cache); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// askLayers asks GemFilter with the smallest k in layer 1 and in the last.
func (x *experiment) askLayers(ctx context.Context) error {
	return x.cells(func(trial, length, depth int, p prompt) error {
		for _, layer := range []int{1, x.eng.Depth() - 1} {
			k := slices.Min(x.ks)
			r := row{method: fmt.Sprintf("gemfilter in layer %d", layer), k: k, length: length, depth: depth, trial: trial, layer: layer}
			if err := x.add(ctx, &x.layers, r, p, gemfilter.Filter{Layer: layer, Keep: k}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (x *experiment) cells(f func(trial, length, depth int, p prompt) error) error {
	for trial := range x.trials {
		for _, length := range x.lengths {
			for _, depth := range x.depths {
				p, err := x.hide(trial, length, depth)
				if err != nil {
					return err
				}
				if err := f(trial, length, depth, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// add asks, unless an interrupted run has, and adds the row.
func (x *experiment) add(ctx context.Context, rows *[]row, r row, p prompt, pick keep.Selector, cache keep.Compressor) error {
	x.progress("%s, k = %d, of %d tokens, depth %d %%", r.method, r.k, r.length, r.depth)
	var err error
	r.answer, err = paper.Remember(x.r, fmt.Sprintf("%s %d %d %d %d %d", r.method, r.k, r.layer, r.length, r.depth, r.trial), func() (answer, error) {
		return x.ask(ctx, p.ids, pick, cache, p.fact.Answer)
	})
	*rows = append(*rows, r)
	return err
}

// identity compares the logits of a prompt that a filter kept whole with those
// of the prompt itself, for its end and the tokens after it.
func (x *experiment) identity(ctx context.Context) error {
	differ := 0
	for _, length := range x.lengths {
		p, err := x.hide(0, length, 50)
		if err != nil {
			return err
		}
		s, err := gemfilter.Filter{Layer: x.eng.Depth() / 2, Keep: len(p.ids) + 1}.Select(ctx, x.eng, pass.NewSeq(p.ids...))
		if err != nil {
			return err
		}
		a, b := pass.NewSeq(p.ids...).Select(s.Kept), pass.NewSeq(p.ids...)
		for range longest {
			la, err := x.next(ctx, a)
			if err != nil {
				return err
			}
			lb, err := x.next(ctx, b)
			if err != nil {
				return err
			}
			differ += different(la, lb)
			a.Append(lm.Argmax(la))
			b.Append(lm.Argmax(lb))
		}
		if len(s.Kept) != len(p.ids) {
			differ++
		}
	}
	x.r.Judge("identity", float64(differ), differ == 0,
		fmt.Sprintf("prompts: %d; tokens generated after each: %d", len(x.lengths), longest))
	return nil
}
