package tokenizer

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// fixtureLines yields the lines of a gzipped file in testdata.
func fixtureLines(t testing.TB, name string) iter.Seq[string] {
	t.Helper()
	return linesOf(t, filepath.Join("testdata", name))
}

// linesOf yields the lines of a gzipped file.
func linesOf(t testing.TB, path string) iter.Seq[string] {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(string) bool) {
		defer f.Close()
		lines := bufio.NewScanner(z)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if !yield(lines.Text()) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func fixtureRows[T any](t testing.TB, name string) []T {
	t.Helper()
	return rowsOf[T](t, filepath.Join("testdata", name))
}

func rowsOf[T any](t testing.TB, path string) []T {
	t.Helper()
	var rows []T
	for line := range linesOf(t, path) {
		var row T
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// smolVocabulary reads the committed SmolLM2 vocabulary: the number of tokens
// that no merge makes, those tokens, and the merges, which make the others in order.
var smolVocabulary = sync.OnceValues(func() (Config, error) {
	f, err := os.Open("testdata/smollm2.vocab.gz")
	if err != nil {
		return Config{}, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return Config{}, err
	}
	lines := bufio.NewScanner(z)
	lines.Scan()
	base, err := strconv.Atoi(lines.Text())
	if err != nil {
		return Config{}, err
	}
	c := Config{Pre: "smollm", BOS: 1, EOS: 2, Unknown: 0, Pad: 2}
	for lines.Scan() {
		if len(c.Tokens) < base {
			c.Tokens = append(c.Tokens, lines.Text())
			continue
		}
		c.Merges = append(c.Merges, lines.Text())
	}
	for _, m := range c.Merges {
		l, r := cutMerge(m)
		c.Tokens = append(c.Tokens, l+r)
	}
	c.Types = make([]int32, len(c.Tokens))
	for id := range c.Types {
		c.Types[id] = int32(KindNormal)
		if id < 17 {
			c.Types[id] = int32(KindControl)
		}
	}
	return c, lines.Err()
})

func cutMerge(m string) (string, string) {
	for i := range m {
		if m[i] == ' ' {
			return m[:i], m[i+1:]
		}
	}
	return m, ""
}

func smolConfig(t testing.TB) Config {
	t.Helper()
	c, err := smolVocabulary()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func smol(t testing.TB, pre string) *BPE {
	t.Helper()
	c := smolConfig(t)
	c.Pre = pre
	bpe, err := NewBPE(c)
	if err != nil {
		t.Fatal(err)
	}
	return bpe
}

// byteConfig is a vocabulary of the 256 byte symbols (ids 0 to 255), those of
// extra, and the results of merges.
func byteConfig(merges []string, extra ...string) Config {
	c := Config{Pre: "gpt-2", Merges: merges, BOS: None, EOS: None, Unknown: None, Pad: None}
	for _, r := range byteSymbols {
		c.Tokens = append(c.Tokens, string(r))
	}
	c.Tokens = append(c.Tokens, extra...)
	for _, m := range merges {
		l, r := cutMerge(m)
		c.Tokens = append(c.Tokens, l+r)
	}
	return c
}
