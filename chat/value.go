package chat

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// value is one of: nil (none), bool, int64, float64, text, *list, *dict, undefined, *namespace, *loop, *callable.
type value any

// undefined is what a missing name, key or attribute gives: it prints as nothing and is false, but using it further
// is an error.
type undefined struct{ what string }

func (u undefined) err() error { return fmt.Errorf("%s is undefined", u.what) }

type listKind uint8

const (
	kindList  listKind = iota
	kindTuple          // prints with parentheses, may be a key
	kindRange          // a range: like a tuple, prints as range(...)
	kindView           // what keys(), values(), items() give: no subscripts
	kindGen            // an iterator: always true, no length, can be gone through once
)

type list struct {
	items []value
	kind  listKind
	shown string   // how a view starts when printed
	span  [3]int64 // a range's start, stop and step
	used  bool     // an iterator that has been gone through
	err   error    // what going through an iterator meets: Python's would not have looked yet
}

type dict struct {
	keys, vals []value
	index      map[string]int
}

func newDict() *dict { return &dict{index: map[string]int{}} }

// set adds a key or replaces its value; the place and the spelling of the first use stay, as in Python.
func (d *dict) set(k, v value) error {
	h, err := hash(k, 0)
	if err != nil {
		return err
	}
	if i, ok := d.index[h]; ok {
		d.vals[i] = v
		return nil
	}
	d.index[h] = len(d.keys)
	d.keys, d.vals = append(d.keys, k), append(d.vals, v)
	return nil
}

// put is set for keys of ours.
func (d *dict) put(k string, v value) { _ = d.set(lit(k), v) }

func (d *dict) get(k value) (value, bool, error) {
	h, err := hash(k, 0)
	if err != nil {
		return nil, false, err
	}
	i, ok := d.index[h]
	if !ok {
		return nil, false, nil
	}
	return d.vals[i], true, nil
}

// hash gives equal keys equal strings: 1, 1.0 and true are one key.
func hash(k value, depth int) (string, error) {
	if depth > maxNesting {
		return "", limitf("a key nested deeper than %d", maxNesting)
	}
	switch k := k.(type) {
	case nil:
		return "n", nil
	case text:
		return "s" + k.s, nil
	case bool, int64:
		n, _ := asInt(k)
		return "i" + strconv.FormatInt(n, 10), nil
	case float64:
		if n := int64(k); float64(n) == k {
			return "i" + strconv.FormatInt(n, 10), nil
		}
		return "f" + strconv.FormatFloat(k, 'g', -1, 64), nil
	case undefined:
		return "u", nil
	case *list:
		if k.kind == kindTuple || k.kind == kindRange {
			s := map[listKind]string{kindTuple: "t", kindRange: "r"}[k.kind]
			for _, x := range k.items {
				h, err := hash(x, depth+1)
				if err != nil {
					return "", err
				}
				if s += strconv.Itoa(len(h)) + ":" + h; len(s) > MaxSource {
					return "", limitf("a key longer than %d bytes", MaxSource)
				}
			}
			return s, nil
		}
		if k.kind == kindGen {
			return fmt.Sprintf("p%p", k), nil // itself and nothing else
		}
	case *callable, *namespace, *loop:
		return fmt.Sprintf("p%p", k), nil
	}
	return "", fmt.Errorf("unhashable type: %s", typeName(k))
}

// namespace is the one thing a template may change.
type namespace struct{ vars map[string]value }

// callable is a macro, a method of a value, or a function that templates are given.
type callable struct {
	name string
	call func(r *render, a args) (value, error)
}

func typeName(v value) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case text:
		return "str"
	case *dict:
		return "dict"
	case *list:
		return [...]string{"list", "tuple", "range", "view", "generator"}[v.kind]
	case undefined:
		return "Undefined"
	case *namespace:
		return "namespace"
	case *loop:
		return "loop"
	}
	return "function"
}

func truth(v value) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case text:
		return v.s != ""
	case *dict:
		return len(v.keys) > 0
	case *list:
		return v.kind == kindGen || len(v.items) > 0
	}
	return true
}

func length(v value) (int, error) {
	switch v := v.(type) {
	case undefined:
		return 0, nil
	case text:
		return utf8.RuneCountInString(v.s), nil
	case *dict:
		return len(v.keys), nil
	case *list:
		if v.kind != kindGen {
			return len(v.items), nil
		}
	case *loop:
		return len(v.items), nil
	}
	return 0, fmt.Errorf("object of type %s has no length", typeName(v))
}

// iterate gives what a for loop goes through.
func (r *render) iterate(v value) ([]value, error) {
	switch v := v.(type) {
	case undefined:
		return nil, nil
	case *list:
		if v.kind == kindGen {
			if v.used {
				return nil, nil
			}
			v.used = true
			if v.err != nil {
				return nil, v.err
			}
		}
		return v.items, r.step(len(v.items) / 8)
	case *dict:
		return v.keys, r.step(len(v.keys) / 8)
	case text:
		n := utf8.RuneCountInString(v.s)
		if err := r.step(n); err != nil {
			return nil, err
		}
		out := make([]value, 0, n)
		for i := 0; i < len(v.s); {
			_, w := utf8.DecodeRuneInString(v.s[i:])
			out = append(out, v.slice(i, i+w))
			i += w
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s is not iterable", describe(v))
}

func describe(v value) string {
	if u, ok := v.(undefined); ok {
		return u.what
	}
	return "a value of type " + typeName(v)
}

func newList(items []value) *list { return &list{items: items} }
func tupleOf(v ...value) *list    { return &list{items: v, kind: kindTuple} }
func genOf(items []value) *list   { return &list{items: items, kind: kindGen} }

// lazy turns a filter that computes at once into one that, as Python's generators, shows an error only when looked at.
func lazy(f filterFunc) filterFunc {
	return func(r *render, v value, a args) (value, error) {
		out, err := f(r, v, a)
		if err != nil && !errors.Is(err, ErrLimit) {
			return &list{kind: kindGen, err: err}, nil
		}
		return out, err
	}
}

func asInt(v value) (int64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	}
	return 0, false
}

func asFloat(v value) (float64, bool) {
	if f, ok := v.(float64); ok {
		return f, true
	}
	n, ok := asInt(v)
	return float64(n), ok
}
