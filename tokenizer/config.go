package tokenizer

import (
	"errors"
	"fmt"
	"slices"
)

// Kind says what a token is for. The values are those of GGUF's
// tokenizer.ggml.token_type.
type Kind int32

const (
	KindNormal      Kind = 1 // ordinary text
	KindUnknown     Kind = 2 // stands for what the vocabulary cannot express
	KindControl     Kind = 3 // steers the model: <|im_start|>; never comes from plain text
	KindUserDefined Kind = 4 // added text that is always one token
	KindUnused      Kind = 5 // a free place in the vocabulary
	KindByte        Kind = 6 // a single byte
)

// None is the id of a token that the vocabulary does not have.
const None int32 = -1

// Config is what a model file says about its tokenizer. Ids are positions in
// Tokens. Its strings are kept, not copied.
type Config struct {
	// Model is GGUF's tokenizer.ggml.model: [ByteLevel] (also if empty) or
	// [SentencePiece].
	Model string

	Tokens []string // as the model spells them: " the" is "Ġthe" or "▁the"
	Types  []int32  // a [Kind] per token; empty: all normal
	Merges []string // "left right", most urgent first
	Pre    string   // ByteLevel: GGUF's tokenizer.ggml.pre; see [PreTokenizers]

	// Scores say which merges are the most urgent in a SentencePiece model that
	// has no Merges: those that make the token with the highest score.
	Scores []float32

	// AddSpacePrefix, which puts a space before a text, is not supported.
	AddSpacePrefix bool

	// NFC: plain text is brought into Unicode's normalization form C first, as
	// tokenizer.json of Qwen and Pythia wants it. llama.cpp never does.
	NFC bool

	// Normalized lists special tokens that are looked for after that rather than
	// before.
	Normalized []int32

	// WholeWords: a word that is a token is that token, whatever the merges say
	// (ignore_merges in tokenizer.json). Some pre-tokenizers imply it.
	WholeWords bool

	BOS, EOS, Unknown, Pad int32 // [None] if there is none

	// EOG lists tokens that end a generation besides EOS and, as in llama.cpp,
	// the special tokens with the usual names (<|im_end|>, <|eot_id|>, ...).
	EOG []int32

	AddBOS, AddEOS bool // what [EncodeOptions].BOS and EOS do
}

// The kinds of vocabulary, by GGUF's names for them.
const (
	ByteLevel     = "gpt2"  // pieces of bytes, spelled in GPT-2's alphabet
	SentencePiece = "llama" // pieces of characters, spaces as ▁; others fall back to bytes
)

// Limits on a Config. They are several times what published models have and
// keep NewBPE's memory within a small multiple of the Config's own.
const (
	maxTokens      = 1 << 21
	maxMerges      = 1 << 22
	maxTokenBytes  = 1 << 16
	maxMarkerBytes = 1 << 10 // of a token that is looked for in text as it stands
)

// ErrPre is returned (wrapped) for a pre-tokenizer this package does not have.
// The model is not broken, only not supported.
var ErrPre = errors.New("unknown pre-tokenizer")

// endNames are the spellings that end a turn or a text in published models, as
// llama.cpp knows them.
var endNames = []string{
	"<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|end|>", "<|eot_id|>", "<|eom_id|>",
	"<end_of_turn>", "<end_of_utterance>", "<EOT>", "_<EOT>", "<|return|>", "<|call|>",
}

// controlNames are markers of published models that steer them even where a
// file calls them user-defined: the GGUF of Gemma 3 does, its tokenizer.json not.
var controlNames = []string{"<|im_start|>", "<start_of_turn>", "<start_of_image>", "<end_of_image>"}

// isMarker reports whether tokens of kind k are found in text by their spelling,
// before any pre-tokenizing.
func isMarker(k Kind) bool {
	return k == KindControl || k == KindUnknown || k == KindUserDefined
}

// isControl reports whether no plain text may become a token of kind k.
func isControl(k Kind) bool { return k == KindControl || k == KindUnknown }

func (c *Config) kind(id int) Kind {
	if len(c.Types) == 0 {
		return KindNormal
	}
	k := Kind(c.Types[id])
	if k == KindUserDefined && (slices.Contains(controlNames, c.Tokens[id]) || slices.Contains(endNames, c.Tokens[id])) {
		return KindControl
	}
	return k
}

// check looks at all that needs no index of the vocabulary.
func (c *Config) check() error {
	switch {
	case len(c.Tokens) == 0:
		return errors.New("tokens: empty")
	case len(c.Tokens) > maxTokens:
		return fmt.Errorf("tokens: %d, at most %d are accepted", len(c.Tokens), maxTokens)
	case len(c.Merges) > maxMerges:
		return fmt.Errorf("merges: %d, at most %d are accepted", len(c.Merges), maxMerges)
	case len(c.Types) != 0 && len(c.Types) != len(c.Tokens):
		return fmt.Errorf("types: %d for %d tokens", len(c.Types), len(c.Tokens))
	case len(c.Scores) != 0 && len(c.Scores) != len(c.Tokens):
		return fmt.Errorf("scores: %d for %d tokens", len(c.Scores), len(c.Tokens))
	case c.AddSpacePrefix:
		return errors.New("add_space_prefix: set, which is not supported")
	}
	for id, typ := range c.Types {
		if typ < int32(KindNormal) || typ > int32(KindByte) {
			return fmt.Errorf("types[%d]: %d is no token type", id, typ)
		}
	}
	for id, s := range c.Tokens {
		switch {
		case s == "":
			return fmt.Errorf("tokens[%d]: empty", id)
		case len(s) > maxTokenBytes:
			return fmt.Errorf("tokens[%d]: %d bytes, at most %d are accepted", id, len(s), maxTokenBytes)
		case len(s) > maxMarkerBytes && isMarker(c.kind(id)):
			return fmt.Errorf("tokens[%d]: %d bytes in a special token, at most %d are accepted", id, len(s), maxMarkerBytes)
		}
	}
	return c.checkIDs()
}

func (c *Config) checkIDs() error {
	for _, f := range []struct {
		name string
		id   int32
	}{{"bos", c.BOS}, {"eos", c.EOS}, {"unknown", c.Unknown}, {"pad", c.Pad}} {
		if f.id != None && !c.has(f.id) {
			return fmt.Errorf("%s: id %d is outside the vocabulary of %d", f.name, f.id, len(c.Tokens))
		}
	}
	for i, id := range c.EOG {
		if !c.has(id) {
			return fmt.Errorf("eog[%d]: id %d is outside the vocabulary of %d", i, id, len(c.Tokens))
		}
	}
	for i, id := range c.Normalized {
		if !c.has(id) || !isMarker(c.kind(int(id))) {
			return fmt.Errorf("normalized[%d]: id %d is no special token", i, id)
		}
	}
	if c.AddBOS && c.BOS == None {
		return errors.New("add_bos: set, but there is no bos token")
	}
	if c.AddEOS && c.EOS == None {
		return errors.New("add_eos: set, but there is no eos token")
	}
	return nil
}

func (c *Config) has(id int32) bool { return id >= 0 && int(id) < len(c.Tokens) }

// endOfGeneration returns the ids that end a generation, EOS among them.
func (c *Config) endOfGeneration() []int32 {
	ids := slices.Clone(c.EOG)
	for id, s := range c.Tokens {
		if isMarker(c.kind(id)) && slices.Contains(endNames, s) {
			ids = append(ids, int32(id))
		}
	}
	if c.EOS != None {
		ids = append(ids, c.EOS)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// clip keeps an error message short whatever a file holds.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
