package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits on a tokenizer.json. Gemma 3's has 33 MB, the largest of a published
// model; a normalizer, pre-tokenizer, post-processor or decoder has at most a few KB.
const (
	maxJSON = 128 << 20
	maxPart = 64 << 10
)

// FromJSON returns the tokenizer of a Hugging Face tokenizer.json. See
// [ConfigFromJSON] for what is supported, and for the way to a tokenizer that
// knows the tokens which only tokenizer_config.json names.
func FromJSON(b []byte) (*BPE, error) {
	c, err := ConfigFromJSON(b)
	if err != nil {
		return nil, err
	}
	return NewBPE(c)
}

// ConfigFromJSON reads a Hugging Face tokenizer.json of the model type BPE: with a
// byte-level alphabet (GPT-2, GPT-NeoX and Pythia, SmolLM2, Llama 3, Qwen 2 to 3)
// or with byte fallback (Gemma). Whatever would change the ids and is not known
// is an error that names it. The fields truncation and padding, which concern
// batches, are not looked at.
//
// The file says which tokens are special, and through its post-processor which
// begin and end a text. [Config.ReadSpecials] adds what tokenizer_config.json
// says: the end token above all.
func ConfigFromJSON(b []byte) (Config, error) {
	c, err := configFromJSON(b)
	if err != nil {
		return Config{}, fmt.Errorf("tokenizer.json: %w", err)
	}
	return c, nil
}

