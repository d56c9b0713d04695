package cli

// Rules of the terminal.
//
//  1. Standard output is the result and nothing else, so that it can be piped.
//     Progress, notices, hints and errors go to standard error.
//  2. -o FILE takes the place of standard output. The file appears whole, at
//     the end, or not at all.
//  3. A bar or a line that overwrites itself is drawn only where standard error
//     is a terminal. Elsewhere long work says a plain line every few seconds.
//     -q silences both; errors always come through.
//  4. What overwrites itself is gone before anything else is written.
//  5. Colour only marks what the words say already. It is used on a terminal
//     unless NO_COLOR is set or TERM is dumb; --color always and never decide
//     over that. A stream that isn't a terminal gets no escape sequence.
//  6. Tables fit the terminal, 80 columns where there is none. What doesn't fit
//     is left out at the end that matters least, never wrapped.
//  7. Control characters that come from a model or a file never reach a
//     terminal inside a table, a highlight or a message. The answer of run is
//     the model's own words, but for the escape character.
//  8. An error is one line, mica VERB: what: why, and one line with the way
//     out. No stack, no usage dump.
//  9. Ctrl-C stops cleanly and says so in one line; a second one ends at once.
// 10. Nothing asks questions, so that what works at a desk works in a script,
//     but for two: accepting a licence, and deleting. These ask on a terminal
//     only, take any answer but yes for a no, and have a flag that answers.

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// ui is where a verb writes.
type ui struct {
	out, err io.Writer // standard output (or the file of -o), standard error
	outTTY   int       // width of the terminal, 0 if it is none
	errTTY   int
	colorOut bool
	colorErr bool
	quiet    bool

	mu     sync.Mutex
	status string // overwritable text on the error stream at this moment
}

// terminalWidth returns the width of w's terminal in columns, or 0.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil || n <= 0 {
		return 80
	}
	return n
}

func newUI(out, err io.Writer, color string, quiet bool) *ui {
	u := &ui{out: out, err: err, outTTY: terminalWidth(out), errTTY: terminalWidth(err), quiet: quiet}
	plain := os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	switch color {
	case "always":
		u.colorOut, u.colorErr = true, true
	case "auto":
		u.colorOut, u.colorErr = u.outTTY > 0 && !plain, u.errTTY > 0 && !plain
	}
	if os.Getenv("TERM") == "dumb" {
		u.errTTY = 0 // it can't overwrite a line
	}
	return u
}

// width is how wide tables on standard output may be.
func (u *ui) width() int {
	if u.outTTY > 0 {
		return u.outTTY
	}
	return 80
}

// note tells something in passing, on a line of standard error.
func (u *ui) note(format string, args ...any) {
	if u.quiet {
		return
	}
	u.say(format, args...)
}

// say is note that even -q doesn't silence.
func (u *ui) say(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wipe()
	fmt.Fprintf(u.err, format+"\n", args...)
}

// overwrite shows text in place of what it showed before; "" wipes it away.
func (u *ui) overwrite(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if text == u.status {
		return
	}
	u.wipe()
	if text != "" {
		u.status = clip(text, u.errTTY-1)
		fmt.Fprint(u.err, u.status)
	}
}

func (u *ui) wipe() {
	if u.status != "" {
		fmt.Fprint(u.err, "\r"+strings.Repeat(" ", uniseg.StringWidth(u.status))+"\r")
		u.status = ""
	}
}

// Styles, as SGR parameters.
const (
	bold   = "1"
	dim    = "2"
	green  = "32"
	red    = "31"
	yellow = "1;33"
)

// paint colours text if on.
func paint(on bool, style, text string) string {
	if !on || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// clip cuts text to a width in columns, marking the cut.
func clip(text string, width int) string {
	if uniseg.StringWidth(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	var b strings.Builder
	used, state := 0, -1
	for text != "" {
		var cluster string
		var w int
		cluster, text, w, state = uniseg.FirstGraphemeClusterInString(text, state)
		if used+w > width-1 {
			break
		}
		b.WriteString(cluster)
		used += w
	}
	return b.String() + "…"
}

// pad fills text up to a width in columns; negative: from the left.
func pad(text string, width int) string {
	n := max(width, -width) - uniseg.StringWidth(text)
	if n <= 0 {
		return text
	}
	if width < 0 {
		return strings.Repeat(" ", n) + text
	}
	return text + strings.Repeat(" ", n)
}

// harmless replaces what could steer a terminal; line ends and tabs stay.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) || unicode.IsSpace(r) && r != '\r' && r != '\v' && r != '\f' && r != 0x85 {
			return r
		}
		return utf8.RuneError
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// visible shows a token on one line: spaces and line ends as signs.
func visible(piece string) string {
	return harmless(strings.NewReplacer(" ", "·", "\n", "⏎", "\t", "⇥", "\r", "␍").Replace(piece))
}

// table writes rows with their columns aligned. Columns whose head begins
// with a space are numbers and go to the right. Where a line would exceed
// width the last column is cut, and left out if little would remain of it; 0:
// never.
func table(w io.Writer, width int, head []string, rows [][]string, style func(row, col int, cell string) string) {
	all := append([][]string{head}, rows...)
	wide := make([]int, len(head))
	for _, r := range all {
		for c, cell := range r {
			wide[c] = max(wide[c], uniseg.StringWidth(strings.TrimPrefix(cell, " ")))
		}
	}
	columns := len(head)
	for columns > 1 && width > 0 {
		need := wide[columns-1]
		if !strings.HasPrefix(head[columns-1], " ") {
			need = min(8, need)
		}
		for _, n := range wide[:columns-1] {
			need += n + 2
		}
		if need <= width {
			break
		}
		columns--
	}
	for i, r := range all {
		r = r[:min(columns, len(r))]
		var line strings.Builder
		used := 0
		for c, cell := range r {
			cell = strings.TrimPrefix(cell, " ")
			last := c == len(r)-1
			if last && width > 0 {
				cell = clip(cell, max(8, width-used))
			}
			text := cell
			switch {
			case strings.HasPrefix(head[c], " "):
				text = pad(cell, -wide[c])
			case !last:
				text = pad(cell, wide[c])
			}
			used += uniseg.StringWidth(text) + 2
			if style != nil {
				text = style(i-1, c, text)
			}
			line.WriteString(text)
			if !last {
				line.WriteString("  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}
