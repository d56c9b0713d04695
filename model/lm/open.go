package lm

import (
	"bytes"
	"fmt"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/tokenizer"
)

// Model is a language model from a file: the network, and what turns text
// into its tokens and back.
type Model struct {
	Net       *Llama
	Tokenizer *tokenizer.BPE
	// Template is the model's own chat template, or nil if it has none.
	Template   *chat.Template
	Parameters int64          // numbers in all tensors
	Weights    int64          // bytes of all tensors
	Types      map[string]int // tensors of each storage type, by its name

	specials []string
	mapping  *tensor.Mapping
}

// Open maps a GGUF file. The weights stay in the file and are read in place,
// so it must not be changed while the model is open. An error names the file
// and the key or tensor at fault.
func Open(path string) (*Model, error) {
	mapping, err := tensor.OpenMapping(path)
	if err != nil {
		return nil, err
	}
	m, err := load(mapping)
	if err != nil {
		mapping.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Close unmaps the file. Nothing of the model may be used afterwards.
func (m *Model) Close() error { return m.mapping.Close() }

func load(mapping *tensor.Mapping) (*Model, error) {
	b := mapping.Bytes()
	f, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	m := &Model{mapping: mapping, Types: map[string]int{}}
	for _, t := range f.Tensors {
		n := int64(1)
		for _, d := range t.Dims {
			n *= int64(d) // Parse has checked the product
		}
		m.Parameters += n
		m.Weights += int64(t.Size)
		m.Types[t.Type.String()]++
	}
	cfg, err := readConfig(f.Meta)
	if err != nil {
		return nil, err
	}
	if m.Net, err = loadLlama(cfg, f, b); err != nil {
		return nil, err
	}
	if err := m.readText(f.Meta); err != nil {
		return nil, err
	}
	if n := m.Tokenizer.Len(); n != m.Net.Config.Vocabulary {
		return nil, fmt.Errorf("key %q: %d tokens, and %q has %d rows", "tokenizer.ggml.tokens", n, "token_embd.weight", m.Net.Config.Vocabulary)
	}
	return m, nil
}

// readText reads the tokenizer and the chat template.
func (m *Model) readText(meta *gguf.Meta) error {
	model, err := meta.String("tokenizer.ggml.model")
	if err != nil {
		return err
	}
	if model != "gpt2" {
		return fmt.Errorf("key %q: tokenizer %q: not supported; supported are gpt2 (byte-level BPE)", "tokenizer.ggml.model", model)
	}
	c := tokenizer.Config{BOS: -1, EOS: -1, Unknown: -1, Pad: -1}
	if c.Tokens, err = meta.Strings("tokenizer.ggml.tokens"); err != nil {
		return err
	}
	if c.Merges, err = meta.Strings("tokenizer.ggml.merges"); err != nil {
		return err
	}
	if meta.Has("tokenizer.ggml.pre") {
		if c.Pre, err = meta.String("tokenizer.ggml.pre"); err != nil {
			return err
		}
	}
	if meta.Has("tokenizer.ggml.token_type") {
		types, err := meta.Ints("tokenizer.ggml.token_type")
		if err != nil {
			return err
		}
		for i, t := range types {
			if int64(int32(t)) != t {
				return fmt.Errorf("key %q: element %d: %d is no token type", "tokenizer.ggml.token_type", i, t)
			}
			c.Types = append(c.Types, int32(t))
		}
	}
	eot := int32(-1)
	for _, id := range []struct {
		name string
		into *int32
	}{{"bos", &c.BOS}, {"eos", &c.EOS}, {"eot", &eot}, {"unknown", &c.Unknown}, {"padding", &c.Pad}} {
		k := "tokenizer.ggml." + id.name + "_token_id"
		if !meta.Has(k) {
			continue
		}
		n, err := meta.Uint(k)
		if err != nil {
			return err
		}
		if n >= uint64(len(c.Tokens)) {
			return fmt.Errorf("key %q: token %d of %d", k, n, len(c.Tokens))
		}
		*id.into = int32(n)
	}
	if eot >= 0 {
		c.EOG = []int32{eot}
	}
	if meta.Has("tokenizer.ggml.add_bos_token") {
		if c.AddBOS, err = meta.Bool("tokenizer.ggml.add_bos_token"); err != nil {
			return err
		}
	}
	if m.Tokenizer, err = tokenizer.NewBPE(c); err != nil {
		return err
	}
	for i, t := range c.Tokens {
		if k := m.Tokenizer.Kind(int32(i)); k == tokenizer.KindControl || k == tokenizer.KindUserDefined {
			m.specials = append(m.specials, t)
		}
	}
	if !meta.Has("tokenizer.chat_template") {
		return nil
	}
	src, err := meta.String("tokenizer.chat_template")
	if err != nil {
		return err
	}
	if m.Template, err = chat.Parse(src); err != nil {
		return fmt.Errorf("key %q: %w", "tokenizer.chat_template", err)
	}
	return nil
}
