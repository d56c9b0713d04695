package store

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// configName is the file that makes a folder a model in the layout of the Hub.
const configName = "config.json"

// sideFiles are what a model of safetensors files needs, or may have, beside its weights. Pickled weights are
// not among them: reading such a file runs the code in it.
var sideFiles = []string{
	"added_tokens.json", "chat_template.jinja", configName, "generation_config.json", "merges.txt", "model.safetensors.index.json",
	"special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json",
}

// maxFiles bounds how many files a pattern may stand for.
const maxFiles = 1000

// A choice is what a reference asks for of a repository's files: one file, or the files of a folder.
type choice struct {
	base  string   // the folder, "" for the repository's own
	files []string // sorted; names in the repository
	one   bool     // the model is files[0] and not the folder
}

// choose finds what want asks for among names: the file of this name; all that a pattern matches, with
// the files that safetensors weights need beside them; for "" the only GGUF file, or else all safetensors files.
func choose(names []string, want string) (choice, error) {
	var ggufs []string
	for _, n := range names {
		if n == want && want != "" {
			return choice{files: []string{n}, one: true}, nil
		}
		if isGGUF(n) && localName(n) == nil {
			ggufs = append(ggufs, n)
		}
	}
	pattern := want
	switch {
	case want == "" && len(ggufs) == 1:
		return choice{files: ggufs, one: true}, nil
	case want == "" && len(ggufs) > 1:
		return choice{}, fmt.Errorf("%w: the repository has several GGUF files, name one%s", ErrReference, listed(ggufs))
	case want == "":
		pattern = "*.safetensors"
	case !isPattern(want):
		return choice{}, fmt.Errorf("%w: no file %q in the repository%s", ErrNotFound, want, listed(ggufs))
	}
	c := choice{base: patternDir(pattern)}
	weights := false
	for _, n := range names {
		if ok, _ := path.Match(pattern, n); ok { // ParseRef has checked the pattern
			c.files = append(c.files, n)
			weights = weights || path.Ext(n) == ".safetensors"
		}
	}
	switch {
	case len(c.files) == 0 && want == "":
		return choice{}, fmt.Errorf("%w: no GGUF or safetensors file in the repository", ErrNotFound)
	case len(c.files) == 0:
		return choice{}, fmt.Errorf("%w: no file matches %q in the repository%s", ErrNotFound, want, listed(ggufs))
	case len(c.files) > maxFiles:
		return choice{}, fmt.Errorf("%q matches %d files, at most %d are accepted", pattern, len(c.files), maxFiles)
	}
	if weights {
		for _, side := range sideFiles {
			if n := path.Join(c.base, side); slices.Contains(names, n) && !slices.Contains(c.files, n) {
				c.files = append(c.files, n)
			}
		}
	}
	slices.Sort(c.files)
	c.one = len(c.files) == 1
	return c, c.check()
}

// check refuses names that lead elsewhere or collide on some file system, and a set with a shard missing.
func (c choice) check() error {
	seen := map[string]bool{}
	for _, n := range c.files {
		if err := localName(n); err != nil {
			return err
		}
		fold := strings.ToLower(n)
		if seen[fold] {
			return fmt.Errorf("file %q occurs twice", n)
		}
		seen[fold] = true
	}
	for _, n := range c.files {
		m := shard.FindStringSubmatch(n)
		if m == nil {
			continue
		}
		total, _ := strconv.Atoi(m[2])
		if total > maxFiles {
			return fmt.Errorf("file %q is one of %d, at most %d are accepted", n, total, maxFiles)
		}
		for i := range total {
			if s := fmt.Sprintf("%s-%05d-of-%s%s", m[1], i+1, m[2], m[3]); !seen[strings.ToLower(s)] {
				return fmt.Errorf("%w: file %q, which belongs to %q", ErrNotFound, s, n)
			}
		}
	}
	return nil
}

// shard is the name of one of several files with the weights of a model.
var shard = regexp.MustCompile(`^(.*)-[0-9]{5}-of-([0-9]{5})(\.[a-z]+)$`)

// patternDir is the folder that all files lie in that a pattern can match.
func patternDir(pattern string) string {
	dir := path.Dir(pattern)
	for isPattern(dir) {
		dir = path.Dir(dir)
	}
	if dir == "." {
		return ""
	}
	return dir
}

func isGGUF(name string) bool { return strings.EqualFold(path.Ext(name), ".gguf") }

// modelFiles names the files of a folder that belong to a model, sorted.
func modelFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if n := e.Name(); !e.IsDir() && (slices.Contains(sideFiles, n) || isGGUF(n) || path.Ext(n) == ".safetensors") {
			names = append(names, n)
		}
	}
	return names, nil
}

// tree names the files below dir, with slashes. What cannot be read is not there.
func tree(dir string) (names []string) {
	fs.WalkDir(os.DirFS(dir), ".", func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, p)
		}
		return nil
	})
	return names
}
