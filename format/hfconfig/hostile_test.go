package hfconfig

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// broken is every way known to us in which the text can be wrong, each with the
// whole text of its refusal.
var broken = []struct{ text, want string }{
	{``, "want an object, the text ends (at byte 0)"},
	{" \n", "want an object, the text ends (at byte 2)"},
	{`[]`, "want an object, have an array (at byte 0)"},
	{`"model_type"`, "want an object, have a string (at byte 0)"},
	{`1`, "want an object, have a number (at byte 0)"},
	{`true`, "want an object, have a bool (at byte 0)"},
	{`null`, "want an object, have null (at byte 0)"},
	{`model_type: llama`, "want an object, have 'm' (at byte 0)"},
	{`<html>`, "want an object, have '<' (at byte 0)"},
	{"\xef\xbb\xbf{}", "want an object, have '\\ufeff' (at byte 0)"},
	{"\x80\x04}", "byte 0x80 is not UTF-8 (at byte 0)"},
	{"\x00{}", "want an object, have '\\x00' (at byte 0)"},
	{`{`, "want a string, the text ends (at byte 1)"},
	{`{}{}`, "want the end, have '{' (at byte 2)"},
	{`{} null`, "want the end, have 'n' (at byte 3)"},
	{"{}\x00", "want the end, have '\\x00' (at byte 2)"},
	{`{,}`, "want a string, have ',' (at byte 1)"},
	{`{"a":1,}`, "want a string, have '}' (at byte 7)"},
	{`{"a":1 "b":2}`, "want ',' or '}', have '\"' (at byte 7)"},
	{`{"a":1;"b":2}`, "want ',' or '}', have ';' (at byte 6)"},
	{`{"a"}`, "want ':', have '}' (at byte 4)"},
	{`{"a"=1}`, "want ':', have '=' (at byte 4)"},
	{`{a:1}`, "want a string, have 'a' (at byte 1)"},
	{`{'a':1}`, "want a string, have '\\'' (at byte 1)"},
	{`{1:1}`, "want a string, have a number (at byte 1)"},
	{`{null:1}`, "want a string, have null (at byte 1)"},
	{`{// no comments
		"a":1}`, "want a string, have '/' (at byte 1)"},
	{`{"a":}`, `key "a": want a value, have '}' (at byte 5)`},
	{`{"a":`, `key "a": want a value, the text ends (at byte 5)`},
	{`{"a":1`, "want ',' or '}', the text ends (at byte 6)"},
	{`{"a`, "string without an end (at byte 1)"},
	{`{"a":"b`, `key "a": string without an end (at byte 5)`},
	{`{"a":undefined}`, `key "a": want a value, have 'u' (at byte 5)`},
	{`{"a":NaN}`, `key "a": want a value, have 'N' (at byte 5)`},
	{`{"a":nan}`, `key "a": unknown word "nan" (at byte 5)`},
	{`{"a":Infinity}`, `key "a": want a value, have 'I' (at byte 5)`},
	{`{"a":-Infinity}`, `key "a": wrong number "-I" (at byte 5)`},
	{`{"a":True}`, `key "a": want a value, have 'T' (at byte 5)`},
	{`{"a":None}`, `key "a": want a value, have 'N' (at byte 5)`},
	{`{"a":truth}`, `key "a": unknown word "truth" (at byte 5)`},
	{`{"a":+1}`, `key "a": want a value, have '+' (at byte 5)`},
	{`{"a":.5}`, `key "a": want a value, have '.' (at byte 5)`},
	{`{"a":5.}`, `key "a": wrong number "5.}" (at byte 5)`},
	{`{"a":-}`, `key "a": wrong number "-}" (at byte 5)`},
	{`{"a":1e}`, `key "a": wrong number "1e}" (at byte 5)`},
	{`{"a":012}`, "want ',' or '}', have '1' (at byte 6)"},
	{`{"a":0x20}`, "want ',' or '}', have 'x' (at byte 6)"},
	{`{"a":1_000}`, "want ',' or '}', have '_' (at byte 6)"},
	{`{"a":1,000}`, "want a string, have a number (at byte 7)"},
	{"{\"a\":\"\n\"}", `key "a": control character 0x0a in a string (at byte 6)`},
	{"{\"a\":\"\x00\"}", `key "a": control character 0x00 in a string (at byte 6)`},
	{`{"a":"\q"}`, `key "a": wrong escape in a string (at byte 6)`},
	{`{"a":"\u12g4"}`, `key "a": wrong escape in a string (at byte 6)`},
	{`{"a":"\ud800"}`, `key "a": half a surrogate pair, "\\ud800" (at byte 6)`},
	{`{"\udfff":1}`, `half a surrogate pair, "\\udfff" (at byte 2)`},
	{"{\"a\":\"\xff\"}", "byte 0xff is not UTF-8 (at byte 6)"},
	{`{"a":[1,2}`, `key "a": want ',' or ']', have '}' (at byte 9)`},
	{`{"a":[1,]}`, `key "a": want a value, have ']' (at byte 8)`},
	{`{"a":[,1]}`, `key "a": want a value, have ',' (at byte 6)`},
	{`{"a":[1 2]}`, `key "a": want ',' or ']', have '2' (at byte 8)`},
	{`{"a":[1`, `key "a": want ',' or ']', the text ends (at byte 7)`},
	{`{"a":1]`, "want ',' or '}', have ']' (at byte 6)"},
	{`{"a":1,"a":1}`, `key "a": duplicate key (at byte 7)`},
	{`{"a":null,"a":1}`, `key "a": duplicate key (at byte 10)`},
	{`{"a":1,"\u0061":2}`, `key "a": duplicate key (at byte 7)`},
	{`{"rope_scaling":{"factor":1,"factor":2}}`, `key "rope_scaling.factor": duplicate key (at byte 28)`},
	{`{"a":{"b":[{"c":0},{"c":1,"c":2}]}}`, `key "a.b.c": duplicate key (at byte 26)`},
	{`{"a":{"b":{"c":nope}}}`, `key "a.b.c": unknown word "nope" (at byte 15)`},
	{`{"` + strings.Repeat("k", 257) + `":1}`, "string of 257 bytes exceeds the limit of 256 (at byte 1)"},
	{strings.Repeat(`{"a":`, 9) + `1` + strings.Repeat("}", 9), `key "a.a.a.a.a.a.a.a": nested deeper than 8 (at byte 40)`},
	{`{"a":` + strings.Repeat("[", 8), `key "a": nested deeper than 8 (at byte 12)`},
	{`{"a":` + strings.Repeat("[", 500_000), `key "a": nested deeper than 8 (at byte 12)`},
	{strings.Repeat(`{"a":`, 200_000), `key "a.a.a.a.a.a.a.a": nested deeper than 8 (at byte 40)`},
	{`{"a":[` + strings.Repeat("0,", 500_000) + `0]}`, `key "a": more than 65536 values (at byte 131076)`},
	{`{"a":[` + strings.Repeat("[],", 300_000) + `0]}`, `key "a": more than 65536 values (at byte 196611)`},
	{`{"a":"` + strings.Repeat("x", 1<<20) + `"}`, "1048584 bytes exceed the limit of 1048576 (at byte 0)"},
	{strings.Repeat(" ", 1<<20+1), "1048577 bytes exceed the limit of 1048576 (at byte 0)"},
}

