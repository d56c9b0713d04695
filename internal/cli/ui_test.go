package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/micaml/mica/eval/needle"
)

func TestClipAndPad(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"hello", 5, "hello"}, {"hello", 4, "hel…"}, {"hello", 1, "…"}, {"hello", 0, ""},
		{"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, // two columns each
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, // letters with accents of their own
	} {
		if got := clip(c.in, c.width); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
	if got := pad("日", 4) + pad("a", -3) + pad("long", 2); got != "日    along" {
		t.Errorf("pad: %q", got)
	}
}

func TestHarmless(t *testing.T) {
	in := "a\x1b[31mb\x00c\u009bd\r\n\té\xff\u202ee"
	want := "a\ufffd[31mb\ufffdc\ufffdd\ufffd\n\té\ufffd\ufffde"
	if got := harmless(in); got != want {
		t.Errorf("harmless: %q, want %q", got, want)
	}
	if got := visible(" a\n\t\r\x1b"); got != "·a⏎⇥␍\ufffd" {
		t.Errorf("visible: %q", got)
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	table(&b, 24, []string{"NAME", " SIZE", "TITLE"}, [][]string{{"a", "10", "short"}, {"longer", "9", "much too long for it"}}, nil)
	want := "NAME    SIZE  TITLE\n" +
		"a         10  short\n" +
		"longer     9  much too …\n"
	if b.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", b.String(), want)
	}
}

