package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
)

// convert makes a template's value of a caller's. Strings in it count as text from outside.
func convert(v any, depth int) (value, error) {
	if depth > maxNesting {
		return nil, limitf("a value nested deeper than %d", maxNesting)
	}
	switch v := v.(type) {
	case nil, bool, int64, float64:
		return v, nil
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case string:
		return foreign(v), nil
	case json.Number:
		return convertNumber(v)
	case json.RawMessage:
		d := json.NewDecoder(bytes.NewReader(v))
		d.UseNumber()
		out, err := decode(d, depth)
		if err == nil && d.More() {
			err = fmt.Errorf("more than one JSON value")
		}
		return out, err
	case []string:
		out := make([]value, len(v))
		for i, s := range v {
			out[i] = foreign(s)
		}
		return newList(out), nil
	case []any:
		out := make([]value, len(v))
		for i, x := range v {
			var err error
			if out[i], err = convert(x, depth+1); err != nil {
				return nil, err
			}
		}
		return newList(out), nil
	case []map[string]any:
		out := make([]value, len(v))
		for i, x := range v {
			var err error
			if out[i], err = convert(x, depth+1); err != nil {
				return nil, err
			}
		}
		return newList(out), nil
	case map[string]any:
		d := newDict()
		for _, k := range sortedKeys(v) {
			x, err := convert(v[k], depth+1)
			if err != nil {
				return nil, err
			}
			if err := d.set(foreign(k), x); err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	return nil, fmt.Errorf("a value of Go type %T has no place in a template", v)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func convertNumber(n json.Number) (value, error) {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, fmt.Errorf("number %q: %w", n, err)
	}
	return f, nil
}

// decode reads one JSON value, keeping the order of an object's keys, which tojson shows.
func decode(d *json.Decoder, depth int) (value, error) {
	if depth > maxNesting {
		return nil, limitf("JSON nested deeper than %d", maxNesting)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			l := newList(nil)
			for d.More() {
				v, err := decode(d, depth+1)
				if err != nil {
					return nil, err
				}
				l.items = append(l.items, v)
			}
			_, err := d.Token()
			return l, err
		}
		m := newDict()
		for d.More() {
			k, err := decode(d, depth+1)
			if err != nil {
				return nil, err
			}
			v, err := decode(d, depth+1)
			if err != nil {
				return nil, err
			}
			if err := m.set(k, v); err != nil {
				return nil, err
			}
		}
		_, err := d.Token()
		return m, err
	case json.Number:
		return convertNumber(t)
	}
	return convert(t, depth)
}