func TestBrokenText(t *testing.T) {
	if len(broken) < 70 {
		t.Errorf("only %d texts", len(broken))
	}
	for _, c := range broken {
		var got *Config
		var err error
		allocated := allocations(func() { got, err = Parse([]byte(c.text)) })
		var fe *FormatError
		if !errors.As(err, &fe) || err.Error() != "hfconfig: "+c.want {
			t.Errorf("%.60q: %v, error %v\nwant hfconfig: %s", c.text, got, err, c.want)
			continue
		}
		if fe.Offset < 0 || fe.Offset > int64(len(c.text)) {
			t.Errorf("%.60q: byte %d of %d", c.text, fe.Offset, len(c.text))
		}
		if limit := uint64(4*len(c.text) + 16<<20); allocated > limit {
			t.Errorf("%.60q: %d bytes allocated for a text of %d", c.text, allocated, len(c.text))
		}
	}
}

// values are configs whose text is right and whose value is not what a loader
// asks for.
var values = []struct {
	value string
	get   string
	want  string
}{
	{`"576"`, "Uint", `is the string "576", want an integer`},
	{`-1`, "Uint", "-1 is negative"},
	{`-9223372036854775809`, "Uint", "-9223372036854775809 is negative"},
	{`-0`, "Uint", "-0 is negative"},
	{`1.5`, "Uint", "is the number 1.5, want an integer"},
	{`2.0`, "Uint", "is the number 2.0, want an integer"},
	{`1e3`, "Uint", "is the number 1e3, want an integer"},
	{`1E3`, "Uint", "is the number 1E3, want an integer"},
	{`1e308`, "Uint", "is the number 1e308, want an integer"},
	{`18446744073709551616`, "Uint", "18446744073709551616 overflows"},
	{`1` + strings.Repeat("0", 5000), "Uint", "1" + strings.Repeat("0", 39) + "... overflows"},
	{`true`, "Uint", "is true, want an integer"},
	{`[576]`, "Uint", "is an array, want an integer"},
	{`{"value":576}`, "Uint", "is an object, want an integer"},
	{`null`, "Uint", "missing"},
	{`"1e-5"`, "Float", `is the string "1e-5", want a number`},
	{`"NaN"`, "Float", `is the string "NaN", want a number`},
	{`1e309`, "Float", "1e309 overflows"},
	{`-1e999999999`, "Float", "-1e999999999 overflows"},
	{`false`, "Float", "is false, want a number"},
	{`{"__float__":"Infinity"}`, "Float", "is an object, want a number"},
	{`null`, "Float", "missing"},
	{`"true"`, "Bool", `is the string "true", want a bool`},
	{`1`, "Bool", "is the number 1, want a bool"},
	{`0`, "Bool", "is the number 0, want a bool"},
	{`[]`, "Bool", "is an array, want a bool"},
	{`null`, "Bool", "missing"},
	{`1`, "String", "is the number 1, want a string"},
	{`["llama"]`, "String", "is an array, want a string"},
	{`false`, "String", "is false, want a string"},
	{`null`, "String", "missing"},
	{`"LlamaForCausalLM"`, "Strings", `is the string "LlamaForCausalLM", want an array of strings`},
	{`["a",null]`, "Strings", "element 1: is null, want a string"},
	{`[["a"]]`, "Strings", "element 0: is an array, want a string"},
	{`{"0":"a"}`, "Strings", "is an object, want an array of strings"},
	{`[1,-2]`, "Uints", "element 1: -2 is negative"},
	{`[1,2.5]`, "Uints", "element 1: is the number 2.5, want an integer"},
	{`["1"]`, "Uints", `element 0: is the string "1", want an integer`},
	{`[1e400]`, "Floats", "element 0: 1e400 overflows"},
	{`"` + strings.Repeat("x", 100_000) + `"`, "Floats", `is the string "` + strings.Repeat("x", 40) + `...", want an array of numbers`},
}

