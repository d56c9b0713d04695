package chat

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type stringMethod func(r *render, t text, a args) (value, error)

// stringMethods are Python's methods of str, as far as templates use them.
var stringMethods = map[string]stringMethod{
	"strip":        func(r *render, t text, a args) (value, error) { return strip(t, a, true, true) },
	"lstrip":       func(r *render, t text, a args) (value, error) { return strip(t, a, true, false) },
	"rstrip":       func(r *render, t text, a args) (value, error) { return strip(t, a, false, true) },
	"split":        func(r *render, t text, a args) (value, error) { return split(r, t, a, false) },
	"rsplit":       func(r *render, t text, a args) (value, error) { return split(r, t, a, true) },
	"splitlines":   splitLines,
	"partition":    func(r *render, t text, a args) (value, error) { return partition(t, a, false) },
	"rpartition":   func(r *render, t text, a args) (value, error) { return partition(t, a, true) },
	"startswith":   func(r *render, t text, a args) (value, error) { return affix(t, a, strings.HasPrefix) },
	"endswith":     func(r *render, t text, a args) (value, error) { return affix(t, a, strings.HasSuffix) },
	"removeprefix": func(r *render, t text, a args) (value, error) { return removeAffix(t, a, true) },
	"removesuffix": func(r *render, t text, a args) (value, error) { return removeAffix(t, a, false) },
	"upper":        mapped(upper),
	"lower":        mapped(lower),
	"title":        mapped(title),
	"capitalize":   mapped(capitalize),
	"replace":      replaceMethod,
	"join":         joinMethod,
	"format":       formatMethod,
	"find":         func(r *render, t text, a args) (value, error) { return find(t, a, strings.Index, false) },
	"rfind":        func(r *render, t text, a args) (value, error) { return find(t, a, strings.LastIndex, false) },
	"index":        func(r *render, t text, a args) (value, error) { return find(t, a, strings.Index, true) },
	"rindex":       func(r *render, t text, a args) (value, error) { return find(t, a, strings.LastIndex, true) },
	"count":        countMethod,
	"isdigit":      every(unicode.IsDigit),
	"isalpha":      every(unicode.IsLetter),
	"isalnum":      every(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) }),
	"isspace":      every(isSpace),
	"isupper":      func(r *render, t text, a args) (value, error) { return cased(t.s, unicode.IsLower), none("isupper", a) },
	"islower":      func(r *render, t text, a args) (value, error) { return cased(t.s, unicode.IsUpper), none("islower", a) },
}

// mapped is a method without arguments that gives a string of the same origin.
func mapped(f func(string) string) stringMethod {
	return func(r *render, t text, a args) (value, error) { return t.derive(f(t.s)), none("it", a) }
}

func every(is func(rune) bool) stringMethod {
	return func(r *render, t text, a args) (value, error) {
		bad := strings.IndexFunc(t.s, func(c rune) bool { return !is(c) })
		return t.s != "" && bad < 0, none("it", a)
	}
}

// cased reports whether s has letters with case and none of the other one.
func cased(s string, other func(rune) bool) bool {
	some := false
	for _, c := range s {
		if other(c) || unicode.IsTitle(c) {
			return false
		}
		some = some || unicode.IsUpper(c) || unicode.IsLower(c)
	}
	return some
}

// one binds a method's only argument, a string.
func one(a args, name string) (text, error) {
	p, err := a.bind("it", name)
	if err == nil {
		err = p.required("it", 1)
	}
	if err != nil {
		return text{}, err
	}
	return p.text(0, "")
}

func strip(t text, a args, left, right bool) (value, error) {
	p, err := a.bind("it", "chars")
	if err != nil {
		return nil, err
	}
	return trim(t, p.or(0, nil), left, right)
}

func trim(t text, chars value, left, right bool) (value, error) {
	in := isSpace
	switch c := chars.(type) {
	case nil:
	case text:
		set := map[rune]bool{}
		for _, x := range c.s {
			set[x] = true
		}
		in = func(x rune) bool { return set[x] }
	default:
		return nil, fmt.Errorf("expected a string of characters, got %s", describe(chars))
	}
	i, j := 0, len(t.s)
	if left {
		i = j - len(strings.TrimLeftFunc(t.s, in))
	}
	if right {
		j = i + len(strings.TrimRightFunc(t.s[i:], in))
	}
	return t.slice(i, j), nil
}

