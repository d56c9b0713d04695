package dataset

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestReadText(t *testing.T) {
	docs, err := ReadLines(strings.NewReader("one\n\n  \r\ntwo words\r\nthrée"))
	if err != nil || !slices.Equal(docs, []string{"one", "two words", "thrée"}) {
		t.Errorf("lines %q, %v", docs, err)
	}
	docs, err = ReadJSONL(strings.NewReader(`{"text":"a\nb","n":1}`+"\n\n"+`{"text":""}`), "text")
	if err != nil || !slices.Equal(docs, []string{"a\nb", ""}) {
		t.Errorf("jsonl %q, %v", docs, err)
	}
	for _, c := range []struct{ name, in, want string }{
		{"not utf-8", "a\n\xff\n", "line 2: not UTF-8"},
		{"long", "a\n" + strings.Repeat("x", maxLine+1), "line 2: longer than 16777216 bytes"},
	} {
		if _, err := ReadLines(strings.NewReader(c.in)); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	for _, c := range []struct{ name, in, want string }{
		{"cut", "{\"text\":\"a\"}\n{\"te", "line 2: jsonl: unexpected end of JSON input"},
		{"no object", "[1]", "line 1: jsonl: json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
		{"no field", `{"body":"x"}`, `line 1: jsonl: no field "text"`},
		{"number", `{"text":3}`, `line 1: jsonl: field "text" is not a string`},
		{"null", `{"text":null}`, `line 1: jsonl: field "text" is not a string`},
	} {
		if _, err := ReadJSONL(strings.NewReader(c.in), "text"); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestEndlessText(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a gigabyte")
	}
	line := strings.Repeat(" ", 1<<20-1) + "\n" // of no document, so nothing is kept
	if _, err := ReadLines(&endless{line: line}); err == nil || err.Error() != "more than 1073741824 bytes" {
		t.Errorf("an endless text: %v", err)
	}
}

type endless struct {
	line string
	r    strings.Reader
}

func (e *endless) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err == io.EOF {
		e.r.Reset(e.line)
		n, err = e.r.Read(p)
	}
	return n, err
}

func TestOpenText(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "docs/b.txt", []byte("second\n"))
	put(t, dir, "docs/a/z.TXT", []byte("first"))
	put(t, dir, "docs/c.md", []byte("no document"))
	lines := put(t, dir, "x.txt", []byte("l1\nl2\n"))
	jsonl := put(t, dir, "x.jsonl", []byte(`{"text":"j"}`))
	for path, want := range map[string][]string{dir + "/docs": {"first", "second\n"}, lines: {"l1", "l2"}, jsonl: {"j"}} {
		if docs, err := OpenText(path); err != nil || !slices.Equal(docs, want) {
			t.Errorf("%s: %q, %v", path, docs, err)
		}
	}
	bad := put(t, dir, "bad/x.txt", []byte("\xff"))
	if _, err := OpenText(dir + "/bad"); err == nil || err.Error() != "dataset: "+bad+": not UTF-8" {
		t.Errorf("broken text: %v", err)
	}
	empty := t.TempDir()
	if _, err := OpenText(empty); err == nil || err.Error() != "dataset: "+empty+": no files *.txt" {
		t.Errorf("an empty folder: %v", err)
	}
}

func FuzzReadJSONL(f *testing.F) {
	f.Add(`{"text":"a"}` + "\n" + `{"text":"b"}`)
	f.Add(`{"text":null}`)
	f.Fuzz(func(t *testing.T, in string) {
		docs, err := ReadJSONL(strings.NewReader(in), "text")
		if err == nil && len(docs) > strings.Count(in, "\n")+1 {
			t.Fatalf("%d documents", len(docs))
		}
	})
}
