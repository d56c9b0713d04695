package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// framed is a file of the given header and n bytes of data.
func framed(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

// entry is a tensor in a header; shape and offsets without brackets.
func entry(name, dtype, shape, offsets string) string {
	return fmt.Sprintf(`"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%s]}`, name, dtype, shape, offsets)
}

// entries is a file of these tensors, and n bytes of data.
func entries(n int, s ...string) []byte { return framed("{"+strings.Join(s, ",")+"}", n) }

// one is a file of one tensor.
func one(dtype, shape, offsets string, n int) []byte {
	return entries(n, entry("t", dtype, shape, offsets))
}

// withFields is a file of one tensor with the fields as given, and 4 bytes of data.
func withFields(fields string) []byte { return framed(`{"t":{`+fields+`}}`, 4) }

// withMetadata is a file without tensors.
func withMetadata(value string) []byte { return framed(`{"__metadata__":`+value+`}`, 0) }

// good is a small file with metadata, and tensors of several types that the
// header names in another order than that of the data.
func good() []byte {
	return entries(48, `"__metadata__":{"format":"pt","note":"\u00fc \"x\""}`,
		entry("norm", "F32", "3", "0,12"), entry("flag", "BOOL", "", "46,47"), entry("up", "BF16", "2,4", "12,28"),
		entry("none", "F32", "2,0,3", "28,28"), entry("experts", "F16", "3,1,3", "28,46"), entry("step", "U8", "1", "47,48"))
}

func mustParse(t testing.TB, file []byte) *File {
	t.Helper()
	f, err := Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// dataOf gives a tensor's bytes in file, for Write.
func dataOf(f *File, file []byte) func(i int) []byte {
	return func(i int) []byte { return file[f.Tensors[i].Offset:][:f.Tensors[i].Size] }
}

// checkPlaces holds an accepted file to what Parse promises.
func checkPlaces(t testing.TB, f *File, size int) {
	t.Helper()
	end := int64(-1)
	for _, x := range f.Tensors {
		if end >= 0 && x.Offset != end || x.Offset < lengthBytes || x.Size < 0 || x.Size > int64(size)-x.Offset {
			t.Fatalf("tensor %q at %d of %d bytes: file of %d, tensor before ends at %d", x.Name, x.Offset, x.Size, size, end)
		}
		end = x.Offset + x.Size
		if y, ok := f.Tensor(x.Name); !ok || y.Offset != x.Offset {
			t.Fatalf("tensor %q is not found by name", x.Name)
		}
	}
	if len(f.Tensors) > 0 && end != int64(size) {
		t.Fatalf("the tensors end at %d of %d bytes", end, size)
	}
}

// checkFormatError holds an error to being a *FormatError that says where.
func checkFormatError(t testing.TB, err error, size int) {
	t.Helper()
	var fe *FormatError
	if !errors.As(err, &fe) {
		t.Fatalf("error %v, want a *FormatError", err)
	}
	if fe.Offset < 0 || fe.Offset > int64(size) || fe.Where == "" || fe.Problem == "" {
		t.Fatalf("%+v in %d bytes", fe, size)
	}
}
