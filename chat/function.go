package chat

import "fmt"

// maxRange is the longest range that Jinja2's sandbox gives.
const maxRange = 100_000

// functions are what a template may call by name.
var functions = map[string]*callable{
	"range":           {"range", makeRange},
	"dict":            {"dict", makeDict},
	"namespace":       {"namespace", makeNamespace},
	"raise_exception": {"raise_exception", raise},
	"strftime_now":    {"strftime_now", strftimeNow},
	"joiner":          {"joiner", makeJoiner},
}

func makeRange(r *render, a args) (value, error) {
	if len(a.names) > 0 || len(a.pos) < 1 || len(a.pos) > 3 {
		return nil, fmt.Errorf("range takes one to three integers")
	}
	n := [3]int64{0, 0, 1}
	for i, v := range a.pos {
		x, ok := asInt(v)
		if !ok {
			return nil, fmt.Errorf("range takes integers, not %s", describe(v))
		}
		n[i] = x
	}
	if len(a.pos) == 1 {
		n[0], n[1] = 0, n[0]
	}
	from, to, by := n[0], n[1], n[2]
	l := &list{kind: kindRange, span: n}
	var span, stride uint64 // unsigned, so that no distance overflows
	switch {
	case by == 0:
		return nil, fmt.Errorf("range's step is zero")
	case by > 0 && from < to:
		span, stride = uint64(to)-uint64(from), uint64(by)
	case by < 0 && from > to:
		span, stride = uint64(from)-uint64(to), magnitude(by)
	default:
		return l, nil
	}
	count := (span-1)/stride + 1
	if count > maxRange {
		return nil, limitf("a range of more than %d numbers", maxRange)
	}
	if err := r.step(int(count)); err != nil {
		return nil, err
	}
	l.items = make([]value, count)
	for i := range l.items {
		l.items[i] = from + int64(i)*by
	}
	return l, nil
}

// fill adds a map argument and the named ones.
func fill(fn string, a args, set func(k, v value) error) error {
	if len(a.pos) > 1 {
		return fmt.Errorf("%s takes at most one unnamed argument", fn)
	}
	if len(a.pos) == 1 {
		d, ok := a.pos[0].(*dict)
		if !ok {
			return fmt.Errorf("%s takes a map, not %s", fn, describe(a.pos[0]))
		}
		for i, k := range d.keys {
			if err := set(k, d.vals[i]); err != nil {
				return err
			}
		}
	}
	for i, n := range a.names {
		if err := set(lit(n), a.named[i]); err != nil {
			return err
		}
	}
	return nil
}

func makeDict(r *render, a args) (value, error) {
	d := newDict()
	return d, fill("dict", a, d.set)
}

func makeNamespace(r *render, a args) (value, error) {
	ns := &namespace{map[string]value{}}
	return ns, fill("namespace", a, func(k, v value) error {
		t, ok := k.(text)
		if !ok {
			return fmt.Errorf("namespace takes names, not %s", describe(k))
		}
		ns.vars[t.s] = v
		return nil
	})
}

func raise(r *render, a args) (value, error) {
	p, err := a.bind("raise_exception", "message")
	if err != nil {
		return nil, err
	}
	t, err := r.str(p.or(0, lit("no reason given")))
	if err != nil {
		return nil, err
	}
	return nil, &RaisedError{t.s}
}

func makeJoiner(r *render, a args) (value, error) {
	p, err := a.bind("joiner", "sep")
	if err != nil {
		return nil, err
	}
	sep, used := p.or(0, lit(", ")), false
	return &callable{"joiner", func(*render, args) (value, error) {
		if !used {
			used = true
			return lit(""), nil
		}
		return sep, nil
	}}, nil
}
