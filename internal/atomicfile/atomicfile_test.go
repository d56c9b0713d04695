package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

var errInjected = errors.New("injected")

// faulty is the real disk until the operation with number failAt, which fails. It
// records what was done, so that a test can check the order as well as the outcome.
type faulty struct {
	disk
	failAt int
	log    []string
}

func (d *faulty) step(name string) error {
	d.log = append(d.log, name)
	if len(d.log) == d.failAt {
		return errInjected
	}
	return nil
}

func (d *faulty) create(path string, perm fs.FileMode) (file, error) {
	if err := d.step("create"); err != nil {
		return nil, err
	}
	f, err := d.disk.create(path, perm)
	return &faultyFile{f, d}, err
}

func (d *faulty) open(path string) (file, error) {
	if err := d.step("open"); err != nil {
		return nil, err
	}
	f, err := d.disk.open(path)
	return &faultyFile{f, d}, err
}

func (d *faulty) rename(old, path string) error {
	if err := d.step("rename"); err != nil {
		return err
	}
	return d.disk.rename(old, path)
}

func (d *faulty) syncDir(dir string) error {
	if err := d.step("syncdir"); err != nil {
		return err
	}
	return d.disk.syncDir(dir)
}

type faultyFile struct {
	file
	d *faulty
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.d.step("write"); err != nil {
		n, _ := f.file.Write(p[:len(p)/2]) // a full disk takes a part
		return n, err
	}
	return f.file.Write(p)
}

func (f *faultyFile) Sync() error {
	if err := f.d.step("sync"); err != nil {
		return err
	}
	return f.file.Sync()
}

func (f *faultyFile) Close() error {
	if err := f.d.step("close"); err != nil {
		f.file.Close()
		return err
	}
	return f.file.Close()
}

func twoWrites(w io.Writer) error {
	if _, err := io.WriteString(w, "new "); err != nil {
		return err
	}
	_, err := io.WriteString(w, "contents")
	return err
}

func TestWriteOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	d := &faulty{}
	if err := replace(d, path, 0o644, twoWrites); err != nil {
		t.Fatal(err)
	}
	want := []string{"create", "write", "write", "sync", "close", "rename", "syncdir"}
	if !slices.Equal(d.log, want) {
		t.Errorf("operations %v, want %v", d.log, want)
	}
}

// TestWriteFaults fails each operation of a write in turn, over an existing file and over none.
func TestWriteFaults(t *testing.T) {
	const steps = 7
	for _, old := range []string{"", "old contents"} {
		for failAt := 1; failAt <= steps; failAt++ {
			t.Run(fmt.Sprintf("old=%t/step=%d", old != "", failAt), func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, "f")
				if old != "" {
					mustWrite(t, path, old)
				}
				err := replace(&faulty{failAt: failAt}, path, 0o644, twoWrites)
				if !errors.Is(err, errInjected) {
					t.Fatalf("error %v, want the injected one", err)
				}
				want := old
				if failAt == steps { // only flushing the directory failed
					want = "new contents"
				}
				checkDir(t, dir, "f", want)
			})
		}
	}
}

func TestRenameFaults(t *testing.T) {
	const steps = 5 // open, sync, close, rename, syncdir
	for failAt := 1; failAt <= steps; failAt++ {
		dir := t.TempDir()
		part, path := filepath.Join(dir, "f.part"), filepath.Join(dir, "f")
		mustWrite(t, part, "data")
		if err := rename(&faulty{failAt: failAt}, part, path); !errors.Is(err, errInjected) {
			t.Fatalf("step %d: error %v, want the injected one", failAt, err)
		}
		if failAt == steps {
			checkDir(t, dir, "f", "data")
		} else {
			checkDir(t, dir, "f.part", "data")
		}
	}
}

func TestWriteCallbackError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	mustWrite(t, path, "old")
	err := Write(path, 0o644, func(w io.Writer) error {
		io.WriteString(w, "half")
		return errInjected
	})
	if !errors.Is(err, errInjected) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v: want the injected one and the path", err)
	}
	checkDir(t, dir, "f", "old")
}

func TestWritePanicLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	func() {
		defer func() { recover() }()
		Write(filepath.Join(dir, "f"), 0o644, func(io.Writer) error { panic("caller's mistake") })
	}()
	checkDir(t, dir, "", "")
}

func TestWriteMissingDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "f")
	if err := WriteBytes(path, 0o644, []byte("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

func TestPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	path := filepath.Join(t.TempDir(), "f")
	for _, perm := range []fs.FileMode{0o444, 0o600} { // the second replaces a read-only file
		if err := WriteBytes(path, perm, []byte("x")); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != perm {
			t.Errorf("mode %v, want %v", fi.Mode().Perm(), perm)
		}
	}
}

func TestLongName(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("n", 255)
	if err := WriteBytes(filepath.Join(dir, name), 0o644, []byte("x")); err != nil {
		t.Fatal(err)
	}
	checkDir(t, dir, name, "x")
}

// TestConcurrentWriters reads while several writers replace one file: every read is one whole write.
func TestConcurrentWriters(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows refuses to replace a file that is open for reading")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	mustWrite(t, path, strings.Repeat("0", 10_000))
	var writers sync.WaitGroup
	for i := 1; i <= 4; i++ {
		writers.Go(func() {
			for range 20 {
				if err := WriteBytes(path, 0o644, []byte(strings.Repeat(fmt.Sprint(i), 10_000))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != 10_000 || strings.Count(string(b), string(b[:1])) != len(b) {
			t.Fatalf("torn read: %d bytes beginning with %q", len(b), b[:1])
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files left, want 1", len(entries))
	}
}

func mustWrite(t *testing.T, path, s string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkDir checks that dir holds exactly one file with this name and contents, or nothing if contents is "".
func checkDir(t *testing.T, dir, name, contents string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if contents == "" {
		if len(names) != 0 {
			t.Errorf("left behind: %v", names)
		}
		return
	}
	if !slices.Equal(names, []string{name}) {
		t.Fatalf("directory holds %v, want only %q", names, name)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, name)); string(b) != contents {
		t.Errorf("%s holds %q, want %q", name, b, contents)
	}
}
