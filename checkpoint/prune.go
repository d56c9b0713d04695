package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// bestName is the file that names the best checkpoint.
const bestName = "best"

// MarkBest says that the checkpoint of a step is the best so far: it stays until
// another one is.
func (d *Dir) MarkBest(step int) error {
	if _, err := d.At(step); err != nil {
		return err
	}
	temp, path := d.hidden(bestName), filepath.Join(d.path, bestName)
	err := write(d.fs, temp, func(w io.Writer) error {
		n, err := io.WriteString(w, nameOf(step)+"\n")
		if err == nil && n <= len(nameOf(step)) {
			err = io.ErrShortWrite
		}
		return err
	})
	if err == nil {
		err = d.fs.rename(temp, path)
	}
	if err != nil {
		d.fs.remove(temp) // the first error is the one to tell
		return fail("write "+path, err)
	}
	if err := d.fs.syncDir(d.path); err != nil {
		return fail("flush "+d.path, err)
	}
	return nil
}

// Best returns the checkpoint that MarkBest named last, or ErrNone.
func (d *Dir) Best() (*Checkpoint, error) {
	step, err := d.best()
	if err != nil {
		return nil, err
	}
	return d.At(step)
}

func (d *Dir) best() (int, error) {
	path := filepath.Join(d.path, bestName)
	r, size, err := d.fs.open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w is marked as the best in %s", ErrNone, d.path)
	}
	if err != nil {
		return 0, fail("read "+path, err)
	}
	defer r.Close()
	b, err := readExactly(r, min(size, maxName))
	if err != nil {
		return 0, fail("read "+path, err)
	}
	name := strings.TrimSuffix(string(b), "\n")
	step, ok := stepOf(name)
	if !ok {
		return 0, fmt.Errorf("checkpoint: %s: %q names no checkpoint: remove the file", path, name)
	}
	return step, nil
}

// prune removes what was left half done, and all but the newest Keep whole
// checkpoints, that of step and the best.
func (d *Dir) prune(step int) error {
	entries, err := d.fs.list(d.path)
	if err != nil {
		return fail("read "+d.path, err)
	}
	for _, e := range entries {
		if isHidden(e.name) {
			if err := removeEntry(d.fs, d.path, e); err != nil {
				return fail("remove "+filepath.Join(d.path, e.name), err)
			}
		}
	}
	if d.opts.Keep == 0 {
		return nil
	}
	best, err := d.best()
	if errors.Is(err, ErrNone) {
		best = -1
	} else if err != nil {
		return err
	}
	steps, err := d.Steps()
	if err != nil {
		return err
	}
	kept := 0
	for _, s := range slices.Backward(steps) {
		switch {
		case kept < d.opts.Keep:
			whole, err := d.seemsWhole(s)
			if err != nil {
				return err
			}
			if whole {
				kept++
			}
		case s != step && s != best:
			if err := d.trash(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// seemsWhole compares sizes only: hashes of checkpoints that stay need not be
// computed again at every save.
func (d *Dir) seemsWhole(step int) (bool, error) {
	c, err := d.open(step)
	for i := 0; err == nil && i < len(c.manifest.files); i++ {
		err = c.size(c.manifest.files[i])
	}
	if errors.Is(err, ErrTorn) {
		return false, nil
	}
	return err == nil, err
}

// trash removes a checkpoint: its name first, so that nobody meets a part of it.
func (d *Dir) trash(step int) error {
	path, temp := filepath.Join(d.path, nameOf(step)), d.hidden(nameOf(step))
	err := d.fs.rename(path, temp)
	if err == nil {
		err = d.fs.syncDir(d.path)
	}
	if err == nil {
		err = removeAll(d.fs, temp)
	}
	if err != nil {
		return fail("remove "+path, err)
	}
	return nil
}
