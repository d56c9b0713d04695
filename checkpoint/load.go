package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// Load sets s to what was saved. Every byte is compared with its hash, and every
// shape with s's, before anything of s is changed: after an error s is as it was,
// unless a part refuses a state of its own shape, which the error then says.
// A checkpoint of another model, other parts or another recipe is refused with
// ErrOther, which names the first difference.
//
// Each weight gets a Storage of its own memory; an Optimizer goes on from it. Loop
// must be a pointer or nil, and is set as if it were new: what it held is forgotten.
func (c *Checkpoint) Load(s State) error {
	if r := c.dir.opts.Recipe; r != "" && r != c.Recipe {
		return c.other("it was made by recipe %q, this is %q", c.Recipe, r)
	}
	if err := c.sameParts(s); err != nil {
		return err
	}
	var weights []*tensor.Storage
	states := map[string]optim.State{}
	for _, info := range c.manifest.files {
		name := strings.TrimSuffix(info.name, extension)
		if most := s.most(name); info.size > most {
			return c.other("%s has %d bytes, what is here takes %d at most", info.name, info.size, most)
		}
		b, err := c.read(info)
		if err != nil {
			return err
		}
		f, err := safetensors.Parse(b)
		if err != nil {
			return c.torn("%s: %w", info.name, err)
		}
		if name == weightsName {
			weights, err = s.weights(f, b)
		} else {
			states[name], err = part(s.Parts[name].State(), f, b)
		}
		if err != nil {
			return c.other("%s: %w", info.name, err)
		}
	}
	setLoop, err := c.loop(s.Loop)
	if err != nil {
		return err
	}

	for i, w := range s.Weights {
		w.Storage = weights[i]
	}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		if err := s.Parts[name].Restore(states[name]); err != nil {
			return c.other("part %q, which has been set in part: %w", name, err)
		}
	}
	setLoop()
	return nil
}

// most returns what a file of weights or of a part can take: the data, and the
// largest header there is.
func (s *State) most(name string) int64 {
	n := int64(100<<20 + 16)
	if name == weightsName {
		for _, w := range s.Weights {
			n += int64(len(w.Bytes()))
		}
		return n
	}
	for _, x := range s.Parts[name].State().Slots {
		n += int64(4*len(x.Data) + len(x.Bytes))
	}
	return n
}

// other returns an error that is ErrOther.
func (c *Checkpoint) other(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrOther, c.Path, fmt.Errorf(format, args...))
}

// sameParts checks that the files are those of s's parts.
func (c *Checkpoint) sameParts(s State) error {
	have := map[string]bool{}
	for _, f := range c.manifest.files {
		name := strings.TrimSuffix(f.name, extension)
		have[name] = true
		if name != weightsName && s.Parts[name] == nil {
			return c.other("it has a part %q, which isn't here", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Parts)) {
		if !have[name] {
			return c.other("part %q isn't in it", name)
		}
	}
	return nil
}

// loop decodes the loop's state into a new value, and returns what sets into to it.
func (c *Checkpoint) loop(into any) (set func(), err error) {
	if into == nil {
		return func() {}, nil
	}
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil, fmt.Errorf("checkpoint: load: Loop is a %T, not a pointer that can be set", into)
	}
	fresh := reflect.New(v.Type().Elem())
	d := json.NewDecoder(bytes.NewReader(c.manifest.loop))
	d.DisallowUnknownFields() // what the loop doesn't know it can't go on from
	if err := d.Decode(fresh.Interface()); err != nil {
		return nil, c.other("loop: %w", err)
	}
	return func() { v.Elem().Set(fresh.Elem()) }, nil
}

// size compares the length of a file with the manifest.
func (c *Checkpoint) size(f fileInfo) error {
	r, err := c.openFile(f)
	if err != nil {
		return err
	}
	return r.Close()
}

// openFile opens a file that has the size that it should have.
func (c *Checkpoint) openFile(f fileInfo) (io.ReadCloser, error) {
	path := filepath.Join(c.Path, f.name)
	r, size, err := c.dir.fs.open(path)
	if err != nil {
		return nil, c.missing(path, err)
	}
	if size != f.size || size > math.MaxInt {
		r.Close()
		return nil, c.torn("%s has %d bytes, it should have %d", f.name, size, f.size)
	}
	return r, nil
}

// check compares a file with its hash.
func (c *Checkpoint) check(f fileInfo) error {
	r, err := c.openFile(f)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return c.missing(filepath.Join(c.Path, f.name), err)
	}
	return c.compare(f, h.Sum(nil))
}

func (c *Checkpoint) compare(f fileInfo, sum []byte) error {
	if have := hex.EncodeToString(sum); have != f.sum {
		return c.torn("%s has SHA-256 %.12s..., it should have %.12s...", f.name, have, f.sum)
	}
	return nil
}

// read returns the bytes of a file, whose hash is that of the manifest.
func (c *Checkpoint) read(f fileInfo) ([]byte, error) {
	r, err := c.openFile(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	path := filepath.Join(c.Path, f.name)
	b, err := readExactly(r, f.size)
	if err != nil {
		return nil, c.missing(path, err)
	}
	sum := sha256.Sum256(b)
	return b, c.compare(f, sum[:])
}
