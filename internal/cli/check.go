package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/store"
)

var checkFileVerb = verb{
	name: "check", args: "FILE", maxArgs: 1,
	short: "tell what a file is, and whether it is whole",
	long: `check reads all of a model file's structure and says what it is, or what is wrong
with it: the file, the tensor or key, and the byte. FILE may also be a model by
any other name; what pull fetched is compared with the checksum that was noted.

A file that is not what it should be ends check with exit code 3.`,
	example: `  mica check model.gguf
  mica check smollm2`,
	flags: []string{"model"},
	run:   runCheck,
}

func runCheck(ctx context.Context, c *call) error {
	name, err := c.modelName()
	if err != nil {
		return err
	}
	s, err := store.Open("")
	if err != nil {
		return err
	}
	m, err := s.Resolve(name)
	if err != nil {
		return err
	}
	if own, ok := s.Owner(m.Path); ok && m.Digest == "" { // a file of the store by its path
		m.Digest, m.Source = own.Digest, own.Source
		own.Name = m.Name
		m = own
	}
	paths, err := modelPaths(m.Path)
	if err != nil {
		return err
	}
	doc := struct {
		head
		Name     string        `json:"name"`
		Path     string        `json:"path"`
		Files    []checkedFile `json:"files"`
		Verified bool          `json:"verified"` // the digest is the one noted by pull
		Source   string        `json:"source"`
		Runs     bool          `json:"runs"`
		Why      string        `json:"why,omitempty"` // it doesn't run
	}{Name: m.Name, Path: m.Path, Source: m.Source}
	for _, p := range paths {
		f, err := checkFile(p)
		if err != nil {
			return err
		}
		doc.Files = append(doc.Files, f)
	}
	digest, err := c.checkDigest(ctx, s, m)
	if err != nil {
		return err
	}
	doc.head, doc.Verified = c.head(digest), m.Digest != ""
	opened, err := lm.Open(m.Path)
	if doc.Runs = err == nil; doc.Runs {
		err = opened.Close()
	} else {
		doc.Why, err = strings.TrimPrefix(err.Error(), m.Path+": "), nil
	}
	if err != nil || c.set.json {
		return errors.Join(err, c.printJSON(doc))
	}
	for _, f := range doc.Files {
		f.print(c)
	}
	state := "nothing was noted to compare it with"
	if doc.Verified {
		state = "as it was pulled from " + doc.Source
	}
	runs := "yes"
	if !doc.Runs {
		runs = "no: " + doc.Why
	}
	c.lines([][2]string{{"digest", digest}, {"", state}, {"runs", runs}})
	return nil
}

// checkDigest compares the digest with the one noted, or computes it if there is none.
func (c *call) checkDigest(ctx context.Context, s *store.Store, m store.Model) (string, error) {
	report, stop := c.downloading()
	defer stop()
	if m.Digest == "" {
		return store.Digest(m.Path)
	}
	err := s.Verify(ctx, m, report)
	if se, ok := errors.AsType[*store.Error](err); ok && errors.Is(err, store.ErrMismatch) {
		return "", &failure{exitDoesNotHold, err, se.Hint}
	}
	return m.Digest, err
}

// modelPaths are the files of a model that have a structure to check.
func modelPaths(path string) ([]string, error) {
	fi, err := os.Stat(path)
	if err != nil || !fi.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		switch n := e.Name(); {
		case strings.EqualFold(filepath.Ext(n), ".gguf"), filepath.Ext(n) == ".safetensors", strings.HasSuffix(n, ".safetensors.index.json"):
			found = append(found, filepath.Join(path, n))
		}
	}
	if len(found) == 0 {
		return nil, missing("name a folder with a GGUF or safetensors file", "%s: no model file", path)
	}
	return found, nil
}

func (f *checkedFile) print(c *call) {
	var types []string
	for _, t := range slices.Sorted(maps.Keys(f.Tensors)) {
		types = append(types, fmt.Sprintf("%d %s", f.Tensors[t], t))
	}
	format := f.Format
	if f.Version > 0 {
		format = fmt.Sprintf("GGUF %d", f.Version)
	}
	c.lines([][2]string{
		{"file", f.Path}, {"format", format + ", " + size(f.Size)}, {"architecture", f.Architecture}, {"title", f.Title},
		{"parameters", big(f.Parameters)}, {"tensors", strings.Join(types, ", ")},
	})
}

// lines prints a list of names and values, without those that have no value.
func (c *call) lines(rows [][2]string) {
	for _, l := range rows {
		if l[1] != "" {
			fmt.Fprintf(c.out, "%s  %s\n", pad(l[0], 12), harmless(l[1]))
		}
	}
}
