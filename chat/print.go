package chat

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// str is Python's str(v).
func (r *render) str(v value) (text, error) {
	switch v := v.(type) {
	case text:
		return v, nil
	case undefined:
		return text{}, nil
	case int64, float64, bool, nil:
		return lit(scalar(v)), nil
	}
	b := builder{r: r}
	err := b.repr(v, 0)
	return b.text(), err
}

func scalar(v value) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return formatFloat(v)
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return "None"
}

// formatFloat is Python's repr of a float: the shortest digits that read back, an exponent from 1e16 and below 1e-4.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)), "+")
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if strings.IndexByte(s, '.') < 0 {
		s += ".0"
	}
	return s
}

// repr adds Python's repr(v), which is how lists and maps print.
func (b *builder) repr(v value, depth int) error {
	if depth > maxNesting {
		return limitf("a value nested deeper than %d", maxNesting)
	}
	if err := b.r.step(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case text:
		if err := b.r.room(len(b.b), len(v.s)); err != nil {
			return err
		}
		return b.add(v.derive(quote(v.s)))
	case int64, float64, bool, nil:
		return b.lit(scalar(v))
	case undefined:
		return b.lit("Undefined")
	case *list:
		return b.reprList(v, depth)
	case *dict:
		if err := b.lit("{"); err != nil {
			return err
		}
		for i, k := range v.keys {
			if i > 0 {
				if err := b.lit(", "); err != nil {
					return err
				}
			}
			if err := b.repr(k, depth+1); err != nil {
				return err
			}
			if err := b.lit(": "); err != nil {
				return err
			}
			if err := b.repr(v.vals[i], depth+1); err != nil {
				return err
			}
		}
		return b.lit("}")
	}
	return b.lit("<" + typeName(v) + ">")
}

func (b *builder) reprList(l *list, depth int) error {
	from, to := "[", "]"
	switch l.kind {
	case kindTuple:
		from, to = "(", ")"
		if len(l.items) == 1 {
			to = ",)"
		}
	case kindRange:
		if l.span[2] == 1 {
			return b.lit(fmt.Sprintf("range(%d, %d)", l.span[0], l.span[1]))
		}
		return b.lit(fmt.Sprintf("range(%d, %d, %d)", l.span[0], l.span[1], l.span[2]))
	case kindView:
		from, to = l.shown+"([", "])"
	case kindGen:
		return b.lit("<generator>")
	}
	if err := b.lit(from); err != nil {
		return err
	}
	for i, x := range l.items {
		if i > 0 {
			if err := b.lit(", "); err != nil {
				return err
			}
		}
		if err := b.repr(x, depth+1); err != nil {
			return err
		}
	}
	return b.lit(to)
}

// quote is Python's repr of a string.
func quote(s string) string {
	q := '\''
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		q = '"'
	}
	var b strings.Builder
	b.WriteRune(q)
	for i, c := range s {
		switch {
		case c == q || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"): // not UTF-8: keep the byte
			b.WriteByte(s[i])
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	b.WriteRune(q)
	return b.String()
}
