package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// JSON returns a byte-level tokenizer with GPT-2's pre-tokenizer, such as [Train]
// makes, as a tokenizer.json of Hugging Face: [ConfigFromJSON] reads it back, and the
// tokenizers library reads it.
func (c *Config) JSON() ([]byte, error) {
	if c.Model != ByteLevel && c.Model != "" || c.Pre != "gpt-2" || c.NFC || len(c.Normalized) > 0 || c.AddBOS || c.AddEOS {
		return nil, fmt.Errorf("tokenizer: only plain byte-level ones with the pre-tokenizer gpt-2 are written, not %q with %q", c.Model, c.Pre)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	type added struct {
		ID         int    `json:"id"`
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
		Normalized bool   `json:"normalized"`
		Special    bool   `json:"special"`
	}
	type byteLevel struct {
		Type      string `json:"type"`
		AddPrefix bool   `json:"add_prefix_space"`
		Trim      bool   `json:"trim_offsets"`
		Regex     bool   `json:"use_regex"`
	}
	type model struct {
		Type         string       `json:"type"`
		Dropout      *float64     `json:"dropout"`
		Unknown      *string      `json:"unk_token"`
		Prefix       *string      `json:"continuing_subword_prefix"`
		Suffix       *string      `json:"end_of_word_suffix"`
		FuseUnknown  bool         `json:"fuse_unk"`
		ByteFallback bool         `json:"byte_fallback"`
		IgnoreMerges bool         `json:"ignore_merges"`
		Vocab        orderedVocab `json:"vocab"`
		Merges       [][2]string  `json:"merges"`
	}
	f := struct {
		Version       string    `json:"version"`
		Truncation    any       `json:"truncation"`
		Padding       any       `json:"padding"`
		AddedTokens   []added   `json:"added_tokens"`
		Normalizer    any       `json:"normalizer"`
		PreTokenizer  byteLevel `json:"pre_tokenizer"`
		PostProcessor any       `json:"post_processor"`
		Decoder       byteLevel `json:"decoder"`
		Model         model     `json:"model"`
	}{
		Version: "1.0", AddedTokens: []added{},
		PreTokenizer: byteLevel{"ByteLevel", false, true, true}, Decoder: byteLevel{"ByteLevel", true, true, true},
		Model: model{Type: "BPE", IgnoreMerges: c.WholeWords, Vocab: c.Tokens, Merges: [][2]string{}},
	}
	for id, s := range c.Tokens {
		if k := c.kind(id); isMarker(k) {
			f.AddedTokens = append(f.AddedTokens, added{ID: id, Content: s, Special: isControl(k)})
		}
	}
	for i, m := range c.Merges {
		left, right, ok := strings.Cut(m, " ")
		if !ok {
			return nil, fmt.Errorf("tokenizer: merges[%d]: %q is not two tokens", i, clip(m))
		}
		f.Model.Merges = append(f.Model.Merges, [2]string{left, right})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(f)
	return b.Bytes(), err
}

// orderedVocab is an object of tokens and their ids, in the order of the ids.
type orderedVocab []string

func (v orderedVocab) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for id, s := range v {
		if id > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(s); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ":%d", id)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
