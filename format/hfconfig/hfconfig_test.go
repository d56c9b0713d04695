package hfconfig

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t testing.TB, text string) *Config {
	t.Helper()
	c, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTransformers reads what transformers writes as Python's json does
// (tools/oracle/hfconfig_files.py).
func TestTransformers(t *testing.T) {
	b, err := os.ReadFile("testdata/configs.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Configs []struct {
			Name, Text string
			Leaves     [][3]json.RawMessage // dotted key, kind, value
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range doc.Configs {
		c := mustParse(t, f.Text)
		for _, leaf := range f.Leaves {
			var key, kind string
			if err := errors.Join(json.Unmarshal(leaf[0], &key), json.Unmarshal(leaf[1], &kind)); err != nil {
				t.Fatal(err)
			}
			seen[kind] = true
			var got any
			var err error
			switch kind {
			case "object":
				got = c.Keys(key)
			case "string":
				got, err = c.String(key)
			case "bool":
				got, err = c.Bool(key)
			case "int":
				got, err = c.Uint(key)
			case "float":
				got, err = c.Float(key)
			case "strings":
				got, err = c.Strings(key)
			case "uints":
				got, err = c.Uints(key)
			case "floats":
				got, err = c.Floats(key)
			case "null":
				if c.Has(key) {
					t.Errorf("%s: %s is there", f.Name, key)
				}
				continue
			}
			if err != nil || got == nil {
				t.Errorf("%s: %s %s: %v, %v", f.Name, kind, key, got, err)
				continue
			}
			want := newLike(got)
			if err := json.Unmarshal(leaf[2], want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(deref(want), got); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", f.Name, key, diff)
			}
		}
	}
	for _, kind := range []string{"object", "string", "bool", "int", "float", "strings", "uints", "null"} {
		if !seen[kind] {
			t.Errorf("no %s among the leaves", kind)
		}
	}
}

// newLike returns a pointer to a new value of v's type.
func newLike(v any) any { return reflect.New(reflect.TypeOf(v)).Interface() }

func deref(p any) any { return reflect.ValueOf(p).Elem().Interface() }

const sample = `{"a": {"b": {"c": 7, "none": null}, "list": [1, 2]}, "n": 12, "neg": -3, "f": 1e-6, "whole": 4096.0, "big": 18446744073709551615,
	"bigger": 18446744073709551616, "huge": 1e999, "yes": true, "no": false, "s": "text", "empty": "", "none": null, "x.y": 1,
	"strings": ["p", "q"], "mixed": ["p", 1], "floats": [0.5, 2], "nothing": [], "holes": [1, null]}`

func TestGetters(t *testing.T) {
	c := mustParse(t, sample)
	for _, x := range []struct {
		key  string
		get  func(string) (any, error)
		want any // or an error's text, if it is of type wrong
	}{
		{"n", wrap(c.Uint), uint64(12)}, {"a.b.c", wrap(c.Uint), uint64(7)}, {"big", wrap(c.Uint), uint64(1<<64 - 1)},
		{"n", wrap(c.Float), 12.0}, {"f", wrap(c.Float), 1e-6}, {"whole", wrap(c.Float), 4096.0}, {"neg", wrap(c.Float), -3.0}, {"bigger", wrap(c.Float), 0x1p64},
		{"yes", wrap(c.Bool), true}, {"no", wrap(c.Bool), false}, {"s", wrap(c.String), "text"}, {"empty", wrap(c.String), ""},
		{"strings", wrap(c.Strings), []string{"p", "q"}}, {"a.list", wrap(c.Uints), []uint64{1, 2}}, {"floats", wrap(c.Floats), []float64{0.5, 2}},
		{"nothing", wrap(c.Strings), []string{}}, {"nothing", wrap(c.Uints), []uint64{}},

		{"neg", wrap(c.Uint), wrong(`hfconfig: key "neg": -3 is negative`)},
		{"bigger", wrap(c.Uint), wrong(`hfconfig: key "bigger": 18446744073709551616 overflows`)},
		{"whole", wrap(c.Uint), wrong(`hfconfig: key "whole": is the number 4096.0, want an integer`)},
		{"f", wrap(c.Uint), wrong(`hfconfig: key "f": is the number 1e-6, want an integer`)},
		{"huge", wrap(c.Float), wrong(`hfconfig: key "huge": 1e999 overflows`)},
		{"s", wrap(c.Uint), wrong(`hfconfig: key "s": is the string "text", want an integer`)},
		{"s", wrap(c.Float), wrong(`hfconfig: key "s": is the string "text", want a number`)},
		{"yes", wrap(c.Uint), wrong(`hfconfig: key "yes": is true, want an integer`)},
		{"n", wrap(c.Bool), wrong(`hfconfig: key "n": is the number 12, want a bool`)},
		{"n", wrap(c.String), wrong(`hfconfig: key "n": is the number 12, want a string`)},
		{"a", wrap(c.String), wrong(`hfconfig: key "a": is an object, want a string`)},
		{"a.b", wrap(c.Uint), wrong(`hfconfig: key "a.b": is an object, want an integer`)},
		{"strings", wrap(c.String), wrong(`hfconfig: key "strings": is an array, want a string`)},
		{"s", wrap(c.Strings), wrong(`hfconfig: key "s": is the string "text", want an array of strings`)},
		{"n", wrap(c.Uints), wrong(`hfconfig: key "n": is the number 12, want an array of integers`)},
		{"mixed", wrap(c.Strings), wrong(`hfconfig: key "mixed": element 1: is the number 1, want a string`)},
		{"mixed", wrap(c.Uints), wrong(`hfconfig: key "mixed": element 0: is the string "p", want an integer`)},
		{"floats", wrap(c.Uints), wrong(`hfconfig: key "floats": element 0: is the number 0.5, want an integer`)},
		{"holes", wrap(c.Uints), wrong(`hfconfig: key "holes": element 1: is null, want an integer`)},
		{"holes", wrap(c.Floats), wrong(`hfconfig: key "holes": element 1: is null, want a number`)},
	} {
		got, err := x.get(x.key)
		if text, ok := x.want.(wrong); ok {
			if err == nil || err.Error() != string(text) || errors.Is(err, ErrNoKey) {
				t.Errorf("%s: error %v, want %s", x.key, err, text)
			}
			continue
		}
		if diff := cmp.Diff(x.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v, %v, want %v", x.key, got, err, x.want)
		}
	}

	for _, key := range []string{"absent", "none", "a.absent", "a.b.none", "n.x", "strings.0", "a.b.c.d", "x.y", "", ".", "a.", ".a", "A", "N"} {
		for i, get := range []func(string) (any, error){wrap(c.Uint), wrap(c.Float), wrap(c.Bool), wrap(c.String), wrap(c.Strings), wrap(c.Uints), wrap(c.Floats)} {
			if _, err := get(key); !errors.Is(err, ErrNoKey) || err.Error() != `hfconfig: key "`+key+`": missing` {
				t.Errorf("getter %d, %q: %v", i, key, err)
			}
		}
		if c.Has(key) {
			t.Errorf("%q is there", key)
		}
	}
	for _, key := range []string{"a", "a.b", "a.b.c", "no", "empty", "nothing"} {
		if !c.Has(key) {
			t.Errorf("%q is not there", key)
		}
	}
	if got := c.Keys("a"); !slices.Equal(got, []string{"b", "list"}) {
		t.Errorf("keys of a: %q", got)
	}
	if got := c.Keys(""); len(got) != 19 || got[0] != "a" {
		t.Errorf("keys: %q", got)
	}
	if got := append(c.Keys("n"), c.Keys("absent")...); len(got) != 0 {
		t.Errorf("keys of no object: %q", got)
	}
}

// wrong is the text of an error.
type wrong string

func wrap[T any](get func(string) (T, error)) func(string) (any, error) {
	return func(key string) (any, error) { return get(key) }
}
