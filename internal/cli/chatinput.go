package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/term"
)

const (
	promptSign = ">>> "
	moreSign   = "... "
	quotes     = `"""`
	maxMessage = 1 << 20 // bytes: what a chat template takes
	maxTyped   = 4096    // characters of a line; more is lost by the terminal's editor
)

// errCtrlC says that Ctrl-C was pressed in place of a line.
var errCtrlC = errors.New("Ctrl-C")

// lineReader gives the lines that someone types or pipes in. io.EOF says that
// there are no more. A line that a terminal knows to be pasted wants the rest
// of what was pasted after it.
type lineReader interface {
	line(ctx context.Context, prompt string) (text string, pasted bool, err error)
}

// openLines chooses how to read, and reports whether a person is at the
// other end: then there are prompt signs, and mistakes don't end the chat.
func (c *call) openLines() (in lineReader, talking bool) {
	f, ok := c.stdin.(*os.File)
	e, seen := c.err.(*os.File)
	talking = ok && seen && term.IsTerminal(int(f.Fd())) && term.IsTerminal(int(e.Fd()))
	if !talking {
		if c.stdin == nil {
			return &plainLines{in: bufio.NewReader(strings.NewReader(""))}, false
		}
		return &plainLines{in: bufio.NewReader(c.stdin)}, false
	}
	if c.errTTY == 0 { // TERM=dumb: it can't move the cursor
		return &plainLines{in: bufio.NewReader(f), sign: e}, true
	}
	return newEditor(f, e), true
}

// read takes the next message: a line, what was pasted, or what stands
// between triple quotes, which is literal: never a command.
func (s *session) read(ctx context.Context) (text string, literal bool, err error) {
	text, pasted, err := s.in.line(ctx, s.sign(promptSign))
	if err != nil {
		return "", false, err
	}
	literal = strings.HasPrefix(text, quotes)
	body := strings.TrimPrefix(text, quotes)
	var b strings.Builder
	for {
		if b.Len()+len(body) > maxMessage {
			return "", false, usage("shorten it", "a message of more than %s", size(maxMessage))
		}
		end := strings.TrimRight(body, " \t")
		if literal && strings.HasSuffix(end, quotes) {
			b.WriteString(strings.TrimSuffix(end, quotes))
			break
		}
		b.WriteString(body)
		if !literal && !pasted {
			break
		}
		b.WriteByte('\n')
		body, pasted, err = s.in.line(ctx, s.sign(moreSign))
		if errors.Is(err, io.EOF) && literal {
			return "", false, usage("end it with "+quotes, "the text after %s has no end", quotes)
		}
		if err != nil {
			return "", false, err
		}
	}
	text = b.String()
	if literal { // the quotes may stand on lines of their own
		text = strings.TrimSuffix(strings.TrimPrefix(text, "\n"), "\n")
	}
	return strings.ToValidUTF8(text, "\uFFFD"), literal, nil
}

func (s *session) sign(sign string) string { return paint(s.colorErr, bold, sign) }

// plainLines reads a pipe, a file, or a terminal that can do nothing else.
type plainLines struct {
	in   *bufio.Reader
	sign io.Writer // for prompt signs; nil: none
}

func (p *plainLines) line(ctx context.Context, prompt string) (string, bool, error) {
	if p.sign != nil {
		fmt.Fprint(p.sign, prompt)
	}
	text, err := waitFor(ctx, p.next)
	return text, false, err
}

// next reads a line of bounded length.
func (p *plainLines) next() (string, error) {
	var b []byte
	for {
		part, err := p.in.ReadSlice('\n')
		if b = append(b, part...); len(b) > maxMessage+2 {
			return "", usage("shorten it", "a line of more than %s", size(maxMessage))
		}
		switch {
		case err == nil || err == io.EOF && len(b) > 0:
			return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// editor reads from a terminal, with line editing and history.
type editor struct {
	tty  *os.File
	term *term.Terminal
	keys *keys
	err  io.Writer
}

// keys passes on what is typed, and remembers whether Ctrl-C was among it.
type keys struct {
	io.Reader
	ctrlC atomic.Bool
}

func (k *keys) Read(b []byte) (int, error) {
	n, err := k.Reader.Read(b)
	for _, c := range b[:n] {
		if c == 3 {
			k.ctrlC.Store(true)
		}
	}
	return n, err
}

func newEditor(tty *os.File, err io.Writer) *editor {
	e := &editor{tty: tty, err: err, keys: &keys{Reader: tty}}
	e.renew(nil)
	return e
}

// renew begins with an empty line. The lines of before can be called back.
func (e *editor) renew(history term.History) {
	e.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{e.keys, e.err}, "")
	if history != nil {
		e.term.History = history
	}
}

func (e *editor) line(ctx context.Context, prompt string) (string, bool, error) {
	old, err := term.MakeRaw(int(e.tty.Fd()))
	if err != nil {
		return "", false, failed("set TERM=dumb to do without line editing", "terminal: %w", err)
	}
	defer term.Restore(int(e.tty.Fd()), old)
	e.keys.ctrlC.Store(false)
	e.term.SetPrompt(prompt)
	if w, h, err := term.GetSize(int(e.tty.Fd())); err == nil && w > 0 && h > 0 {
		_ = e.term.SetSize(w, h)
	}
	e.term.SetBracketedPasteMode(true)
	defer e.term.SetBracketedPasteMode(false)
	text, err := waitFor(ctx, e.term.ReadLine)
	pasted := errors.Is(err, term.ErrPasteIndicator)
	if pasted {
		err = nil
	}
	switch {
	case err != nil:
		fmt.Fprint(e.err, "\r\n") // what comes next has a line of its own
		if errors.Is(err, io.EOF) && e.keys.ctrlC.Load() {
			e.renew(e.term.History)
			err = errCtrlC
		}
		return "", false, err
	case utf8.RuneCountInString(text) >= maxTyped:
		return "", false, usage("break it into several, with "+quotes+" before and after", "a line of more than %s characters", count(maxTyped))
	}
	return text, pasted, nil
}

// waitFor calls f and gives up waiting when ctx ends.
func waitFor(ctx context.Context, f func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := f()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
