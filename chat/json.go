package chat

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonWriter is Python's json.dumps, which Go's encoding/json is not: ", " and ": " between things, keys in the map's
// order, floats as Python prints them, no escaping for HTML.
type jsonWriter struct {
	b      *builder
	ascii  bool
	sorted bool
	indent text
	pretty bool
	comma  text
	colon  text
}

// tojson is the filter as transformers defines it: tojson(ensure_ascii=false, indent=none, separators=none,
// sort_keys=false).
func tojson(r *render, v value, a args) (value, error) {
	p, err := a.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys")
	if err != nil {
		return nil, err
	}
	w := jsonWriter{b: &builder{r: r}, ascii: truth(p.or(0, false)), sorted: truth(p.or(3, false)), comma: lit(", "), colon: lit(": ")}
	switch in := p.or(1, nil).(type) {
	case nil:
	case text:
		w.indent, w.pretty, w.comma = in, true, lit(",")
	default:
		n, ok := asInt(in)
		if !ok {
			return nil, fmt.Errorf("tojson: indent is %s", describe(in))
		}
		if w.indent, err = r.repeat(lit(" "), n); err != nil {
			return nil, err
		}
		w.pretty, w.comma = true, lit(",")
	}
	if sep := p.or(2, nil); sep != nil {
		l, ok := sep.(*list)
		if !ok || len(l.items) != 2 {
			return nil, fmt.Errorf("tojson: separators must be two strings")
		}
		var ok1, ok2 bool
		w.comma, ok1 = l.items[0].(text)
		w.colon, ok2 = l.items[1].(text)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("tojson: separators must be two strings")
		}
	}
	if err := w.value(v, 0); err != nil {
		return nil, err
	}
	return w.b.text(), nil
}

func (w *jsonWriter) value(v value, depth int) error {
	if depth > maxNesting {
		return limitf("JSON nested deeper than %d", maxNesting)
	}
	if err := w.b.r.step(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		return w.b.lit("null")
	case bool:
		return w.b.lit(strings.ToLower(scalar(v)))
	case int64:
		return w.b.lit(scalar(v))
	case float64:
		return w.b.lit(jsonFloat(v))
	case text:
		return w.str(v)
	case *list:
		if v.kind > kindTuple {
			break
		}
		return w.group("[", "]", len(v.items), depth, func(i int) error { return w.value(v.items[i], depth+1) })
	case *dict:
		order, err := w.order(v)
		if err != nil {
			return err
		}
		return w.group("{", "}", len(order), depth, func(i int) error {
			k := v.keys[order[i]]
			kt, ok := k.(text)
			switch {
			case ok:
			case k == nil:
				kt = lit("null")
			default:
				if f, isF := k.(float64); isF {
					kt = lit(jsonFloat(f))
				} else if _, ok := asInt(k); ok {
					kt = lit(strings.ToLower(scalar(k)))
				} else {
					return fmt.Errorf("tojson: a key may not be %s", describe(k))
				}
			}
			if err := w.str(kt); err != nil {
				return err
			}
			if err := w.b.add(w.colon); err != nil {
				return err
			}
			return w.value(v.vals[order[i]], depth+1)
		})
	}
	return fmt.Errorf("tojson: %s is not JSON serializable", describe(v))
}

func (w *jsonWriter) order(d *dict) ([]int, error) {
	order := make([]int, len(d.keys))
	for i := range order {
		order[i] = i
	}
	if !w.sorted {
		return order, nil
	}
	var failed error
	sort.SliceStable(order, func(i, j int) bool {
		c, err := w.b.r.order(d.keys[order[i]], d.keys[order[j]], 0)
		if err != nil && failed == nil {
			failed = err
		}
		return c < 0
	})
	return order, failed
}

func (w *jsonWriter) group(from, to string, n, depth int, item func(i int) error) error {
	if err := w.b.lit(from); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			if err := w.b.add(w.comma); err != nil {
				return err
			}
		}
		if err := w.newline(depth + 1); err != nil {
			return err
		}
		if err := item(i); err != nil {
			return err
		}
	}
	if n > 0 {
		if err := w.newline(depth); err != nil {
			return err
		}
	}
	return w.b.lit(to)
}

func (w *jsonWriter) newline(depth int) error {
	if !w.pretty {
		return nil
	}
	if err := w.b.lit("\n"); err != nil {
		return err
	}
	for range depth {
		if err := w.b.add(w.indent); err != nil {
			return err
		}
	}
	return nil
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return formatFloat(f)
}

// str adds a quoted string. Its quotes are the template's, its inside stays what it was.
func (w *jsonWriter) str(t text) error {
	if err := w.b.lit(`"`); err != nil {
		return err
	}
	if err := w.b.r.room(len(w.b.b), len(t.s)); err != nil {
		return err
	}
	var err error
	t.each(func(s string, user bool) {
		if err == nil {
			err = w.b.add(text{s: jsonEscape(s, w.ascii), user: user})
		}
	})
	if err != nil {
		return err
	}
	return w.b.lit(`"`)
}

func jsonEscape(s string, ascii bool) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		c := s[i]
		plain = c >= 0x20 && c != '"' && c != '\\' && (c < 0x7f || !ascii)
	}
	if plain {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < 0x20:
			if k := strings.IndexByte("\b\t\n\f\r", byte(c)); k >= 0 {
				b = append(b, '\\', "btnfr"[k])
			} else {
				b = appendHex(b, uint16(c))
			}
		case c < 0x7f || !ascii:
			b = append(b, s[i:i+n]...)
		case c > 0xffff:
			hi, lo := utf16.EncodeRune(c)
			b = appendHex(appendHex(b, uint16(hi)), uint16(lo))
		default:
			b = appendHex(b, uint16(c))
		}
		i += n
	}
	return string(b)
}

func appendHex(b []byte, c uint16) []byte {
	s := strconv.FormatUint(uint64(c), 16)
	return append(append(b, `\u`+"0000"[len(s):]...), s...)
}
