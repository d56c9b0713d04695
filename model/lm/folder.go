package lm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/tokenizer"
)

// openFolder opens a folder as transformers saves models.
func (m *Model) openFolder(dir string) error {
	m.Format = "safetensors"
	b, err := readSmall(dir, "config.json", maxConfig)
	if err != nil {
		return err
	}
	c, tied, err := readHFConfig(b)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, "config.json"), err)
	}
	t, err := m.openShards(dir)
	if err != nil {
		return err
	}
	if m.Net, err = loadHF(c, tied, t); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return m.readTextFiles(dir)
}

// maxConfig is how many bytes a config.json or a chat template may have.
const maxConfig = 1 << 20

// maxText is how many bytes a file beside the weights may have. The largest,
// Gemma 3's tokenizer.json, has 33 MB.
const maxText = 128 << 20

// readSmall reads a file of the folder, at most limit bytes.
func readSmall(dir, name string, limit int64) ([]byte, error) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s: not a file of at most %d bytes", path, limit)
	}
	return os.ReadFile(path)
}

// shard is one safetensors file.
type shard struct {
	*safetensors.File
	data []byte
}

// shards is a checkpoint of one file or several.
type shards struct {
	files map[string]*shard // by the names of their tensors
	order []string          // of the tensors
}

func (s *shards) names() []string { return s.order }

func (s *shards) shape(name string) ([]uint64, bool) {
	f := s.files[name]
	if f == nil {
		return nil, false
	}
	t, ok := f.Tensor(name)
	return t.Shape, ok
}

func (s *shards) storage(name string) (*tensor.Storage, error) {
	f := s.files[name]
	t, _ := f.Tensor(name)
	return f.Storage(f.data, t)
}

// openShards maps the files of weights: model.safetensors, or those that
// model.safetensors.index.json lists.
func (m *Model) openShards(dir string) (*shards, error) {
	const single, list = "model.safetensors", "model.safetensors.index.json"
	s := &shards{files: map[string]*shard{}}
	b, err := readSmall(dir, list, maxText)
	if errors.Is(err, fs.ErrNotExist) {
		return s, m.addShard(s, dir, single, nil)
	}
	if err != nil {
		return nil, err
	}
	x, err := safetensors.ParseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, list), err)
	}
	for _, name := range x.Files() {
		if err := m.addShard(s, dir, name, x); err != nil {
			return nil, err
		}
	}
	for _, name := range x.Tensors() {
		if s.files[name] == nil {
			file, _ := x.File(name)
			return nil, fmt.Errorf("%s: tensor %q is not in %s", filepath.Join(dir, list), name, file)
		}
	}
	return s, nil
}

// addShard maps one file. The index, if there is one, says which tensors are to
// be in it.
func (m *Model) addShard(s *shards, dir, name string, x *safetensors.Index) error {
	path := filepath.Join(dir, name)
	data, err := m.mapFile(path)
	if err != nil {
		return err
	}
	f, err := safetensors.Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	file := &shard{f, data}
	for _, t := range f.Tensors {
		if x != nil {
			if in, ok := x.File(t.Name); !ok || in != name {
				return fmt.Errorf("%s: tensor %q: the index doesn't have it here", path, t.Name)
			}
		}
		s.files[t.Name] = file
		s.order = append(s.order, t.Name)
		m.count(t.Type.String(), t.Shape, t.Size)
	}
	return nil
}

// readTextFiles reads tokenizer.json, tokenizer_config.json and, if there is
// one, the chat template: chat_template.jinja, or in tokenizer_config.json.
func (m *Model) readTextFiles(dir string) error {
	b, err := readSmall(dir, "tokenizer.json", maxText)
	if err != nil {
		return err
	}
	c, err := tokenizer.ConfigFromJSON(b)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	settings, err := optional(readSmall(dir, "tokenizer_config.json", maxText))
	if err != nil {
		return err
	}
	if settings != nil {
		if err := c.ReadSpecials(settings); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	if err := m.setTokenizer(c); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, "tokenizer.json"), err)
	}
	// Embeddings are often padded to a round number of rows.
	if n := m.Tokenizer.Len(); n > m.Net.Config.Vocabulary {
		return fmt.Errorf("%s: %d tokens, and config.json's vocab_size is %d", filepath.Join(dir, "tokenizer.json"), n, m.Net.Config.Vocabulary)
	}
	return m.readTemplate(dir, settings)
}

func (m *Model) readTemplate(dir string, settings []byte) error {
	name := "chat_template.jinja"
	src, err := optional(readSmall(dir, name, maxConfig))
	if err != nil {
		return err
	}
	if src == nil && settings != nil {
		name = "tokenizer_config.json"
		if src, err = templateIn(settings); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
	}
	if src == nil {
		return nil
	}
	if m.Template, err = chat.Parse(string(src)); err != nil {
		return fmt.Errorf("%s: chat template: %w", filepath.Join(dir, name), err)
	}
	return nil
}

// templateIn returns the chat template in a tokenizer_config.json, nil if it has
// none: a string, or a list of named ones, of which the default counts.
func templateIn(settings []byte) ([]byte, error) {
	var f struct {
		Template json.RawMessage `json:"chat_template"`
	}
	if err := json.Unmarshal(settings, &f); err != nil {
		return nil, err
	}
	if f.Template == nil || string(f.Template) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(f.Template, &one) == nil {
		return []byte(one), nil
	}
	var several []struct{ Name, Template string }
	if err := json.Unmarshal(f.Template, &several); err != nil {
		return nil, fmt.Errorf("chat_template: neither a text nor a list of named ones")
	}
	for _, t := range several {
		if t.Name == "default" {
			return []byte(t.Template), nil
		}
	}
	return nil, nil
}

// optional says of a file that isn't there that it is nil.
func optional(b []byte, err error) ([]byte, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
