package recipe

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/micaml/mica/tokenizer"
)

// tokenizers is the one table of tokenizers that a recipe can make: the size of the
// vocabulary, 0 for bytes alone. Other text is the path of a tokenizer.json.
var tokenizers = paths[func(p params) int]{table[func(p params) int]{
	{"bytes", "every byte is a token", nil, func(params) int { return bytesAlone }},
	{"bpe", "learnt from the text itself", []param{{"vocab", 1024, bytesAlone, 1 << 20, true}}, func(p params) int { return p.int("vocab") }},
}}

// bytesAlone is a vocabulary of all bytes and the token that ends a text.
const bytesAlone = 257

// paths is a table of methods beside which a field may hold a path.
type paths[T any] struct{ table[T] }

func (t paths[T]) free() bool { return true }

// isPath tells a path from a method.
func isPath(s string) bool { return strings.ContainsAny(s, `/\`) || strings.HasSuffix(s, ".json") }

func (t paths[T]) check(s string) error {
	if isPath(s) {
		return nil
	}
	return t.table.check(s)
}

// vocabulary is how text becomes tokens.
type vocabulary struct {
	bpe   *tokenizer.BPE
	size  int    // of one that is to be learnt
	file  []byte // its tokenizer.json, as it was read or is to be written
	fixed bool   // the network's own
}

// vocabulary makes or reads the tokenizer that the data names.
func (r *Recipe) vocabulary() (*vocabulary, error) {
	if isPath(r.Data.Tokenizer) {
		path := r.at(r.Data.Tokenizer)
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("data.tokenizer: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > 128<<20 {
			return nil, fmt.Errorf("data.tokenizer: %s: not a file of at most 128 MiB", path)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("data.tokenizer: %w", err)
		}
		bpe, err := tokenizer.FromJSON(b)
		if err != nil {
			return nil, fmt.Errorf("data.tokenizer: %s: %w", path, err)
		}
		return &vocabulary{bpe: bpe, file: b}, nil
	}
	m, p, err := tokenizers.parse(r.Data.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("data.tokenizer: %w", err)
	}
	return &vocabulary{size: m.make(p)}, nil
}

// learn makes the tokenizer of a text, unless there is one.
func (v *vocabulary) learn(text string) error {
	if v.bpe != nil {
		return nil
	}
	c, err := tokenizer.Train(func(yield func(string) bool) { yield(text) }, tokenizer.TrainOptions{Vocabulary: v.size})
	if err != nil {
		return err
	}
	if v.file, err = c.JSON(); err != nil {
		return err
	}
	v.bpe, err = tokenizer.NewBPE(c)
	return err
}

// settings is the tokenizer_config.json of a tokenizer that has none.
func (v *vocabulary) settings() []byte {
	f := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast"}
	if id := v.bpe.EOS(); id >= 0 {
		f["eos_token"], _ = v.bpe.Piece(id)
	} else if id, ok := v.bpe.ID("<|endoftext|>"); ok {
		f["eos_token"], _ = v.bpe.Piece(id)
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic(err) // words alone
	}
	return append(b, '\n')
}
