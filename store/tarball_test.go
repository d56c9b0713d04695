package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// An entry is one member of a test's archive.
type entry struct {
	name, data string
	kind       byte // 0: a file
	link       string
	pax        map[string]string
}

func makeTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	return pack(t, rawTar(t, entries...))
}

func rawTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o644, Size: int64(len(e.data)), PAXRecords: e.pax}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			h = &tar.Header{Name: e.name, Typeflag: e.kind, PAXRecords: e.pax}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatalf("%q: %v", e.name, err)
		}
		io.WriteString(w, e.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// packer is kept: a new one costs a megabyte. No test here runs beside another.
var packer = gzip.NewWriter(nil)

func pack(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	packer.Reset(&buf)
	packer.Write(b)
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// untar unpacks an archive with these bytes as a pull does.
func untar(t testing.TB, data []byte, want string, lim limits) (got string, found *tarball, err error) {
	t.Helper()
	p := filepath.Join(t.TempDir(), "p.tgz")
	if err := os.WriteFile(p, data, 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	tb := &tarball{lim: lim, want: want, report: func(string, int64, int64) {},
		create: func(string, int64) (io.Writer, error) { return &out, nil }}
	err = tb.unpack(context.Background(), p)
	return out.String(), tb, err
}

func TestTarball(t *testing.T) {
	data := makeTar(t, append([]entry{
		{name: "pax_global_header", kind: tar.TypeXGlobalHeader, pax: map[string]string{"comment": "x"}},
		{name: "package/", kind: tar.TypeDir},
		{name: "package/" + strings.Repeat("long/", 40) + "name", data: "x"},
	}, goodPackage...)...)
	for _, want := range []string{"m/tiny.gguf", ""} {
		got, found, err := untar(t, data, want, defaultLimits)
		if err != nil || got != body || found.found != "m/tiny.gguf" || found.license != "MIT" {
			t.Errorf("%q: %d bytes, %+v, %v", want, len(got), found, err)
		}
	}
	if got, _, err := untar(t, data, "package.json", defaultLimits); err != nil || got != goodPackage[1].data {
		t.Errorf("package.json: %q, %v", got, err)
	}
	old := makeTar(t, entry{name: "p/package.json", data: `{"license":{"type":"MIT"}}`}, entry{name: "p/x.gguf"})
	if _, found, err := untar(t, old, "", defaultLimits); err != nil || found.license != "" {
		t.Errorf("a licence that is no string: %+v, %v", found, err)
	}
}

// TestTarballTraversal puts every hostile name beside the wanted member: the archive is refused as a whole.
func TestTarballTraversal(t *testing.T) {
	refused := 0
	for _, name := range hostileNames() {
		if name == "" || strings.Contains(name, "\x00") { // no header can hold these
			continue
		}
		for _, prefix := range []string{"", "package/"} {
			full := prefix + name
			if localName(strings.TrimSuffix(full, "/")) == nil {
				continue // harmless with the prefix or without the slash of a folder
			}
			kind := byte(tar.TypeReg)
			if strings.HasSuffix(full, "/") {
				kind = tar.TypeDir
			}
			got, _, err := untar(t, makeTar(t, entry{name: full, kind: kind}, entry{name: "package/x.gguf", data: "good"}), "x.gguf", defaultLimits)
			if err == nil || !strings.Contains(err.Error(), "file name") || got != "" {
				t.Errorf("%q: got %q, %v", full, got, err)
			}
			refused++
		}
	}
	if refused < 300 {
		t.Errorf("only %d names were tried", refused)
	}
}

func TestTarballHostile(t *testing.T) {
	lim := limits{directory: 4 << 10, members: 100, bytes: 4 << 20, ratio: 200}
	x := entry{name: "package/x.gguf", data: "x"}
	many, long := make([]entry, 101), make([]entry, 6)
	for i := range many {
		many[i] = entry{name: fmt.Sprintf("package/%d", i)}
	}
	for i := range long {
		long[i] = entry{name: fmt.Sprintf("package/%s%d", strings.Repeat("n", 900), i)}
	}
	good := makeTar(t, goodPackage...)
	raw := rawTar(t, x)
	huge := bytes.Clone(raw) // a header that declares 8 GB, in base 8
	copy(huge[124:136], "77777777777\x00")
	checksum512(huge)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1 // in the CRC
	zeros := strings.Repeat("\x00", 3<<20)
	for _, test := range []struct {
		name, want string
		data       []byte
	}{
		{"empty file", "archive: EOF", nil},
		{"no gzip", "archive: gzip: invalid header", []byte(body)},
		{"no tar", "archive: archive/tar: invalid tar header", pack(t, []byte(body))},
		{"empty archive", `not found: no member "x.gguf" in the package`, pack(t, nil)},
		{"truncated", "archive: unexpected EOF", good[:len(good)-40]},
		{"truncated in the middle", "unexpected EOF", good[:len(good)/2]},
		{"wrong CRC", "archive: gzip: invalid checksum", flipped},
		{"something behind the end", "archive: gzip: invalid header", append(bytes.Clone(good), "GET / HTTP/1.1"...)},
		{"missing member", `not found: no member "x.gguf" in the package (it has y.gguf)`, makeTar(t, entry{name: "package/y.gguf"})},
		{"folder of that name", `no member "x.gguf"`, makeTar(t, entry{name: "package/x.gguf/", kind: tar.TypeDir})},
		{"symbolic link", `archive: member "package/x.gguf" is neither a file nor a folder`, makeTar(t, entry{name: "package/x.gguf", kind: tar.TypeSymlink, link: "/etc/passwd"})},
		{"hard link", `archive: member "package/x.gguf" is neither a file nor a folder`, makeTar(t, entry{name: "package/x.gguf", kind: tar.TypeLink, link: "../../x"})},
		{"device", `archive: member "package/d" is neither a file nor a folder`, makeTar(t, entry{name: "package/d", kind: tar.TypeChar}, x)},
		{"pipe", `archive: member "package/d" is neither a file nor a folder`, makeTar(t, entry{name: "package/d", kind: tar.TypeFifo}, x)},
		{"twice", `archive: member "package/x.gguf" occurs twice`, makeTar(t, x, x)},
		{"twice but for case", `archive: member "package/X.GGUF" occurs twice`, makeTar(t, x, entry{name: "package/X.GGUF"})},
		{"file and folder of one name", `archive: member "package/x.gguf/" occurs twice`, makeTar(t, x, entry{name: "package/x.gguf/", kind: tar.TypeDir})},
		{"two folders", `archive: member "b/x.gguf": not a model reference: the package has several GGUF files`, makeTar(t, x, entry{name: "b/x.gguf"})},
		{"bomb", "archive: member \"package/x.gguf\": unpacks to more than the ", makeTar(t, entry{name: "package/x.gguf", data: zeros})},
		{"bomb beside it", "archive: unpacks to more than the ", makeTar(t, x, entry{name: "package/y", data: zeros})},
		{"bomb behind the end", "archive: unpacks to more than the ", pack(t, append(rawTar(t, x), zeros...))},
		{"large", `archive: member "package/x.gguf": 5005000 bytes, at most 4194304 are accepted`, makeTar(t, entry{name: "package/x.gguf", data: strings.Repeat(body[:100100], 50)})},
		{"declared huge", `archive: member "package/x.gguf": 8589934591 bytes, at most 4194304 are accepted`, pack(t, huge)},
		{"many members", "archive: more than the 100 members that are accepted", makeTar(t, many...)},
		{"long names", "archive: names of more than 4096 bytes in total", makeTar(t, long...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := untar(t, test.data, "x.gguf", lim); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// TestTarballSparse: a sparse file of terabytes takes a few hundred bytes in an archive.
func TestTarballSparse(t *testing.T) {
	for name, data := range map[string][]byte{
		"old GNU": oldSparse(),
		"PAX":     paxSparse(t),
	} {
		_, _, err := untar(t, pack(t, data), "", defaultLimits)
		if err == nil || !strings.Contains(err.Error(), "sparse") && !strings.Contains(err.Error(), "neither a file nor a folder") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// oldSparse is a header of type S: 1 GiB with no data.
func oldSparse() []byte {
	b := make([]byte, 512*3)
	copy(b, "package/x.gguf")
	copy(b[100:], "0000644\x00")
	copy(b[124:], "00000000000\x00")
	copy(b[136:], "00000000000\x00")
	b[156] = 'S'
	copy(b[257:], "ustar  \x00")
	copy(b[386:], "00000000000\x0000000000000\x00") // one fragment of nothing
	copy(b[483:], "10000000000\x00")                // the real size
	checksum512(b)
	return b
}

func checksum512(b []byte) {
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// paxSparse is what tar --sparse --format=posix makes (version 0.1 of the format): 1 GiB of nothing.
func paxSparse(t *testing.T) []byte {
	var records strings.Builder
	for _, kv := range []string{"GNU.sparse.size=1073741824", "GNU.sparse.numblocks=1", "GNU.sparse.map=1073741824,0"} {
		n := len(kv) + 3
		if len(fmt.Sprint(n)) > 1 {
			n = len(kv) + 2 + len(fmt.Sprint(n))
		}
		fmt.Fprintf(&records, "%d %s\n", n, kv)
	}
	head := rawTar(t, entry{name: "PaxHeaders/x", data: records.String()})[:1024]
	head[156] = 'x'
	checksum512(head)
	return append(head, rawTar(t, entry{name: "package/x.gguf"})...)
}

// TestTarballBombs measures what archives that unpack to a lot make the program write and allocate.
func TestTarballBombs(t *testing.T) {
	zeros := func(n int) []byte { return bytes.Repeat([]byte{0}, n) }
	nested := pack(t, pack(t, zeros(16<<20))) // a layer is looked into once, not again
	members := func(n int) []byte {
		header := rawTar(t, entry{name: "package/0000000"})[:512]
		var b bytes.Buffer
		for i := range n {
			copy(header[8:], fmt.Sprintf("%07d", i))
			checksum512(header)
			b.Write(header)
		}
		return pack(t, b.Bytes())
	}
	for name, data := range map[string][]byte{
		"one file of zeros":  makeTar(t, entry{name: "package/x.gguf", data: string(zeros(16 << 20))}),
		"zeros and no tar":   pack(t, zeros(16<<20)),
		"nested":             makeTar(t, entry{name: "package/x.tgz", data: string(nested)}),
		"50,000 members":     members(50_000),
		"long PAX header":    makeTar(t, entry{name: "package/x.gguf", pax: map[string]string{"X.y": strings.Repeat("y", 900_000)}}),
		"several gzip parts": bytes.Repeat(pack(t, zeros(1<<20)), 20),
	} {
		lim := limits{directory: 1 << 20, members: 100_000, bytes: 8 << 20, ratio: 200}
		p := filepath.Join(t.TempDir(), "p.tgz")
		os.WriteFile(p, data, 0o644)
		var wrote counter
		tb := &tarball{lim: lim, report: func(string, int64, int64) {}, create: func(string, int64) (io.Writer, error) { return &wrote, nil }}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := tb.unpack(t.Context(), p)
		runtime.ReadMemStats(&after)
		if err == nil && name != "long PAX header" {
			t.Errorf("%s: accepted", name)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 || int64(wrote) > lim.bytes+slack {
			t.Errorf("%s: %d MiB allocated in total, %d bytes written", name, grown>>20, wrote)
		}
		t.Logf("%s: %d bytes packed, %d written, %d kB allocated in total: %v", name, len(data), wrote, (after.TotalAlloc-before.TotalAlloc)>>10, err)
	}
}

func TestTarballCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tb := &tarball{lim: defaultLimits}
	if err := tb.read(ctx, bytes.NewReader(makeTar(t, goodPackage...)), 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// FuzzTarball feeds changed archives, unpacked: an error, or bytes that keep to the limits.
func FuzzTarball(f *testing.F) {
	f.Add(rawTar(f, goodPackage[1], entry{name: "package/x.gguf", data: "abc"}))
	f.Add(rawTar(f, entry{name: "package/x.gguf", kind: tar.TypeSymlink, link: "x"}))
	f.Add(oldSparse())
	lim := limits{directory: 4 << 10, members: 10, bytes: 64 << 10, ratio: 200}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var n counter
		name := ""
		tb := &tarball{lim: lim, report: func(string, int64, int64) {},
			create: func(s string, _ int64) (io.Writer, error) { name = s; return &n, nil }}
		err := tb.walk(context.Background(), bytes.NewReader(raw))
		if int64(n) > lim.bytes {
			t.Fatalf("%d bytes written", n)
		}
		if err == nil && name != "" && localName(name) != nil {
			t.Fatalf("accepted the name %q", name)
		}
	})
}
