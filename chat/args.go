package chat

import "fmt"

// args are the evaluated arguments of a call.
type args struct {
	pos   []value
	names []string
	named []value
}

// bound are arguments sorted into a function's parameters; what was not given is absent.
type bound []value

type absent struct{}

// bind sorts arguments into the named parameters.
func (a args) bind(fn string, params ...string) (bound, error) {
	if len(a.pos) > len(params) {
		return nil, fmt.Errorf("%s takes at most %d arguments, got %d", fn, len(params), len(a.pos))
	}
	out := make(bound, len(params))
	for i := range out {
		out[i] = absent{}
	}
	copy(out, a.pos)
next:
	for i, n := range a.names {
		for j, p := range params {
			if p == n {
				if _, free := out[j].(absent); !free {
					return nil, fmt.Errorf("%s got several values for argument %q", fn, n)
				}
				out[j] = a.named[i]
				continue next
			}
		}
		return nil, fmt.Errorf("%s has no argument %q", fn, n)
	}
	return out, nil
}

// or is argument i, or def if it was not given.
func (b bound) or(i int, def value) value {
	if _, no := b[i].(absent); no {
		return def
	}
	return b[i]
}

func (b bound) given(i int) bool {
	_, no := b[i].(absent)
	return !no
}

// text is argument i, which must be a string, or def.
func (b bound) text(i int, def string) (text, error) {
	if !b.given(i) {
		return lit(def), nil
	}
	t, ok := b[i].(text)
	if !ok {
		return t, fmt.Errorf("expected a string, got %s", describe(b[i]))
	}
	return t, nil
}

// int is argument i, which must be an integer, or def.
func (b bound) int(i int, def int64) (int64, error) {
	if !b.given(i) {
		return def, nil
	}
	n, ok := asInt(b[i])
	if !ok {
		return 0, fmt.Errorf("expected an integer, got %s", describe(b[i]))
	}
	return n, nil
}

// required checks that the first n arguments were given.
func (b bound) required(fn string, n int) error {
	for i := range n {
		if !b.given(i) {
			return fmt.Errorf("%s needs %d arguments", fn, n)
		}
	}
	return nil
}
