package gguf

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/micaml/mica/internal/testmodel"
	"github.com/micaml/mica/tensor"
)

// TestRealModelAgainstGGUF compares a real file with what the gguf package reads
// from it: every key, the place of every tensor, and every one of its 135
// million numbers. Encode must give the very same file.
func TestRealModelAgainstGGUF(t *testing.T) {
	path := testmodel.Path(t)
	var want struct {
		FileSHA256    string `json:"file_sha256"`
		Keys, Tensors []string
		Float32SHA256 string `json:"float32_sha256"`
	}
	b, err := os.ReadFile("testdata/smollm2.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	m, err := tensor.OpenMapping(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := sum(sha256.New(), m.Bytes()); got != want.FileSHA256 {
		t.Fatalf("%s is another file: sha256 %s, want %s", path, got, want.FileSHA256)
	}
	f := mustParse(t, m.Bytes())

	keys := f.Meta.Keys()
	if len(keys) != len(want.Keys) {
		t.Fatalf("%d keys, gguf has %d", len(keys), len(want.Keys))
	}
	for i, line := range want.Keys {
		key, value, _ := strings.Cut(line, " ")
		if got := f.Meta.values[keys[i]]; keys[i] != key || !sameJSON(t, got, value) {
			t.Errorf("%s = %.60v, gguf has %.80s", keys[i], got, line)
		}
	}

	var tensors []string
	numbers := sha256.New()
	for _, x := range f.Tensors {
		dims := strings.ReplaceAll(strings.Trim(fmt.Sprint(x.Dims), "[]"), " ", "x")
		tensors = append(tensors, fmt.Sprintf("%s %v %s %d %d", x.Name, x.Type, dims, x.Offset, x.Size))
		s, err := f.Storage(m.Bytes(), x)
		if err != nil {
			t.Fatal(err)
		}
		row, raw := make([]float32, s.Cols), make([]byte, 4*s.Cols)
		for i := range s.Rows {
			if err := s.DequantRow(i, row); err != nil {
				t.Fatal(err)
			}
			for j, v := range row {
				binary.LittleEndian.PutUint32(raw[4*j:], math.Float32bits(v))
			}
			numbers.Write(raw)
		}
	}
	if diff := cmp.Diff(want.Tensors, tensors); diff != "" {
		t.Errorf("tensors (-gguf +got):\n%s", diff)
	}
	if got := hex.EncodeToString(numbers.Sum(nil)); got != want.Float32SHA256 {
		t.Errorf("the dequantised numbers differ: sha256 %s, gguf has %s", got, want.Float32SHA256)
	}

	h := sha256.New()
	if err := Encode(h, f, func(i int) []byte { return m.Bytes()[f.Tensors[i].Offset:][:f.Tensors[i].Size] }); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want.FileSHA256 {
		t.Errorf("Encode gives another file: sha256 %s", got)
	}
}

// TestRealModelTruncated cuts the real file where tensors begin and end, inside the
// tables, and a byte to each side.
func TestRealModelTruncated(t *testing.T) {
	m, err := tensor.OpenMapping(testmodel.Path(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	file := m.Bytes()
	f := mustParse(t, file)
	var cuts []int64
	for i := 0; i < len(f.Tensors); i += 16 {
		x := f.Tensors[i]
		cuts = append(cuts, x.Offset, x.Offset+x.Size)
	}
	for at := f.Tensors[0].Offset; at > 0; at /= 2 {
		cuts = append(cuts, at)
	}
	refused := 0
	for _, cut := range cuts {
		for n := max(cut-1, 0); n <= cut+1 && n < int64(len(file)); n++ {
			if _, err := Parse(bytes.NewReader(file[:n]), n); err == nil {
				t.Errorf("cut at %d of %d is accepted", n, len(file))
			}
			refused++
		}
	}
	t.Logf("%d cuts refused", refused)
}

func sum(h hash.Hash, b []byte) string {
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}

// sameJSON compares a value with its text in the fixture, where an array is
// given by its length, first and last element.
func sameJSON(t *testing.T, v any, text string) bool {
	t.Helper()
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice {
		v = []any{r.Len(), r.Index(0).Interface(), r.Index(r.Len() - 1).Interface()}
	} else if f, ok := v.(float32); ok {
		v = float64(f) // Python prints a float32 in full
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if json.Unmarshal(b, &got) != nil || json.Unmarshal([]byte(text), &want) != nil {
		t.Fatalf("not JSON: %s or %s", b, text)
	}
	return reflect.DeepEqual(got, want)
}
