package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/micaml/mica/internal/tinymodel"
	"golang.org/x/sys/unix"
)

// screen is a terminal with a chat in it.
type screen struct {
	t    *testing.T
	tty  *os.File      // our end
	mode *unix.Termios // before the chat
	cmd  *exec.Cmd
	done chan error

	mu   sync.Mutex
	text []byte // all that the chat has written
	seen int    // how much of it expect has passed
}

// newScreen starts mica chat on a terminal of a kind, with some columns.
func newScreen(t *testing.T, kind string, columns int, args ...string) *screen {
	t.Helper()
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	fd := int(tty.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	defer other.Close()
	dir := t.TempDir()
	model := filepath.Join(dir, "tiny.gguf")
	if err := tinymodel.Write(model); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("mica") // TestMain has put it there
	if err != nil {
		t.Fatal(err)
	}
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, tty: tty, mode: mode, done: make(chan error, 1)}
	s.cmd = exec.Command(path, append([]string{"chat", "tiny.gguf"}, args...)...)
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), "MICA_KERNELS=go", "TERM="+kind, "NO_COLOR=1", "XDG_CONFIG_HOME="+dir, "HOME="+dir)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = other, other, other
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := tty.Read(b)
			s.mu.Lock()
			s.text = append(s.text, b[:n]...)
			s.mu.Unlock()
			if err != nil { // the other end is closed
				s.done <- s.cmd.Wait()
				return
			}
		}
	}()
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); tty.Close() })
	return s
}

func (s *screen) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text[s.seen:])
}

func (s *screen) wait(what string, ok func(string) bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok(s.written()) {
			return
		}
	}
	s.t.Fatalf("no %s in %q", what, s.written())
}

// expect waits until text comes, and passes it. It returns what came before.
func (s *screen) expect(text string) string {
	s.t.Helper()
	s.wait(strconv.Quote(text), func(w string) bool { return strings.Contains(w, text) })
	before, _, _ := strings.Cut(s.written(), text)
	s.mu.Lock()
	s.seen += len(before) + len(text)
	s.mu.Unlock()
	return before
}

func (s *screen) send(keys string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// exit waits for the end and checks the exit code.
func (s *screen) exit(code int) {
	s.t.Helper()
	select {
	case err := <-s.done:
		var e *exec.ExitError
		if got := 0; errors.As(err, &e) {
			if got = e.ExitCode(); got != code {
				s.t.Errorf("exit code %d, want %d: %q", got, code, s.written())
			}
		} else if err != nil || code != 0 {
			s.t.Errorf("ended with %v, want exit code %d", err, code)
		}
	case <-time.After(time.Minute):
		s.t.Fatalf("it goes on: %q", s.written())
	}
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	up    = "\x1b[A"
	paste = "\x1b[200~"
	after = "\x1b[201~"
)

func TestChatTerminal(t *testing.T) {
	s := newScreen(t, "xterm", 40, "-n", "3", "-v")
	s.expect("tiny.gguf, up to 32,768 tokens.\r\n/help lists the commands, /bye leaves.\r\n")
	s.expect(">>> ")
	s.send("hello\r")
	s.expect("turn      1: 24 tokens, 24 of them new")
	s.expect(">>> ")
	// Lines can be called back and edited.
	s.send(up + "x\x7f\r")
	s.expect("turn      2: ")
	s.expect(">>> ")
	// What is pasted is one message, ended by Enter; so is what is quoted.
	s.send(paste + "a\rb\r" + after)
	s.expect("... ")
	s.send("c\r")
	s.expect("turn      3: ")
	s.expect(">>> ")
	s.send("\"\"\"\r")
	s.expect("... ")
	s.send("/bye\r")
	s.expect("... ")
	s.send("\"\"\"\r")
	s.expect("turn      4: ")
	s.expect(">>> ")
	s.send("/save talk.json\r")
	s.expect("Saved 8 messages in")
	s.expect(">>> ")
	// A mistake is told, with the way out, and the chat goes on.
	s.send("/cleer\r")
	s.expect("/cleer: no such command\r\ndid you mean /clear? ")
	s.expect(">>> ")
	s.send(ctrlD)
	s.exit(0)
	f, err := readChat(filepath.Join(s.cmd.Dir, "talk.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"hello", "hello", "a\nb\nc", "/bye"} {
		if got := f.Messages[2*i].Content; got != want {
			t.Errorf("message %d is %q, want %q", i, got, want)
		}
	}
}

func TestChatCtrlC(t *testing.T) {
	s := newScreen(t, "xterm", 80)
	s.expect(">>> ")
	s.send("hello\r")
	long := func(w string) bool { return len(w) > 300 } // well into an answer of thousands of tokens
	s.wait("answer", long)
	s.send(ctrlC)
	s.expect("Stopped. Ctrl-C again leaves.")
	s.expect(">>> ")
	// What was said until then is part of the chat.
	s.send("/save talk.json\r")
	s.expect("Saved 2 messages in")
	s.expect(">>> ")
	// The chat goes on, and can be stopped again.
	s.send("go on\r")
	s.wait("answer", long)
	s.send(ctrlC)
	s.expect("Stopped. Ctrl-C again leaves.")
	s.expect(">>> ")
	s.send("/help\r")
	s.expect("of several lines")
	s.expect(">>> ")
	// At the prompt the first one warns and the second one leaves.
	s.send("half a line" + ctrlC)
	s.expect("Ctrl-C again, Ctrl-D or /bye leaves.")
	s.expect(">>> ")
	s.send(ctrlC)
	s.expect("mica chat: interrupted")
	s.exit(130)
}

// After a stopped answer the next Ctrl-C leaves, as it says.
func TestChatCtrlCTwice(t *testing.T) {
	s := newScreen(t, "xterm", 80)
	s.expect(">>> ")
	s.send("hello\r")
	s.wait("answer", func(w string) bool { return len(w) > 300 })
	s.send(ctrlC)
	s.expect("Stopped. Ctrl-C again leaves.")
	s.expect(">>> ")
	s.send(ctrlC)
	s.expect("mica chat: interrupted")
	s.exit(130)
}

// A signal from elsewhere ends the chat and leaves the terminal as it was.
func TestChatTerminated(t *testing.T) {
	s := newScreen(t, "xterm", 80)
	s.expect(">>> ")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.expect("mica chat: terminated")
	s.exit(143)
	after, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	if err != nil || *after != *s.mode {
		t.Errorf("terminal %+v, was %+v (%v)", after, s.mode, err)
	}
}

// A terminal that can't move its cursor gets prompt signs and plain lines.
func TestChatDumbTerminal(t *testing.T) {
	s := newScreen(t, "dumb", 80, "-n", "3", "-v")
	s.expect(">>> ")
	s.send("hello\n")
	s.expect("turn      1: 24 tokens, 24 of them new")
	s.expect(">>> ")
	s.send(ctrlD)
	s.exit(0)
}

// Answers that go to a file would leave the one who asks in the dark.
func TestChatOutputOnTerminal(t *testing.T) {
	s := newScreen(t, "xterm", 80, "-o", "answers.txt")
	s.expect("--output: hides the answers")
	s.exit(2)
}
