// Package checkpoint keeps what training needs to go on after a crash: weights, the
// state of optimizers and the loop's own numbers.
//
//	dir, err := checkpoint.Open("runs/a", checkpoint.Options{Keep: 3})
//	state := checkpoint.State{
//		Weights: weights,
//		Parts:   map[string]checkpoint.Part{"adam": o},
//		Loop:    &loop, // any JSON: counters of random streams, position in the data
//	}
//	at, err := dir.Latest()
//	switch {
//	case err == nil:
//		err = at.Load(state) // and go on after at.Step
//	case errors.Is(err, checkpoint.ErrNone):
//		err = nil // begin
//	}
//	...
//	err = dir.Save(step, state)
//
// A checkpoint is a folder such as step-00001200 with weights.safetensors, one
// safetensors file for each part, and manifest.json, which has the size and SHA-256
// of each. It appears whole or not at all, also if the machine loses power: all is
// written and flushed under another name, which is then changed. Nothing older is
// removed before the new one has been read back. Training that goes on from a
// checkpoint gives the same bits as training that never stopped, if Loop holds all
// that the loop's next step depends on.
//
// One process saves to a folder at a time; any number may read.
package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// What a caller can act on, for errors.Is.
var (
	// ErrNone says that there is no checkpoint: training begins.
	ErrNone = errors.New("no checkpoint")
	// ErrTorn says that a checkpoint is not what was saved: files are missing, cut
	// short or changed.
	ErrTorn = errors.New("checkpoint is damaged")
	// ErrOther says that a checkpoint is whole, but of another model, other
	// optimizers or another recipe.
	ErrOther = errors.New("checkpoint is of something else")
)

// Options say how a folder of checkpoints is kept. The zero value keeps all.
type Options struct {
	// Keep is how many of the newest checkpoints stay; 0 means all. The best one
	// (see MarkBest) stays as well.
	Keep int
	// Recipe tells apart trainings that can't be mixed: a digest of the settings
	// and the data, say. It is stored, and Load refuses another one unless it is
	// empty here.
	Recipe string
	// Log is told of damaged checkpoints that are passed over. If it is nil, nobody is.
	Log *slog.Logger
}

// Dir is a folder of checkpoints.
type Dir struct {
	path string
	opts Options
	fs   fileSystem
}

// Open returns the folder at path. It need not exist: the first Save makes it.
func Open(path string, o Options) (*Dir, error) { return openOn(disk{}, path, o) }

func openOn(f fileSystem, path string, o Options) (*Dir, error) {
	if o.Keep < 0 {
		return nil, fmt.Errorf("checkpoint: keep %d checkpoints: 0 keeps all", o.Keep)
	}
	if len(o.Recipe) > maxText {
		return nil, fmt.Errorf("checkpoint: recipe of %d bytes exceeds the limit of %d: use a digest", len(o.Recipe), maxText)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Dir{path: filepath.Clean(path), opts: o, fs: f}
	if _, err := d.Steps(); err != nil {
		return nil, err
	}
	return d, nil
}

// maxStep keeps names at a length that sorts and fits everywhere.
const maxStep = 1e15

func nameOf(step int) string { return fmt.Sprintf("step-%08d", step) }

// stepOf is the inverse of nameOf.
func stepOf(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "step-")
	step, err := strconv.Atoi(digits)
	return step, ok && err == nil && step >= 0 && step <= maxStep && nameOf(step) == name
}

// Steps returns the steps of which there are checkpoints, ascending. They may be damaged.
func (d *Dir) Steps() ([]int, error) {
	entries, err := d.fs.list(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fail("read "+d.path, err)
	}
	var steps []int
	for _, e := range entries {
		if step, ok := stepOf(e.name); ok && e.dir {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// Checkpoint is a whole checkpoint: one whose files have been read and compared
// with their hashes.
type Checkpoint struct {
	Path   string // of its folder
	Step   int
	Recipe string
	Mica   string // the version that made it

	dir      *Dir
	manifest *manifest
}

// Latest returns the newest whole checkpoint, and passes over damaged ones. With no
// checkpoint the error is ErrNone, with damaged ones alone ErrTorn. An error of the
// disk is returned as it is: going on from an older checkpoint would lose work that
// may still be there.
func (d *Dir) Latest() (*Checkpoint, error) {
	steps, err := d.Steps()
	if err != nil {
		return nil, err
	}
	var first error
	for _, step := range slices.Backward(steps) {
		c, err := d.At(step)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, ErrTorn) {
			return nil, err
		}
		d.opts.Log.Warn("checkpoint passed over", "error", err)
		if first == nil {
			first = err
		}
	}
	if first != nil {
		return nil, fmt.Errorf("none of %d checkpoints in %s is whole; move them away to begin anew: %w", len(steps), d.path, first)
	}
	return nil, fmt.Errorf("%w in %s", ErrNone, d.path)
}

// At returns the checkpoint of a step.
func (d *Dir) At(step int) (*Checkpoint, error) {
	c, err := d.open(step)
	if err != nil {
		return nil, err
	}
	for _, f := range c.manifest.files {
		if err := c.check(f); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// open reads the manifest of a step.
func (d *Dir) open(step int) (*Checkpoint, error) {
	c := &Checkpoint{Path: filepath.Join(d.path, nameOf(step)), Step: step, dir: d}
	if _, err := d.fs.list(c.Path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w of step %d in %s", ErrNone, step, d.path)
	} else if err != nil {
		return nil, fail("read "+c.Path, err)
	}
	path := filepath.Join(c.Path, manifestName)
	r, size, err := d.fs.open(path)
	if err != nil {
		return nil, c.missing(path, err)
	}
	defer r.Close()
	if size > maxManifest {
		return nil, c.torn("%s has %d bytes, more than %d", manifestName, size, maxManifest)
	}
	b, err := readExactly(r, size)
	if err != nil {
		return nil, c.missing(path, err)
	}
	if c.manifest, err = parseManifest(b); err != nil {
		return nil, c.torn("%s: %w", manifestName, err)
	}
	if c.manifest.step != step {
		return nil, c.torn("%s says step %d", manifestName, c.manifest.step)
	}
	c.Recipe, c.Mica = c.manifest.recipe, c.manifest.mica
	return c, nil
}

// torn returns an error that is ErrTorn.
func (c *Checkpoint) torn(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrTorn, c.Path, fmt.Errorf(format, args...))
}

// missing is torn if a file isn't there or ends early, and else what the disk says.
func (c *Checkpoint) missing(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c.torn("%s is missing", filepath.Base(path))
	case errors.Is(err, errSize):
		return c.torn("%s: %w", filepath.Base(path), bare(err))
	}
	return fail("read "+path, err)
}
