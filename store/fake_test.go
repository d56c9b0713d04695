package store

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The test binary plays four parts: the tests; a pip or an npm, when a link of that name to it is run; and
// another mica process that pulls a model.
func TestMain(m *testing.M) {
	// Under the race detector a program waits a second before it ends. Not those that the tests start.
	os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
	self, _ := os.Executable()
	name := strings.TrimSuffix(filepath.Base(self), ".exe")
	switch {
	case name == "pip":
		os.Exit(fakePip(os.Args[1:]))
	case name == "npm":
		os.Exit(fakeNpm(os.Args[1:]))
	case os.Getenv("MICA_TEST_PULL") != "":
		os.Exit(pullProcess())
	}
	os.Exit(m.Run())
}

// fakePip behaves as MICA_FAKE_PIP says: ok, fail, hang, broken, empty, two.
func fakePip(args []string) int {
	mode := os.Getenv("MICA_FAKE_PIP")
	if slices.Equal(args, []string{"heartbeat"}) {
		for {
			os.WriteFile(os.Getenv("MICA_FAKE_PIP_BEAT"), []byte(time.Now().String()), 0o644)
			time.Sleep(20 * time.Millisecond)
		}
	}
	if slices.Contains(args, "--version") {
		if mode == "broken" {
			return 1
		}
		fmt.Println("pip 99.0 (a fake)")
		return 0
	}
	dest := args[slices.Index(args, "-d")+1]
	if log := os.Getenv("MICA_FAKE_PIP_LOG"); log != "" {
		f, _ := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		fmt.Fprintln(f, strings.Join(args, " "), "PIP_NO_CACHE_DIR="+os.Getenv("PIP_NO_CACHE_DIR"))
		f.Close()
	}
	scratch, err := os.CreateTemp("", "pip-*") // follows TMPDIR, TEMP and TMP, as Python does
	if err != nil || filepath.Dir(filepath.Dir(scratch.Name())) != filepath.Dir(dest) {
		fmt.Fprintln(os.Stderr, "ERROR: temporary folder is outside the stage:", scratch.Name(), err)
		return 1
	}
	scratch.Write(make([]byte, 1<<20))
	switch mode {
	case "fail":
		fmt.Fprintln(os.Stderr, "WARNING: retrying\nERROR: no space\x1b[31m left on planet")
		return 1
	case "missing":
		fmt.Fprintln(os.Stderr, "ERROR: Could not find a version that satisfies\nERROR: No matching distribution found for x")
		return 1
	case "hang":
		self, _ := os.Executable()
		exec.Command(self, "heartbeat").Start()
		time.Sleep(time.Minute)
	case "empty":
		return 0
	case "two":
		os.WriteFile(filepath.Join(dest, "other-1-py3-none-any.whl"), nil, 0o644)
	}
	time.Sleep(50 * time.Millisecond) // long enough for pulls to meet
	from := os.Getenv("MICA_FAKE_PIP_WHEEL")
	if mode == "index" { // the wheels lie beside it, by name and version
		name, version, _ := strings.Cut(args[len(args)-1], "==")
		from = filepath.Join(filepath.Dir(from), strings.ReplaceAll(name, "-", "_")+"-"+version+"-py3-none-any.whl")
	}
	wheel, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(filepath.Join(dest, filepath.Base(from)), wheel, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ERROR:", err)
		return 1
	}
	return 0
}

// pullProcess pulls what MICA_TEST_PULL names and prints the digest.
func pullProcess() int {
	s, err := Open("")
	if err == nil {
		var m Model
		if m, err = s.Pull(context.Background(), os.Getenv("MICA_TEST_PULL"), nil); err == nil {
			fmt.Println(m.Digest)
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// newStore gives an empty store, away from the machine's caches, programs and network settings.
func newStore(t *testing.T) *Store {
	t.Helper()
	root := t.TempDir()
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "HF_") || strings.HasPrefix(name, "HUGGING") || strings.HasPrefix(name, "MICA_") ||
			strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			if name != "MICA_TEST_NETWORK" && name != "MICA_ATTACK" {
				t.Setenv(name, "")
			}
		}
	}
	t.Setenv("MICA_CACHE", filepath.Join(root, "mica"))
	t.Setenv("HF_HOME", filepath.Join(root, "hf"))
	t.Setenv("HF_ENDPOINT", "http://127.0.0.1:1") // nobody listens there
	t.Setenv("PATH", filepath.Join(root, "bin"))
	return reopen(t)
}

