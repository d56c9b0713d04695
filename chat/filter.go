package chat

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

type filterFunc func(r *render, v value, a args) (value, error)

// filters are made by a function, because map finds other filters by name.
func filters(name string) filterFunc {
	switch name {
	case "map":
		return lazy(mapFilter)
	case "select", "reject", "selectattr", "rejectattr":
		return lazy(func(r *render, v value, a args) (value, error) {
			return selectFilter(r, v, a, strings.HasSuffix(name, "attr"), strings.HasPrefix(name, "select"))
		})
	}
	return filterTable[name]
}

var filterTable = map[string]filterFunc{
	"abs":        abs,
	"attr":       attrFilter,
	"capitalize": onString(capitalize),
	"count":      lengthFilter,
	"d":          defaultFilter,
	"default":    defaultFilter,
	"dictsort":   dictSort,
	"first":      firstFilter,
	"float":      floatFilter,
	"format":     formatFilter,
	"indent":     indentFilter,
	"int":        intFilter,
	"items":      lazy(itemsFilter),
	"join":       joinFilter,
	"last":       lastFilter,
	"length":     lengthFilter,
	"list":       listFilter,
	"lower":      onString(lower),
	"max":        func(r *render, v value, a args) (value, error) { return extreme(r, v, a, 1) },
	"min":        func(r *render, v value, a args) (value, error) { return extreme(r, v, a, -1) },
	"replace":    replaceFilter,
	"reverse":    reverseFilter,
	"round":      roundFilter,
	"safe":       func(r *render, v value, a args) (value, error) { return stringFilter(r, v, a) },
	"sort":       sortFilter,
	"string":     stringFilter,
	"sum":        sumFilter,
	"title":      onString(titleFilter),
	"tojson":     tojson,
	"trim":       trimFilter,
	"unique":     lazy(uniqueFilter),
	"upper":      onString(upper),
}

// filter applies one filter of an expression.
func (r *render) filter(f *filter, v value, s *scope) (value, error) {
	a, err := r.arguments(f.args, s)
	if err == nil {
		v, err = r.applyFilter(f.name, v, a)
	}
	if err != nil {
		return nil, errorAt(r.t.src, f.at(), err)
	}
	return v, nil
}

func (r *render) applyFilter(name string, v value, a args) (value, error) {
	f := filters(name)
	if f == nil {
		return nil, fmt.Errorf("no filter named %q", name)
	}
	if err := r.step(0); err != nil {
		return nil, err
	}
	out, err := f(r, v, a)
	if err != nil {
		return nil, fmt.Errorf("filter %s: %w", name, err)
	}
	return out, nil
}

// onString is a filter on a value's string form that gives a string of the same origin.
func onString(f func(string) string) filterFunc {
	return func(r *render, v value, a args) (value, error) {
		t, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := r.charge(len(t.s)); err != nil {
			return nil, err
		}
		return t.derive(f(t.s)), none("it", a)
	}
}

func stringFilter(r *render, v value, a args) (value, error) {
	if err := none("it", a); err != nil {
		return nil, err
	}
	t, err := r.str(v)
	return t, err
}

func abs(r *render, v value, a args) (value, error) {
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	n, ok := asInt(v)
	if !ok {
		return nil, fmt.Errorf("%s is not a number", describe(v))
	}
	if n < 0 {
		return intOp("-", 0, n)
	}
	return n, nil
}

// attrFilter is v.name without a map's entries, so what is left are methods and the fields of loop and namespace.
func attrFilter(r *render, v value, a args) (value, error) {
	n, err := one(a, "name")
	if err != nil {
		return nil, err
	}
	if d, ok := v.(*dict); ok && method(d, n.s) == nil {
		return undefined{fmt.Sprintf("attribute %q", n.s)}, nil
	}
	return r.attr(v, n.s)
}

func lengthFilter(r *render, v value, a args) (value, error) {
	n, err := length(v)
	if err != nil {
		return nil, err
	}
	if t, ok := v.(text); ok {
		err = r.charge(len(t.s))
	}
	if err == nil {
		err = none("it", a)
	}
	return int64(n), err
}

func defaultFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "default_value", "boolean")
	if err != nil {
		return nil, err
	}
	if _, missing := v.(undefined); missing || truth(p.or(1, false)) && !truth(v) {
		return p.or(0, lit("")), nil
	}
	return v, nil
}

func floatFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "default")
	if err != nil {
		return nil, err
	}
	if u, ok := v.(undefined); ok {
		return nil, u.err()
	}
	if f, ok := toFloat(v); ok {
		return f, nil
	}
	return p.or(0, 0.0), nil
}

