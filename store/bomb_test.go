package store

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// bombLimits are what the archives below try to get past. The cap on bytes is
// low, so that it can be reached; the others are the real ones.
var bombLimits = limits{directory: defaultLimits.directory, members: defaultLimits.members, bytes: 8 << 20, ratio: defaultLimits.ratio}

const (
	bombDisk = 1 << 20  // beyond the cap
	bombHeap = 64 << 20 // beyond what was there
)

// TestBombs unpacks archives that are made to fill a disk or memory. Each must be
// refused, or give what a small part of it holds.
func TestBombs(t *testing.T) {
	s := newStore(t)
	s.lim = bombLimits
	dir := t.TempDir()
	names := map[string]bool{}
	for _, b := range bombs(t) {
		if names[b.name] {
			t.Errorf("%s: the name occurs twice", b.name)
		}
		names[b.name] = true
		stage, err := os.MkdirTemp(dir, "stage-")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "archive")
		if err := os.WriteFile(file, b.data, 0o644); err != nil {
			t.Fatal(err)
		}
		b.data = nil
		disk, heap, err := watched(stage, func() error {
			j := pullJob{store: s, stage: stage}
			if b.wheel {
				_, err := j.unpack(t.Context(), Ref{Kind: Pip, Name: "tiny", Rev: "1"}, file)
				return err
			}
			var out *product
			tb := &tarball{lim: s.lim, report: func(string, int64, int64) {}, create: func(name string, _ int64) (io.Writer, error) {
				var err error
				out, err = j.create(filepath.Base(name))
				return out, err
			}}
			err := tb.unpack(t.Context(), file)
			if out != nil {
				out.Close()
			}
			return err
		})
		if (err == nil) != b.harmless {
			t.Errorf("%s: error %v", b.name, err)
		}
		if disk > s.lim.bytes+bombDisk || heap > bombHeap {
			t.Errorf("%s: %d bytes on disk at most, %d of heap", b.name, disk, heap)
		}
		t.Logf("%s: %d KiB on disk, %d KiB of heap at most: %v", b.name, disk>>10, heap>>10, err)
		os.RemoveAll(stage)
	}
	if len(names) < 20 {
		t.Errorf("only %d archives", len(names))
	}
	t.Logf("attack: %d archives", len(names))
}

// watched runs f and returns the most that there was below dir and, beyond what
// there was before, on the heap.
func watched(dir string, f func() error) (disk int64, heap uint64, err error) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtime.GC()
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	look := func() {
		metrics.Read(sample)
		if now := sample[0].Value.Uint64(); now > before {
			heap = max(heap, now-before)
		}
		disk = max(disk, diskUsage(dir))
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				look()
			case <-quit:
				return
			}
		}
	}()
	err = f()
	close(quit)
	<-done
	look()
	return disk, heap, err
}

type bomb struct {
	name     string
	wheel    bool // or an npm package
	harmless bool // unpacks to the little that it should
	data     []byte
}

func bombs(t *testing.T) []bomb {
	big, million := 10<<20, 110_000 // go run ./attack T36 makes them larger
	if os.Getenv("MICA_ATTACK") != "" {
		big, million = 64<<20, 1_000_000
	}
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	inner := makeZip(t, member{name: "y.gguf", data: zeros(big)})
	nested := makeTar(t, entry{name: "package/y.gguf", data: zeros(big)})
	lie := func(change func(*zip.FileHeader)) []byte {
		deflated := deflate(zeros(8 << 20))
		return makeZip(t, member{name: "x.gguf", data: deflated, raw: func(h *zip.FileHeader) {
			h.Method, h.UncompressedSize64, h.CRC32 = zip.Deflate, 8<<20, crc32.ChecksumIEEE([]byte(zeros(8<<20)))
			change(h)
		}})
	}
	sparse, pax := oldSparse(), paxSparse(t)
	return []bomb{
		{"zip: a member of zeros", true, false, makeZip(t, member{name: "x.gguf", data: zeros(big)})},
		{"zip: a zip of zeros in it", true, true, makeZip(t, member{name: "x.gguf", data: "good"}, member{name: "x.zip", data: string(inner)})},
		{"zip: a zip of zeros as the model", true, true, makeZip(t, member{name: "x.gguf", data: string(inner)})},
		{"zip: overlapping members, each of the whole file", true, false, overlappingZip(t, 2000, 1<<20)},
		{"zip: members with a header in common", true, false, sharedHeaderZip(t)},
		{"zip: members without end", true, false, directory(million, 8)},
		{"zip: members to the limit", true, false, directory(101_000, 8)},
		{"zip: long names", true, false, directory(2_000, 60_000)},
		{"zip: long comments and extra fields", true, false, commented(500)},
		{"zip: declares 2^60 bytes", true, false, lie(func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 60 })},
		{"zip: declares less than it holds", true, false, lie(func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 10 })},
		{"zip: declares more compressed bytes", true, false, lie(func(h *zip.FileHeader) { h.CompressedSize64 = 1 << 40 })},
		{"zip: zeros as metadata", true, true, makeZip(t, member{name: "x.gguf", data: "good"}, member{name: "x-1.dist-info/METADATA", data: zeros(big)})},
		{"zip: zeros as checksums of parts", true, false, makeZip(t, member{name: "SHA256SUMS", data: zeros(big)},
			member{name: "x-1.dist-info/METADATA", data: "Requires-Dist: tiny-part1==1\n"})},
		{"tar: a member of zeros", false, false, makeTar(t, entry{name: "package/x.gguf", data: zeros(big)})},
		{"tar: zeros and no archive", false, false, pack(t, []byte(zeros(big)))},
		{"tar: an archive of zeros in it", false, true, makeTar(t, entry{name: "package/x.gguf", data: "good"}, entry{name: "package/x.tgz", data: string(nested)})},
		{"tar: gzip in gzip", false, false, pack(t, pack(t, []byte(zeros(big))))},
		{"tar: gzip streams one after another", false, false, bytes.Repeat(pack(t, []byte(zeros(1<<20))), 16)},
		{"tar: zeros behind the end", false, false, pack(t, append(rawTar(t, entry{name: "package/x.gguf", data: "good"}), zeros(big)...))},
		{"tar: members without end", false, false, manyEntries(t, million)},
		{"tar: sparse, GNU's old way", false, false, pack(t, sparse)},
		{"tar: sparse, in PAX records", false, false, pack(t, pax)},
		{"tar: long PAX records", false, true, makeTar(t, entry{name: "package/x.gguf", data: "good", pax: map[string]string{"X.y": strings.Repeat("y", 900_000)}})},
		{"tar: a GNU name of megabytes", false, false, longName(t, big)},
		{"tar: package.json of zeros", false, false, makeTar(t, entry{name: "package/package.json", data: zeros(big)}, entry{name: "package/x.gguf", data: "good"})},
	}
}

