package lm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/tokenizer"
)

// Model is a language model from a file: the network, and what turns text
// into its tokens and back.
type Model struct {
	Net       *Decoder
	Tokenizer *tokenizer.BPE
	// Template is the model's own chat template, or nil if it has none.
	Template   *chat.Template
	Format     string         // "gguf" or "safetensors"
	Parameters int64          // numbers in all tensors
	Weights    int64          // bytes of all tensors
	Types      map[string]int // tensors of each storage type, by its name

	specials []string
	mappings []*tensor.Mapping
}

// Open opens a model: a GGUF file, or a folder of safetensors files (or one of
// them) with config.json and tokenizer.json, as Hugging Face lays them out. Files are
// mapped, weights stay in them and are read in place as far as their layout
// allows, so they must not be changed while the model is open. An error names
// the file and the key or tensor at fault.
func Open(path string) (*Model, error) {
	m := &Model{Types: map[string]int{}}
	var err error
	if info, e := os.Stat(path); e == nil && info.IsDir() {
		err = m.openFolder(path)
	} else if filepath.Ext(path) == ".safetensors" {
		err = m.openFolder(filepath.Dir(path))
	} else {
		err = m.openGGUF(path)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Close unmaps the files. Nothing of the model may be used afterwards.
func (m *Model) Close() error {
	var err error
	for _, f := range m.mappings {
		err = errors.Join(err, f.Close())
	}
	m.mappings = nil
	return err
}

// mapFile maps a file until Close.
func (m *Model) mapFile(path string) ([]byte, error) {
	f, err := tensor.OpenMapping(path)
	if err != nil {
		return nil, err
	}
	m.mappings = append(m.mappings, f)
	return f.Bytes(), nil
}

// count adds a tensor to the totals. A parser has checked that the numbers fit.
func (m *Model) count(typ string, dims []uint64, size int64) {
	n := int64(1)
	for _, d := range dims {
		n *= int64(d)
	}
	m.Parameters += n
	m.Weights += size
	m.Types[typ]++
}

func (m *Model) openGGUF(path string) error {
	m.Format = "gguf"
	b, err := m.mapFile(path)
	if err != nil {
		return err
	}
	if err := m.loadGGUF(b); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (m *Model) loadGGUF(b []byte) error {
	f, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	for _, t := range f.Tensors {
		m.count(t.Type.String(), t.Dims, int64(t.Size))
	}
	cfg, err := readConfig(f.Meta)
	if err != nil {
		return err
	}
	if m.Net, err = loadGGUF(cfg, f, b); err != nil {
		return err
	}
	if err := m.readText(f.Meta); err != nil {
		return err
	}
	if n := m.Tokenizer.Len(); n != m.Net.Config.Vocabulary {
		return fmt.Errorf("key %q: %d tokens, and %q has %d rows", "tokenizer.ggml.tokens", n, "token_embd.weight", m.Net.Config.Vocabulary)
	}
	return nil
}
