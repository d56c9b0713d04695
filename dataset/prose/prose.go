package prose

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Options say where prose is looked for. The zero value takes the Go that is on the
// path, and holds a tenth back.
type Options struct {
	GoRoot string // the folder of Go; "": what `go env GOROOT` says
	// Held is one in how many files are held back; 0 means 10.
	Held int
}

// Text is the prose of one file.
type Text struct {
	Name string // of the file, below the folder of Go, with slashes
	Text string // paragraphs, an empty line between
}

// Corpus is prose, cut into what is learnt from and what is held back.
type Corpus struct {
	Train, Held []Text // in the order of their names
	Version     string // of Go
	Digest      string // SHA-256 in hex of all names and texts, in order
}

// ErrNoGo says that there is no folder of Go.
var ErrNoGo = errors.New("prose: no Go on this machine: install it from go.dev/dl, or name its folder")

const (
	opticks  = "src/testdata/Isaac.Newton-Opticks.txt"
	maxFile  = 8 << 20 // bytes of a source that is read
	least    = 200     // bytes of prose that make a text
	shortest = 60      // bytes of a paragraph
)

// Load reads the corpus: some seconds, and a few megabytes.
func Load(o Options) (*Corpus, error) {
	root, err := goRoot(o.GoRoot)
	if err != nil {
		return nil, err
	}
	return load(os.DirFS(root), max(2, or(o.Held, 10)))
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

func goRoot(root string) (string, error) {
	if root == "" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoGo, err)
		}
		root = strings.TrimSpace(string(out))
	}
	if _, err := os.Stat(filepath.Join(root, "src")); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoGo, err)
	}
	return root, nil
}

func load(root fs.FS, held int) (*Corpus, error) {
	c := &Corpus{}
	if b, err := fs.ReadFile(root, "VERSION"); err == nil {
		c.Version, _, _ = strings.Cut(string(b), "\n")
	}
	sum := sha256.New()
	err := fs.WalkDir(root, "src", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if slices.Contains([]string{"vendor", "testdata", "cmd"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxFile {
			return err
		}
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		c.add(name, comments(b), held)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("prose: %w", err)
	}
	b, err := fs.ReadFile(root, opticks)
	if err != nil {
		return nil, fmt.Errorf("prose: %w", err)
	}
	c.Held = append(c.Held, Text{opticks, paragraphs(strings.ReplaceAll(string(b), "_", ""))})
	for _, list := range [2][]Text{c.Train, c.Held} {
		if len(list) == 0 {
			return nil, errors.New("prose: the folder of Go holds no comments to learn from")
		}
		for _, t := range list {
			fmt.Fprintf(sum, "%d %s %d ", len(t.Name), t.Name, len(t.Text))
			sum.Write([]byte(t.Text))
		}
	}
	c.Digest = fmt.Sprintf("%x", sum.Sum(nil))
	return c, nil
}

// add sorts the prose of a file by the hash of its name.
func (c *Corpus) add(name, text string, held int) {
	if len(text) < least {
		return
	}
	if h := sha256.Sum256([]byte(name)); binary.LittleEndian.Uint64(h[:])%uint64(held) == 0 {
		c.Held = append(c.Held, Text{name, text})
		return
	}
	c.Train = append(c.Train, Text{name, text})
}

// comments returns the prose of a source's comments, but for the licence at the top.
func comments(source []byte) string {
	// A file that doesn't parse gives the comments up to there.
	f, _ := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments|parser.SkipObjectResolution)
	if f == nil || ast.IsGenerated(f) {
		return ""
	}
	var b strings.Builder
	for _, g := range f.Comments {
		t := g.Text()
		if strings.Contains(t, "Copyright") {
			continue
		}
		if p := paragraphs(t); p != "" {
			if b.Len() > 0 {
				b.WriteString("\n\n")
			}
			b.WriteString(p)
		}
	}
	return b.String()
}

// paragraphs returns those paragraphs of a text that are prose, each on one line.
func paragraphs(text string) string {
	var kept []string
	var lines []string
	flush := func() {
		p := strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
		lines = lines[:0]
		if isProse(p) {
			kept = append(kept, p)
		}
	}
	code := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "":
			flush()
			code = false
		case line[0] == '\t' || line[0] == '#' || line[0] == '-' || line[0] == '*' || line[0] == '|':
			flush()
			code = true
		case !code:
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	flush()
	return strings.Join(kept, "\n\n")
}

// isProse says whether a paragraph is sentences: it begins with a letter, ends with a
// full stop, and nearly all of it is letters, spaces and the signs of English.
func isProse(p string) bool {
	if len(p) < shortest || !strings.ContainsRune(".?!", rune(p[len(p)-1])) {
		return false
	}
	plain, all := 0, 0
	for i, r := range p {
		if i == 0 && !unicode.IsLetter(r) {
			return false
		}
		if r > unicode.MaxASCII {
			return false
		}
		all++
		if unicode.IsLetter(r) || strings.ContainsRune(" .,;:'\"?!", r) {
			plain++
		}
	}
	return plain*100 >= all*93
}
