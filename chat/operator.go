package chat

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
)

var (
	errOverflow = errors.New("integer overflow: integers have 64 bits")
	errZero     = errors.New("division by zero")
)

// operate is Python's arithmetic.
func (r *render) operate(op string, a, b value) (value, error) {
	if t, ok := a.(text); ok && op == "%" {
		return r.percent(t, b)
	}
	for _, v := range []value{a, b} {
		if u, ok := v.(undefined); ok {
			return nil, u.err()
		}
	}
	switch x := a.(type) {
	case text:
		if y, ok := b.(text); ok && op == "+" {
			return r.concat(x, y)
		}
	case *list:
		if y, ok := b.(*list); ok && op == "+" && x.kind == y.kind && x.kind <= kindTuple {
			if err := r.step(len(x.items) + len(y.items)); err != nil {
				return nil, err
			}
			return &list{items: append(x.items[:len(x.items):len(x.items)], y.items...), kind: x.kind}, nil
		}
	}
	if op == "*" {
		if n, ok := asInt(b); ok {
			if v, err, ok := r.times(a, n); ok {
				return v, err
			}
		}
		if n, ok := asInt(a); ok {
			if v, err, ok := r.times(b, n); ok {
				return v, err
			}
		}
	}
	if x, ok := asInt(a); ok {
		if y, ok := asInt(b); ok {
			return intOp(op, x, y)
		}
	}
	x, ok1 := asFloat(a)
	y, ok2 := asFloat(b)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("unsupported operand types for %s: %s and %s", op, typeName(a), typeName(b))
	}
	return floatOp(op, x, y)
}

// times repeats a string or list; ok is false if v is neither.
func (r *render) times(v value, n int64) (out value, err error, ok bool) {
	switch v := v.(type) {
	case text:
		t, err := r.repeat(v, n)
		return t, err, true
	case *list:
		if v.kind > kindTuple {
			break
		}
		l := &list{kind: v.kind}
		if n <= 0 || len(v.items) == 0 {
			return l, nil, true
		}
		if n > int64(r.limits.Steps) || r.step(len(v.items)*int(n)) != nil {
			return nil, limitf("a list of %d times %d items", n, len(v.items)), true
		}
		l.items = make([]value, 0, len(v.items)*int(n))
		for range n {
			l.items = append(l.items, v.items...)
		}
		return l, nil, true
	}
	return nil, nil, false
}

// repeat is t * n, refused before anything is allocated if it is too long.
func (r *render) repeat(t text, n int64) (text, error) {
	if n <= 0 || t.s == "" {
		return text{}, nil
	}
	if n > int64(r.limits.Output) || r.room(0, len(t.s)*int(n)) != nil {
		return text{}, limitf("a string of %d times %d bytes", n, len(t.s))
	}
	if len(t.cuts) == 0 {
		return text{s: strings.Repeat(t.s, int(n)), user: t.user}, nil
	}
	b := builder{r: r}
	for range n {
		if err := b.add(t); err != nil {
			return text{}, err
		}
	}
	return b.text(), nil
}

func intOp(op string, x, y int64) (value, error) {
	switch op {
	case "+":
		if s := x + y; (s > x) == (y > 0) {
			return s, nil
		}
		return nil, errOverflow
	case "-":
		if s := x - y; (s < x) == (y > 0) {
			return s, nil
		}
		return nil, errOverflow
	case "*":
		return multiply(x, y)
	case "**":
		return power(x, y)
	}
	if y == 0 {
		return nil, errZero
	}
	if op == "/" {
		return float64(x) / float64(y), nil
	}
	if x == math.MinInt64 && y == -1 {
		if op == "%" {
			return int64(0), nil
		}
		return nil, errOverflow
	}
	q, m := x/y, x%y
	if m != 0 && (m < 0) != (y < 0) { // Python rounds down
		q, m = q-1, m+y
	}
	if op == "//" {
		return q, nil
	}
	return m, nil
}