// jsonFile is a tokenizer.json. What may have one of several forms is read later.
type jsonFile struct {
	AddedTokens   jsonAddedList   `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         *jsonModel      `json:"model"`
}

type jsonAdded struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type jsonModel struct {
	Type         string     `json:"type"`
	Dropout      float64    `json:"dropout"`
	Unknown      string     `json:"unk_token"`
	Prefix       string     `json:"continuing_subword_prefix"`
	Suffix       string     `json:"end_of_word_suffix"`
	ByteFallback bool       `json:"byte_fallback"`
	IgnoreMerges bool       `json:"ignore_merges"`
	Vocab        jsonVocab  `json:"vocab"`
	Merges       jsonMerges `json:"merges"`
}

func configFromJSON(b []byte) (Config, error) {
	c := Config{BOS: None, EOS: None, Unknown: None, Pad: None}
	if len(b) > maxJSON {
		return c, fmt.Errorf("%d bytes, at most %d are accepted", len(b), maxJSON)
	}
	if !utf8.Valid(b) {
		return c, errors.New("not UTF-8")
	}
	var f jsonFile
	if err := unmarshal(b, &f); err != nil {
		return c, err
	}
	m := f.Model
	if m == nil {
		return c, errors.New("model: missing")
	}
	if err := m.check(); err != nil {
		return c, err
	}
	c.Model, c.Merges, c.WholeWords = ByteLevel, m.Merges, m.IgnoreMerges
	if m.ByteFallback {
		c.Model = SentencePiece
	}
	if err := c.readTokens(m, f.AddedTokens); err != nil {
		return c, err
	}
	if err := c.readParts(&f); err != nil {
		return c, err
	}
	return c, nil
}

func (m *jsonModel) check() error {
	switch {
	case m.Type != "BPE":
		return fmt.Errorf("model.type: %q is not supported, \"BPE\" is", clip(m.Type))
	case m.Dropout != 0:
		return fmt.Errorf("model.dropout: %v is not supported, ids would change from call to call", m.Dropout)
	case m.Prefix != "":
		return fmt.Errorf("model.continuing_subword_prefix: %q is not supported", clip(m.Prefix))
	case m.Suffix != "":
		return fmt.Errorf("model.end_of_word_suffix: %q is not supported", clip(m.Suffix))
	case len(m.Vocab) == 0:
		return errors.New("model.vocab: missing or empty")
	case m.ByteFallback && len(m.Merges) == 0:
		return errors.New("model.merges: missing or empty")
	}
	return nil
}

// readTokens makes one list of the vocabulary and the added tokens, most of which
// are in both.
func (c *Config) readTokens(m *jsonModel, added []jsonAdded) error {
	ids := make(map[string]int64, len(m.Vocab))
	for _, v := range m.Vocab {
		if first, ok := ids[v.text]; ok {
			return fmt.Errorf("model.vocab: %q has the id %d and the id %d", clip(v.text), first, v.id)
		}
		ids[v.text] = v.id
	}
	n := len(m.Vocab)
	more := make([]bool, len(added)) // is not in the vocabulary
	for i, a := range added {
		id, ok := ids[a.Content]
		switch {
		case a.Content == "":
			return fmt.Errorf("added_tokens[%d].content: missing or empty", i)
		case ok && id != a.ID:
			return fmt.Errorf("added_tokens[%d]: %q has the id %d and the id %d", i, clip(a.Content), id, a.ID)
		case a.SingleWord:
			return fmt.Errorf("added_tokens[%d].single_word: set for %q, which is not supported", i, clip(a.Content))
		case a.LStrip:
			return fmt.Errorf("added_tokens[%d].lstrip: set for %q, which is not supported", i, clip(a.Content))
		case a.RStrip:
			return fmt.Errorf("added_tokens[%d].rstrip: set for %q, which is not supported", i, clip(a.Content))
		case !ok:
			ids[a.Content], more[i] = a.ID, true
			n++
		}
	}
	// Ids that are all different and less than their number leave no gap.
	c.Tokens, c.Types = make([]string, n), make([]int32, n)
	place := func(what, s string, id int64) error {
		if id < 0 || id >= int64(n) {
			return fmt.Errorf("%s: %q has the id %d, and there are %d tokens", what, clip(s), id, n)
		}
		if old := c.Tokens[id]; old != "" {
			return fmt.Errorf("%s: %q and %q both have the id %d", what, clip(old), clip(s), id)
		}
		c.Tokens[id], c.Types[id] = s, int32(KindNormal)
		return nil
	}
	for _, v := range m.Vocab {
		if v.text == "" {
			return errors.New("model.vocab: an empty token")
		}
		if err := place("model.vocab", v.text, v.id); err != nil {
			return err
		}
		if m.ByteFallback && len(v.text) == 6 && strings.HasPrefix(v.text, "<0x") && v.text[5] == '>' && isHex(v.text[3]) && isHex(v.text[4]) {
			c.Types[v.id] = int32(KindByte)
		}
	}
	for i, a := range added {
		if more[i] {
			if err := place(fmt.Sprintf("added_tokens[%d]", i), a.Content, a.ID); err != nil {
				return err
			}
		}
		c.Types[a.ID] = int32(KindUserDefined)
		if a.Special {
			c.Types[a.ID] = int32(KindControl)
		}
		if a.Normalized {
			c.Normalized = append(c.Normalized, int32(a.ID))
		}
	}
	return c.readUnknown(m, ids)
}

// readUnknown takes the token for what the vocabulary cannot express. It must
// never be needed, for no text is to become it.
func (c *Config) readUnknown(m *jsonModel, ids map[string]int64) error {
	if m.Unknown == "" {
		return nil
	}
	id, ok := ids[m.Unknown]
	if !ok {
		return fmt.Errorf("model.unk_token: %q is not in the vocabulary", clip(m.Unknown))
	}
	c.Unknown = int32(id)
	if m.ByteFallback {
		return nil // NewBPE sees to it that all bytes are there
	}
	for b, r := range byteSymbols {
		if _, ok := ids[string(r)]; !ok {
			return fmt.Errorf("model.unk_token: %q is not supported in a vocabulary without %q, the symbol of byte 0x%02x", clip(m.Unknown), r, b)
		}
	}
	return nil
}

func isHex(b byte) bool { return b >= '0' && b <= '9' || b >= 'A' && b <= 'F' }

// ReadSpecials adds what a Hugging Face tokenizer_config.json says: bos_token,
// eos_token, unk_token and pad_token, each as a text or as an object with its
// content, and add_bos_token and add_eos_token. What it leaves out stays as it is.
func (c *Config) ReadSpecials(b []byte) error {
	var f struct {
		BOS    *jsonToken `json:"bos_token"`
		EOS    *jsonToken `json:"eos_token"`
		UNK    *jsonToken `json:"unk_token"`
		Pad    *jsonToken `json:"pad_token"`
		AddBOS *bool      `json:"add_bos_token"`
		AddEOS *bool      `json:"add_eos_token"`
	}
	if len(b) > maxJSON {
		return fmt.Errorf("tokenizer_config.json: %d bytes, at most %d are accepted", len(b), maxJSON)
	}
	if err := unmarshal(b, &f); err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	for _, t := range []struct {
		name  string
		token *jsonToken
		into  *int32
	}{{"bos_token", f.BOS, &c.BOS}, {"eos_token", f.EOS, &c.EOS}, {"unk_token", f.UNK, &c.Unknown}, {"pad_token", f.Pad, &c.Pad}} {
		if t.token == nil {
			continue
		}
		if err := c.setToken(t.into, string(*t.token)); err != nil {
			return fmt.Errorf("tokenizer_config.json: %s: %w", t.name, err)
		}
	}
	for _, t := range []struct {
		add  *bool
		into *bool
		id   int32
	}{{f.AddBOS, &c.AddBOS, c.BOS}, {f.AddEOS, &c.AddEOS, c.EOS}} {
		if t.add != nil {
			*t.into = *t.add && t.id != None
		}
	}
	return nil
}

// jsonToken is a token's text, as such or as the content of an object.
type jsonToken string

func (t *jsonToken) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*t = jsonToken(s)
		return nil
	}
	var o struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return fmt.Errorf("%s is neither a token's text nor an object with its content", clip(string(b)))
	}
	*t = jsonToken(o.Content)
	return nil
}

// unmarshal is json.Unmarshal with errors that name fields of the file, not of
// this package.
func unmarshal(b []byte, into any) error { return plainError(json.Unmarshal(b, into)) }

func plainError(err error) error {
	var e *json.UnmarshalTypeError
	if errors.As(err, &e) {
		if e.Field == "" {
			return fmt.Errorf("%s where something else is wanted", e.Value)
		}
		return fmt.Errorf("%s: %s where something else is wanted", e.Field, e.Value)
	}
	return err
}
