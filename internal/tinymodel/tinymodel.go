// Package tinymodel makes a whole language model of a few kilobytes for tests:
// a GGUF file with a tokenizer, a chat template and random weights. It says
// nothing sensible, the same nothing each time.
package tinymodel

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Config is the shape of the model.
var Config = lm.Config{
	Name: "tiny", Architecture: "llama", Layers: 2, Width: 64, Heads: 4, KVHeads: 2, HeadDim: 16, MLP: 128,
	Vocabulary: len(Tokens()), Context: 32768, RopeBase: 10000, RopeDim: 16, Eps: 1e-5,
}

// Merges are the merges of the vocabulary.
var Merges = []string{"t h", "th e", "Ġ a", "Ġ the", "i n", "P a", "Pa r", "Par i", "Pari s", "Ġ Paris"}

// Special are the control tokens, the last ids of the vocabulary.
var Special = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

// Template is the chat template.
const Template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" +
	"{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

// Tokens is the vocabulary: the 256 bytes in GPT-2's alphabet, what the merges
// make, and the control tokens.
func Tokens() []string {
	var t []string
	extra := rune(256)
	for b := range rune(256) {
		switch {
		case b >= '!' && b <= '~', b >= '¡' && b <= '¬', b >= '®' && b <= 'ÿ':
			t = append(t, string(b))
		default: // GPT-2 moves bytes that don't print up from 256
			t = append(t, string(extra))
			extra++
		}
	}
	for _, m := range Merges {
		t = append(t, strings.ReplaceAll(m, " ", ""))
	}
	return append(t, Special...)
}

// Write writes the model to a file.
func Write(path string) error {
	b, err := Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// Encode returns the bytes of the file.
func Encode() ([]byte, error) {
	net, err := lm.NewRandom(Config, tensor.Q8_0, 1)
	if err != nil {
		return nil, err
	}
	f := &gguf.File{Meta: new(gguf.Meta)}
	if err := metadata(f.Meta); err != nil {
		return nil, err
	}
	weights := net.Weights()
	if err := quieten(weights[len(weights)-1]); err != nil {
		return nil, err
	}
	for _, w := range weights {
		typ, err := gguf.TypeOf(w.DType)
		if err != nil {
			return nil, err
		}
		dims := []uint64{uint64(w.Cols), uint64(w.Rows)}
		if w.Rows == 1 {
			dims = dims[:1]
		}
		f.Tensors = append(f.Tensors, gguf.Tensor{Name: w.Name, Type: typ, Dims: dims})
	}
	var out bytes.Buffer
	err = gguf.Encode(&out, f, func(i int) []byte { return weights[i].Bytes() })
	return out.Bytes(), err
}

// quieten makes the model never end by itself: the logits of the control
// tokens are 0, and some other one is always above.
func quieten(unembed *op.Weight) error {
	if unembed.Name != "output.weight" {
		return fmt.Errorf("tinymodel: the last weight is %s", unembed.Name)
	}
	for i := range Special {
		clear(unembed.Row(unembed.Rows - 1 - i))
	}
	return nil
}

func metadata(m *gguf.Meta) error {
	types := make([]int32, Config.Vocabulary)
	for i := range types {
		types[i] = 1
		if i >= len(types)-len(Special) {
			types[i] = 3
		}
	}
	end := uint32(Config.Vocabulary - 1)
	for _, kv := range []struct {
		key   string
		value any
	}{
		{"general.architecture", Config.Architecture},
		{"general.name", Config.Name},
		{"llama.block_count", uint32(Config.Layers)},
		{"llama.embedding_length", uint32(Config.Width)},
		{"llama.feed_forward_length", uint32(Config.MLP)},
		{"llama.attention.head_count", uint32(Config.Heads)},
		{"llama.attention.head_count_kv", uint32(Config.KVHeads)},
		{"llama.context_length", uint32(Config.Context)},
		{"llama.rope.freq_base", Config.RopeBase},
		{"llama.rope.dimension_count", uint32(Config.RopeDim)},
		{"llama.attention.layer_norm_rms_epsilon", Config.Eps},
		{"tokenizer.ggml.model", "gpt2"},
		{"tokenizer.ggml.pre", "smollm"},
		{"tokenizer.ggml.tokens", Tokens()},
		{"tokenizer.ggml.token_type", types},
		{"tokenizer.ggml.merges", Merges},
		{"tokenizer.ggml.bos_token_id", end - 2},
		{"tokenizer.ggml.eos_token_id", end},
		{"tokenizer.chat_template", Template},
	} {
		if err := m.Set(kv.key, kv.value); err != nil {
			return err
		}
	}
	return nil
}