func multiply(x, y int64) (value, error) {
	neg := (x < 0) != (y < 0)
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	switch {
	case hi != 0 || lo > 1<<63 || !neg && lo == 1<<63:
		return nil, errOverflow
	case neg:
		return -int64(lo), nil
	}
	return int64(lo), nil
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

func power(x, y int64) (value, error) {
	if y < 0 {
		if x == 0 {
			return nil, errZero
		}
		return math.Pow(float64(x), float64(y)), nil
	}
	var out value = int64(1)
	var err error
	switch x {
	case 0, 1:
		if y == 0 {
			return out, nil
		}
		return x, nil
	case -1:
		if y%2 == 0 {
			return out, nil
		}
		return x, nil
	}
	for range y { // at most 63 rounds before it overflows
		if out, err = multiply(out.(int64), x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func floatOp(op string, x, y float64) (value, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "**":
		if x == 0 && y < 0 {
			return nil, errZero
		}
		p := math.Pow(x, y)
		switch {
		case math.IsInf(p, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0):
			return nil, errors.New("float overflow")
		case math.IsNaN(p) && x < 0:
			return nil, errors.New("complex numbers are not supported")
		}
		return p, nil
	}
	if y == 0 {
		return nil, errZero
	}
	if op == "/" {
		return x / y, nil
	}
	m := math.Mod(x, y)
	if m != 0 && (m < 0) != (y < 0) {
		m += y
	} else if m == 0 {
		m = math.Copysign(0, y)
	}
	if op == "%" {
		return m, nil
	}
	q := (x - m) / y
	if f := math.Floor(q); q-f > 0.5 {
		q = f + 1
	} else {
		q = f
	}
	return q, nil
}

// equal is Python's ==.
func (r *render) equal(a, b value, depth int) (bool, error) {
	if depth > maxNesting {
		return false, limitf("a value nested deeper than %d", maxNesting)
	}
	if err := r.step(1); err != nil {
		return false, err
	}
	switch x := a.(type) {
	case nil:
		return b == nil, nil
	case text:
		y, ok := b.(text)
		return ok && x.s == y.s, r.charge(len(x.s))
	case undefined:
		_, ok := b.(undefined)
		return ok, nil
	case *list:
		y, ok := b.(*list)
		if !ok || x == y || x.kind != y.kind || x.kind >= kindView || len(x.items) != len(y.items) {
			return ok && x == y, nil
		}
		for i := range x.items {
			if eq, err := r.equal(x.items[i], y.items[i], depth+1); !eq || err != nil {
				return false, err
			}
		}
		return true, nil
	case *dict:
		y, ok := b.(*dict)
		if !ok || x == y || len(x.keys) != len(y.keys) {
			return ok && x == y, nil
		}
		for i, k := range x.keys {
			v, ok, err := y.get(k)
			if !ok || err != nil {
				return false, err
			}
			if eq, err := r.equal(x.vals[i], v, depth+1); !eq || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	if x, ok := asInt(a); ok {
		if y, ok := asInt(b); ok {
			return x == y, nil
		}
	}
	if x, ok := asFloat(a); ok {
		y, ok := asFloat(b)
		return ok && x == y, nil
	}
	return same(a, b), nil
}

// same is identity for the values that have one.
func same(a, b value) bool {
	switch x := a.(type) {
	case *list:
		y, ok := b.(*list)
		return ok && x == y
	case *dict:
		y, ok := b.(*dict)
		return ok && x == y
	case *namespace:
		y, ok := b.(*namespace)
		return ok && x == y
	case *callable:
		y, ok := b.(*callable)
		return ok && x == y
	case *loop:
		y, ok := b.(*loop)
		return ok && x == y
	case text:
		y, ok := b.(text)
		return ok && x.s == y.s
	case undefined:
		return false
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case int64:
		y, ok := b.(int64)
		return ok && x == y
	case float64:
		y, ok := b.(float64)
		return ok && x == y
	}
	return false
}

// order compares as Python's < does: negative, zero or positive; 2 if not comparable as numbers (NaN).
func (r *render) order(a, b value, depth int) (int, error) {
	if depth > maxNesting {
		return 0, limitf("a value nested deeper than %d", maxNesting)
	}
	if err := r.step(1); err != nil {
		return 0, err
	}
	for _, v := range []value{a, b} {
		if u, ok := v.(undefined); ok {
			return 0, u.err()
		}
	}
	switch x := a.(type) {
	case text:
		if y, ok := b.(text); ok {
			return strings.Compare(x.s, y.s), r.charge(min(len(x.s), len(y.s)))
		}
	case *list:
		y, ok := b.(*list)
		if !ok || x.kind != y.kind || x.kind > kindTuple {
			break
		}
		for i := range min(len(x.items), len(y.items)) {
			eq, err := r.equal(x.items[i], y.items[i], depth+1)
			if err != nil {
				return 0, err
			}
			if !eq {
				return r.order(x.items[i], y.items[i], depth+1)
			}
		}
		return len(x.items) - len(y.items), nil
	}
	if x, ok := asInt(a); ok {
		if y, ok := asInt(b); ok {
			switch {
			case x < y:
				return -1, nil
			case x > y:
				return 1, nil
			}
			return 0, nil
		}
	}
	x, ok1 := asFloat(a)
	y, ok2 := asFloat(b)
	switch {
	case !ok1 || !ok2:
		return 0, fmt.Errorf("%s and %s cannot be ordered", typeName(a), typeName(b))
	case x < y:
		return -1, nil
	case x > y:
		return 1, nil
	case x == y:
		return 0, nil
	}
	return unordered, nil
}

const unordered = 1 << 30

// compare is one link of a comparison.
func (r *render) compare(op string, a, b value) (bool, error) {
	switch op {
	case "==":
		return r.equal(a, b, 0)
	case "!=":
		eq, err := r.equal(a, b, 0)
		return !eq, err
	case "in":
		return r.contains(b, a)
	case "not in":
		in, err := r.contains(b, a)
		return !in, err
	}
	c, err := r.order(a, b, 0)
	if err != nil || c == unordered {
		return false, err
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

func (r *render) contains(in, v value) (bool, error) {
	switch in := in.(type) {
	case text:
		t, ok := v.(text)
		if !ok {
			return false, fmt.Errorf("'in' a string needs a string, not %s", describe(v))
		}
		return strings.Contains(in.s, t.s), r.charge(len(in.s))
	case *dict:
		_, ok, err := in.get(v)
		return ok, err
	}
	items, err := r.iterate(in)
	if err != nil {
		return false, err
	}
	for _, x := range items {
		if eq, err := r.equal(x, v, 0); eq || err != nil {
			return eq, err
		}
	}
	return false, nil
}
