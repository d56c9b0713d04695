package safetensors

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzParse gives any bytes to checkAny.
func FuzzParse(f *testing.F) {
	f.Add(good())
	for _, c := range hostile {
		if len(c.file) < 4096 {
			f.Add(c.file)
		}
	}
	for _, c := range readReference(f).Files {
		f.Add(c.File)
	}
	f.Fuzz(checkAny)
}

// FuzzFields writes whole files from fuzzed fields, so that the search spends no
// time on broken framing: two tensors whose claims need not be true.
func FuzzFields(f *testing.F) {
	f.Add("k", "v", "a", uint8(F32), uint64(2), uint64(1), uint64(0), uint64(8), "b", uint8(BF16), uint64(2), uint64(8), uint64(12), make([]byte, 12))
	f.Add("", `\u00e9`, "a", uint8(F64), uint64(1<<61), uint64(1<<61), uint64(8), uint64(8), "a", uint8(F4), uint64(3), uint64(8), uint64(0), []byte{})
	f.Add("k", "", `\n`, uint8(U8), uint64(0), uint64(7), uint64(4), uint64(4), "", uint8(I32), uint64(1), uint64(0), uint64(4), make([]byte, 4))
	f.Fuzz(func(t *testing.T, key, value, nameA string, typeA uint8, rowsA, colsA, beginA, endA uint64,
		nameB string, typeB uint8, colsB, beginB, endB uint64, data []byte) {
		header := fmt.Sprintf(`{"__metadata__":{"%s":"%s"},%s,%s}`, key, value,
			entry(nameA, Type(typeA%32).String(), fmt.Sprintf("%d,%d", rowsA, colsA), fmt.Sprintf("%d,%d", beginA, endA)),
			entry(nameB, Type(typeB%32).String(), fmt.Sprint(colsB), fmt.Sprintf("%d,%d", beginB, endB)))
		checkAny(t, append(framed(header, 0), data...))
	})
}

// checkAny: no file panics; an accepted one is filled by its tensors, every
// tensor of a supported type that has elements can be viewed, and written again it
// parses to the same.
func checkAny(t *testing.T, file []byte) {
	got, err := Parse(file)
	if err != nil {
		checkFormatError(t, err, len(file))
		return
	}
	checkPlaces(t, got, len(file))
	for _, x := range got.Tensors {
		s, err := got.Storage(file, x)
		if _, known := dtypes[x.Type]; (known && x.Size > 0) != (err == nil) {
			t.Fatalf("tensor %q of type %v, %d bytes: %v", x.Name, x.Type, x.Size, err)
		}
		if err != nil {
			continue
		}
		if !bytes.Equal(s.Bytes(), file[x.Offset:][:x.Size]) {
			t.Fatalf("tensor %q: other bytes", x.Name)
		}
		if s.DType.IsFloat() {
			if err := s.DequantRow(s.Rows-1, make([]float32, s.Cols)); err != nil {
				t.Fatalf("tensor %q: %v", x.Name, err)
			}
		}
	}

	var w, w2 bytes.Buffer
	if err := Write(&w, got.Metadata, got.Tensors, dataOf(got, file)); err != nil {
		t.Fatalf("accepted, but not written: %v", err)
	}
	again, err := Parse(w.Bytes())
	if err != nil {
		t.Fatalf("written, but not accepted: %v", err)
	}
	// Places may differ, and with them the order.
	sorted := cmpopts.SortSlices(func(x, y Tensor) bool { return x.Name < y.Name })
	if diff := cmp.Diff(got, again, sorted, cmpopts.IgnoreFields(Tensor{}, "Offset"), cmpopts.IgnoreUnexported(File{})); diff != "" {
		t.Fatalf("parses to something else (-want +got):\n%s", diff)
	}
	for _, x := range got.Tensors {
		y, _ := again.Tensor(x.Name)
		if !bytes.Equal(file[x.Offset:][:x.Size], w.Bytes()[y.Offset:][:y.Size]) {
			t.Fatalf("data of tensor %q differs", x.Name)
		}
	}
	if err := Write(&w2, again.Metadata, again.Tensors, dataOf(again, w.Bytes())); err != nil || !bytes.Equal(w.Bytes(), w2.Bytes()) {
		t.Fatalf("written again to other bytes: %v", err)
	}
}