// reopen opens the store again, after the test has changed the environment.
func reopen(t *testing.T) *Store {
	t.Helper()
	s, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	s.wait.retry = time.Millisecond
	return s
}

// installPip puts a fake pip on the PATH which offers the wheel made of the members.
func installPip(t *testing.T, mode string, members ...member) {
	t.Helper()
	bin := installSelf(t, "pip")
	wheel := filepath.Join(filepath.Dir(bin), "tiny_model-1.0-py3-none-any.whl")
	if err := os.WriteFile(wheel, makeZip(t, members...), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MICA_FAKE_PIP", mode)
	t.Setenv("MICA_FAKE_PIP_WHEEL", wheel)
	t.Setenv("MICA_FAKE_PIP_LOG", filepath.Join(filepath.Dir(bin), "pip.log"))
	t.Setenv("MICA_FAKE_PIP_BEAT", filepath.Join(filepath.Dir(bin), "beat"))
}

// installSelf puts the test binary on the PATH under a name, and gives the folder.
func installSelf(t *testing.T, name string) (bin string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin = os.Getenv("PATH")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(bin, name)
	if runtime.GOOS == "windows" {
		exe += ".exe"
	}
	os.Remove(exe)
	if err := os.Link(self, exe); err != nil { // another file system
		b, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(exe, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// A member is one entry of a test's wheel.
type member struct {
	name string
	data string
	mode fs.FileMode
	raw  func(*zip.FileHeader) // changes the header of an entry stored as it is
}

func makeZip(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		h.SetMode(m.mode | 0o644)
		var w io.Writer
		var err error
		if m.raw != nil {
			h.Method = zip.Store
			h.UncompressedSize64, h.CompressedSize64 = uint64(len(m.data)), uint64(len(m.data))
			m.raw(h)
			w, err = z.CreateRaw(h)
		} else {
			w, err = z.CreateHeader(h)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// body is the model file of the tests: 200 kB that do not compress to nothing.
var body = func() string {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "GGUF %x\n", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	return b.String()
}()

func sumOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

var goodWheel = []member{
	{name: "tiny_model/__init__.py", data: "raise SystemExit('never run')"},
	{name: "tiny_model/tiny.gguf", data: body},
	{name: "tiny_model-1.0.dist-info/METADATA", data: "Metadata-Version: 2.2\nName: tiny-model\nLicense: MIT\n\nLicense: not this\n"},
}

const pipRef = "pip:tiny-model==1.0/tiny_model/tiny.gguf"

// addBuiltin adds a short name to the table for one test.
func addBuiltin(t *testing.T, name string, b builtin) {
	t.Helper()
	builtins[name] = b
	t.Cleanup(func() { delete(builtins, name) })
}

// files lists what is below a folder, without the locks and the mark of the cache, which stay by design.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Ext(p) != ".lock" && e.Name() != "CACHEDIR.TAG" {
			rel, _ := filepath.Rel(dir, p)
			found = append(found, filepath.ToSlash(rel))
		}
		return nil
	})
	return found
}

// checkModel checks a pulled model against the file that the source had.
func checkModel(t *testing.T, s *Store, m Model) {
	t.Helper()
	b, err := os.ReadFile(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != body || m.Digest != sumOf(body) || m.Size != int64(len(body)) {
		t.Errorf("model has %d bytes, digest %s, size %d", len(b), m.Digest, m.Size)
	}
	if d, err := Digest(m.Path); err != nil || d != m.Digest {
		t.Errorf("Digest gives %s, %v", d, err)
	}
	if got, err := s.Resolve(m.Name); err != nil || got != m {
		t.Errorf("Resolve(%q) gives %+v, %v; want %+v", m.Name, got, err, m)
	}
	if left := files(t, filepath.Join(s.dir, "tmp")); len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}
}
