package chat

import (
	"fmt"
	"math"
	"unicode"
)

// predicates are the tests of "x is ..." that take no argument.
var predicates = map[string]func(v value) (bool, error){
	"defined":   func(v value) (bool, error) { _, un := v.(undefined); return !un, nil },
	"undefined": func(v value) (bool, error) { _, un := v.(undefined); return un, nil },
	"none":      func(v value) (bool, error) { return v == nil, nil },
	"boolean":   func(v value) (bool, error) { _, ok := v.(bool); return ok, nil },
	"true":      func(v value) (bool, error) { return v == true, nil },
	"false":     func(v value) (bool, error) { return v == false, nil },
	"integer":   func(v value) (bool, error) { _, ok := v.(int64); return ok, nil },
	"float":     func(v value) (bool, error) { _, ok := v.(float64); return ok, nil },
	"number":    func(v value) (bool, error) { _, ok := asFloat(v); return ok, nil },
	"string":    func(v value) (bool, error) { _, ok := v.(text); return ok, nil },
	"mapping":   func(v value) (bool, error) { _, ok := v.(*dict); return ok, nil },
	"callable":  func(v value) (bool, error) { return isCallable(v), nil },
	"iterable":  func(v value) (bool, error) { return iterable(v, false), nil },
	"sequence":  func(v value) (bool, error) { return iterable(v, true), nil },
	"escaped":   func(v value) (bool, error) { return false, nil },
	"odd":       func(v value) (bool, error) { return divides(v, 2, 1) },
	"even":      func(v value) (bool, error) { return divides(v, 2, 0) },
}

func isCallable(v value) bool {
	switch v.(type) {
	case *callable, *loop, undefined: // Python's Undefined can be called, to fail
		return true
	}
	return false
}

// iterable reports whether a loop can go through v, and with sized whether it also has a length and subscripts.
func iterable(v value, sized bool) bool {
	switch v := v.(type) {
	case text, *dict, undefined:
		return true
	case *list:
		return !sized || v.kind <= kindRange
	case *loop:
		return !sized
	}
	return false
}

func divides(v value, by, rest int64) (bool, error) {
	if f, ok := v.(float64); ok {
		m, err := floatOp("%", f, float64(by))
		return m == float64(rest), err
	}
	n, ok := asInt(v)
	if !ok {
		return false, fmt.Errorf("%s is not a number", describe(v))
	}
	m, err := intOp("%", n, by)
	return m == rest, err
}

// comparisons are the tests that compare with their argument.
var comparisons = map[string]string{
	"==": "==", "eq": "==", "equalto": "==", "!=": "!=", "ne": "!=", "in": "in",
	"<": "<", "lt": "<", "lessthan": "<", "<=": "<=", "le": "<=",
	">": ">", "gt": ">", "greaterthan": ">", ">=": ">=", "ge": ">=",
}

// test is "v is name(a)".
func (r *render) test(name string, v value, a args) (value, error) {
	if f := predicates[name]; f != nil {
		ok, err := f(v)
		if err == nil {
			err = none("test "+name, a)
		}
		return ok, err
	}
	switch name {
	case "lower", "upper":
		other := unicode.IsUpper
		if name == "upper" {
			other = unicode.IsLower
		}
		t, err := r.str(v)
		if err == nil {
			err = none("test "+name, a)
		}
		return cased(t.s, other), err
	case "filter":
		t, ok := v.(text)
		return ok && filters(t.s) != nil, none("test filter", a)
	case "test":
		t, ok := v.(text)
		return ok && isTest(t.s), none("test test", a)
	}
	if !isTest(name) {
		return nil, fmt.Errorf("no test named %q", name)
	}
	p, err := a.bind("test "+name, "other")
	if err == nil {
		err = p.required("test "+name, 1)
	}
	if err != nil {
		return nil, err
	}
	switch name {
	case "sameas":
		return same(v, p[0]), nil
	case "divisibleby":
		n, err := p.int(0, 0)
		if err != nil {
			return nil, err
		}
		if n == 0 || n == math.MinInt64 {
			return nil, errZero
		}
		return divides(v, n, 0)
	}
	return r.compare(comparisons[name], v, p[0])
}

func isTest(name string) bool {
	switch name {
	case "lower", "upper", "filter", "test", "sameas", "divisibleby":
		return true
	}
	return predicates[name] != nil || comparisons[name] != ""
}