func split(r *render, t text, a args, right bool) (value, error) {
	p, err := a.bind("it", "sep", "maxsplit")
	if err != nil {
		return nil, err
	}
	limit, err := p.int(1, -1)
	if err != nil {
		return nil, err
	}
	if limit < 0 {
		limit = int64(len(t.s)) + 1
	}
	var cuts [][2]int // what stands between the pieces
	from, to := 0, len(t.s)
	switch sep := p.or(0, nil).(type) {
	case nil:
		return splitBlank(r, t, limit, right)
	case text:
		if sep.s == "" {
			return nil, errors.New("empty separator")
		}
		for ; limit > 0; limit-- {
			i := strings.Index(t.s[from:], sep.s) + from
			if right {
				i = strings.LastIndex(t.s[:to], sep.s)
			}
			if i < from {
				break
			}
			cuts = append(cuts, [2]int{i, i + len(sep.s)})
			if right {
				to = i
			} else {
				from = i + len(sep.s)
			}
		}
	default:
		return nil, fmt.Errorf("expected a string, got %s", describe(sep))
	}
	return pieces(r, t, cuts, right, 0, len(t.s))
}

// pieces cuts t[from:to]; cuts are in order, or in reverse order if right is set.
func pieces(r *render, t text, cuts [][2]int, right bool, from, to int) (value, error) {
	if err := r.step(len(cuts)); err != nil {
		return nil, err
	}
	out := make([]value, 0, len(cuts)+1)
	for i := range cuts {
		c := cuts[i]
		if right {
			c = cuts[len(cuts)-1-i]
		}
		out = append(out, t.slice(from, c[0]))
		from = c[1]
	}
	return newList(append(out, t.slice(from, to))), nil
}

// splitBlank splits at runs of blanks, which also go at both ends.
func splitBlank(r *render, t text, limit int64, right bool) (value, error) {
	from := len(t.s) - len(strings.TrimLeftFunc(t.s, isSpace))
	to := len(strings.TrimRightFunc(t.s, isSpace))
	if from >= to {
		return newList(nil), nil
	}
	var cuts [][2]int
	lo, hi := from, to
	for ; limit > 0; limit-- {
		if right {
			j := strings.LastIndexFunc(t.s[:hi], isSpace)
			if j < lo {
				break
			}
			_, w := utf8.DecodeRuneInString(t.s[j:])
			i := len(strings.TrimRightFunc(t.s[:j], isSpace))
			cuts, hi = append(cuts, [2]int{i, j + w}), i
			continue
		}
		i := strings.IndexFunc(t.s[lo:to], isSpace)
		if i < 0 {
			break
		}
		i += lo
		j := len(t.s) - len(strings.TrimLeftFunc(t.s[i:], isSpace))
		cuts, lo = append(cuts, [2]int{i, j}), j
	}
	if limit == 0 { // the last piece keeps its blanks at the outer end
		if right {
			from = 0
		} else {
			to = len(t.s)
		}
	}
	return pieces(r, t, cuts, right, from, to)
}

func splitLines(r *render, t text, a args) (value, error) {
	p, err := a.bind("it", "keepends")
	if err != nil {
		return nil, err
	}
	return linesOf(r, t, truth(p.or(0, false)))
}

func linesOf(r *render, t text, keep bool) (*list, error) {
	out := newList(nil)
	for from := 0; from < len(t.s); {
		i := strings.IndexAny(t.s[from:], "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029")
		end, next := len(t.s), len(t.s)
		if i >= 0 {
			end = from + i
			_, w := utf8.DecodeRuneInString(t.s[end:])
			if next = end + w; strings.HasPrefix(t.s[end:], "\r\n") {
				next++
			}
		}
		if err := r.step(0); err != nil {
			return nil, err
		}
		if keep {
			end = next
		}
		out.items = append(out.items, t.slice(from, end))
		from = next
	}
	return out, nil
}

func partition(t text, a args, last bool) (value, error) {
	sep, err := one(a, "sep")
	if err != nil {
		return nil, err
	}
	if sep.s == "" {
		return nil, errors.New("empty separator")
	}
	i := strings.Index(t.s, sep.s)
	if last {
		i = strings.LastIndex(t.s, sep.s)
	}
	switch {
	case i >= 0:
		return tupleOf(t.slice(0, i), sep, t.slice(i+len(sep.s), len(t.s))), nil
	case last:
		return tupleOf(text{}, text{}, t), nil
	}
	return tupleOf(t, text{}, text{}), nil
}

