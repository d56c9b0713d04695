package dataset

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func TestReadIDX(t *testing.T) {
	good := []byte{0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6}
	for _, b := range [][]byte{good, gz(good)} {
		data, dims, err := ReadIDX(bytes.NewReader(b))
		if err != nil || !slices.Equal(data, good[12:]) || !slices.Equal(dims, []int{2, 3}) {
			t.Errorf("%v %v %v", data, dims, err)
		}
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "idx: header: the file ends there"},
		{"short magic", good[:3], "idx: header: the file ends there"},
		{"not idx", []byte("PNG image"), "idx: the file begins with 504e and not with 0000: no IDX file"},
		{"floats", []byte{0, 0, 13, 1, 0, 0, 0, 0}, "idx: elements of type 0xd: only unsigned bytes (0x8) are read"},
		{"no dimension", []byte{0, 0, 8, 0}, "idx: 0 dimensions: 1 to 4 are read"},
		{"many dimensions", []byte{0, 0, 8, 9}, "idx: 9 dimensions: 1 to 4 are read"},
		{"no size", good[:6], "idx: dimension 0: the file ends there"},
		{"huge", []byte{0, 0, 8, 1, 255, 255, 255, 255}, "idx: dimension 0 is 4294967295: more than 1073741824 bytes in all"},
		{"huge product", []byte{0, 0, 8, 2, 0, 1, 0, 0, 0, 1, 0, 0}, "idx: dimension 1 is 65536: more than 1073741824 bytes in all"},
		{"short data", good[:17], "idx: 5 bytes of data, and the header declares 6"},
		{"long data", append(slices.Clone(good), 7), "idx: more data than the 6 bytes that the header declares"},
		{"declared and absent", []byte{0, 0, 8, 1, 64, 0, 0, 0}, "idx: 0 bytes of data, and the header declares 1073741824"},
		{"gzip header", []byte{0x1f, 0x8b, 0}, "idx: gzip: unexpected EOF"},
		{"gzip cut", gz(good)[:len(gz(good))/2], "idx: data: unexpected EOF"},
		{"gzip sum", append(gz(good)[:len(gz(good))-8], 0, 0, 0, 0, 18, 0, 0, 0), "idx: end of the data: gzip: invalid checksum"},
	} {
		if _, _, err := ReadIDX(bytes.NewReader(c.b)); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestOpenIDX(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pics := write("pics", []byte{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 51, 102})
	s, err := OpenIDX(pics, write("labels", []byte{0, 0, 8, 1, 0, 0, 0, 2, 3, 1}))
	if err != nil {
		t.Fatal(err)
	}
	b := read(t, s, 1, 0)
	if !slices.Equal(b.X, []float32{0.2, 0.4, 0, 1}) || !slices.Equal(b.Labels, []int32{1, 3}) || s.Classes() != 4 || !slices.Equal(s.Dims(), []int{1, 2, 1}) {
		t.Errorf("%+v, %d classes, shape %v", b, s.Classes(), s.Dims())
	}
	few := write("few", []byte{0, 0, 8, 1, 0, 0, 0, 1, 3})
	if _, err := OpenIDX(pics, few); err == nil || err.Error() != "dataset: "+few+": idx: labels of shape [1] for 2 pictures in "+pics {
		t.Errorf("too few labels: %v", err)
	}
	if _, err := OpenIDX(few, few); err == nil {
		t.Error("labels were accepted as pictures")
	}
	if _, err := FashionMNIST(dir, Train); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder without the files: %v", err)
	}
}

// The real files, if Debian's package is there.
func TestFashionMNIST(t *testing.T) {
	s, err := FashionMNIST("", Test)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI_REAL_DATA") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	labels, err := Labels(s)
	if err != nil {
		t.Fatal(err)
	}
	count := make([]int, s.Classes())
	for _, l := range labels {
		count[l]++
	}
	for c, n := range count { // 1,000 of each, says its paper
		if n != 1000 {
			t.Errorf("class %d has %d pictures", c, n)
		}
	}
	if len(count) != 10 {
		t.Errorf("%d classes", len(count))
	}
}

func FuzzReadIDX(f *testing.F) {
	good := []byte{0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6}
	f.Add(good)
	f.Add(gz(good))
	f.Add([]byte{0, 0, 8, 1, 64, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		data, dims, err := ReadIDX(bytes.NewReader(b))
		if err != nil {
			return
		}
		n := 1
		for _, d := range dims {
			n *= d
		}
		if n != len(data) {
			t.Fatalf("%d bytes of shape %v", len(data), dims)
		}
	})
}
