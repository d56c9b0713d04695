package safetensors

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/micaml/mica/tensor"
)

func TestParseGood(t *testing.T) {
	file := good()
	f := mustParse(t, file)
	base := int64(len(file) - 48)
	want := []Tensor{
		{"norm", F32, []uint64{3}, base, 12},
		{"up", BF16, []uint64{2, 4}, base + 12, 16},
		{"none", F32, []uint64{2, 0, 3}, base + 28, 0},
		{"experts", F16, []uint64{3, 1, 3}, base + 28, 18},
		{"flag", Bool, []uint64{}, base + 46, 1},
		{"step", U8, []uint64{1}, base + 47, 1},
	}
	if diff := cmp.Diff(want, f.Tensors); diff != "" {
		t.Errorf("tensors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"format": "pt", "note": `ü "x"`}, f.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	checkPlaces(t, f, len(file))
	if _, ok := f.Tensor("absent"); ok {
		t.Error("a tensor that is not there is found")
	}
	if _, ok := f.Tensor(metadataKey); ok {
		t.Error("the metadata is a tensor")
	}
}

// TestUnusual holds files that look odd but are right.
func TestUnusual(t *testing.T) {
	for name, file := range map[string][]byte{
		"no tensors":        framed(`{}`, 0),
		"metadata alone":    withMetadata(`{"":""}`),
		"white space":       framed("{ \"t\"\t:\r\n{ \"dtype\" : \"U8\" , \"shape\" : [ 2 , 2 ] , \"data_offsets\" : [ 0 , 4 ] } }  \n ", 4),
		"escaped fields":    framed(`{"t":{"d\u0074ype":"U\u0038","\u0073hape":[4],"data_offset\u0073":[0,4]}}`, 4),
		"name of 256 bytes": entries(4, entry(strings.Repeat("n", maxName), "F32", "1", "0,4")),
		"8 dimensions":      one("U8", "1,1,2,1,1,2,1,1", "0,4", 4),
		"huge and empty":    one("F64", "4294967296,0,9007199254740993", "0,0", 0),
		"only no elements":  entries(0, entry("b", "U8", "0", "0,0"), entry("a", "U8", "0", "0,0")),
		"unaligned":         entries(5, entry("a", "U8", "1", "0,1"), entry("b", "F32", "1", "1,5")),
		"8-bit floats":      one("F8_E4M3", "4", "0,4", 4),
		"sub-byte":          one("F4", "8", "0,4", 4),
		"metadata of 1 MiB": withMetadata(`{"k":"` + strings.Repeat("x", maxString) + `"}`),
		"surrogate pair":    withMetadata(`{"k":"\ud83d\ude00"}`),
		"null character":    withMetadata(`{"k":"\u0000"}`),
	} {
		f, err := Parse(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkPlaces(t, f, len(file))
	}
	f := mustParse(t, withMetadata(`{"k":"\ud83d\ude00"}`))
	if f.Metadata["k"] != "😀" || len(f.Tensors) != 0 {
		t.Errorf("%q", f.Metadata)
	}
	if f := mustParse(t, framed(`{}`, 0)); f.Metadata != nil {
		t.Error("metadata that is not there is not nil")
	}
}

func TestStorage(t *testing.T) {
	file := good()
	f := mustParse(t, file)
	for name, want := range map[string][3]int{
		"norm": {int(tensor.F32), 1, 3}, "up": {int(tensor.BF16), 2, 4}, "experts": {int(tensor.F16), 3, 3},
	} {
		x, _ := f.Tensor(name)
		s, err := f.Storage(file, x)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := [3]int{int(s.DType), s.Rows, s.Cols}; got != want || !bytes.Equal(s.Bytes(), file[x.Offset:][:x.Size]) {
			t.Errorf("%s: dtype, rows, columns %v, want %v", name, got, want)
		}
	}
	scalar := one("I64", "", "0,8", 8)
	x, _ := mustParse(t, scalar).Tensor("t")
	if s, err := f.Storage(scalar, x); err != nil || s.Rows != 1 || s.Cols != 1 || s.DType != tensor.I64 {
		t.Errorf("scalar: %v, %v", s, err)
	}

	up, _ := f.Tensor("up")
	change := func(f func(x *Tensor)) Tensor { x := up; f(&x); return x }
	get := func(name string) Tensor { x, _ := f.Tensor(name); return x }
	for _, c := range []struct {
		file []byte
		x    Tensor
		want string
	}{
		{file, get("flag"), `safetensors: tensor "flag": type BOOL is not supported`},
		{file, get("step"), `safetensors: tensor "step": type U8 is not supported`},
		{file, get("none"), `safetensors: tensor "none": shape [2 0 3]: tensor of 0 x 3: both must be positive`},
		{file[:up.Offset+up.Size-1], up, `safetensors: tensor "up": 16 bytes at `},
		{nil, up, "are not a BF16 of shape [2 4] within 0 bytes"},
		{file, change(func(x *Tensor) { x.Shape = []uint64{3, 4} }), "are not a BF16 of shape [3 4]"},
		{file, change(func(x *Tensor) { x.Shape = []uint64{1 << 40, 1 << 40} }), "shape [1099511627776 1099511627776] of BF16 overflows"},
		{file, change(func(x *Tensor) { x.Shape = make([]uint64, 9) }), "9 dimensions exceed the limit of 8"},
		{file, change(func(x *Tensor) { x.Offset = -8 }), "16 bytes at -8"},
		{file, change(func(x *Tensor) { x.Offset = math.MaxInt64 }), "16 bytes at 9223372036854775807 are not"},
		{file, change(func(x *Tensor) { x.Size = 17 }), "17 bytes at "},
		{file, change(func(x *Tensor) { x.Size = -1 }), "-1 bytes at "},
		{file, change(func(x *Tensor) { x.Type = 99 }), "type 99 is unknown"},
		{file, change(func(x *Tensor) { x.Type = F32 }), "are not a F32"},
		{file, Tensor{}, `tensor "": type BOOL is not supported`},
	} {
		if s, err := f.Storage(c.file, c.x); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, error %v, want %q", c.x, s, err, c.want)
		}
	}
}

// TestTypes holds the table of types to that of package tensor.
func TestTypes(t *testing.T) {
	for i := range types {
		typ := Type(i)
		if back, ok := typeByName[typ.String()]; !ok || back != typ {
			t.Errorf("%v by name is %v, %v", typ, back, ok)
		}
		d, err := typ.DType()
		if err != nil {
			if want := "safetensors: type " + typ.String() + " is not supported"; err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
			continue
		}
		elems, size := d.Block()
		if elems != 1 || uint64(size)*8 != types[i].bits || d.String() != typ.String() {
			t.Errorf("%v: %d bits, tensor has %v of %d bytes", typ, types[i].bits, d, size)
		}
		if back, err := TypeOf(d); back != typ || err != nil {
			t.Errorf("TypeOf(%v) = %v, %v", d, back, err)
		}
	}
	if _, err := TypeOf(tensor.Q4_1); err == nil || err.Error() != "safetensors: no type for Q4_1" {
		t.Errorf("Q4_1: %v", err)
	}
	if s := Type(99).String(); s != "Type(99)" {
		t.Errorf("Type(99) is %q", s)
	}
}

func TestWriteRefuses(t *testing.T) {
	ok := Tensor{Name: "t", Type: F32, Shape: []uint64{2}}
	rename := func(name string) []Tensor { x := ok; x.Name = name; return []Tensor{x} }
	shape := func(typ Type, dims ...uint64) []Tensor { return []Tensor{{Name: "t", Type: typ, Shape: dims}} }
	many := map[string]string{}
	for i := range maxKeys + 1 {
		many[strings.Repeat("a", i%200)+string(rune('A'+i%1000))+string(rune(0x4e00+i/1000))] = ""
	}
	long := map[string]string{}
	for i := range 100 {
		long[string(rune('A'+i))] = strings.Repeat("\x01", 200_000) // six bytes each in JSON
	}
	for _, c := range []struct {
		metadata map[string]string
		tensors  []Tensor
		want     string
	}{
		{nil, []Tensor{ok, ok}, `safetensors: tensor "t": duplicate name`},
		{nil, rename(""), "name is not 1 to 256 bytes of UTF-8"},
		{nil, rename("\xff"), "name is not 1 to 256 bytes of UTF-8"},
		{nil, rename(strings.Repeat("n", 257)), "name is not 1 to 256 bytes"},
		{nil, rename(metadataKey), "name belongs to the metadata"},
		{nil, shape(99, 1), "type 99 is unknown"},
		{nil, shape(U8, make([]uint64, 9)...), "9 dimensions exceed the limit of 8"},
		{nil, shape(F32, 1<<40, 1<<40), "overflows"},
		{nil, shape(F4, 3), "shape [3] of F4 ends within a byte"},
		{nil, append(shape(U8, 1<<59), Tensor{Name: "u", Type: U8, Shape: []uint64{1 << 59}}), "takes 576460752303423488 bytes, have 8"},
		{nil, make([]Tensor, maxTensors+1), "1048577 tensors exceed the limit of 1048576"},
		{nil, shape(F32, 3), `safetensors: tensor "t": F32 of shape [3] takes 12 bytes, have 8`},
		{map[string]string{"\xff": ""}, nil, `metadata "\xff": key is not UTF-8 of at most 256 bytes`},
		{map[string]string{strings.Repeat("k", 257): ""}, nil, "key is not UTF-8 of at most 256 bytes"},
		{map[string]string{"k": "\xff"}, nil, `metadata "k": value is not UTF-8 of at most 1048576 bytes`},
		{map[string]string{"k": strings.Repeat("v", maxString+1)}, nil, "value is not UTF-8 of at most"},
		{many, nil, "65537 keys exceed the limit of 65536"},
		{long, nil, "exceeds the limit of 100000000: use fewer tensors or less metadata"},
	} {
		if err := Write(io.Discard, c.metadata, c.tensors, func(int) []byte { return make([]byte, 8) }); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	var tooLarge []Tensor
	for i := range 9 {
		tooLarge = append(tooLarge, Tensor{Name: string(rune('a' + i)), Type: U8, Shape: []uint64{1 << 59}})
	}
	if err := Write(io.Discard, nil, tooLarge, nil); err == nil || !strings.Contains(err.Error(), `tensor "i": file would be too large`) {
		t.Errorf("error %v", err)
	}
	full := errors.New("disk full")
	if err := Write(writerFunc(func([]byte) (int, error) { return 0, full }), nil, nil, nil); !errors.Is(err, full) {
		t.Errorf("write error: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestWriteOrder: data is asked for once a tensor, in the order of the file.
func TestWriteOrder(t *testing.T) {
	tensors := []Tensor{
		{Name: "b", Type: U8, Shape: []uint64{1}}, {Name: "a", Type: F16, Shape: []uint64{1}},
		{Name: "c", Type: F64}, {Name: "a2", Type: F32, Shape: []uint64{1}}, {Name: "a1", Type: F32, Shape: []uint64{1}},
	}
	var asked []int
	var w bytes.Buffer
	err := Write(&w, map[string]string{"z": "1", "a": "2"}, tensors, func(i int) []byte {
		asked = append(asked, i)
		size, _ := tensors[i].Type.size(tensors[i].Shape)
		return make([]byte, size)
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{2, 4, 3, 1, 0}, asked); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if !bytes.Contains(w.Bytes(), []byte(`{"__metadata__":{"a":"2","z":"1"},"c":{`)) {
		t.Errorf("metadata is not sorted: %q", w.Bytes())
	}
	f := mustParse(t, w.Bytes())
	if f.Tensors[0].Offset%8 != 0 {
		t.Errorf("data begins at %d", f.Tensors[0].Offset)
	}
}
