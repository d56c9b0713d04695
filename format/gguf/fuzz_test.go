package gguf

import (
	"bytes"
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
	f.Fuzz(checkAny)
}

// FuzzFields writes whole files from fuzzed fields, so that the search spends no
// time on broken framing: two tensors, a scalar and an array whose claims need
// not be true.
func FuzzFields(f *testing.F) {
	f.Add(uint64(2), uint64(3), "k", uint32(kindUint32), uint32(kindInt16), uint64(2), uint32(32),
		"a", uint32(Q4_1), uint64(32), uint64(2), uint64(0), "b", uint32(F32), uint64(8), uint64(64), make([]byte, 96))
	f.Add(uint64(2), uint64(3), "k", uint32(kindString), uint32(kindString), uint64(1<<61), uint32(8),
		"a", uint32(Q6_K), uint64(256), uint64(1<<56), uint64(8), "a", uint32(I64), uint64(1<<61), uint64(0), []byte{})
	f.Fuzz(func(t *testing.T, tensors, keys uint64, key string, k, elem uint32, n uint64, alignment uint32,
		nameA string, typeA uint32, colsA, rowsA, offsetA uint64, nameB string, typeB uint32, colsB, offsetB uint64, data []byte) {
		file := join(head(3, tensors, keys),
			kv(alignmentKey, kindUint32, alignment),
			kv(key, kind(k), uint64(n)),
			kv("array", kindArray, arr(kind(elem), n, data[:len(data)/4])),
			info(nameA, Type(typeA), offsetA, colsA, rowsA),
			info(nameB, Type(typeB), offsetB, colsB))
		if alignment != 0 && alignment <= 4096 {
			file = append(file, make([]byte, -len(file)&int(alignment-1))...)
		}
		checkAny(t, append(file, data...))
	})
}

// checkAny: no file panics; of an accepted one every tensor lies in it and no
// two overlap, every supported one can be viewed, and written again it parses to
// the same.
func checkAny(t *testing.T, file []byte) {
	got, err := Parse(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return
	}
	checkPlaces(t, got, int64(len(file)))
	for _, x := range got.Tensors {
		s, err := got.Storage(file, x)
		if _, known := dtypes[x.Type]; known != (err == nil) {
			t.Fatalf("tensor %q of type %v: %v", x.Name, x.Type, err)
		}
		if err != nil {
			continue
		}
		if len(s.Bytes()) != int(x.Size) {
			t.Fatalf("tensor %q: %d bytes, want %d", x.Name, len(s.Bytes()), x.Size)
		}
		if s.DType.IsFloat() {
			if err := s.DequantRow(s.Rows-1, make([]float32, s.Cols)); err != nil {
				t.Fatalf("tensor %q: %v", x.Name, err)
			}
		}
	}

	var w bytes.Buffer
	if err := Encode(&w, got, func(i int) []byte { return file[got.Tensors[i].Offset:][:got.Tensors[i].Size] }); err != nil {
		t.Fatalf("accepted, but not written: %v", err)
	}
	again, err := Parse(bytes.NewReader(w.Bytes()), int64(w.Len()))
	if err != nil {
		t.Fatalf("written, but not accepted: %v", err)
	}
	if diff := cmp.Diff(got, again, cmp.AllowUnexported(File{}, Meta{}), cmpopts.EquateNaNs()); diff != "" {
		t.Fatalf("parses to something else (-want +got):\n%s", diff)
	}
	for i, x := range got.Tensors {
		y := again.Tensors[i]
		if !bytes.Equal(file[x.Offset:][:x.Size], w.Bytes()[y.Offset:][:y.Size]) {
			t.Fatalf("data of tensor %q differs", x.Name)
		}
	}
}
