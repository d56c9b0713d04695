package chat

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// percent is Python's "..." % values with %s, %d, %i, %r, %f, %.Nf and %%, without widths.
func (r *render) percent(t text, v value) (value, error) {
	vals := []value{v}
	if l, ok := v.(*list); ok && l.kind == kindTuple {
		vals = l.items
	}
	b := builder{r: r}
	used, from := 0, 0
	for i := 0; i < len(t.s); i++ {
		if t.s[i] != '%' {
			continue
		}
		if err := b.add(t.slice(from, i)); err != nil {
			return nil, err
		}
		i++
		digits := 6
		if strings.HasPrefix(t.s[i:], ".") && i+2 < len(t.s) && isDigit(t.s[i+1]) {
			digits = int(t.s[i+1] - '0')
			i += 2
			if t.s[i] != 'f' {
				return nil, errors.New("format: only %.Nf takes a precision")
			}
		}
		if i == len(t.s) {
			return nil, errors.New("format: incomplete")
		}
		from = i + 1
		if t.s[i] == '%' {
			if err := b.lit("%"); err != nil {
				return nil, err
			}
			continue
		}
		if used == len(vals) {
			return nil, errors.New("format: not enough values")
		}
		if err := r.directive(&b, t.s[i], digits, vals[used]); err != nil {
			return nil, err
		}
		used++
	}
	if used < len(vals) && !subscriptable(v) {
		return nil, errors.New("format: not all values used")
	}
	if err := b.add(t.slice(from, len(t.s))); err != nil {
		return nil, err
	}
	return b.text(), nil
}

// subscriptable reports whether Python takes v for a map of named values, of which none need be used.
func subscriptable(v value) bool {
	switch v := v.(type) {
	case *dict, undefined:
		return true
	case *list:
		return v.kind == kindList || v.kind == kindRange
	}
	return false
}

func (r *render) directive(b *builder, c byte, digits int, v value) error {
	switch c {
	case 's':
		s, err := r.str(v)
		if err != nil {
			return err
		}
		return b.add(s)
	case 'r':
		return b.repr(v, 0)
	case 'd', 'i':
		n, ok := asInt(v)
		if f, isF := v.(float64); isF && f > -9e18 && f < 9e18 {
			n, ok = int64(f), true
		}
		if !ok {
			return fmt.Errorf("format: %%d needs a number, not %s", describe(v))
		}
		return b.lit(strconv.FormatInt(n, 10))
	case 'f':
		f, ok := asFloat(v)
		if !ok {
			return fmt.Errorf("format: %%f needs a number, not %s", describe(v))
		}
		return b.lit(strconv.FormatFloat(f, 'f', digits, 64))
	}
	return fmt.Errorf("format: %%%c is not supported", c)
}

// formatMethod is str.format with {}, {0} and {name}: no attributes, no conversions, no widths, which is where format
// strings reach objects and memory.
func formatMethod(r *render, t text, a args) (value, error) {
	b := builder{r: r}
	from, auto := 0, 0
	for i := 0; i < len(t.s); i++ {
		c := t.s[i]
		if c != '{' && c != '}' {
			continue
		}
		if err := b.add(t.slice(from, i)); err != nil {
			return nil, err
		}
		if i+1 < len(t.s) && t.s[i+1] == c {
			i++
			from = i
			continue
		}
		end := strings.IndexByte(t.s[i:], '}')
		if c == '}' || end < 0 {
			return nil, errors.New("single brace in format string")
		}
		v, err := field(t.s[i+1:i+end], a, &auto)
		if err != nil {
			return nil, err
		}
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := b.add(s); err != nil {
			return nil, err
		}
		i += end
		from = i + 1
	}
	if err := b.add(t.slice(from, len(t.s))); err != nil {
		return nil, err
	}
	return b.text(), nil
}

func field(name string, a args, auto *int) (value, error) {
	for i, n := range a.names {
		if n == name {
			return a.named[i], nil
		}
	}
	n := *auto
	if name == "" {
		*auto++
	} else {
		var err error
		if n, err = strconv.Atoi(name); err != nil {
			return nil, fmt.Errorf("field {%s} is not a given name or number", name)
		}
	}
	if n < 0 || n >= len(a.pos) {
		return nil, fmt.Errorf("no value for field {%s}", name)
	}
	return a.pos[n], nil
}
