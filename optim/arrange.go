package optim

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/internal/spell"
	"github.com/micaml/mica/op"
)

// Group chooses weights and says how they are trained.
type Group struct {
	Name string // for errors and the table
	// Match are patterns of names as of path.Match, of which one must fit:
	// "blk.*.attn_q.weight". * stands for any text without a slash. None fit every
	// name.
	Match []string
	// Layers are the layers that are meant, counted from 0: "0-11", "4,8", "-1" (the
	// last) or "all", which leaves out weights of no layer. Empty means any weight.
	Layers string
	// Rule trains the weights; nil leaves them frozen.
	Rule Rule
	// Rate multiplies the learning rate; 0 means 1.
	Rate float64
}

// Plan says which weights are trained by which group. Nothing has been allocated.
type Plan struct {
	groups  []Group
	weights []*op.Weight
	layer   []int // of each weight; -1 if it has none
	group   []int // of each weight; -1 if it stays frozen
	layers  int
}

// Arrange gives each weight to the first group that fits; one that fits none stays
// frozen. A weight's layer is the first part of its name between dots that is a
// number, as in "blk.3.attn_q.weight" and "model.layers.3.mlp.up_proj.weight".
//
// A pattern that fits no name is an error that lists names near it, and so is a
// group that gets no weight.
func Arrange(weights []*op.Weight, groups ...Group) (*Plan, error) {
	p := &Plan{groups: groups, weights: weights, layer: make([]int, len(weights)), group: make([]int, len(weights))}
	for i, w := range weights {
		p.group[i] = -1
		p.layer[i] = LayerOf(w.Name)
		p.layers = max(p.layers, p.layer[i]+1)
	}
	for g := range groups {
		if err := p.choose(g); err != nil {
			return nil, fmt.Errorf("optim: group %q: %w", groups[g].Name, err)
		}
	}
	return p, nil
}

// LayerOf returns the layer in a weight's name, as [Arrange] reads it, or -1.
func LayerOf(name string) int {
	for part := range strings.SplitSeq(name, ".") {
		if n, err := strconv.ParseUint(part, 10, 16); err == nil {
			return int(n)
		}
	}
	return -1
}

// choose gives group g its weights.
func (p *Plan) choose(g int) error {
	group := &p.groups[g]
	if group.Rule != nil {
		if err := group.Rule.check(); err != nil {
			return err
		}
	}
	in, err := p.span(group.Layers)
	if err != nil {
		return err
	}
	patterns := group.Match
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	got, taken := 0, -1
	for _, pattern := range patterns {
		named, inSpan := 0, 0
		for i, w := range p.weights {
			ok, err := path.Match(pattern, w.Name)
			if err != nil {
				return fmt.Errorf("pattern %q: a [ without its ], or a \\ at the end", pattern)
			}
			if !ok {
				continue
			}
			named++
			if group.Layers != "" && (p.layer[i] < 0 || !in[p.layer[i]]) {
				continue
			}
			inSpan++
			switch {
			case p.group[i] < 0:
				if _, ok := w.F32(); !ok && group.Rule != nil {
					return fmt.Errorf("weight %q is %v: only float32 can be trained", w.Name, w.DType)
				}
				p.group[i] = g
				got++
			case p.group[i] != g:
				taken = p.group[i]
			}
		}
		switch {
		case named == 0:
			return fmt.Errorf("pattern %q fits no weight; %s", pattern, p.near(pattern))
		case inSpan == 0:
			return fmt.Errorf("pattern %q fits no weight in layers %s, but %d elsewhere", pattern, group.Layers, named)
		}
	}
	if got == 0 && taken >= 0 {
		return fmt.Errorf("group %q before it has taken all its weights: the first group that fits gets a weight", p.groups[taken].Name)
	}
	return nil
}

// span reads "0-11", "4,8", "-1" or "all".
func (p *Plan) span(s string) ([]bool, error) {
	in := make([]bool, p.layers)
	if s == "" {
		return in, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, ok := 0, p.layers-1, true
		if part != "all" {
			a, b := part, part
			if i := strings.LastIndex(part, "-"); i > 0 {
				a, b = part[:i], part[i+1:]
			}
			lo, ok = p.number(a)
			if ok {
				hi, ok = p.number(b)
			}
		}
		switch {
		case p.layers == 0:
			return nil, fmt.Errorf("layers %q: no weight's name has a layer's number", s)
		case !ok || lo > hi:
			return nil, fmt.Errorf("layers %q: want 0-11, 4,8, -1 (the last) or all, within 0 to %d", s, p.layers-1)
		}
		for l := lo; l <= hi; l++ {
			in[l] = true
		}
	}
	return in, nil
}

func (p *Plan) number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	if n < 0 {
		n += p.layers
	}
	return n, err == nil && n >= 0 && n < p.layers
}

// near lists names that are like a pattern, with * for their layer.
func (p *Plan) near(pattern string) string {
	type candidate struct {
		name string
		far  int
	}
	var all []candidate
	seen := map[string]bool{}
	for i, w := range p.weights {
		name := w.Name
		if p.layer[i] >= 0 {
			number := "." + strconv.Itoa(p.layer[i]) + "."
			name = strings.Replace("."+name+".", number, ".*.", 1)
			name = name[1 : len(name)-1]
		}
		if !seen[name] {
			seen[name] = true
			all = append(all, candidate{name, spell.Distance(pattern, name)})
		}
	}
	if len(all) == 0 {
		return "there are no weights"
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.far - b.far })
	var names []string
	for _, c := range all[:min(3, len(all))] {
		names = append(names, c.name)
	}
	return "near are " + strings.Join(names, ", ")
}

// New asks for the gradients of the weights that are trained and returns their
// optimizers. The other weights have no gradient from here on. pool may be nil.
func (p *Plan) New(pool *par.Pool) (*Groups, error) {
	gs := &Groups{}
	for g, group := range p.groups {
		if group.Rule == nil {
			continue
		}
		var weights []*op.Weight
		for i, w := range p.weights {
			if p.group[i] == g {
				w.Train()
				weights = append(weights, w)
			}
		}
		o, err := New(pool, group.Rule, weights)
		if err != nil {
			return nil, fmt.Errorf("group %q: %w", group.Name, err)
		}
		rate := group.Rate
		if rate == 0 {
			rate = 1
		}
		gs.optimizers, gs.rates = append(gs.optimizers, o), append(gs.rates, rate)
	}
	for i, w := range p.weights {
		if !p.trained(i) {
			w.Grad = nil
		}
	}
	return gs, nil
}

// Weights returns the weights of a group, counted from 0.
func (p *Plan) Weights(group int) []*op.Weight {
	var own []*op.Weight
	for i, w := range p.weights {
		if p.group[i] == group {
			own = append(own, w)
		}
	}
	return own
}

func (p *Plan) trained(i int) bool { return p.group[i] >= 0 && p.groups[p.group[i]].Rule != nil }
