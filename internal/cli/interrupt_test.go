//go:build unix

package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/micaml/mica/internal/tinymodel"
)

// startMica starts mica on a tiny model; the slow kernels make an answer last.
func startMica(t *testing.T, stdin io.Reader, stdout io.Writer, args ...string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	model := filepath.Join(dir, "tiny.gguf")
	if err := tinymodel.Write(model); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("mica") // TestMain has put it there
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(path, append([]string{"run", model}, args...)...)
	cmd.Env = append(os.Environ(), "MICA_KERNELS=go", "MICA_PREDICT=", "XDG_CONFIG_HOME="+dir, "HOME="+dir)
	stderr = new(bytes.Buffer)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Whatever goes wrong, the test ends.
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { kill.Stop(); _ = cmd.Process.Kill() })
	return cmd, stderr
}

func wantExit(t *testing.T, cmd *exec.Cmd, code int) {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code {
		t.Errorf("mica ended with %v, want exit status %d", err, code)
	}
}

// firstByte tells when something is written.
type firstByte struct {
	b     bytes.Buffer
	first chan struct{}
}

func (f *firstByte) Write(b []byte) (int, error) {
	if f.b.Len() == 0 && len(b) > 0 {
		close(f.first)
	}
	return f.b.Write(b)
}

func TestInterruptAnswer(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		code   int
		says   string
	}{{syscall.SIGINT, 130, "mica run: interrupted\n"}, {syscall.SIGTERM, 143, "mica run: terminated\n"}} {
		out := &firstByte{first: make(chan struct{})}
		cmd, stderr := startMica(t, nil, out, "hello", "--mode", "exact")
		select {
		case <-out.first:
		case <-time.After(30 * time.Second):
			t.Fatal("no answer")
		}
		if err := cmd.Process.Signal(c.signal); err != nil {
			t.Fatal(err)
		}
		wantExit(t, cmd, c.code)
		if stderr.String() != c.says {
			t.Errorf("%v: standard error %q, want %q", c.signal, stderr, c.says)
		}
		if s := out.b.String(); !strings.HasSuffix(s, "\n") {
			t.Errorf("%v: the partial answer doesn't end its line: %q", c.signal, s[max(0, len(s)-20):])
		}
	}
}

// A prompt that hangs in a pipe is given up too, and no file is left.
func TestInterruptPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	file := filepath.Join(t.TempDir(), "out.txt")
	cmd, stderr := startMica(t, r, io.Discard, "-o", file)
	r.Close()
	// It may not read yet; a signal before the handler is set would kill it
	// with another status, so wait until it takes a byte out of a full pipe.
	if _, err := w.Write(make([]byte, 1<<16)); err != nil { // fills the pipe
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil { // returns once it reads
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	wantExit(t, cmd, 130)
	if stderr.String() != "mica run: interrupted\n" {
		t.Errorf("standard error %q", stderr)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file of -o is there")
	}
}

// A program that can't stop cleanly, here because nobody reads what it
// writes, ends with the second Ctrl-C.
func TestInterruptTwice(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fill(t, w)
	cmd, _ := startMica(t, nil, w, "hello", "-n", "5")
	w.Close()
	done := make(chan struct{})
	go func() { defer close(done); wantExit(t, cmd, 130) }()
	// It needs two signals that arrive apart from each other; one that comes
	// before the handler is set would end it with another status.
	time.Sleep(time.Second)
	for {
		select {
		case <-done:
			return
		case <-time.After(50 * time.Millisecond):
			_ = cmd.Process.Signal(os.Interrupt)
		}
	}
}

// fill writes to a pipe until it is full.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	if err := w.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := w.Write([]byte{0}); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			return
		}
	}
}
