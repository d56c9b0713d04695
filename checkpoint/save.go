package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// Save keeps s as the checkpoint of a step, and then removes what Options.Keep lets
// go. Steps go up: with a whole checkpoint of a later step in the folder, or another
// one of the same step, Save fails and leaves it as it is. Saving the same state
// again does nothing.
//
// After an error the checkpoints from before are whole; unless the error says that
// the step is saved, there is no trace of the new one.
func (d *Dir) Save(step int, s State) error {
	if step < 0 || step > maxStep {
		return fmt.Errorf("checkpoint: step %d: steps go from 0 to %d", step, int64(maxStep))
	}
	sources, loop, err := s.sources()
	if err != nil {
		return fmt.Errorf("checkpoint: step %d: %w", step, err)
	}
	if err := d.laterThan(step); err != nil {
		return err
	}
	if err := ensure(d.fs, d.path); err != nil {
		return fail("make "+d.path, err)
	}
	temp := d.hidden(nameOf(step))
	m := &manifest{mica: builtBy(), recipe: d.opts.Recipe, step: step, loop: loop}
	if err := d.fill(temp, m, sources); err != nil {
		removeAll(d.fs, temp) // the first error is the one to tell
		return fmt.Errorf("%w; what was saved before is untouched", fail(fmt.Sprintf("save step %d", step), err))
	}
	if err := d.publish(temp, m); err != nil {
		removeAll(d.fs, temp)
		return err
	}
	if err := d.settle(step); err != nil {
		return fmt.Errorf("%w; step %d is saved", err, step)
	}
	return nil
}

// laterThan checks that no whole checkpoint is of a later step.
func (d *Dir) laterThan(step int) error {
	steps, err := d.Steps()
	if err != nil {
		return err
	}
	for _, later := range slices.Backward(steps) {
		if later <= step {
			break
		}
		c, err := d.At(later)
		if errors.Is(err, ErrTorn) {
			continue
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("checkpoint: save step %d: %s is of a later step: remove it or save to another folder", step, c.Path)
	}
	return nil
}

// fill writes a checkpoint into the new folder dir, flushed to the last byte.
func (d *Dir) fill(dir string, m *manifest, sources []source) error {
	if err := d.fs.mkdir(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, bare(err))
	}
	for i := range sources {
		src := &sources[i]
		c := counter{hash: sha256.New()}
		path := filepath.Join(dir, src.name)
		err := write(d.fs, path, func(w io.Writer) error {
			c.w = w
			return src.write(&c)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", path, bare(err))
		}
		m.files = append(m.files, fileInfo{src.name, c.n, hex.EncodeToString(c.hash.Sum(nil))})
	}
	path := filepath.Join(dir, manifestName)
	err := write(d.fs, path, func(w io.Writer) error {
		_, err := (&counter{w: w, hash: sha256.New()}).Write(m.encode())
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, bare(err))
	}
	if err := d.fs.syncDir(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, bare(err))
	}
	return nil
}

// counter counts and hashes what is written.
type counter struct {
	w    io.Writer
	n    int64
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if n < len(b) && err == nil {
		err = io.ErrShortWrite
	}
	c.hash.Write(b[:n])
	c.n += int64(n)
	return n, err
}

// publish gives a finished folder its name, or removes it if the same checkpoint
// has the name already.
func (d *Dir) publish(temp string, m *manifest) error {
	final := filepath.Join(d.path, nameOf(m.step))
	old, err := d.At(m.step)
	switch {
	case err == nil && bytes.Equal(old.manifest.encode(), m.encode()):
		if err := removeAll(d.fs, temp); err != nil {
			return fail("remove "+temp, err)
		}
		return nil
	case err == nil:
		return fmt.Errorf("checkpoint: save step %d: %s is there already and is another one: remove it or save to another folder", m.step, final)
	case errors.Is(err, ErrTorn):
		d.opts.Log.Warn("checkpoint replaced", "error", err)
		if err := d.trash(m.step); err != nil {
			return err
		}
	case !errors.Is(err, ErrNone):
		return err
	}
	if err := d.fs.rename(temp, final); err != nil {
		return fail("rename "+temp, err)
	}
	return nil
}

// settle makes a published checkpoint durable, reads it back and lets others go.
func (d *Dir) settle(step int) error {
	if err := d.fs.syncDir(d.path); err != nil {
		return fail("flush "+d.path, err)
	}
	if _, err := d.At(step); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	return d.prune(step)
}

// hidden returns a new name beside the checkpoints, under which things are made and
// unmade.
func (d *Dir) hidden(name string) string {
	return filepath.Join(d.path, fmt.Sprintf(".%s.%016x.tmp", name, rand.Uint64()))
}

func isHidden(name string) bool {
	return (strings.HasPrefix(name, ".step-") || strings.HasPrefix(name, "."+bestName+".")) && strings.HasSuffix(name, ".tmp")
}

// ensure makes a folder and those above it, and makes them durable.
func ensure(f fileSystem, dir string) error {
	if _, err := f.list(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := ensure(f, parent); err != nil {
			return err
		}
	}
	if err := f.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.syncDir(parent)
}

// builtBy returns the version of mica that is running, as the module system knows it.
func builtBy() string {
	const module = "github.com/micaml/mica"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == module && m.Version != "" {
			return m.Version
		}
	}
	return "(devel)"
}
