package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

const testDepth = 20

// read reads a document of any kind into Go values, as encoding/json would.
func read(r *Reader) any {
	switch r.Kind() {
	case Object:
		m := map[string]any{}
		for _, key := range r.Object(1 << 20) {
			m[string(key)] = read(r)
		}
		return m
	case Array:
		a := []any{}
		for range r.Array() {
			a = append(a, read(r))
		}
		return a
	case String:
		return r.String(1 << 20)
	case Number:
		return json.Number(r.Number())
	case Bool:
		return r.Bool()
	case Null:
		r.Null()
		return nil
	}
	r.Skip() // fails
	return nil
}

// samples are documents for the tests and the fuzzer, right and wrong.
var samples = []string{
	`{}`, `[]`, `""`, `0`, `true`, `false`, `null`, ` { "a" : [ 1 , -2.5e+3 , { } , [ ] ] , "b" : null } `,
	`"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00 é😀` + "\u2028\x7f" + `"`, `-0`, `0.0`, `1E5`, `1e-5`, `123456789012345678901234567890`,
	`{"a":1,"a":2}`, `"\ud800"`, `"\udc00\ud800"`, `"\ud800\u0041"`, `"\ud83dx"`, `"\u00"`, `"\x"`, `"`, `"\`, "\"\x1f\"", "\"\xff\"", "\xef\xbb\xbf{}",
	``, ` `, `{`, `[`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `[1`, `[1,`, `[1,]`, `[,1]`, `{,}`, `{"a":1,}`, `{1:2}`, `[1 2]`, `{"a" 1}`,
	`01`, `-`, `+1`, `.5`, `1.`, `1e`, `1e+`, `0x1`, `NaN`, `Infinity`, `-Infinity`, `tru`, `truex`, `nul`, `True`, `'a'`, `[1]]`, `{}{}`, `1 2`, "\x00",
	strings.Repeat("[", 20) + strings.Repeat("]", 20), strings.Repeat("[", 21) + strings.Repeat("]", 21),
	strings.Repeat(`{"a":`, 20) + `0` + strings.Repeat("}", 20), strings.Repeat(`{"a":`, 21) + `0` + strings.Repeat("}", 21),
}

func TestAgainstEncodingJSON(t *testing.T) {
	for _, s := range samples {
		check(t, []byte(s))
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s))
	}
	f.Fuzz(check)
}

// check holds a Reader to encoding/json: it takes what that takes, to the same
// values, but for broken UTF-8, halves of surrogate pairs and depth.
func check(t *testing.T, b []byte) {
	r := New(b, testDepth)
	got := read(r)
	r.End()
	skip := New(b, testDepth)
	skip.Skip()
	skip.End()
	if a, b := r.Err() == nil, skip.Err() == nil; a != b {
		t.Fatalf("read: %v, skipped: %v", r.Err(), skip.Err())
	}

	valid := json.Valid(b)
	if r.Err() != nil {
		var e *Error
		if !errors.As(r.Err(), &e) || e.Offset < 0 || e.Offset > int64(len(b)) || e.Problem == "" {
			t.Fatalf("error %#v", r.Err())
		}
		strict := !utf8.Valid(b) || strings.Contains(e.Problem, "surrogate") || strings.Contains(e.Problem, "nested deeper than 20")
		if valid && !strict {
			t.Fatalf("%q: %v, but it is valid", b, r.Err())
		}
		return
	}
	if !valid {
		t.Fatalf("%q is taken, but isn't valid", b)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var want any
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	// Both are written by encoding/json, which sorts keys.
	x, err1 := json.Marshal(got)
	y, err2 := json.Marshal(want)
	if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
		t.Fatalf("%q\nread as %s, %v\nwant    %s, %v", b, x, err1, y, err2)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		read func(r *Reader)
		want string
	}{
		{`{"a":1}`, func(r *Reader) { r.Array()(func(int) bool { return true }) }, "want an array, have an object (at byte 0)"},
		{`  "abc"`, func(r *Reader) { r.String(2) }, "string of 3 bytes exceeds the limit of 2 (at byte 2)"},
		{`"\u0061bc"`, func(r *Reader) { r.String(2) }, "string of 3 bytes exceeds the limit of 2 (at byte 0)"},
		{`"\u0061\u0061\u0061"`, func(r *Reader) { r.String(2) }, "string of 18 bytes exceeds the limit of 2 (at byte 0)"},
		{`{"abc":1}`, func(r *Reader) { read2(r, 2) }, "string of 3 bytes exceeds the limit of 2 (at byte 1)"},
		{`-1`, func(r *Reader) { r.Uint() }, "-1 is not a whole number (at byte 0)"},
		{`18446744073709551616`, func(r *Reader) { r.Uint() }, "18446744073709551616 overflows (at byte 0)"},
		{`99999999999999999999`, func(r *Reader) { r.Uint() }, "99999999999999999999 overflows (at byte 0)"},
		{`1.0`, func(r *Reader) { r.Uint() }, "1.0 is not a whole number (at byte 0)"},
		{`nulL`, func(r *Reader) { r.Null() }, `unknown word "nulL" (at byte 0)`},
		{`t`, func(r *Reader) { r.Bool() }, `unknown word "t" (at byte 0)`},
		{`1`, func(r *Reader) { r.Bool() }, "want a bool, have a number (at byte 0)"},
		{`1`, func(r *Reader) { r.Null() }, "want null, have a number (at byte 0)"},
		{`é`, func(r *Reader) { r.Number() }, "want a number, have 'é' (at byte 0)"},
		{``, func(r *Reader) { r.Number() }, "want a number, the text ends (at byte 0)"},
		{"[\"a\nb\"]", (*Reader).Skip, "control character 0x0a in a string (at byte 3)"},
		{`["ab]`, (*Reader).Skip, "string without an end (at byte 1)"},
		{`["a\vb"]`, (*Reader).Skip, "wrong escape in a string (at byte 3)"},
		{`["a\ud800\u0041"]`, (*Reader).Skip, `half a surrogate pair, "\\ud800" (at byte 3)`},
		{`[1.x]`, (*Reader).Skip, `wrong number "1.x" (at byte 1)`},
		{`-` + strings.Repeat("1", 99), func(r *Reader) { r.Uint() }, "-" + strings.Repeat("1", 39) + "... is not a whole number (at byte 0)"},
		{`[] x`, func(r *Reader) { r.Skip(); r.End() }, "want the end, have 'x' (at byte 3)"},
		{"{\"é\":\xc3}", func(r *Reader) { r.Skip() }, "byte 0xc3 is not UTF-8 (at byte 6)"},
		{`[[[]]]`, func(r *Reader) { r.Skip() }, "nested deeper than 2 (at byte 2)"},
		{`[1,2]`, func(r *Reader) { r.Fail(1, "first"); r.Fail(3, "second"); r.Skip() }, "first (at byte 1)"},
	} {
		r := New([]byte(c.text), 2)
		c.read(r)
		if err := r.Err(); err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.text, err, c.want)
		}
	}
	if n := New([]byte(`18446744073709551615`), 1).Uint(); n != 1<<64-1 {
		t.Errorf("max is %d", n)
	}
	r := New([]byte(`[[],[],[]]`), 2)
	r.Skip()
	if r.End(); r.Err() != nil {
		t.Errorf("depth is not given back: %v", r.Err())
	}
}

func read2(r *Reader, limit int) {
	for range r.Object(limit) {
		r.Skip()
	}
}

// TestAllocations: walking allocates nothing, whatever the size of the document.
func TestAllocations(t *testing.T) {
	b := []byte(`[` + strings.Repeat(`{"dtype":"F32","shape":[1,2],"x":null},`, 1000) + `{}]`)
	if n := testing.AllocsPerRun(10, func() {
		r := New(b, 8)
		sum := uint64(0)
		for range r.Array() {
			sum += record(r)
		}
		r.End()
		if r.Err() != nil || sum != 1000*6 {
			t.Fatal(r.Err(), sum)
		}
	}); n > 1 { // the Reader
		t.Errorf("%v allocations", n)
	}
}

func record(r *Reader) uint64 {
	sum := uint64(0)
	for _, key := range r.Object(10) {
		switch string(key) {
		case "shape":
			sum += numbers(r)
		case "dtype":
			sum += uint64(len(r.Text(10)))
		default:
			r.Null()
		}
	}
	return sum
}

func numbers(r *Reader) uint64 {
	sum := uint64(0)
	for range r.Array() {
		sum += r.Uint()
	}
	return sum
}

func BenchmarkSkip(b *testing.B) {
	text := []byte(`[` + strings.Repeat(`{"dtype":"F32","shape":[49152,576],"data_offsets":[123456,789012]},`, 1000) + `0]`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r := New(text, 8)
		r.Skip()
	}
}
