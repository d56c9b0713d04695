package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reference is what tools/oracle/safetensors_files.py wrote.
type reference struct {
	Files []struct {
		Name      string
		File      []byte
		Metadata  map[string]string
		SameBytes bool `json:"same_bytes"` // as the library's writer makes them
		Tensors   []struct {
			Name, DType string
			Shape       []uint64
			Data        []byte
		}
		Numbers map[string][]byte // float32
	}
	Verdicts []struct {
		File  []byte
		Error *string
	}
}

func readReference(t testing.TB) *reference {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	r := new(reference)
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	if len(r.Files) < 12 || len(r.Verdicts) < 300 {
		t.Fatalf("%d files, %d verdicts", len(r.Files), len(r.Verdicts))
	}
	return r
}

// TestReferenceFiles reads what the reference library wrote as that reads it, and
// writes it again to the same bytes.
func TestReferenceFiles(t *testing.T) {
	for _, c := range readReference(t).Files {
		t.Run(c.Name, func(t *testing.T) {
			f, err := Parse(c.File)
			if err != nil {
				t.Fatal(err)
			}
			checkPlaces(t, f, len(c.File))
			if diff := cmp.Diff(c.Metadata, f.Metadata); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
			if len(f.Tensors) != len(c.Tensors) {
				t.Errorf("%d tensors, want %d", len(f.Tensors), len(c.Tensors))
			}
			for _, want := range c.Tensors {
				x, ok := f.Tensor(want.Name)
				if !ok {
					t.Errorf("tensor %q is missing", want.Name)
					continue
				}
				if x.Type.String() != want.DType || !slices.Equal(x.Shape, want.Shape) || !bytes.Equal(c.File[x.Offset:][:x.Size], want.Data) {
					t.Errorf("tensor %q: %v %d, want %s %d", x.Name, x.Type, x.Shape, want.DType, want.Shape)
				}
			}
			for name, want := range c.Numbers {
				x, _ := f.Tensor(name)
				s, err := f.Storage(c.File, x)
				if err != nil {
					t.Error(err)
					continue
				}
				got := make([]float32, s.Rows*s.Cols)
				for i := range s.Rows {
					if err := s.DequantRow(i, got[i*s.Cols:][:s.Cols]); err != nil {
						t.Fatal(err)
					}
				}
				for i, v := range got {
					if w := math.Float32frombits(binary.LittleEndian.Uint32(want[4*i:])); v != w {
						t.Fatalf("tensor %q, number %d: %g, want %g", name, i, v, w)
					}
				}
				if 4*len(got) != len(want) {
					t.Errorf("tensor %q: %d numbers, want %d", name, len(got), len(want)/4)
				}
			}

			var w bytes.Buffer
			if err := Write(&w, f.Metadata, f.Tensors, dataOf(f, c.File)); err != nil {
				t.Fatal(err)
			}
			if c.SameBytes && !bytes.Equal(w.Bytes(), c.File) {
				t.Errorf("written\n%q, want\n%q", w.Bytes(), c.File)
			}
		})
	}
}

// TestReferenceVerdicts: what the reference library refuses is refused. What it
// takes is taken, but for what this package is stricter about on purpose.
func TestReferenceVerdicts(t *testing.T) {
	stricter := []string{"unknown field", "duplicate key", "duplicate field", "name is empty", "does not begin with '{'"}
	taken, strict := 0, 0
	for i, v := range readReference(t).Verdicts {
		f, err := Parse(v.File)
		switch {
		case err == nil && v.Error != nil:
			t.Errorf("%d: %q is taken, want an error: %s", i, v.File, *v.Error)
		case err == nil:
			taken++
			checkPlaces(t, f, len(v.File))
		case v.Error == nil:
			if !slices.ContainsFunc(stricter, func(s string) bool { return strings.Contains(err.Error(), s) }) {
				t.Errorf("%d: %q: %v, want no error", i, v.File, err)
			}
			strict++
		}
	}
	t.Logf("%d taken by both, %d by the reference library alone", taken, strict)
	if taken == 0 {
		t.Error("no file is taken")
	}
}
