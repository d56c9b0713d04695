package store

import (
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
)

// termsFiles are the licences that have to be accepted, as their owners publish them.
//
//go:embed terms/*.txt
var termsFiles embed.FS

// Terms are a licence that has to be accepted before its model is fetched.
type Terms struct {
	Model string // what they are for, as the caller wrote it
	Title string
	Text  string // lines of at most 80 columns
}

// Terms gives the licence that Pull of ref waits for, and false if there is none: most
// licences bind without being accepted, and an accepted one is remembered in the store.
// It concerns what ref stands for, by whatever name.
func (s *Store) Terms(ref string) (Terms, bool) {
	r, err := ParseRef(ref)
	if err != nil {
		return Terms{}, false
	}
	t, ok := termsOf(r)
	t.Model = ref
	return t, ok && !exists(s.acceptance(t))
}

// Accept remembers that the user has accepted the terms, for this text: a newer mica with
// other terms asks again.
func (s *Store) Accept(t Terms) error {
	path := s.acceptance(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return writeError(s.dir, err)
	}
	b, err := json.MarshalIndent(map[string]string{"title": t.Title, "accepted": time.Now().UTC().Format(time.RFC3339)}, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(path, 0o644, append(b, '\n')); err != nil {
		return writeError(s.dir, err)
	}
	return nil
}

// acceptance is the file that says that terms were accepted.
func (s *Store) acceptance(t Terms) string {
	return filepath.Join(s.dir, "accepted", fmt.Sprintf("%x.json", sha256.Sum256([]byte(t.Text))))
}

// termsOf finds the terms of a model in the table, by its short name or by one of its sources.
func termsOf(r Ref) (Terms, bool) {
	for name, b := range builtins {
		if b.terms == "" {
			continue
		}
		hit := r.Kind == Short && r.Name == name
		for _, src := range b.sources {
			hit = hit || r.Kind == src.Kind && r.Name == src.Name
		}
		if !hit {
			continue
		}
		text, err := termsFiles.ReadFile("terms/" + b.terms)
		if err != nil {
			panic(err) // the table and the folder belong to the program; TestTable compares them
		}
		return Terms{Title: b.license, Text: string(text)}, true
	}
	return Terms{}, false
}

// agreed is nil if no terms stand in the way of fetching ref.
func (s *Store) agreed(ref string) error {
	t, waits := s.Terms(ref)
	if !waits {
		return nil
	}
	return &Error{Ref: ref, Err: fmt.Errorf("%w: %s", ErrTerms, t.Title), Hint: "mica pull " + ref + " --accept-licence"}
}
