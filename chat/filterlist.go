package chat

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// getter gives a function that looks up a dotted path of keys, as attribute= does.
func (r *render) getter(path value) (func(v value) (value, error), error) {
	var keys []value
	switch p := path.(type) {
	case nil:
	case text:
		for _, k := range strings.Split(p.s, ".") {
			if n, err := strconv.ParseInt(k, 10, 64); err == nil && isDigit(k[0]) {
				keys = append(keys, n)
			} else {
				keys = append(keys, lit(k))
			}
		}
	default:
		keys = []value{p}
	}
	if err := r.step(len(keys)); err != nil {
		return nil, err
	}
	return func(v value) (value, error) {
		for _, k := range keys {
			if err := r.step(0); err != nil {
				return nil, err
			}
			var err error
			if v, err = r.item(v, k); err != nil {
				return nil, err
			}
		}
		return v, nil
	}, nil
}

// folded is what sort, unique, min and max compare: strings without case.
func (r *render) folded(v value, keep bool) (value, error) {
	if t, ok := v.(text); ok && !keep {
		return t.derive(lower(t.s)), r.charge(len(t.s))
	}
	return v, nil
}

func mapFilter(r *render, v value, a args) (value, error) {
	if !truth(v) {
		return genOf(nil), nil
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	var f func(v value) (value, error)
	if len(a.pos) == 0 && len(a.names) > 0 {
		p, err := a.bind("map", "attribute", "default")
		if err == nil {
			err = p.required("map", 1)
		}
		if err != nil {
			return nil, err
		}
		get, err := r.getter(p[0])
		if err != nil {
			return nil, err
		}
		f = func(v value) (value, error) {
			v, err := get(v)
			if _, missing := v.(undefined); missing && err == nil && p.or(1, nil) != nil {
				return p[1], nil
			}
			return v, err
		}
	} else {
		if len(a.pos) == 0 {
			return nil, fmt.Errorf("needs the name of a filter")
		}
		name, ok := a.pos[0].(text)
		if !ok {
			return nil, fmt.Errorf("needs the name of a filter, not %s", describe(a.pos[0]))
		}
		rest := args{a.pos[1:], a.names, a.named}
		f = func(v value) (value, error) { return r.nested(name.s, v, rest) }
	}
	out := make([]value, len(items))
	for i, x := range items {
		if out[i], err = f(x); err != nil {
			return nil, err
		}
	}
	return genOf(out), nil
}

// nested applies a filter from within one: map can be given map.
func (r *render) nested(name string, v value, a args) (value, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	return r.applyFilter(name, v, a)
}

func selectFilter(r *render, v value, a args, byAttr, want bool) (value, error) {
	if !truth(v) {
		return genOf(nil), nil
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	get := func(v value) (value, error) { return v, nil }
	if byAttr {
		if len(a.pos) == 0 {
			return nil, fmt.Errorf("needs the name of an attribute")
		}
		if get, err = r.getter(a.pos[0]); err != nil {
			return nil, err
		}
		a.pos = a.pos[1:]
	}
	is := func(v value) (value, error) { return truth(v), nil }
	if len(a.pos) > 0 {
		name, ok := a.pos[0].(text)
		if !ok {
			return nil, fmt.Errorf("needs the name of a test, not %s", describe(a.pos[0]))
		}
		rest := args{a.pos[1:], a.names, a.named}
		is = func(v value) (value, error) { return r.test(name.s, v, rest) }
	}
	var out []value
	for _, x := range items {
		if err := r.step(0); err != nil {
			return nil, err
		}
		k, err := get(x)
		if err != nil {
			return nil, err
		}
		ok, err := is(k)
		if err != nil {
			return nil, err
		}
		if truth(ok) == want {
			out = append(out, x)
		}
	}
	return genOf(out), nil
}

func firstFilter(r *render, v value, a args) (value, error) {
	if l, ok := v.(*list); ok && l.kind == kindGen { // takes one and leaves the rest
		if l.err != nil {
			return nil, l.err
		}
		if l.used || len(l.items) == 0 {
			return undefined{"the first item of nothing"}, nil
		}
		x := l.items[0]
		l.items = l.items[1:]
		return x, nil
	}
	if t, ok := v.(text); ok && t.s != "" {
		return r.char(t, 0)
	}
	items, err := r.iterate(v)
	if err != nil || len(items) == 0 {
		return undefined{"the first item of nothing"}, err
	}
	return items[0], none("it", a)
}

func lastFilter(r *render, v value, a args) (value, error) {
	switch l := v.(type) {
	case *list:
		if l.kind == kindGen {
			return nil, fmt.Errorf("an iterator has no last item; use list first")
		}
	case text:
		if l.s != "" {
			return r.char(l, -1)
		}
	}
	items, err := r.iterate(v)
	if err != nil || len(items) == 0 {
		return undefined{"the last item of nothing"}, err
	}
	return items[len(items)-1], none("it", a)
}

func listFilter(r *render, v value, a args) (value, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	return newList(items), none("it", a)
}

func itemsFilter(r *render, v value, a args) (value, error) {
	switch d := v.(type) {
	case undefined:
		return genOf(nil), nil
	case *dict:
		l, err := pairs(r, d)
		return genOf(l), err
	}
	return nil, fmt.Errorf("%s is not a map", describe(v))
}

func joinFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "d", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	sep, err := r.str(p.or(0, lit("")))
	if err != nil {
		return nil, err
	}
	if path := p.or(1, nil); path != nil {
		get, err := r.getter(path)
		if err != nil {
			return nil, err
		}
		if items, err = each(items, get); err != nil {
			return nil, err
		}
	}
	return r.join(items, sep)
}

func each(items []value, f func(value) (value, error)) ([]value, error) {
	out := make([]value, len(items))
	for i, x := range items {
		var err error
		if out[i], err = f(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func reverseFilter(r *render, v value, a args) (value, error) {
	if t, ok := v.(text); ok {
		return r.sliceText(t, nil, nil, int64(-1))
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if err := r.step(len(items)); err != nil {
		return nil, err
	}
	out := make([]value, len(items))
	for i, x := range items {
		out[len(items)-1-i] = x
	}
	if l, ok := v.(*list); ok && l.kind == kindGen {
		return newList(out), nil
	}
	return genOf(out), none("it", a)
}

// sorted sorts items by keys, keeping the order of equal ones.
func (r *render) sorted(items, keys []value, reverse bool) ([]value, error) {
	if err := r.step(len(items)); err != nil {
		return nil, err
	}
	at := make([]int, len(items))
	for i := range at {
		at[i] = i
	}
	var failed error
	sort.SliceStable(at, func(i, j int) bool {
		if failed != nil {
			return false
		}
		a, b := keys[at[i]], keys[at[j]]
		if reverse {
			a, b = b, a
		}
		c, err := r.order(a, b, 0)
		failed = err
		return c < 0
	})
	out := make([]value, len(items))
	for i, k := range at {
		out[i] = items[k]
	}
	return out, failed
}

func sortFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "reverse", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	paths := []value{p.or(2, nil)}
	if t, ok := paths[0].(text); ok {
		paths = nil
		for _, s := range strings.Split(t.s, ",") {
			paths = append(paths, lit(s))
		}
	}
	keys := make([]value, len(items))
	for i := range keys {
		keys[i] = &list{kind: kindList}
	}
	for _, path := range paths {
		get, err := r.getter(path)
		if err != nil {
			return nil, err
		}
		for i, x := range items {
			k, err := get(x)
			if err == nil {
				k, err = r.folded(k, truth(p.or(1, false)))
			}
			if err == nil {
				err = r.step(0)
			}
			if err != nil {
				return nil, err
			}
			l := keys[i].(*list)
			l.items = append(l.items, k)
		}
	}
	out, err := r.sorted(items, keys, truth(p.or(0, false)))
	return newList(out), err
}

func dictSort(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "case_sensitive", "by", "reverse")
	if err != nil {
		return nil, err
	}
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("%s is not a map", describe(v))
	}
	by, err := p.text(1, "key")
	if err != nil {
		return nil, err
	}
	keys := d.keys
	switch by.s {
	case "key":
	case "value":
		keys = d.vals
	default:
		return nil, fmt.Errorf("by must be key or value")
	}
	keys, err = each(keys, func(k value) (value, error) { return r.folded(k, truth(p.or(0, false))) })
	if err != nil {
		return nil, err
	}
	items, err := pairs(r, d)
	if err != nil {
		return nil, err
	}
	out, err := r.sorted(items, keys, truth(p.or(2, false)))
	return newList(out), err
}

func uniqueFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	get, err := r.getter(p.or(1, nil))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []value
	for _, x := range items {
		k, err := get(x)
		if err == nil {
			k, err = r.folded(k, truth(p.or(0, false)))
		}
		if err != nil {
			return nil, err
		}
		h, err := hash(k, 0)
		if err == nil {
			err = r.charge(len(h))
		}
		if err != nil {
			return nil, err
		}
		if !seen[h] {
			seen[h] = true
			out = append(out, x)
		}
	}
	return genOf(out), nil
}

// extreme is the first of the largest (sign 1) or smallest (sign -1).
func extreme(r *render, v value, a args, sign int) (value, error) {
	p, err := a.bind("it", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	get, err := r.getter(p.or(1, nil))
	if err != nil {
		return nil, err
	}
	var best, bestKey value = undefined{"the extreme of nothing"}, nil
	for i, x := range items {
		k, err := get(x)
		if err == nil {
			k, err = r.folded(k, truth(p.or(0, false)))
		}
		if err != nil {
			return nil, err
		}
		c := 1
		if i > 0 {
			if c, err = r.order(k, bestKey, 0); err != nil {
				return nil, err
			}
			c *= sign
		}
		if c > 0 && c != unordered {
			best, bestKey = x, k
		}
	}
	return best, nil
}

func sumFilter(r *render, v value, a args) (value, error) {
	p, err := a.bind("it", "attribute", "start")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	get, err := r.getter(p.or(0, nil))
	if err != nil {
		return nil, err
	}
	total := p.or(1, int64(0))
	if _, ok := total.(text); ok {
		return nil, fmt.Errorf("strings cannot be summed; use join")
	}
	for _, x := range items {
		if x, err = get(x); err != nil {
			return nil, err
		}
		if total, err = r.operate("+", total, x); err != nil {
			return nil, err
		}
	}
	return total, nil
}
