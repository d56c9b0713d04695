package gguf

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/micaml/mica/tensor"
)

func mustParse(t *testing.T, file []byte) *File {
	t.Helper()
	f, err := Parse(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseGood(t *testing.T) {
	file := good()
	f := mustParse(t, file)
	if f.Version != 3 || f.Alignment != 32 {
		t.Errorf("version %d, alignment %d", f.Version, f.Alignment)
	}
	base := int64(len(file) - 128 - 84)
	want := []Tensor{
		{"norm", F32, []uint64{3}, base, 12},
		{"up", Q4_1, []uint64{32, 2}, base + 32, 40},
		{"experts", F16, []uint64{2, 3, 2}, base + 96, 24},
		{"odd", 10, []uint64{256}, base + 128, 84},
	}
	if diff := cmp.Diff(want, f.Tensors); diff != "" {
		t.Errorf("tensors (-want +got):\n%s", diff)
	}
	checkPlaces(t, f, int64(len(file)))
	if _, ok := f.Tensor("none"); ok {
		t.Error("a tensor that is not there is found")
	}

	got := map[string]any{}
	for k, v := range f.Meta.All() {
		got[k] = v
	}
	values := map[string]any{
		"general.architecture": "llama", "u8": uint8(200), "i8": int8(-100), "u16": uint16(60000), "i16": int16(-30000),
		"u32": uint32(4e9), "i32": int32(-2e9), "u64": uint64(math.MaxUint64), "i64": int64(math.MinInt64),
		"f32": float32(1.5), "f64": 0.1, "yes": true, "no": false, "empty": "",
		"pieces": []string{"a", "\xff\xfe", ""}, "bools": []bool{false, true}, "scores": []float32{-1, 0.5},
		"kinds": []int32{1, -2, 3}, "bytes": []uint8{1, 2, 3}, "big": []uint64{math.MaxUint64}, "none": []string{},
	}
	if diff := cmp.Diff(values, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if keys := f.Meta.Keys(); len(keys) != 21 || keys[0] != "general.architecture" || keys[20] != "none" {
		t.Errorf("keys %q", keys)
	}
}

func TestVersionsAndAlignment(t *testing.T) {
	for _, version := range []uint32{2, 3} {
		if f := mustParse(t, head(version, 0, 0)); f.Version != version || f.Meta.Has("x") {
			t.Errorf("version %d: %+v", version, f)
		}
	}
	for _, a := range []uint32{8, 64, 4096} {
		var w bytes.Buffer
		f := &File{Meta: new(Meta), Tensors: []Tensor{{Name: "a", Type: I8, Dims: []uint64{5}}, {Name: "b", Type: I8, Dims: []uint64{1}}}}
		if err := f.Meta.Set(alignmentKey, a); err != nil {
			t.Fatal(err)
		}
		if err := Encode(&w, f, func(i int) []byte { return []byte("hello")[:5-4*i] }); err != nil {
			t.Fatal(err)
		}
		g := mustParse(t, w.Bytes())
		if g.Alignment != uint64(a) || g.Tensors[1].Offset-g.Tensors[0].Offset != int64(a) || w.Len()%int(a) != 0 {
			t.Errorf("alignment %d: %d, tensors %v, %d bytes", a, g.Alignment, g.Tensors, w.Len())
		}
	}
}

func TestGetters(t *testing.T) {
	m := mustParse(t, good()).Meta
	for _, c := range []struct {
		key  string
		get  func(key string) (any, error)
		want any // an error's text if it is a string that begins with "gguf:"
	}{
		{"u8", wrap(m.Uint), uint64(200)}, {"u16", wrap(m.Uint), uint64(60000)}, {"u32", wrap(m.Uint), uint64(4e9)},
		{"u64", wrap(m.Uint), uint64(math.MaxUint64)},
		{"i8", wrap(m.Int), int64(-100)}, {"i16", wrap(m.Int), int64(-30000)}, {"i32", wrap(m.Int), int64(-2e9)},
		{"i64", wrap(m.Int), int64(math.MinInt64)}, {"u32", wrap(m.Int), int64(4e9)},
		{"f32", wrap(m.Float), 1.5}, {"f64", wrap(m.Float), 0.1}, {"i8", wrap(m.Float), -100.0}, {"u8", wrap(m.Float), 200.0},
		{"yes", wrap(m.Bool), true}, {"no", wrap(m.Bool), false},
		{"general.architecture", wrap(m.String), "llama"}, {"empty", wrap(m.String), ""},
		{"pieces", wrap(m.Strings), []string{"a", "\xff\xfe", ""}}, {"none", wrap(m.Strings), []string{}},
		{"kinds", wrap(m.Ints), []int64{1, -2, 3}}, {"bytes", wrap(m.Ints), []int64{1, 2, 3}},
		{"scores", wrap(m.Floats), []float64{-1, 0.5}}, {"kinds", wrap(m.Floats), []float64{1, -2, 3}},

		{"i8", wrap(m.Uint), `gguf: key "i8": -100 is negative`},
		{"u64", wrap(m.Int), `gguf: key "u64": 18446744073709551615 overflows`},
		{"big", wrap(m.Ints), `gguf: key "big": element 0: 18446744073709551615 overflows`},
		{"f32", wrap(m.Int), `gguf: key "f32": is of type float32, want an integer`},
		{"f32", wrap(m.Uint), `gguf: key "f32": is of type float32, want an integer`},
		{"yes", wrap(m.Uint), `gguf: key "yes": is of type bool, want an integer`},
		{"empty", wrap(m.Float), `gguf: key "empty": is of type string, want a number`},
		{"kinds", wrap(m.Int), `gguf: key "kinds": is an array of int32, want an integer`},
		{"u8", wrap(m.Bool), `gguf: key "u8": is of type uint8, want a bool`},
		{"u8", wrap(m.String), `gguf: key "u8": is of type uint8, want a string`},
		{"kinds", wrap(m.Strings), `gguf: key "kinds": is an array of int32, want an array of strings`},
		{"empty", wrap(m.Strings), `gguf: key "empty": is of type string, want an array of strings`},
		{"scores", wrap(m.Ints), `gguf: key "scores": is an array of float32, want an array of integers`},
		{"none", wrap(m.Ints), `gguf: key "none": is an array of string, want an array of integers`},
		{"bools", wrap(m.Floats), `gguf: key "bools": is an array of bool, want an array of numbers`},
		{"u8", wrap(m.Ints), `gguf: key "u8": is of type uint8, want an array of integers`},
		{"absent", wrap(m.Int), `gguf: key "absent": missing`}, {"absent", wrap(m.Uint), `gguf: key "absent": missing`},
		{"absent", wrap(m.Float), `gguf: key "absent": missing`}, {"absent", wrap(m.Bool), `gguf: key "absent": missing`},
		{"absent", wrap(m.String), `gguf: key "absent": missing`}, {"absent", wrap(m.Strings), `gguf: key "absent": missing`},
		{"absent", wrap(m.Ints), `gguf: key "absent": missing`}, {"absent", wrap(m.Floats), `gguf: key "absent": missing`},
	} {
		got, err := c.get(c.key)
		if text, ok := c.want.(string); ok && strings.HasPrefix(text, "gguf:") {
			if err == nil || err.Error() != text || errors.Is(err, ErrNoKey) != (c.key == "absent") {
				t.Errorf("%s: error %v, want %s", c.key, err, text)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v, %v, want %v", c.key, got, err, c.want)
		}
	}
}

func wrap[T any](get func(string) (T, error)) func(string) (any, error) {
	return func(key string) (any, error) { return get(key) }
}

// TestRoundTrip: Encode gives the same bytes that were parsed, but for the
// padding after the last tensor.
func TestRoundTrip(t *testing.T) {
	file := good()
	f := mustParse(t, file)
	var w bytes.Buffer
	if err := Encode(&w, f, func(i int) []byte { return file[f.Tensors[i].Offset:][:f.Tensors[i].Size] }); err != nil {
		t.Fatal(err)
	}
	got := w.Bytes()
	if len(got) < len(file) || len(got)-len(file) >= 32 {
		t.Fatalf("%d bytes from %d", len(got), len(file))
	}
	// What lies in the padding is not kept: compare tensor by tensor.
	last := f.Tensors[0].Offset
	if !bytes.Equal(got[:last], file[:last]) {
		t.Error("the tables differ")
	}
	for _, x := range f.Tensors {
		if !bytes.Equal(got[x.Offset:][:x.Size], file[x.Offset:][:x.Size]) {
			t.Errorf("tensor %q differs", x.Name)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	one := Tensor{Name: "t", Type: F32, Dims: []uint64{2}}
	rename := func(name string) Tensor { x := one; x.Name = name; return x }
	shape := func(typ Type, dims ...uint64) Tensor { return Tensor{Name: "t", Type: typ, Dims: dims} }
	for _, c := range []struct {
		f    *File
		want string
	}{
		{&File{Version: 1}, "version 1 cannot be written"},
		{&File{Alignment: 64}, "alignment 64 differs from 32 in the metadata"},
		{&File{Tensors: []Tensor{one, one}}, `tensor "t": duplicate name`},
		{&File{Tensors: []Tensor{rename("")}}, "name is not 1 to 256 bytes of UTF-8"},
		{&File{Tensors: []Tensor{rename("\xff")}}, "name is not 1 to 256 bytes of UTF-8"},
		{&File{Tensors: []Tensor{rename(strings.Repeat("n", 257))}}, "name is not 1 to 256 bytes"},
		{&File{Tensors: []Tensor{shape(F32)}}, "0 dimensions"},
		{&File{Tensors: []Tensor{shape(F32, 0)}}, "dimension 0 is zero"},
		{&File{Tensors: []Tensor{shape(99, 1)}}, "type 99 is unknown"},
		{&File{Tensors: []Tensor{shape(I8, 1<<62+1)}}, "file would be too large"},
		{&File{Tensors: make([]Tensor, maxTensors+1)}, "65537 tensors exceed the limit"},
		{&File{Tensors: []Tensor{shape(F32, 3)}}, "takes 12 bytes, have 8"},
	} {
		if err := Encode(io.Discard, c.f, func(int) []byte { return make([]byte, 8) }); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	full := errors.New("disk full")
	err := Encode(writerFunc(func([]byte) (int, error) { return 0, full }), &File{}, nil)
	if !errors.Is(err, full) {
		t.Errorf("write error: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestSet(t *testing.T) {
	var m Meta
	for _, c := range []struct {
		key  string
		v    any
		want string
	}{
		{"", uint8(1), "want 1 to 256 bytes of UTF-8"},
		{"\xff", uint8(1), "want 1 to 256 bytes of UTF-8"},
		{strings.Repeat("k", 257), uint8(1), "want 1 to 256 bytes of UTF-8"},
		{"k", 1, "a int cannot be stored"},
		{"k", nil, "a <nil> cannot be stored"},
		{"k", [][]int32{{1}}, "a [][]int32 cannot be stored"},
		{"k", map[string]int{}, "cannot be stored"},
		{"k", tensor.DType(1), "cannot be stored"},
		{"k", []Type{1}, "cannot be stored"},
		{"k", "\xff", "not UTF-8"},
		{"k", strings.Repeat("x", maxString+1), "at most 1048576 bytes"},
		{"k", []string{"", strings.Repeat("x", maxString+1)}, "element 1 exceeds 1048576 bytes"},
	} {
		if err := m.Set(c.key, c.v); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Set(%.9q, %T): error %v, want %q", c.key, c.v, err, c.want)
		}
	}
	for _, v := range []any{uint8(1), "x", []string{"\xff"}, int64(3)} {
		if err := m.Set("k", v); err != nil {
			t.Error(err)
		}
	}
	if n, err := m.Int("k"); n != 3 || err != nil || !slices.Equal(m.Keys(), []string{"k"}) {
		t.Errorf("k = %d, %v, keys %q", n, err, m.Keys())
	}
}

func TestStorage(t *testing.T) {
	file := good()
	f := mustParse(t, file)
	shapes := map[string][3]int{"norm": {int(tensor.F32), 1, 3}, "up": {int(tensor.Q4_1), 2, 32}, "experts": {int(tensor.F16), 6, 2}}
	for name, want := range shapes {
		x, _ := f.Tensor(name)
		s, err := f.Storage(file, x)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := [3]int{int(s.DType), s.Rows, s.Cols}; got != want || &s.Bytes()[0] != &file[x.Offset] {
			t.Errorf("%s: dtype, rows, columns %v, want %v in place", name, got, want)
		}
	}
	up, _ := f.Tensor("up")
	change := func(f func(x *Tensor)) Tensor { x := up; f(&x); return x }
	odd, _ := f.Tensor("odd")
	for _, c := range []struct {
		file []byte
		x    Tensor
		want string
	}{
		{file, odd, `gguf: tensor "odd": type Q2_K is not supported`},
		{file[:up.Offset+up.Size-1], up, `tensor "up": bytes `},
		{nil, up, "within 0 bytes"},
		{file, change(func(x *Tensor) { x.Dims = []uint64{64, 2} }), "shape [64 2]"},
		{file, change(func(x *Tensor) { x.Dims = []uint64{1 << 40, 1 << 40} }), "overflows"},
		{file, change(func(x *Tensor) { x.Dims = nil }), "0 dimensions"},
		{file, change(func(x *Tensor) { x.Offset = -8 }), "bytes -8 to 32"},
		{file, change(func(x *Tensor) { x.Offset = math.MaxInt64 }), "are not a Q4_1 of shape [32 2]"},
		{file, change(func(x *Tensor) { x.Size = 41 }), "are not a Q4_1"},
		{file, Tensor{}, "0 dimensions"},
	} {
		if s, err := f.Storage(c.file, c.x); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, error %v, want %q", c.x, s, err, c.want)
		}
	}
}

// TestTypes holds the two tables of block sizes to each other.
func TestTypes(t *testing.T) {
	for typ, info := range types {
		d, err := typ.DType()
		if err != nil {
			continue
		}
		elems, size := d.Block()
		if uint64(elems) != info.elems || uint64(size) != info.bytes || d.String() != typ.String() {
			t.Errorf("%v: %d in %d bytes, tensor has %v of %d in %d", typ, info.elems, info.bytes, d, elems, size)
		}
		if back, err := TypeOf(d); back != typ || err != nil {
			t.Errorf("TypeOf(%v) = %v, %v", d, back, err)
		}
	}
	if _, err := Type(10).DType(); err == nil || !strings.Contains(err.Error(), "Q2_K is not supported") {
		t.Errorf("Q2_K: %v", err)
	}
	if _, err := TypeOf(200); err == nil {
		t.Error("TypeOf(200): no error")
	}
	if s := Type(99).String(); s != "Type(99)" {
		t.Errorf("Type(99) is %q", s)
	}
}

func TestNegativeSize(t *testing.T) {
	if _, err := Parse(bytes.NewReader(nil), -1); err == nil {
		t.Error("no error")
	}
}