// What has no room at the end is left out, not wrapped.
func TestNarrowTable(t *testing.T) {
	rows := [][]string{{"a", "10", "short"}, {"longer", "9", "much too long for it"}}
	for width, want := range map[int]string{
		22: "NAME    SIZE  TITLE\na         10  short\nlonger     9  much to…\n",
		21: "NAME    SIZE\na         10\nlonger     9\n",
		12: "NAME    SIZE\na         10\nlonger     9\n",
		11: "NAME\na\nlonger\n",
	} {
		var b bytes.Buffer
		table(&b, width, []string{"NAME", " SIZE", "TITLE"}, rows, nil)
		if b.String() != want {
			t.Errorf("%d columns:\n%s\nwant:\n%s", width, b.String(), want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 7, []string{"one two", "three"}},
		{"one\ntwo\n\nthree", 20, []string{"one two", "", "three"}},
		{"a verylongwordindeed b", 5, []string{"a", "verylongwordindeed", "b"}},
		{"\x1b[1mone two\x1b[0m three", 7, []string{"\x1b[1mone two\x1b[0m", "three"}},
		{"漢字 漢字", 8, []string{"漢字", "漢字"}},
	} {
		if got := wrap(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d columns: %q, want %q", c.text, c.width, got, c.want)
		}
	}
	if got, want := reflow("one two\nthree\n\n  set in as it is", 9), "one two\nthree\n\n  set in as it is"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		count(0): "0", count(999): "999", count(1000): "1,000", count(-1234567): "-1,234,567",
		size(999): "999 B", size(1000): "1.0 kB", size(98362432): "98.4 MB", size(999_960_000): "1.0 GB",
		big(134515008): "134.5M", big(12): "12", big(1_500_000_000): "1.5B",
		seconds(120 * time.Millisecond): "0.12 s", seconds(3400 * time.Millisecond): "3.4 s", seconds(125 * time.Second): "2m05s",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestMeanSD(t *testing.T) {
	// Mean 5, sample deviation sqrt(32/7).
	mean, sd := meanSD([]float64{2, 4, 4, 4, 5, 5, 7, 9})
	if mean != 5 || sd < 2.1380899 || sd > 2.1380900 {
		t.Errorf("mean %v, deviation %v", mean, sd)
	}
	if mean, sd := meanSD([]float64{3}); mean != 3 || sd != 0 {
		t.Errorf("of one: %v, %v", mean, sd)
	}
}

func TestParseLayers(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []int
	}{
		{"all", []int{0, 1, 2, 3, 4, 5}}, {"0-2", []int{0, 1, 2}}, {"4,1", []int{1, 4}}, {"-1", []int{5}},
		{"-2--1", []int{4, 5}}, {"3--1", []int{3, 4, 5}}, {"2,2,1-3", []int{1, 2, 3}},
		{"6", nil}, {"-7", nil}, {"", nil}, {"2-1", nil}, {"a", nil}, {"1-", nil}, {"1,,2", nil}, {"0-99999999999999999999", nil},
	} {
		got, err := parseLayers(c.in, 6)
		if !slices.Equal(got, c.want) || (err != nil) != (c.want == nil) {
			t.Errorf("parseLayers(%q) = %v, %v; want %v", c.in, got, err, c.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"run", "pull", "list"}
	for word, want := range map[string]string{"rnu": "did you mean run? x", "lst": "did you mean list? x", "quantize": "x", "": "x"} {
		if got := didYouMean(word, known, "x"); got != want {
			t.Errorf("didYouMean(%q) = %q, want %q", word, got, want)
		}
	}
}

// The demo's fact goes between two paragraphs, at about the depth it says.
func TestHide(t *testing.T) {
	text := hide(needle.Opticks, demoNeedle, demoDepth)
	at := strings.Index(text, "\n\n"+demoNeedle+"\n\n")
	if at < 0 {
		t.Fatal("the needle isn't a paragraph of its own")
	}
	if depth := 100 * at / len(needle.Opticks); depth < demoDepth-10 || depth > demoDepth+10 {
		t.Errorf("hidden at %d%%, said to be at %d%%", depth, demoDepth)
	}
	if strings.Contains(needle.Opticks, demoAnswer) {
		t.Error("the document has the answer without the needle")
	}
	if strings.Replace(text, "\n\n"+demoNeedle, "", 1) != needle.Opticks {
		t.Error("the document was changed")
	}
}

// On a narrow terminal the lens shows the last positions, within the width.
func TestLensWidth(t *testing.T) {
	d := lensDoc{Layers: []lensLayer{{}}}
	for _, token := range []string{" one", " two", " three", " four"} {
		d.Tokens = append(d.Tokens, token)
		d.Layers[0].Top = append(d.Layers[0].Top, []lensGuess{{lensToken{Token: " an extraordinarily long guess"}, 0.5}})
	}
	for width, shown := range map[int]int{10: 1, 40: 2, 60: 3, 200: 4} {
		var out, err bytes.Buffer
		c := &call{ui: &ui{out: &out, err: &err, outTTY: width}}
		d.print(c)
		lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
		if n := strings.Count(lines[len(lines)-1], "·"); n != shown || !strings.Contains(out.String(), "·four") {
			t.Errorf("width %d: %d positions, want %d:\n%s", width, n, shown, out.String())
		}
		for _, l := range lines {
			if n := len([]rune(l)); n > max(width, lensLabel+lensCell) {
				t.Errorf("width %d: a line of %d columns", width, n)
			}
		}
	}
}

// What overwrites itself is wiped before anything else is written.
func TestOverwrite(t *testing.T) {
	var err bytes.Buffer
	u := &ui{err: &err, errTTY: 8}
	u.overwrite("reading on")
	u.note("done")
	u.overwrite("again")
	u.overwrite("")
	if want := "readin…\r       \rdone\nagain\r     \r"; err.String() != want {
		t.Errorf("%q, want %q", err.String(), want)
	}
	err.Reset()
	u.quiet = true
	u.note("not told")
	u.working("not shown")()
	if u.say("told"); err.String() != "told\n" {
		t.Errorf("with -q: %q", err.String())
	}
}

// Away from a terminal a download says a line every few seconds, and no more.
func TestDownloadLines(t *testing.T) {
	var err bytes.Buffer
	u := &ui{err: &err}
	d := &download{ui: u, last: time.Now()}
	d.report("fetching", 10, 100)
	d.last = time.Now().Add(-plainEvery)
	d.report("fetching", 50_000, 100_000)
	d.report("fetching", 60_000, 100_000)
	d.report("the Hub can't be reached", -1, 0)
	d.last = time.Now().Add(-plainEvery)
	d.report("unpacking", 70_000, 0)
	want := "fetching: 50.0 kB of 100.0 kB (50%)\nthe Hub can't be reached\nunpacking: 70.0 kB\n"
	if err.String() != want {
		t.Errorf("%q, want %q", err.String(), want)
	}
	u.quiet = true
	if report, _ := u.downloading(); report != nil {
		t.Error("-q has a progress")
	}
}
