package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
)

// length is a file whose header claims n bytes.
func length(n uint64, rest string) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, n), rest...)
}

// hostile is every way known to us in which a file can lie, each with the whole
// text of its refusal.
var hostile = []struct {
	name string
	file []byte
	want string // after "safetensors: "
}{
	// The length of the header.
	{"empty file", nil, "header: length takes 8 bytes, the file has 0 (at byte 0)"},
	{"seven bytes", make([]byte, 7), "header: length takes 8 bytes, the file has 7 (at byte 0)"},
	{"length 0", length(0, ""), "header: does not begin with '{' (at byte 8)"},
	{"length 0 with data", length(0, "data"), "header: does not begin with '{' (at byte 8)"},
	{"length alone", length(2, ""), "header: length 2, the file has 0 more bytes (at byte 0)"},
	{"length one too long", length(3, "{}"), "header: length 3, the file has 2 more bytes (at byte 0)"},
	{"length one too short", length(1, "{}"), "header: want a string, the text ends (at byte 9)"},
	{"length at the limit", length(maxHeader, "{}"), "header: length 100000000, the file has 2 more bytes (at byte 0)"},
	{"length beyond the limit", length(maxHeader+1, "{}"), "header: length 100000001 exceeds the limit of 100000000 (at byte 0)"},
	{"length 2^63", length(1<<63, "{}"), "header: length 9223372036854775808 exceeds the limit of 100000000 (at byte 0)"},
	{"length max", length(math.MaxUint64, "{}"), "header: length 18446744073709551615 exceeds the limit of 100000000 (at byte 0)"},
	{"length wraps to the file", length(math.MaxUint64-7, "{}"), "header: length 18446744073709551608 exceeds the limit of 100000000 (at byte 0)"},
	{"big-endian length", []byte("\x00\x00\x00\x00\x00\x00\x00\x02{}"), "header: length 144115188075855872 exceeds the limit of 100000000 (at byte 0)"},
	{"GGUF", []byte("GGUF\x03\x00\x00\x00\x00\x00\x00\x00"), "header: length 14064895815 exceeds the limit of 100000000 (at byte 0)"},
	{"zip file", append([]byte("PK\x03\x04\x14\x00\x00\x00\x08\x00"), make([]byte, 99)...), "header: length 85966670672 exceeds the limit of 100000000 (at byte 0)"},
	{"pickle", []byte("\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94."), "header: length 194315392 exceeds the limit of 100000000 (at byte 0)"},

	// The text of the header.
	{"blank before the header", framed(` {}`, 0), "header: does not begin with '{' (at byte 8)"},
	{"byte order mark", framed("\ufeff{}", 0), "header: does not begin with '{' (at byte 8)"},
	{"header an array", framed(`[]`, 0), "header: does not begin with '{' (at byte 8)"},
	{"header null", framed(`null`, 0), "header: does not begin with '{' (at byte 8)"},
	{"not UTF-8", framed("{\"a\xff\":0}", 0), "header: byte 0xff is not UTF-8 (at byte 11)"},
	{"overlong UTF-8", framed("{\"a\xc0\x80\":0}", 0), "header: byte 0xc0 is not UTF-8 (at byte 11)"},
	{"surrogate in UTF-8", framed("{\"\xed\xa0\x80\":0}", 0), "header: byte 0xed is not UTF-8 (at byte 10)"},
	{"cut rune at the end", framed("{}\xe2\x82", 0), "header: byte 0xe2 is not UTF-8 (at byte 10)"},
	{"header alone open", framed(`{`, 0), "header: want a string, the text ends (at byte 9)"},
	{"second document", framed(`{}{}`, 0), "header: want the end, have '{' (at byte 10)"},
	{"null after the end", framed("{}\x00\x00", 0), "header: want the end, have '\\x00' (at byte 10)"},
	{"text after the end", framed(`{} x`, 0), "header: want the end, have 'x' (at byte 11)"},
	{"trailing comma", entries(4, entry("t", "F32", "1", "0,4"), ""), "header: want a string, have '}' (at byte 62)"},
	{"comma alone", framed(`{,}`, 0), "header: want a string, have ',' (at byte 9)"},
	{"no colon", framed(`{"t" 1}`, 0), "header: want ':', have '1' (at byte 13)"},
	{"no comma", entries(8, entry("a", "F32", "1", "0,4")+entry("b", "F32", "1", "4,8")), "header: want ',' or '}', have '\"' (at byte 61)"},
	{"key a number", framed(`{1:{}}`, 0), "header: want a string, have a number (at byte 9)"},
	{"key in single quotes", framed(`{'t':{}}`, 0), "header: want a string, have '\\'' (at byte 9)"},
	{"comment", framed(`{/* */}`, 0), "header: want a string, have '/' (at byte 9)"},
	{"string without an end", framed(`{"t`, 0), "header: string without an end (at byte 9)"},
	{"newline in a name", framed("{\"t\n\":{}}", 0), "header: control character 0x0a in a string (at byte 11)"},
	{"wrong escape", framed(`{"\x41":{}}`, 0), "header: wrong escape in a string (at byte 10)"},
	{"escape cut", framed(`{"\`, 0), "header: wrong escape in a string (at byte 10)"},
	{"short \\u", framed(`{"\u12":{}}`, 0), "header: wrong escape in a string (at byte 10)"},
	{"\\u cut", framed(`{"\u00`, 0), "header: wrong escape in a string (at byte 10)"},
	{"high surrogate alone", framed(`{"\ud83d":{}}`, 0), "header: half a surrogate pair, \"\\\\ud83d\" (at byte 10)"},
	{"low surrogate first", framed(`{"\ude00\ud83d":{}}`, 0), "header: half a surrogate pair, \"\\\\ude00\" (at byte 10)"},
	{"two high surrogates", framed(`{"\ud83d\ud83d":{}}`, 0), "header: half a surrogate pair, \"\\\\ud83d\" (at byte 10)"},

	// Names.
	{"empty name", entries(4, entry("", "F32", "1", "0,4")), "header: a tensor's name is empty (at byte 9)"},
	{"name of 257 bytes", entries(4, entry(strings.Repeat("n", 257), "F32", "1", "0,4")), "header: string of 257 bytes exceeds the limit of 256 (at byte 9)"},
	{"name of 300 escapes", entries(4, entry(strings.Repeat(`\u0041`, 300), "F32", "1", "0,4")), "header: string of 1800 bytes exceeds the limit of 256 (at byte 9)"},
	{"name of 257 after escapes", entries(4, entry(strings.Repeat(`\n`, 257), "F32", "1", "0,4")), "header: string of 257 bytes exceeds the limit of 256 (at byte 9)"},
	{"duplicate name", entries(8, entry("t", "F32", "1", "0,4"), entry("t", "F32", "1", "4,8")), `tensor "t": duplicate name (at byte 62)`},
	{"duplicate by escape", entries(8, entry("t", "F32", "1", "0,4"), entry(`\u0074`, "F32", "1", "4,8")), `tensor "t": duplicate name (at byte 62)`},
	{"duplicate of no elements", entries(0, entry("t", "F32", "0", "0,0"), entry("t", "F32", "0", "0,0")), `tensor "t": duplicate name (at byte 62)`},

	// Metadata.
	{"metadata null", withMetadata(`null`), "metadata: want an object, have null (at byte 24)"},
	{"metadata a string", withMetadata(`"pt"`), "metadata: want an object, have a string (at byte 24)"},
	{"metadata an array", withMetadata(`["pt"]`), "metadata: want an object, have an array (at byte 24)"},
	{"metadata a tensor", withMetadata(`{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`), `metadata "shape": want a string, have an array (at byte 47)`},
	{"metadata number", withMetadata(`{"step":7}`), `metadata "step": want a string, have a number (at byte 32)`},
	{"metadata bool", withMetadata(`{"a":"","b":true}`), `metadata "b": want a string, have a bool (at byte 36)`},
	{"metadata nested", withMetadata(`{"a":{"b":"c"}}`), `metadata "a": want a string, have an object (at byte 29)`},
	{"metadata without value", withMetadata(`{"a":}`), `metadata "a": want a string, have '}' (at byte 29)`},
	{"metadata key twice", withMetadata(`{"a":"1","a":"2"}`), `metadata "a": duplicate key (at byte 33)`},
	{"metadata key twice by escape", withMetadata(`{"a":"1","\u0061":"2"}`), `metadata "a": duplicate key (at byte 33)`},
	{"metadata twice", framed(`{"__metadata__":{},"__metadata__":{}}`, 0), `metadata: duplicate key "__metadata__" (at byte 27)`},
	{"metadata twice by escape", framed(`{"__metadata__":{},"__metadat\u0061__":{}}`, 0), `metadata: duplicate key "__metadata__" (at byte 27)`},
	{"metadata key of 257 bytes", withMetadata(`{"` + strings.Repeat("k", 257) + `":""}`), "metadata: string of 257 bytes exceeds the limit of 256 (at byte 25)"},
	{"metadata value over 1 MiB", withMetadata(`{"k":"` + strings.Repeat("v", maxString+1) + `"}`), `metadata "k": string of 1048577 bytes exceeds the limit of 1048576 (at byte 29)`},
	{"metadata without an end", framed(`{"__metadata__":{"a":"b"`, 0), "metadata: want ',' or '}', the text ends (at byte 32)"},

	// Fields.
	{"tensor null", framed(`{"t":null}`, 0), `tensor "t": want an object, have null (at byte 13)`},
	{"tensor a number", framed(`{"t":1}`, 0), `tensor "t": want an object, have a number (at byte 13)`},
	{"tensor an array", framed(`{"t":["F32",[1],[0,4]]}`, 4), `tensor "t": want an object, have an array (at byte 13)`},
	{"no fields", withFields(``), `tensor "t": dtype is missing (at byte 9)`},
	{"no dtype", withFields(`"shape":[1],"data_offsets":[0,4]`), `tensor "t": dtype is missing (at byte 9)`},
	{"no shape", withFields(`"dtype":"F32","data_offsets":[0,4]`), `tensor "t": shape is missing (at byte 9)`},
	{"no data_offsets", withFields(`"dtype":"F32","shape":[1]`), `tensor "t": data_offsets is missing (at byte 9)`},
	{"field in capitals", withFields(`"DTYPE":"F32","shape":[1],"data_offsets":[0,4]`), `tensor "t": unknown field "DTYPE" (at byte 14)`},
	{"unknown field", withFields(`"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":0`), `tensor "t": unknown field "x" (at byte 61)`},
	{"nested 100,000 deep", withFields(`"x":` + strings.Repeat("[", 100_000)), `tensor "t": unknown field "x" (at byte 14)`},
	{"dtype twice", withFields(`"dtype":"F32","dtype":"F32"`), `tensor "t": dtype: duplicate field (at byte 28)`},
	{"shape twice", withFields(`"shape":[1],"shape":[1]`), `tensor "t": shape: duplicate field (at byte 26)`},
	{"data_offsets twice", withFields(`"data_offsets":[0,4],"data_offsets":[0,4]`), `tensor "t": data_offsets: duplicate field (at byte 35)`},
	{"dtype unknown", withFields(`"dtype":"F31"`), `tensor "t": dtype: type "F31" is unknown (at byte 22)`},
	{"dtype empty", withFields(`"dtype":""`), `tensor "t": dtype: type "" is unknown (at byte 22)`},
	{"dtype in lower case", withFields(`"dtype":"f32"`), `tensor "t": dtype: type "f32" is unknown (at byte 22)`},
	{"dtype a torch name", withFields(`"dtype":"float32"`), `tensor "t": dtype: type "float32" is unknown (at byte 22)`},
	{"dtype a number", withFields(`"dtype":32`), `tensor "t": dtype: want a string, have a number (at byte 22)`},
	{"dtype null", withFields(`"dtype":null`), `tensor "t": dtype: want a string, have null (at byte 22)`},
	{"dtype of 300 bytes", withFields(`"dtype":"` + strings.Repeat("F", 300) + `"`), `tensor "t": dtype: string of 300 bytes exceeds the limit of 256 (at byte 22)`},

	// Shapes.
	{"shape a number", withFields(`"shape":4`), `tensor "t": shape: want an array, have a number (at byte 22)`},
	{"shape an object", withFields(`"shape":{}`), `tensor "t": shape: want an array, have an object (at byte 22)`},
	{"shape of strings", withFields(`"shape":["1"]`), `tensor "t": shape: want a number, have a string (at byte 23)`},
	{"shape nested", withFields(`"shape":[[1]]`), `tensor "t": shape: want a number, have an array (at byte 23)`},
	{"shape with null", withFields(`"shape":[null]`), `tensor "t": shape: want a number, have null (at byte 23)`},
	{"shape negative", withFields(`"shape":[-1]`), `tensor "t": shape: -1 is not a whole number (at byte 23)`},
	{"shape minus zero", withFields(`"shape":[-0]`), `tensor "t": shape: -0 is not a whole number (at byte 23)`},
	{"shape a fraction", withFields(`"shape":[1.5]`), `tensor "t": shape: 1.5 is not a whole number (at byte 23)`},
	{"shape a whole fraction", withFields(`"shape":[1.0]`), `tensor "t": shape: 1.0 is not a whole number (at byte 23)`},
	{"shape with an exponent", withFields(`"shape":[1e2]`), `tensor "t": shape: 1e2 is not a whole number (at byte 23)`},
	{"shape with a leading zero", withFields(`"shape":[01]`), `tensor "t": shape: want ',' or ']', have '1' (at byte 24)`},
	{"shape with a plus", withFields(`"shape":[+1]`), `tensor "t": shape: want a number, have '+' (at byte 23)`},
	{"shape in hexadecimal", withFields(`"shape":[0x10]`), `tensor "t": shape: want ',' or ']', have 'x' (at byte 24)`},
	{"shape NaN", withFields(`"shape":[NaN]`), `tensor "t": shape: want a number, have 'N' (at byte 23)`},
	{"shape a minus", withFields(`"shape":[-]`), `tensor "t": shape: wrong number "-]" (at byte 23)`},
	{"shape with a cut fraction", withFields(`"shape":[1.]`), `tensor "t": shape: wrong number "1.]" (at byte 23)`},
	{"shape with a cut exponent", withFields(`"shape":[1e+]`), `tensor "t": shape: wrong number "1e+]" (at byte 23)`},
	{"shape trailing comma", withFields(`"shape":[1,]`), `tensor "t": shape: want a number, have ']' (at byte 25)`},
	{"shape 2^64", withFields(`"shape":[18446744073709551616]`), `tensor "t": shape: 18446744073709551616 overflows (at byte 23)`},
	{"shape 10^100", withFields(`"shape":[1` + strings.Repeat("0", 100) + `]`), `tensor "t": shape: 1` + strings.Repeat("0", 39) + `... overflows (at byte 23)`},
	{"9 dimensions", one("U8", "1,1,1,1,1,1,1,1,1", "0,1", 1), `tensor "t": shape: more than 8 dimensions (at byte 52)`},
	{"a million dimensions", one("U8", strings.Repeat("1,", 1<<20)+"1", "0,1", 1), `tensor "t": shape: more than 8 dimensions (at byte 52)`},
	{"elements overflow", one("U8", "4294967296,4294967296", "0,0", 0), `tensor "t": shape [4294967296 4294967296] of U8 overflows (at byte 9)`},
	{"bits overflow", one("F64", "288230376151711744", "0,0", 0), `tensor "t": shape [288230376151711744] of F64 overflows (at byte 9)`},
	{"bits wrap to 8", one("U8", "2305843009213693953", "0,1", 1), `tensor "t": shape [2305843009213693953] of U8 overflows (at byte 9)`},
	{"product wraps to 1", one("U8", "18446744073709551615,18446744073709551615", "0,1", 1), `tensor "t": shape [18446744073709551615 18446744073709551615] of U8 overflows (at byte 9)`},
	{"zero hides an overflow", one("U8", "4294967296,4294967296,0", "0,0", 0), `tensor "t": shape [4294967296 4294967296 0] of U8 overflows (at byte 9)`},
	{"half a byte", one("F4", "3", "0,1", 1), `tensor "t": shape [3] of F4 ends within a byte (at byte 9)`},
	{"six bits", one("F6_E2M3", "1", "0,1", 1), `tensor "t": shape [1] of F6_E2M3 ends within a byte (at byte 9)`},

	// Offsets.
	{"offsets a number", withFields(`"data_offsets":4`), `tensor "t": data_offsets: want an array, have a number (at byte 29)`},
	{"no offsets", withFields(`"data_offsets":[]`), `tensor "t": data_offsets: 0 numbers, want 2 (at byte 29)`},
	{"one offset", withFields(`"data_offsets":[0]`), `tensor "t": data_offsets: 1 numbers, want 2 (at byte 29)`},
	{"three offsets", withFields(`"data_offsets":[0,4,8]`), `tensor "t": data_offsets: more than 2 numbers (at byte 29)`},
	{"offset a string", withFields(`"data_offsets":["0",4]`), `tensor "t": data_offsets: want a number, have a string (at byte 30)`},
	{"offset negative", withFields(`"data_offsets":[-4,0]`), `tensor "t": data_offsets: -4 is not a whole number (at byte 30)`},
	{"offset a float", withFields(`"data_offsets":[0,4.0]`), `tensor "t": data_offsets: 4.0 is not a whole number (at byte 32)`},
	{"begin beyond end", one("F32", "1", "4,0", 4), `tensor "t": data_offsets: begin 4 lies beyond end 0 (at byte 55)`},
	{"end 2^63", one("F32", "1", "0,9223372036854775808", 4), `tensor "t": data_offsets: end 9223372036854775808 overflows (at byte 55)`},
	{"both max", one("F32", "0", "18446744073709551615,18446744073709551615", 4), `tensor "t": data_offsets: end 18446744073709551615 overflows (at byte 55)`},
	{"too few bytes", one("F32", "2", "0,4", 4), `tensor "t": data_offsets [0, 4] hold 4 bytes, F32 of shape [2] takes 8 (at byte 9)`},
	{"too many bytes", one("F16", "2", "0,8", 8), `tensor "t": data_offsets [0, 8] hold 8 bytes, F16 of shape [2] takes 4 (at byte 9)`},
	{"scalar without bytes", one("F32", "", "0,0", 0), `tensor "t": data_offsets [0, 0] hold 0 bytes, F32 of shape [] takes 4 (at byte 9)`},
	{"bytes for no elements", one("F32", "0", "0,4", 4), `tensor "t": data_offsets [0, 4] hold 4 bytes, F32 of shape [0] takes 0 (at byte 9)`},
	{"a terabyte", one("F32", "274877906944", "0,1099511627776", 4), `tensor "t": data of 1099511627776 bytes at offset 0 ends beyond the file (data section of 4 bytes) (at byte 9)`},
	{"one byte short", one("F32", "1", "0,4", 3), `tensor "t": data of 4 bytes at offset 0 ends beyond the file (data section of 3 bytes) (at byte 9)`},
	{"one byte left over", one("F32", "1", "0,4", 5), "header: the tensors end at 4, the data section has 5 bytes (at byte 66)"},
	{"data of no tensor", framed(`{}`, 1), "header: the tensors end at 0, the data section has 1 bytes (at byte 10)"},
	{"begins beyond the file", one("F32", "0", "8,8", 4), `tensor "t": data of 0 bytes at offset 8 ends beyond the file (data section of 4 bytes) (at byte 9)`},
	{"hole at the start", one("F32", "1", "4,8", 8), `tensor "t": data of 4 bytes at offset 4 leaves a hole, the tensor before ends at 0 (at byte 9)`},
	{"hole", entries(12, entry("a", "F32", "1", "0,4"), entry("b", "F32", "1", "8,12")), `tensor "b": data of 4 bytes at offset 8 leaves a hole, the tensor before ends at 4 (at byte 62)`},
	{"hole, named backwards", entries(12, entry("b", "F32", "1", "8,12"), entry("a", "F32", "1", "0,4")), `tensor "b": data of 4 bytes at offset 8 leaves a hole, the tensor before ends at 4 (at byte 9)`},
	{"hole bridged by no elements", entries(8, entry("a", "U8", "1", "0,1"), entry("b", "U8", "0", "4,4"), entry("c", "F32", "1", "4,8")), `tensor "b": data of 0 bytes at offset 4 leaves a hole, the tensor before ends at 1 (at byte 61)`},
	{"same place", entries(4, entry("a", "F32", "1", "0,4"), entry("b", "I32", "1", "0,4")), `tensor "b": data of 4 bytes at offset 0 overlaps the tensor before, which ends at 4 (at byte 62)`},
	{"overlap", entries(6, entry("a", "F32", "1", "0,4"), entry("b", "F32", "1", "2,6")), `tensor "b": data of 4 bytes at offset 2 overlaps the tensor before, which ends at 4 (at byte 62)`},
	{"within another", entries(8, entry("a", "F64", "1", "0,8"), entry("b", "U8", "1", "3,4")), `tensor "b": data of 1 bytes at offset 3 overlaps the tensor before, which ends at 8 (at byte 62)`},
	{"no elements within another", entries(8, entry("a", "F64", "1", "0,8"), entry("b", "U8", "0", "3,3")), `tensor "b": data of 0 bytes at offset 3 overlaps the tensor before, which ends at 8 (at byte 62)`},
}

func TestHostileFiles(t *testing.T) {
	if len(hostile) < 120 {
		t.Errorf("only %d files", len(hostile))
	}
	names := map[string]bool{}
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			if names[c.name] {
				t.Errorf("name is used twice")
			}
			names[c.name] = true
			var err error
			allocated := allocations(func() { _, err = Parse(c.file) })
			checkFormatError(t, err, len(c.file))
			if got := err.Error(); got != "safetensors: "+c.want {
				t.Errorf("error %s\nwant safetensors: %s", got, c.want)
			}
			if limit := uint64(4*len(c.file) + 1<<16); allocated > limit {
				t.Errorf("%d bytes allocated for a file of %d, limit %d", allocated, len(c.file), limit)
			}
		})
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

// TestMemory holds files that are made to take much more memory than bytes to the
// bound that Parse promises.
func TestMemory(t *testing.T) {
	repeat := func(n int, f func(i int) string) string {
		var s strings.Builder
		for i := range n {
			if i > 0 {
				s.WriteByte(',')
			}
			s.WriteString(f(i))
		}
		return "{" + s.String() + "}"
	}
	tensors := func(n int, dtype, shape string) []byte {
		return framed(repeat(n, func(i int) string { return entry(fmt.Sprintf("%x", i), dtype, shape, "0,0") }), 0)
	}
	for _, c := range []struct {
		name string
		file []byte
		want string // an error, or "" if the file is right
	}{
		{"tensors", tensors(200_000, "U8", "0"), ""},
		{"tensors of 8 dimensions", tensors(200_000, "I8", "0,0,0,0,0,0,0,0"), ""},
		{"tensors at the limit", tensors(maxTensors, "U8", "0"), ""},
		{"tensors beyond the limit", tensors(maxTensors+1, "U8", "0"), "more than 1048576 tensors"},
		{"tensors that are none", framed(repeat(1<<20, func(i int) string { return fmt.Sprintf(`"%x":0`, i) }), 0), `tensor "0": want an object`},
		{"metadata keys", withMetadata(repeat(maxKeys, func(i int) string { return fmt.Sprintf(`"%x":""`, i) })), ""},
		{"metadata keys beyond the limit", withMetadata(repeat(maxKeys+1, func(i int) string { return fmt.Sprintf(`"%x":""`, i) })), "more than 65536 keys"},
		{"metadata values", withMetadata(repeat(20, func(i int) string { return fmt.Sprintf(`"%x":"%s"`, i, strings.Repeat("v", maxString)) })), ""},
		{"metadata of escapes", withMetadata(repeat(20, func(i int) string { return fmt.Sprintf(`"%x":"%s"`, i, strings.Repeat(`\n`, maxString)) })), ""},
		{"text without an end", framed(`{"`+strings.Repeat("x", 16<<20), 0), "string without an end"},
		{"brackets", framed(`{"t":`+strings.Repeat("[", 16<<20), 0), `tensor "t": want an object, have an array`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			allocated := allocations(func() { _, err = Parse(c.file) })
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if limit := uint64(4*len(c.file) + 16<<20); allocated > limit {
				t.Errorf("%d bytes allocated for a file of %d, limit %d", allocated, len(c.file), limit)
			}
			t.Logf("%d bytes allocated for a file of %d (%.1f)", allocated, len(c.file), float64(allocated)/float64(len(c.file)))
		})
	}
}

// TestTruncated cuts a good file at every byte.
func TestTruncated(t *testing.T) {
	file := good()
	for n := range file {
		_, err := Parse(file[:n])
		checkFormatError(t, err, n)
	}
	// The same with a length that fits what is left of the header.
	for n := range int(binary.LittleEndian.Uint64(file)) {
		_, err := Parse(length(uint64(n), string(file[8:8+n])))
		checkFormatError(t, err, 8+n)
	}
}

// TestFlipped flips every bit of a good file's header: whatever is accepted must
// still fill the file.
func TestFlipped(t *testing.T) {
	file := good()
	accepted := 0
	for i := range 8 * (len(file) - 48) {
		file[i/8] ^= 1 << (i % 8)
		if f, err := Parse(file); err != nil {
			checkFormatError(t, err, len(file))
		} else {
			accepted++
			checkPlaces(t, f, len(file))
		}
		file[i/8] ^= 1 << (i % 8)
	}
	t.Logf("%d of %d accepted", accepted, 8*(len(file)-48))
}
