package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rivo/uniseg"
)

// On a narrow terminal nothing is wider than it but words that can't be
// broken, such as paths.
func TestNarrow(t *testing.T) {
	const columns = 40
	checks := []check{
		{"version", stateOK, "mica 0.1.0-dev, go1.26.8, linux/amd64", ""},
		{"kernels", stateWarn, "go, on a processor with a name that is rather long", "all works, but slowly: a processor with AVX2 or AVX-512 is many times faster"},
		{"store", stateFail, "/a/path/that/is/longer/than/the/terminal/is/wide: can't be written to", "make it writable"},
	}
	settings := []setting{
		{Name: "MICA_MODEL", Value: strings.Repeat("long-", 20), From: "MICA_MODEL", Kind: "environment"},
		{Name: "MICA_TEMP", Value: "0", From: fromDefault, Kind: fromDefault},
		{Name: "MICA_SYSTEM", Value: "two\nlines", From: fromFlag, Kind: fromFlag, Flag: "--system"},
	}
	for _, width := range []int{columns, 24} {
		var b bytes.Buffer
		c := &call{ui: &ui{out: &b, outTTY: width}, set: defaults()}
		c.printChecks(checks)
		for line := range strings.Lines(b.String()) {
			if !strings.Contains(line, "/a/path") && uniseg.StringWidth(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("doctor: %d columns on %d: %s", len(line)-1, width, line)
			}
		}
		for _, k := range checks { // and nothing is lost
			for _, w := range strings.Fields(k.Found + " " + k.Fix) {
				if !strings.Contains(b.String(), w) {
					t.Errorf("doctor: %q is missing", w)
				}
			}
		}
		b.Reset()
		printSettings(c, settings)
		list, _, _ := strings.Cut(b.String(), "\n\n") // the path of the configuration file stays whole
		for line := range strings.Lines(list) {
			if uniseg.StringWidth(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("env: %d columns on %d: %s", len(line)-1, width, line)
			}
		}
		for _, want := range []string{"from MICA_MODEL\n", "MICA_TEMP = 0\n", "two⏎lines", "from --system\n"} {
			if !strings.Contains(list+"\n", want) {
				t.Errorf("env: no %q in %s", want, list)
			}
		}
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, ""},
		{"one two three", 7, "one two|three"},
		{"one two three", 100, "one two three"},
		{"unbreakable a b", 5, "unbreakable|a b"},
		{"日本 語", 4, "日本|語"},
	} {
		if got := strings.Join(fold(c.text, c.width), "|"); got != c.want {
			t.Errorf("fold(%q, %d) is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
