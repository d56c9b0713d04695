package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a waiting process looks whether the other one is done.
const lockPoll = 100 * time.Millisecond

// The lock files stay: removing one could leave two processes holding two files of one name.
// The operating system drops a lock with its process, so a killed pull leaves none behind.

func (s *Store) lockFile(slug string) (*flock.Flock, error) {
	path := filepath.Join(s.dir, "locks", slug+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, writeError(s.dir, err)
	}
	return flock.New(path), nil
}

// lock waits until no other process or goroutine changes the model.
func (s *Store) lock(ctx context.Context, slug string) (unlock func(), err error) {
	l, err := s.lockFile(slug)
	if err != nil {
		return nil, err
	}
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, writeError(s.dir, err)
	}
	return func() { l.Unlock() }, nil
}

// tryLock is lock without waiting.
func (s *Store) tryLock(slug string) (unlock func(), err error) {
	l, err := s.lockFile(slug)
	if err != nil {
		return nil, err
	}
	ok, err := l.TryLock()
	if err != nil {
		return nil, writeError(s.dir, err)
	}
	if !ok {
		return nil, errors.New("is being pulled or removed by another process")
	}
	return func() { l.Unlock() }, nil
}

// stage makes a folder for one pull's temporary files, on the store's file system so that a
// finished file only has to be renamed, and gives what removes it. The caller holds the
// model's lock, so what is there beforehand was left by a pull that was killed. The folder's name is new each
// time: a pip that outlived its pull must not write into the next one's.
func (s *Store) stage(slug string) (dir string, clean func(), err error) {
	parent := filepath.Join(s.dir, "tmp", slug)
	os.RemoveAll(parent) // failing leaves old files, which are in nobody's way
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, writeError(s.dir, err)
	}
	dir, err = os.MkdirTemp(parent, "")
	if err != nil {
		return "", nil, writeError(s.dir, err)
	}
	return dir, func() { os.RemoveAll(parent) }, nil
}

// sweep removes the stages of killed pulls of any model. A stage whose lock is held is in use.
func (s *Store) sweep() {
	entries, _ := os.ReadDir(filepath.Join(s.dir, "tmp"))
	for _, e := range entries {
		if unlock, err := s.tryLock(e.Name()); err == nil {
			os.RemoveAll(filepath.Join(s.dir, "tmp", e.Name())) // what cannot be removed now is left for the next pull
			unlock()
		}
	}
}