func deflate(s string) string {
	var b strings.Builder
	w, _ := flate.NewWriter(&b, flate.BestCompression) // the level is one of those there are
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// overlappingZip has members that share one block of compressed zeros: the
// directory points each at a header of its own, and their data overlap.
func overlappingZip(t *testing.T, n, size int) []byte {
	t.Helper()
	data := deflate(strings.Repeat("\x00", size))
	sum := crc32.ChecksumIEEE(make([]byte, size))
	header := func(sig string, fixed int, name string) []byte {
		h := make([]byte, fixed, fixed+len(name))
		copy(h, sig)
		at := 4
		if fixed == 46 {
			at = 6
		}
		binary.LittleEndian.PutUint16(h[at+4:], uint16(zip.Deflate))
		binary.LittleEndian.PutUint32(h[at+10:], sum)
		binary.LittleEndian.PutUint32(h[at+14:], uint32(len(data)))
		binary.LittleEndian.PutUint32(h[at+18:], uint32(size))
		binary.LittleEndian.PutUint16(h[at+22:], uint16(len(name)))
		return append(h, name...)
	}
	var out, dir bytes.Buffer
	for i := range n {
		name := fmt.Sprintf("%05d.gguf", i)
		d := header("PK\x01\x02", 46, name)
		binary.LittleEndian.PutUint32(d[42:], uint32(out.Len()))
		out.Write(header("PK\x03\x04", 30, name))
		dir.Write(d)
	}
	out.WriteString(data)
	return endDirectory(out.Bytes(), dir.Bytes(), n)
}

func endDirectory(body, dir []byte, n int) []byte {
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], uint16(n))
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], uint32(len(dir)))
	binary.LittleEndian.PutUint32(end[16:], uint32(len(body)))
	return append(append(body, dir...), end...)
}

// sharedHeaderZip points all entries of the directory at the first header.
func sharedHeaderZip(t *testing.T) []byte {
	var all []member
	for i := range 100 {
		all = append(all, member{name: fmt.Sprintf("%02d.gguf", i), data: strings.Repeat("\x00", 1<<20)})
	}
	b := makeZip(t, all...)
	for i := bytes.Index(b, []byte("PK\x01\x02")); i >= 0; {
		binary.LittleEndian.PutUint32(b[i+42:], 0)
		next := bytes.Index(b[i+4:], []byte("PK\x01\x02"))
		if next < 0 {
			break
		}
		i += 4 + next
	}
	return b
}

// directory is a zip file that is all table of contents.
func directory(n, name int) []byte {
	e := make([]byte, 46+name)
	copy(e, "PK\x01\x02")
	binary.LittleEndian.PutUint16(e[28:], uint16(name))
	copy(e[46:], strings.Repeat("n", name))
	dir := make([]byte, 0, n*len(e))
	for i := range n {
		copy(e[46:], fmt.Sprintf("%08d", i))
		dir = append(dir, e...)
	}
	return endDirectory(nil, dir, n)
}

// commented has entries with the longest comments and extra fields.
func commented(n int) []byte {
	const long = 65_000
	e := make([]byte, 46+8+long+long)
	copy(e, "PK\x01\x02")
	binary.LittleEndian.PutUint16(e[28:], 8)
	binary.LittleEndian.PutUint16(e[30:], long)
	binary.LittleEndian.PutUint16(e[32:], long)
	var dir []byte
	for i := range n {
		copy(e[46:], fmt.Sprintf("%08d", i))
		dir = append(dir, e...)
	}
	return endDirectory(nil, dir, n)
}

func manyEntries(t *testing.T, n int) []byte {
	header := rawTar(t, entry{name: "package/0000000"})[:512]
	var b bytes.Buffer
	packer.Reset(&b)
	for i := range n {
		copy(header[8:], fmt.Sprintf("%07d", i))
		checksum512(header)
		packer.Write(header)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// longName has a header of type L, whose data is the next member's name.
func longName(t *testing.T, n int) []byte {
	head := rawTar(t, entry{name: "././@LongLink"})[:512]
	head[156] = tar.TypeGNULongName
	copy(head[124:136], fmt.Sprintf("%011o\x00", n))
	copy(head[257:], "ustar  \x00")
	checksum512(head)
	data := append(head, bytes.Repeat([]byte("n"), n)...)
	return pack(t, append(data, rawTar(t, entry{name: "package/x.gguf", data: "good"})...))
}
