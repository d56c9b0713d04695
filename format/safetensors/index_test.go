package safetensors

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goodIndex is laid out as transformers writes it.
const goodIndex = `{
  "metadata": {
    "total_parameters": 494032768,
    "total_size": 988097824.0,
    "more": [null, true, {"a": -1.5e-3}]
  },
  "weight_map": {
    "model.norm.weight": "model-00002-of-00002.safetensors",
    "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
    "caf\u00e9": "model-00002-of-00002.safetensors"
  }
}
`

func TestParseIndex(t *testing.T) {
	x, err := ParseIndex([]byte(goodIndex))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}, x.Files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"model.norm.weight", "model.embed_tokens.weight", "café"}, x.Tensors()); diff != "" {
		t.Errorf("tensors (-want +got):\n%s", diff)
	}
	if f, ok := x.File("café"); !ok || f != "model-00002-of-00002.safetensors" {
		t.Errorf("café is in %q, %v", f, ok)
	}
	if f, ok := x.File("cafe"); ok {
		t.Errorf("a tensor that is not there is in %q", f)
	}
	for n := range strings.LastIndexByte(goodIndex, '}') {
		_, err := ParseIndex([]byte(goodIndex[:n]))
		checkFormatError(t, err, n)
	}
}

// inFile is an index of one tensor in the file of that name, written as JSON.
func inFile(name string) string { return fmt.Sprintf(`{"weight_map":{"t":"%s"}}`, name) }

