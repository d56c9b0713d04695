package cli

import (
	"io"
	"regexp"
	"strings"

	"github.com/rivo/uniseg"
)

// style is a change of colour, which takes no room.
var styleOf = regexp.MustCompile("\x1b\\[[0-9;]*m")

// wrap breaks text into lines of at most width columns, at white space; a word
// that is longer has a line of its own. Blank lines stay; other ends of lines
// are as good as spaces.
func wrap(text string, width int) []string {
	var lines []string
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			lines = append(lines, "")
		}
		line, used := "", 0
		for word := range strings.FieldsSeq(paragraph) {
			n := uniseg.StringWidth(styleOf.ReplaceAllString(word, ""))
			if used > 0 && used+1+n > width {
				lines = append(lines, line)
				line, used = "", 0
			}
			if used > 0 {
				line, used = line+" ", used+1
			}
			line, used = line+word, used+n
		}
		lines = append(lines, line)
	}
	return lines
}

// reflow wraps the paragraphs of a help text; lines that are set in stay as
// they are.
func reflow(text string, width int) string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if !strings.HasPrefix(paragraph, " ") {
			paragraph = strings.Join(wrap(paragraph, width), "\n")
		}
		out = append(out, paragraph)
	}
	return strings.Join(out, "\n\n")
}

// helpWidth is how wide help is on w: long lines are hard to read.
func helpWidth(w io.Writer) int {
	if n := terminalWidth(w); n > 0 {
		return min(80, max(20, n))
	}
	return 80
}
