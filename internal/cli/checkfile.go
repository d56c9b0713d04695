package cli

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/tensor"
)

// checkedFile is what check found in one file.
type checkedFile struct {
	Path         string         `json:"path"`
	Format       string         `json:"format"`                 // gguf, safetensors, safetensors index
	Version      uint32         `json:"version,omitempty"`      // of GGUF
	Architecture string         `json:"architecture,omitempty"` // as GGUF names it
	Title        string         `json:"title,omitempty"`
	Keys         int            `json:"keys"` // of the metadata
	Tensors      map[string]int `json:"tensors"`
	Parameters   int64          `json:"parameters"`
	WeightsBytes int64          `json:"weights_bytes"`
	Size         int64          `json:"size"`
}

// checkFile parses one file in the format that its contents or its name say.
func checkFile(path string) (checkedFile, error) {
	mapping, err := tensor.OpenMapping(path)
	if err != nil {
		return checkedFile{}, err
	}
	defer mapping.Close()
	b := mapping.Bytes()
	f := checkedFile{Path: path, Tensors: map[string]int{}, Size: int64(len(b))}
	switch {
	case len(b) == 0:
		return f, unsound(path, errors.New("the file is empty"))
	case strings.HasSuffix(path, ".index.json"):
		err = f.index(b)
	case strings.HasPrefix(string(b[:min(4, len(b))]), "GGUF"), strings.EqualFold(filepath.Ext(path), ".gguf"):
		err = f.gguf(b)
	case filepath.Ext(path) == ".safetensors":
		err = f.safetensors(b)
	default:
		err = fmt.Errorf("begins with %q, which is no GGUF, and is not named .safetensors", b[:min(4, len(b))])
	}
	return f, unsound(path, err)
}

func unsound(path string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{exitDoesNotHold, fmt.Errorf("%s: %w", path, err), "the file is damaged, cut off or of another kind: fetch it again, or try another"}
}

func (f *checkedFile) gguf(b []byte) error {
	g, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	f.Format, f.Version, f.Keys = "gguf", g.Version, len(g.Meta.Keys())
	f.Architecture, _ = g.Meta.String("general.architecture") // not all files have these
	f.Title, _ = g.Meta.String("general.name")
	for _, t := range g.Tensors {
		f.add(t.Type.String(), t.Dims, t.Size)
	}
	return nil
}

func (f *checkedFile) safetensors(b []byte) error {
	s, err := safetensors.Parse(b)
	if err != nil {
		return err
	}
	f.Format, f.Keys = "safetensors", len(s.Metadata)
	for _, t := range s.Tensors {
		f.add(t.Type.String(), t.Shape, t.Size)
	}
	return nil
}

// index checks an index and that each file in it has the tensors that it should.
func (f *checkedFile) index(b []byte) error {
	x, err := safetensors.ParseIndex(b)
	if err != nil {
		return err
	}
	f.Format = "safetensors index"
	has := map[string]*safetensors.File{}
	for _, n := range x.Files() {
		m, err := tensor.OpenMapping(filepath.Join(filepath.Dir(f.Path), n))
		if err != nil {
			return fmt.Errorf("file %q: %w", n, err)
		}
		s, err := safetensors.Parse(m.Bytes())
		m.Close()
		if err != nil {
			return fmt.Errorf("file %q: %w", n, err)
		}
		has[n] = s
	}
	for _, name := range x.Tensors() {
		n, _ := x.File(name)
		t, ok := has[n].Tensor(name)
		if !ok {
			return fmt.Errorf("tensor %q: is not in %s", name, n)
		}
		f.add(t.Type.String(), t.Shape, t.Size)
	}
	return nil
}

func (f *checkedFile) add(kind string, dims []uint64, size int64) {
	n := int64(1)
	for _, d := range dims {
		n *= int64(d) // the parser has checked the product
	}
	f.Parameters += n
	f.WeightsBytes += size
	f.Tensors[kind]++
}