func toFloat(v value) (float64, bool) {
	if t, ok := v.(text); ok {
		s := strings.TrimFunc(t.s, isSpace)
		if strings.ContainsAny(s, "xXpP") { // Go's, not Python's
			return 0, false
		}
		f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
		return f, err == nil || math.IsInf(f, 0)
	}
	return asFloat(v)
}

func intFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "default", "base")
	if err != nil {
		return nil, err
	}
	base, err := p.int(1, 10)
	if err != nil {
		return nil, err
	}
	if base != 10 && base != 2 && base != 8 && base != 16 {
		return nil, fmt.Errorf("base %d is not supported", base)
	}
	switch v := v.(type) {
	case undefined:
		return nil, v.err()
	case bool, int64:
		n, _ := asInt(v)
		return n, nil
	case text:
		s := strings.ToLower(strings.ReplaceAll(strings.TrimFunc(v.s, isSpace), "_", ""))
		if prefix := map[int64]string{2: "0b", 8: "0o", 16: "0x"}[base]; prefix != "" {
			s = strings.Replace(s, prefix, "", 1)
		}
		if n, err := strconv.ParseInt(s, int(base), 64); err == nil {
			return n, nil
		}
	}
	f, ok := toFloat(v)
	switch {
	case !ok || math.IsNaN(f) || math.IsInf(f, 0):
		return p.or(0, int64(0)), nil
	case f >= math.MaxInt64 || f < math.MinInt64:
		return nil, errOverflow
	}
	return int64(f), nil
}

func formatFilter(r *render, v value, a args) (value, error) {
	t, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.names) > 0 {
		return nil, fmt.Errorf("named values are not supported")
	}
	return r.percent(t, tupleOf(a.pos...))
}

func trimFilter(r *render, v value, a args) (value, error) {
	t, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if err := r.charge(len(t.s)); err != nil {
		return nil, err
	}
	return strip(t, a, true, true)
}

func replaceFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "old", "new", "count")
	if err == nil {
		err = p.required("it", 2)
	}
	if err != nil {
		return nil, err
	}
	var t [3]text
	for i, x := range []value{v, p[0], p[1]} {
		if t[i], err = r.str(x); err != nil {
			return nil, err
		}
	}
	n := int64(-1)
	if c := p.or(2, nil); c != nil {
		if n, err = p.int(2, -1); err != nil {
			return nil, err
		}
	}
	return r.replace(t[0], t[1].s, t[2], n)
}

func indentFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "width", "first", "blank")
	if err != nil {
		return nil, err
	}
	t, ok := v.(text)
	if !ok {
		return nil, fmt.Errorf("%s is not a string", describe(v))
	}
	pad, ok := p.or(0, int64(4)).(text)
	if !ok {
		n, err := p.int(0, 4)
		if err != nil {
			return nil, err
		}
		if pad, err = r.repeat(lit(" "), n); err != nil {
			return nil, err
		}
	}
	if t, err = r.concat(t, lit("\n")); err != nil { // so that a last line that is empty counts
		return nil, err
	}
	lines, err := linesOf(r, t, false)
	if err != nil {
		return nil, err
	}
	b := builder{r: r}
	for i, l := range lines.items {
		l := l.(text)
		if i > 0 {
			if err := b.lit("\n"); err != nil {
				return nil, err
			}
		}
		if i == 0 && truth(p.or(1, false)) || i > 0 && (l.s != "" || truth(p.or(2, false))) {
			if err := b.add(pad); err != nil {
				return nil, err
			}
		}
		if err := b.add(l); err != nil {
			return nil, err
		}
	}
	return b.text(), nil
}

func roundFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "precision", "method")
	if err != nil {
		return nil, err
	}
	digits, err := p.int(0, 0)
	if err != nil {
		return nil, err
	}
	how, err := p.text(1, "common")
	if err != nil {
		return nil, err
	}
	f, ok := asFloat(v)
	if !ok || digits < 0 || digits > 15 {
		return nil, fmt.Errorf("cannot round %s to %d digits", describe(v), digits)
	}
	scale := math.Pow10(int(digits))
	switch how.s {
	case "common":
		if n, ok := asInt(v); ok {
			return n, nil
		}
		// The decimal form rounds what the float really is, half to even, as Python does.
		return strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(digits), 64), 64)
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	}
	return nil, fmt.Errorf("method must be common, ceil or floor")
}