func affix(t text, a args, has func(s, x string) bool) (value, error) {
	p, err := a.bind("it", "affix")
	if err == nil {
		err = p.required("it", 1)
	}
	if err != nil {
		return nil, err
	}
	options := []value{p[0]}
	if l, ok := p[0].(*list); ok && l.kind == kindTuple {
		options = l.items
	}
	for _, o := range options {
		x, ok := o.(text)
		if !ok {
			return nil, fmt.Errorf("expected a string or a tuple of strings, got %s", describe(o))
		}
		if has(t.s, x.s) {
			return true, nil
		}
	}
	return false, nil
}

func removeAffix(t text, a args, prefix bool) (value, error) {
	x, err := one(a, "affix")
	switch {
	case err != nil:
		return nil, err
	case prefix && strings.HasPrefix(t.s, x.s):
		return t.slice(len(x.s), len(t.s)), nil
	case !prefix && strings.HasSuffix(t.s, x.s):
		return t.slice(0, len(t.s)-len(x.s)), nil
	}
	return t, nil
}

func find(t text, a args, index func(s, sep string) int, must bool) (value, error) {
	x, err := one(a, "sub")
	if err != nil {
		return nil, err
	}
	i := index(t.s, x.s)
	if i < 0 {
		if must {
			return nil, errors.New("substring not found")
		}
		return int64(-1), nil
	}
	return int64(utf8.RuneCountInString(t.s[:i])), nil
}

func countMethod(r *render, t text, a args) (value, error) {
	x, err := one(a, "sub")
	if err != nil {
		return nil, err
	}
	return int64(strings.Count(t.s, x.s)), nil
}

func replaceMethod(r *render, t text, a args) (value, error) {
	p, err := a.bind("replace", "old", "new", "count")
	if err == nil {
		err = p.required("replace", 2)
	}
	if err != nil {
		return nil, err
	}
	from, err := p.text(0, "")
	if err != nil {
		return nil, err
	}
	to, err := p.text(1, "")
	if err != nil {
		return nil, err
	}
	n, err := p.int(2, -1)
	if err != nil {
		return nil, err
	}
	return r.replace(t, from.s, to, n)
}

// replace replaces up to n (all if negative) places; what stays keeps its origin, what is new has its own.
func (r *render) replace(t text, from string, to text, n int64) (value, error) {
	b := builder{r: r}
	pos := 0
	for ; n != 0; n-- {
		i := strings.Index(t.s[pos:], from)
		if i < 0 {
			break
		}
		if err := r.step(0); err != nil {
			return nil, err
		}
		i += pos
		next := i + len(from)
		if from == "" && i < len(t.s) { // between all characters
			_, w := utf8.DecodeRuneInString(t.s[i:])
			next = i + w
		}
		if from != "" {
			if err := b.add(t.slice(pos, i)); err != nil {
				return nil, err
			}
		}
		if err := b.add(to); err != nil {
			return nil, err
		}
		if from == "" {
			if err := b.add(t.slice(i, next)); err != nil {
				return nil, err
			}
			if i == len(t.s) {
				return b.text(), nil
			}
		}
		pos = next
	}
	if err := b.add(t.slice(pos, len(t.s))); err != nil {
		return nil, err
	}
	return b.text(), nil
}

func joinMethod(r *render, t text, a args) (value, error) {
	p, err := a.bind("join", "iterable")
	if err == nil {
		err = p.required("join", 1)
	}
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(p[0])
	if err != nil {
		return nil, err
	}
	for _, x := range items {
		if _, ok := x.(text); !ok {
			return nil, fmt.Errorf("expected strings, got %s", describe(x))
		}
	}
	return r.join(items, t)
}

// join joins items as they print.
func (r *render) join(items []value, sep text) (text, error) {
	b := builder{r: r}
	for i, x := range items {
		if i > 0 {
			if err := b.add(sep); err != nil {
				return text{}, err
			}
		}
		t, err := r.str(x)
		if err != nil {
			return text{}, err
		}
		if err := b.add(t); err != nil {
			return text{}, err
		}
	}
	return b.text(), nil
}
