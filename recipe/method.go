package recipe

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// method is something that a recipe names as "name:key=value,key=value", and what
// makes it of its settings.
type method[T any] struct {
	name   string
	is     string
	params []param
	make   T
}

// param is a setting of a method: a number.
type param struct {
	name   string
	def    float64 // NaN: it must be given
	lo, hi float64
	whole  bool
}

// must says of a setting that it has no default.
var must = math.NaN()

// params are all settings of a method.
type params map[string]float64

func (p params) f32(name string) float32 { return float32(p[name]) }
func (p params) int(name string) int     { return int(p[name]) }

// table is the methods that a field can name.
type table[T any] []method[T]

// grammar is a table for those who only check words.
type grammar interface {
	check(s string) error
	names() []string
	usages() []string
	free() bool
}

// tables are all of them, by the name in a field's tag.
var tables = map[string]grammar{
	"losses": losses, "optimizers": optimizers, "rates": rates, "averages": averages, "noises": noises, "tokenizers": tokenizers, "adapters": adapters{},
}

// parse finds a method and its settings.
func (t table[T]) parse(s string) (*method[T], params, error) {
	name, rest, colon := strings.Cut(s, ":")
	i := slices.IndexFunc(t, func(m method[T]) bool { return m.name == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("%q: no such method: %s", name, nearest(name, t.names()))
	}
	m, p := &t[i], params{}
	fail := func(format string, args ...any) (*method[T], params, error) {
		return nil, nil, fmt.Errorf("%s: %s; write it like %s", name, fmt.Sprintf(format, args...), m.usage())
	}
	if colon {
		for part := range strings.SplitSeq(rest, ",") {
			k, v, ok := strings.Cut(part, "=")
			if !ok {
				return fail("%q is not key=value", part)
			}
			j := slices.IndexFunc(m.params, func(q param) bool { return q.name == k })
			if j < 0 {
				return fail("no setting %q", k)
			}
			if _, twice := p[k]; twice {
				return fail("%s is given twice", k)
			}
			x, err := strconv.ParseFloat(v, 64)
			q := m.params[j]
			switch {
			case err != nil || q.whole && x != math.Trunc(x):
				return fail("%s=%s is not a number that fits", k, v)
			case !(x >= q.lo && x <= q.hi):
				return fail("%s=%s is not from %s to %s", k, v, number(q.lo), number(q.hi))
			}
			p[k] = x
		}
	}
	for _, q := range m.params {
		if _, ok := p[q.name]; !ok {
			if math.IsNaN(q.def) {
				return fail("%s must be given", q.name)
			}
			p[q.name] = q.def
		}
	}
	return m, p, nil
}

// check looks at a text; "" is no method.
func (t table[T]) check(s string) error {
	if s == "" {
		return nil
	}
	_, _, err := t.parse(s)
	return err
}

// free says that a field may hold other text too.
func (t table[T]) free() bool { return false }

func (t table[T]) names() []string {
	var all []string
	for i := range t {
		all = append(all, t[i].name)
	}
	return all
}

// usages shows each method, with what it is.
func (t table[T]) usages() []string {
	var all []string
	for i := range t {
		all = append(all, t[i].usage()+" ("+t[i].is+")")
	}
	return all
}

// usage shows a method with its settings and their defaults.
func (m *method[T]) usage() string {
	var all []string
	for _, p := range m.params {
		v := number(p.def)
		if math.IsNaN(p.def) {
			v = "N"
		}
		all = append(all, p.name+"="+v)
	}
	if all == nil {
		return m.name
	}
	return m.name + ":" + strings.Join(all, ",")
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
