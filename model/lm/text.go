package lm

import (
	"fmt"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/tokenizer"
)

// readText reads the tokenizer and the chat template of a GGUF file.
func (m *Model) readText(meta *gguf.Meta) error {
	c, err := readTokenizer(meta)
	if err != nil {
		return err
	}
	if err := m.setTokenizer(c); err != nil {
		return err
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

func (m *Model) setTokenizer(c tokenizer.Config) error {
	var err error
	if m.Tokenizer, err = tokenizer.NewBPE(c); err != nil {
		return err
	}
	for i, t := range c.Tokens {
		// User-defined tokens are text that a message may have too, such as
		// Gemma's runs of line ends: cutting there would change its tokens.
		if m.Tokenizer.Kind(int32(i)) == tokenizer.KindControl {
			m.specials = append(m.specials, t)
		}
	}
	return nil
}

// readTokenizer reads what a GGUF file says of its tokenizer.
func readTokenizer(meta *gguf.Meta) (tokenizer.Config, error) {
	c := tokenizer.Config{BOS: tokenizer.None, EOS: tokenizer.None, Unknown: tokenizer.None, Pad: tokenizer.None}
	var err error
	if c.Model, err = meta.String("tokenizer.ggml.model"); err != nil {
		return c, err
	}
	switch c.Model {
	case tokenizer.ByteLevel:
		if c.Merges, err = meta.Strings("tokenizer.ggml.merges"); err != nil {
			return c, err
		}
	case tokenizer.SentencePiece:
		c.AddBOS, c.AddSpacePrefix = true, true // as llama.cpp does where a file doesn't say
		scores, err := meta.Floats("tokenizer.ggml.scores")
		if err != nil {
			return c, err
		}
		for _, s := range scores {
			c.Scores = append(c.Scores, float32(s))
		}
	default:
		return c, fmt.Errorf("key %q: tokenizer %q: not supported; supported are %s (byte-level BPE) and %s (SentencePiece)",
			"tokenizer.ggml.model", c.Model, tokenizer.ByteLevel, tokenizer.SentencePiece)
	}
	if c.Tokens, err = meta.Strings("tokenizer.ggml.tokens"); err != nil {
		return c, err
	}
	if meta.Has("tokenizer.ggml.pre") {
		if c.Pre, err = meta.String("tokenizer.ggml.pre"); err != nil {
			return c, err
		}
	}
	if meta.Has("tokenizer.ggml.token_type") {
		types, err := meta.Ints("tokenizer.ggml.token_type")
		if err != nil {
			return c, err
		}
		for i, t := range types {
			if int64(int32(t)) != t {
				return c, fmt.Errorf("key %q: element %d: %d is no token type", "tokenizer.ggml.token_type", i, t)
			}
			c.Types = append(c.Types, int32(t))
		}
	}
	for _, add := range []struct {
		name string
		into *bool
	}{{"bos_token", &c.AddBOS}, {"eos_token", &c.AddEOS}, {"space_prefix", &c.AddSpacePrefix}} {
		if k := "tokenizer.ggml.add_" + add.name; meta.Has(k) {
			if *add.into, err = meta.Bool(k); err != nil {
				return c, err
			}
		}
	}
	if c.Model == tokenizer.ByteLevel {
		c.AddSpacePrefix = false // which means nothing there, as in llama.cpp
	}
	err = readSpecials(meta, &c)
	return c, err
}

// readSpecials reads the ids of tokens with a part to play.
func readSpecials(meta *gguf.Meta, c *tokenizer.Config) error {
	eot := tokenizer.None
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
	if eot != tokenizer.None {
		c.EOG = []int32{eot}
	}
	return nil
}
