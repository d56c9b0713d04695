package chat

import (
	"fmt"
	"unicode/utf8"
)

// eval is the value of an expression. Errors get the place of the innermost expression they came from.
func (r *render) eval(x expr, s *scope) (value, error) {
	if err := r.step(0); err != nil {
		return nil, errorAt(r.t.src, x.at(), err)
	}
	v, err := r.expr(x, s)
	if err != nil {
		return nil, errorAt(r.t.src, x.at(), err)
	}
	return v, nil
}

func (r *render) evals(xs []expr, s *scope) ([]value, error) {
	if len(xs) == 0 {
		return nil, nil
	}
	out := make([]value, len(xs))
	for i, x := range xs {
		var err error
		if out[i], err = r.eval(x, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *render) expr(x expr, s *scope) (value, error) {
	switch x := x.(type) {
	case *constant:
		return x.v, nil
	case *name:
		if v, ok := s.get(x.name); ok {
			return v, nil
		}
		return undefined{fmt.Sprintf("%q", x.name)}, nil
	case *sequence:
		items, err := r.evals(x.items, s)
		l := newList(items)
		if x.tuple {
			l.kind = kindTuple
		}
		return l, err
	case *mapping:
		d := newDict()
		for i := range x.keys {
			k, err := r.eval(x.keys[i], s)
			if err != nil {
				return nil, err
			}
			v, err := r.eval(x.vals[i], s)
			if err != nil {
				return nil, err
			}
			if err := d.set(k, v); err != nil {
				return nil, err
			}
		}
		return d, nil
	case *unary:
		v, err := r.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		return negate(x.op, v)
	case *binary:
		return r.binary(x, s)
	case *concat:
		b := builder{r: r}
		for _, p := range x.parts {
			v, err := r.eval(p, s)
			if err != nil {
				return nil, err
			}
			t, err := r.str(v)
			if err != nil {
				return nil, err
			}
			if err := b.add(t); err != nil {
				return nil, err
			}
		}
		return b.text(), nil
	case *compare:
		a, err := r.eval(x.first, s)
		if err != nil {
			return nil, err
		}
		for i, op := range x.ops {
			b, err := r.eval(x.rest[i], s)
			if err != nil {
				return nil, err
			}
			ok, err := r.compare(op, a, b)
			if err != nil || !ok {
				return false, err
			}
			a = b
		}
		return true, nil
	case *conditional:
		c, err := r.eval(x.cond, s)
		if err != nil {
			return nil, err
		}
		if truth(c) {
			return r.eval(x.yes, s)
		}
		if x.no == nil {
			return undefined{"an inline if without else"}, nil
		}
		return r.eval(x.no, s)
	case *attribute:
		v, err := r.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		return r.attr(v, x.name)
	case *index:
		v, err := r.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		i, err := r.eval(x.i, s)
		if err != nil {
			return nil, err
		}
		return r.item(v, i)
	case *slice:
		return r.slice(x, s)
	case *call:
		fn, err := r.eval(x.fn, s)
		if err != nil {
			return nil, err
		}
		a, err := r.arguments(x.args, s)
		if err != nil {
			return nil, err
		}
		return r.call(fn, a)
	case *filter:
		v, err := r.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		return r.filter(x, v, s)
	case *test:
		v, err := r.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		a, err := r.arguments(x.args, s)
		if err != nil {
			return nil, err
		}
		return r.test(x.name, v, a)
	}
	return nil, fmt.Errorf("unknown expression %T", x)
}

func negate(op string, v value) (value, error) {
	if op == "not" {
		return !truth(v), nil
	}
	if n, ok := asInt(v); ok {
		if op == "+" {
			return n, nil
		}
		return intOp("-", 0, n)
	}
	if f, ok := v.(float64); ok {
		if op == "-" {
			f = -f
		}
		return f, nil
	}
	if u, ok := v.(undefined); ok {
		return nil, u.err()
	}
	return nil, fmt.Errorf("bad operand type for unary %s: %s", op, typeName(v))
}

func (r *render) binary(x *binary, s *scope) (value, error) {
	a, err := r.eval(x.l, s)
	if err != nil {
		return nil, err
	}
	switch {
	case x.op == "and" && !truth(a), x.op == "or" && truth(a):
		return a, nil
	}
	b, err := r.eval(x.r, s)
	if err != nil || x.op == "and" || x.op == "or" {
		return b, err
	}
	return r.operate(x.op, a, b)
}

// attr is v.name: a method or loop field if there is one, else the map's entry, else undefined.
func (r *render) attr(v value, name string) (value, error) {
	switch v := v.(type) {
	case undefined:
		return nil, v.err()
	case *loop:
		if x, ok := v.attr(name); ok {
			return x, nil
		}
	case *namespace:
		if x, ok := v.vars[name]; ok {
			return x, nil
		}
	case *dict:
		if m := method(v, name); m != nil {
			return m, nil
		}
		if changing[name] {
			break
		}
		if x, ok, _ := v.get(lit(name)); ok {
			return x, nil
		}
	default:
		if m := method(v, name); m != nil {
			return m, nil
		}
	}
	return undefined{fmt.Sprintf("attribute %q of %s", name, describe(v))}, nil
}

// item is v[i], which is undefined if there is no such thing.
func (r *render) item(v, i value) (value, error) {
	switch v := v.(type) {
	case undefined:
		return nil, v.err()
	case *dict:
		if x, ok, _ := v.get(i); ok {
			return x, nil
		}
	case *list:
		if n, ok := asInt(i); ok && v.kind <= kindRange {
			if n < 0 {
				n += int64(len(v.items))
			}
			if n >= 0 && n < int64(len(v.items)) {
				return v.items[n], nil
			}
		}
	case text:
		if n, ok := asInt(i); ok {
			return r.char(v, n)
		}
	}
	if t, ok := i.(text); ok {
		if _, isDict := v.(*dict); !isDict || method(v, t.s) != nil {
			return r.attr(v, t.s)
		}
	}
	return undefined{fmt.Sprintf("an item of %s", describe(v))}, nil
}

func (r *render) char(t text, n int64) (value, error) {
	if err := r.charge(len(t.s)); err != nil {
		return nil, err
	}
	if n < 0 {
		n += int64(utf8.RuneCountInString(t.s))
	}
	if n >= 0 {
		for i := 0; i < len(t.s); n-- {
			_, w := utf8.DecodeRuneInString(t.s[i:])
			if n == 0 {
				return t.slice(i, i+w), nil
			}
			i += w
		}
	}
	return undefined{"a character past the end"}, nil
}

// bounds are Python's slice.indices.
func bounds(lo, hi, step value, n int) (from, to, by int, err error) {
	pick := func(v value, def int) (int, error) {
		if v == nil {
			return def, nil
		}
		i, ok := asInt(v)
		if !ok {
			return 0, fmt.Errorf("slice indices must be integers, not %s", typeName(v))
		}
		low, high := 0, n
		if by < 0 {
			low, high = -1, n-1
		}
		if i < 0 {
			i += int64(n)
		}
		return int(max(int64(low), min(int64(high), i))), nil
	}
	by = 1
	if step != nil {
		b, ok := asInt(step)
		if !ok || b == 0 {
			return 0, 0, 0, fmt.Errorf("bad slice step")
		}
		by = int(max(-int64(n)-1, min(int64(n)+1, b)))
	}
	first, last := 0, n
	if by < 0 {
		first, last = n-1, -1
	}
	if from, err = pick(lo, first); err != nil {
		return
	}
	to, err = pick(hi, last)
	return
}

func (r *render) slice(x *slice, s *scope) (value, error) {
	v, err := r.eval(x.x, s)
	if err != nil {
		return nil, err
	}
	var part [3]value
	for i, e := range []expr{x.lo, x.hi, x.step} {
		if e != nil {
			if part[i], err = r.eval(e, s); err != nil {
				return nil, err
			}
		}
	}
	switch v := v.(type) {
	case undefined:
		return nil, v.err()
	case text:
		return r.sliceText(v, part[0], part[1], part[2])
	case *list:
		if v.kind > kindRange {
			break
		}
		from, to, by, err := bounds(part[0], part[1], part[2], len(v.items))
		if err != nil {
			return nil, err
		}
		out := &list{kind: v.kind}
		if s := v.span; v.kind == kindRange {
			out.span = [3]int64{s[0] + int64(from)*s[2], s[0] + int64(to)*s[2], s[2] * int64(by)}
		}
		if by == 1 {
			out.items = v.items[min(from, to):to:to]
			return out, nil
		}
		for i := from; by > 0 && i < to || by < 0 && i > to; i += by {
			out.items = append(out.items, v.items[i])
		}
		return out, r.step(len(out.items))
	}
	return nil, fmt.Errorf("%s cannot be sliced", describe(v))
}

func (r *render) sliceText(t text, lo, hi, step value) (value, error) {
	n := utf8.RuneCountInString(t.s)
	from, to, by, err := bounds(lo, hi, step, n)
	if err != nil {
		return nil, err
	}
	if err := r.charge(len(t.s)); err != nil {
		return nil, err
	}
	if by == 1 {
		if from >= to {
			return text{}, nil
		}
		i := runeOffset(t.s, from)
		return t.slice(i, i+runeOffset(t.s[i:], to-from)), nil
	}
	chars, err := r.iterate(t)
	if err != nil {
		return nil, err
	}
	b := builder{r: r}
	for i := from; by > 0 && i < to || by < 0 && i > to; i += by {
		if err := b.add(chars[i].(text)); err != nil {
			return nil, err
		}
	}
	return b.text(), nil
}

// runeOffset is the offset of character n.
func runeOffset(s string, n int) int {
	i := 0
	for ; n > 0 && i < len(s); n-- {
		_, w := utf8.DecodeRuneInString(s[i:])
		i += w
	}
	return i
}
