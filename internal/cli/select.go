package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/baseline"
	"github.com/micaml/mica/keep/gemfilter"
)

// method is a technique that --select can name: "name:key=value,key=value".
type method struct {
	name   string
	params []param
	make   func(m *model, p params) (keep.Selector, error)
}

// param is a setting of a method: a whole number.
type param struct {
	name   string
	def    string // what it is if it isn't given, for help
	lo, hi int
}

// params are the settings that were given.
type params map[string]int

func (p params) or(name string, def int) int {
	if v, ok := p[name]; ok {
		return v
	}
	return def
}

const most = 1 << 30 // no bound that anyone will meet

// methods is the one table of selections.
var methods = []method{
	{"full", nil, func(*model, params) (keep.Selector, error) { return baseline.Full{}, nil }},
	{"gemfilter", []param{{"layer", "the model's", -most, most}, {"keep", "1024", 1, most}, {"pool", "5", 1, most}}, newGemFilter},
	{"last", []param{{"keep", "1024", 1, most}}, func(_ *model, p params) (keep.Selector, error) {
		return baseline.Last{Keep: p.or("keep", 1024)}, nil
	}},
	{"random", []param{{"keep", "1024", 1, most}, {"seed", "0", 0, most}}, func(_ *model, p params) (keep.Selector, error) {
		return baseline.Random{Keep: p.or("keep", 1024), Seed: uint64(p.or("seed", 0))}, nil
	}},
}

func newGemFilter(m *model, p params) (keep.Selector, error) {
	depth := m.config().Layers
	layer, err := layerOf(p.or("layer", filterLayer(m)), depth)
	if err != nil {
		return nil, usage("layers count from 0, and -1 is the last", "--select gemfilter: layer=%d: %w", p["layer"], err)
	}
	if w := p.or("pool", 5); w%2 == 0 {
		return nil, usage("the paper's window is 5", "--select gemfilter: pool=%d: must be odd", w)
	}
	return gemfilter.Filter{Layer: layer, Keep: p.or("keep", 1024), Pool: p.or("pool", 5)}, nil
}

// filterLayers are the layers in which GemFilter looks, as measured by us for
// models by the SHA-256 of their file, or failing that by their own name.
var filterLayers = map[string]int{
	"b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53": smollm2Filter, // SmolLM2-135M-Instruct, Q4_1
	"Smollm2 135M 8k Lc100K Mix1 Ep2":                                  smollm2Filter, // the same model, any file
}

// smollm2Filter had the most right answers of the layers tried with
// keep=1024, on 50 prompts of 1,550 to 2,460 tokens (5 needles, 5 depths, 4
// texts, none of them the demo's): layer 14 22, 15 19, 18 28, 21 26; the
// whole prompt 35. The paper's curve, a sharp drop of the distance between
// kept tokens and needle that then stays at 0, does not appear in this model.
const smollm2Filter = 18

// filterLayer is the layer for a model: the measured one, or 2/5 of the
// depth, which is where the paper's models have theirs (13 of 32, 19 of 40).
func filterLayer(m *model) int {
	for _, key := range []string{m.file.Digest, m.config().Name} {
		if l, ok := filterLayers[key]; ok && l < m.config().Layers {
			return l
		}
	}
	return m.config().Layers * 2 / 5
}

// selection is a --select as typed, checked as far as it can be without the
// model.
type selection struct {
	method *method
	params params
}

// parseSelection reads "name:key=value,...". No text is no selection.
func parseSelection(s string) (*selection, error) {
	if s == "" {
		return nil, nil
	}
	name, rest, _ := strings.Cut(s, ":")
	var m *method
	for i := range methods {
		if methods[i].name == name {
			m = &methods[i]
		}
	}
	known := "the methods are " + strings.Join(methodUsage(), ", ")
	if m == nil {
		return nil, usage(known, "--select %s: no such method", quoted(name))
	}
	sel := &selection{m, params{}}
	if rest == "" {
		return sel, nil
	}
	for _, field := range strings.Split(rest, ",") {
		k, v, ok := strings.Cut(field, "=")
		if !ok {
			return nil, usage("write it like "+m.usage(), "--select %s: %q is not key=value", name, field)
		}
		if err := sel.set(k, v); err != nil {
			return nil, usage("write it like "+m.usage(), "--select %s: %s=%s: %w", name, k, v, err)
		}
	}
	return sel, nil
}

func (s *selection) set(k, v string) error {
	for _, p := range s.method.params {
		if p.name != k {
			continue
		}
		if _, twice := s.params[k]; twice {
			return errors.New("given twice")
		}
		n, err := parseWhole(v, p.lo, p.hi)
		if err != nil {
			return err
		}
		s.params[k] = n
		return nil
	}
	return errors.New("no such parameter")
}

// usage shows a method with all its parameters: gemfilter[:layer=N,keep=1024].
func (m *method) usage() string {
	var p []string
	for _, x := range m.params {
		v := x.def
		if _, err := strconv.Atoi(v); err != nil {
			v = "N"
		}
		p = append(p, fmt.Sprintf("%s=%s", x.name, v))
	}
	if len(p) == 0 {
		return m.name
	}
	return m.name + "[:" + strings.Join(p, ",") + "]"
}

func methodUsage() []string {
	var u []string
	for i := range methods {
		u = append(u, methods[i].usage())
	}
	return u
}