func TestWrongValues(t *testing.T) {
	if len(broken)+len(values) < 110 {
		t.Errorf("only %d files", len(broken)+len(values))
	}
	for _, c := range values {
		for _, key := range []string{"hidden_size", "rope_scaling.factor"} {
			text := fmt.Sprintf(`{"hidden_size":%s,"rope_scaling":{"factor":%s}}`, c.value, c.value)
			f, err := Parse([]byte(text))
			if err != nil {
				t.Errorf("%.60q: %v", text, err)
				continue
			}
			get := map[string]func(string) (any, error){
				"Uint": wrap(f.Uint), "Float": wrap(f.Float), "Bool": wrap(f.Bool), "String": wrap(f.String),
				"Strings": wrap(f.Strings), "Uints": wrap(f.Uints), "Floats": wrap(f.Floats),
			}[c.get]
			if v, err := get(key); err == nil || err.Error() != fmt.Sprintf("hfconfig: key %q: %s", key, c.want) {
				t.Errorf("%s of %.60q: %v, error %v, want %s", c.get, c.value, v, err, c.want)
			}
		}
	}
}

// TestMemory holds files that are right, but made to take much more memory than
// bytes, to a bound.
func TestMemory(t *testing.T) {
	var keys strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&keys, `,"%x":0`, i)
	}
	for name, text := range map[string]string{
		"keys":    `{"k":0` + keys.String() + `}`,
		"numbers": `{"a":[` + strings.Repeat("0,", maxValues-3) + `0]}`,
		"objects": `{"a":[` + strings.Repeat("{},", maxValues-3) + `{}]}`,
		"string":  `{"a":"` + strings.Repeat("x", maxSize-8) + `"}`,
		"escapes": `{"a":"` + strings.Repeat(`\n`, maxSize/2-4) + `"}`,
	} {
		var err error
		allocated := allocations(func() { _, err = Parse([]byte(text)) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if limit := uint64(4*len(text) + 16<<20); allocated > limit {
			t.Errorf("%s: %d bytes allocated for a text of %d", name, allocated, len(text))
		}
		t.Logf("%s: %d bytes allocated for a text of %d", name, allocated, len(text))
	}
}

// allocations returns the bytes that f allocates, freed or not.
func allocations(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestTruncated(t *testing.T) {
	for n := range sample {
		if _, err := Parse([]byte(sample[:n])); err == nil {
			t.Errorf("cut at %d of %d: no error", n, len(sample))
		}
	}
}

// FuzzParse: nothing panics, errors lie in the text, and every key of an accepted
// file can be asked for in every way.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	for _, c := range broken {
		if len(c.text) < 4096 {
			f.Add([]byte(c.text))
		}
	}
	for _, c := range values {
		if len(c.value) < 4096 {
			f.Add([]byte(`{"k":` + c.value + `}`))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			var fe *FormatError
			if !errors.As(err, &fe) || fe.Offset < 0 || fe.Offset > int64(len(b)) || fe.Problem == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		var ask func(prefix string)
		ask = func(prefix string) {
			for _, key := range c.Keys(prefix) {
				if strings.Contains(key, ".") || key == "" {
					continue
				}
				if prefix != "" {
					key = prefix + "." + key
				}
				taken := 0
				for _, get := range []func(string) (any, error){wrap(c.Uint), wrap(c.Float), wrap(c.Bool), wrap(c.String), wrap(c.Strings), wrap(c.Uints), wrap(c.Floats)} {
					_, err := get(key)
					if errors.Is(err, ErrNoKey) == c.Has(key) {
						t.Fatalf("%q: there: %v, error %v", key, c.Has(key), err)
					}
					if err == nil {
						taken++
					}
				}
				if taken > 3 { // an empty array is one of everything
					t.Fatalf("%q is %d things", key, taken)
				}
				ask(key)
			}
		}
		ask("")
	})
}