func TestHostileIndexes(t *testing.T) {
	const plain = "is not a plain name of letters, digits, '-', '_' and '.' (at byte 19)"
	const end = "does not end in .safetensors (at byte 19)"
	const device = "is a device on Windows (at byte 19)"
	var top strings.Builder
	for i := range maxTop + 1 {
		fmt.Fprintf(&top, `"%d":0,`, i)
	}
	for _, c := range []struct{ index, want string }{
		{``, "index: want an object, the text ends (at byte 0)"},
		{`[]`, "index: want an object, have an array (at byte 0)"},
		{`{}`, "index: weight_map is missing or empty (at byte 0)"},
		{`{"weight_map":{}}`, "index: weight_map is missing or empty (at byte 0)"},
		{`{"Weight_Map":{"t":"m.safetensors"}}`, "index: weight_map is missing or empty (at byte 0)"},
		{`{"weight_map":null}`, "index: want an object, have null (at byte 14)"},
		{`{"weight_map":["t"]}`, "index: want an object, have an array (at byte 14)"},
		{`{"weight_map":{"t":1}}`, `tensor "t": want a string, have a number (at byte 19)`},
		{`{"weight_map":{"t":null}}`, `tensor "t": want a string, have null (at byte 19)`},
		{`{"weight_map":{"t":["m.safetensors"]}}`, `tensor "t": want a string, have an array (at byte 19)`},
		{`{"weight_map":{"":"m.safetensors"}}`, "index: a tensor's name is empty (at byte 15)"},
		{`{"weight_map":{"t":"m.safetensors","t":"m.safetensors"}}`, `tensor "t": duplicate name (at byte 35)`},
		{`{"weight_map":{"t":"m.safetensors","\u0074":"n.safetensors"}}`, `tensor "t": duplicate name (at byte 35)`},
		{`{"weight_map":{"t":"m.safetensors"},"weight_map":{}}`, `index: duplicate key "weight_map" (at byte 36)`},
		{`{"metadata":{},"metadata":{},"weight_map":{"t":"m.safetensors"}}`, `index: duplicate key "metadata" (at byte 15)`},
		{`{"weight_map":{"t":"m.safetensors"}} {}`, "index: want the end, have '{' (at byte 37)"},
		{`{"metadata":` + strings.Repeat("[", 100_000), "index: nested deeper than 8 (at byte 19)"},
		{`{"metadata":NaN}`, "index: want a value, have 'N' (at byte 12)"},
		{`{"metadata":nul}`, `index: unknown word "nul" (at byte 12)`},
		{`{"metadata":tru}`, `index: unknown word "tru" (at byte 12)`},
		{"{\"weight_map\":{\"\xff\":\"\"}}", "index: byte 0xff is not UTF-8 (at byte 16)"},
		{`{` + top.String() + `"weight_map":{"t":"m.safetensors"}}`, "index: more than 64 keys (at byte 439)"},
		{`{"weight_map":{"` + strings.Repeat("n", 257) + `":""}}`, "index: string of 257 bytes exceeds the limit of 256 (at byte 15)"},
		{inFile(strings.Repeat("n", 257)), `tensor "t": string of 257 bytes exceeds the limit of 256 (at byte 19)`},
		{`{"weight_map":{"t":"model.safetensors","u":"Model.safetensors"}}`, `tensor "u": file name "Model.safetensors" differs from "model.safetensors" by case alone (at byte 43)`},

		{inFile(``), `tensor "t": file name "" ` + end},
		{inFile(`.safetensors`), `tensor "t": file name ".safetensors" ` + plain},
		{inFile(`.`), `tensor "t": file name "." ` + plain},
		{inFile(`..`), `tensor "t": file name ".." ` + plain},
		{inFile(`../m.safetensors`), `tensor "t": file name "../m.safetensors" ` + plain},
		{inFile(`..m.safetensors`), `tensor "t": file name "..m.safetensors" ` + plain},
		{inFile(`-rf.safetensors`), `tensor "t": file name "-rf.safetensors" ` + plain},
		{inFile(`/etc/m.safetensors`), `tensor "t": file name "/etc/m.safetensors" ` + plain},
		{inFile(`\/etc\/m.safetensors`), `tensor "t": file name "/etc/m.safetensors" ` + plain},
		{inFile(`a/b.safetensors`), `tensor "t": file name "a/b.safetensors" ` + plain},
		{inFile(`a/../../b.safetensors`), `tensor "t": file name "a/../../b.safetensors" ` + plain},
		{inFile(`a\\b.safetensors`), `tensor "t": file name "a\\b.safetensors" ` + plain},
		{inFile(`\u002e\u002e\u002fm.safetensors`), `tensor "t": file name "../m.safetensors" ` + plain},
		{inFile(`C:m.safetensors`), `tensor "t": file name "C:m.safetensors" ` + plain},
		{inFile(`\\\\host\\m.safetensors`), `tensor "t": file name "\\\\host\\m.safetensors" ` + plain},
		{inFile(`m.safetensors:stream.safetensors`), `tensor "t": file name "m.safetensors:stream.safetensors" ` + plain},
		{inFile(`~/m.safetensors`), `tensor "t": file name "~/m.safetensors" ` + plain},
		{inFile(`%2e%2e%2fm.safetensors`), `tensor "t": file name "%2e%2e%2fm.safetensors" ` + plain},
		{inFile(`http://host/m.safetensors`), `tensor "t": file name "http://host/m.safetensors" ` + plain},
		{inFile(`m?.safetensors`), `tensor "t": file name "m?.safetensors" ` + plain},
		{inFile(`m m.safetensors`), `tensor "t": file name "m m.safetensors" ` + plain},
		{inFile(`m\n.safetensors`), `tensor "t": file name "m\n.safetensors" ` + plain},
		{inFile(`m\u0000.safetensors`), `tensor "t": file name "m\x00.safetensors" ` + plain},
		{inFile(`m.safetensors\u0000`), `tensor "t": file name "m.safetensors\x00" ` + plain},
		{inFile(`mо.safetensors`), `tensor "t": file name "mо.safetensors" ` + plain}, // Cyrillic
		{inFile(`m\u202e.safetensors`), `tensor "t": file name "m\u202e.safetensors" ` + plain},
		{inFile(`m`), `tensor "t": file name "m" ` + end},
		{inFile(`m.bin`), `tensor "t": file name "m.bin" ` + end},
		{inFile(`m.safetensors.pt`), `tensor "t": file name "m.safetensors.pt" ` + end},
		{inFile(`m.SAFETENSORS`), `tensor "t": file name "m.SAFETENSORS" ` + end},
		{inFile(`m.safetensors.`), `tensor "t": file name "m.safetensors." ` + end},
		{inFile(`msafetensors`), `tensor "t": file name "msafetensors" ` + end},
		{inFile(`CON.safetensors`), `tensor "t": file name "CON.safetensors" ` + device},
		{inFile(`nul.x.safetensors`), `tensor "t": file name "nul.x.safetensors" ` + device},
		{inFile(`Com1.safetensors`), `tensor "t": file name "Com1.safetensors" ` + device},
		{inFile(`LPT9.safetensors`), `tensor "t": file name "LPT9.safetensors" ` + device},
	} {
		x, err := ParseIndex([]byte(c.index))
		if err == nil {
			t.Errorf("%.80q: %v, want %s", c.index, x, c.want)
			continue
		}
		checkFormatError(t, err, len(c.index))
		if got := err.Error(); got != "safetensors: "+c.want {
			t.Errorf("%.80q: error %s\nwant safetensors: %s", c.index, got, c.want)
		}
	}
	if _, err := ParseIndex(make([]byte, maxIndex+1)); err == nil || err.Error() != "safetensors: index: 100000001 bytes exceed the limit of 100000000 (at byte 0)" {
		t.Errorf("error %v", err)
	}
	for _, name := range []string{"a.safetensors", "_.safetensors", "model-00001-of-00163.safetensors", "model.fp16-00001-of-00002.safetensors", "CONSOLE.safetensors", "9.safetensors"} {
		if x, err := ParseIndex([]byte(inFile(name))); err != nil || x.Files()[0] != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIndexMemory(t *testing.T) {
	build := func(n int, file func(i int) string) []byte {
		var s strings.Builder
		s.WriteString(`{"weight_map":{`)
		for i := range n {
			if i > 0 {
				s.WriteByte(',')
			}
			fmt.Fprintf(&s, `"%x":"%s"`, i, file(i))
		}
		return []byte(s.String() + "}}")
	}
	for _, c := range []struct {
		name  string
		index []byte
		want  string
	}{
		{"tensors", build(300_000, func(int) string { return "m.safetensors" }), ""},
		{"files", build(maxFiles, func(i int) string { return fmt.Sprintf("%d.safetensors", i) }), ""},
		{"files beyond the limit", build(maxFiles+1, func(i int) string { return fmt.Sprintf("%d.safetensors", i) }), "more than 4096 files"},
		{"tensors beyond the limit", build(maxTensors+1, func(int) string { return "m.safetensors" }), "more than 1048576 tensors"},
		{"tensors without files", build(1<<20, func(int) string { return "" }), "does not end in .safetensors"},
	} {
		var err error
		allocated := allocations(func() { _, err = ParseIndex(c.index) })
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
		if limit := uint64(4*len(c.index) + 16<<20); allocated > limit {
			t.Errorf("%s: %d bytes allocated for an index of %d, limit %d", c.name, allocated, len(c.index), limit)
		}
		t.Logf("%s: %d bytes allocated for an index of %d (%.1f)", c.name, allocated, len(c.index), float64(allocated)/float64(len(c.index)))
	}
}

// FuzzParseIndex: nothing panics, and no accepted index leads out of a folder.
func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(goodIndex))
	f.Add([]byte(inFile(`..\u002fm.safetensors`)))
	f.Add([]byte(`{"weight_map":{"a":"A.safetensors","b":"a.safetensors"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := ParseIndex(b)
		if err != nil {
			checkFormatError(t, err, len(b))
			return
		}
		known := map[string]bool{}
		for _, name := range x.Files() {
			known[name] = true
			if strings.ContainsAny(name, `/\:`+"\x00") || !strings.HasSuffix(name, ".safetensors") || name[0] == '.' {
				t.Fatalf("file name %q", name)
			}
		}
		if len(x.Tensors()) == 0 {
			t.Fatal("no tensors")
		}
		for _, name := range x.Tensors() {
			if file, ok := x.File(name); !ok || !known[file] {
				t.Fatalf("tensor %q is in %q, %v", name, file, ok)
			}
		}
	})
}
