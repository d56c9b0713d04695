package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/store"
)

// realModel reads the model to spoil: --model, or the store's smollm2.
func realModel(e *env) ([]byte, error) {
	if e.model != "" {
		return os.ReadFile(e.model)
	}
	s, err := store.Open("")
	if err != nil {
		return nil, err
	}
	m, err := s.Resolve("smollm2")
	if err != nil {
		return nil, fmt.Errorf("%w: run `mica pull smollm2`, or give --model FILE", err)
	}
	return os.ReadFile(m.Path)
}

// embedding is the tensor with a row for each token.
const embedding = "token_embd.weight"

// short gives a model the vocabulary of tinymodel: every other tensor stays, and
// the file opens ten times as fast. What is left of the embeddings are their
// first rows.
func short(b []byte) ([]byte, error) {
	f, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	tiny, err := tinymodel.Encode()
	if err != nil {
		return nil, err
	}
	t, err := gguf.Parse(bytes.NewReader(tiny), int64(len(tiny)))
	if err != nil {
		return nil, err
	}
	out := &gguf.File{Meta: new(gguf.Meta)}
	for key, v := range f.Meta.All() {
		if !strings.HasPrefix(key, "tokenizer.") && key != "llama.vocab_size" {
			if err := out.Meta.Set(key, v); err != nil {
				return nil, err
			}
		}
	}
	for key, v := range t.Meta.All() {
		if strings.HasPrefix(key, "tokenizer.") {
			if err := out.Meta.Set(key, v); err != nil {
				return nil, err
			}
		}
	}
	rows := uint64(len(tinymodel.Tokens()))
	var data [][]byte
	for _, x := range f.Tensors {
		d := b[x.Offset:][:x.Size]
		if x.Name == embedding || x.Name == "output.weight" {
			d = d[:uint64(len(d))/x.Dims[1]*rows]
			x.Dims = []uint64{x.Dims[0], rows}
		}
		data = append(data, d)
		out.Tensors = append(out.Tensors, x)
	}
	var w bytes.Buffer
	err = gguf.Encode(&w, out, func(i int) []byte { return data[i] })
	return w.Bytes(), err
}

// hfNames are transformers' names for the parts of Llama's blocks.
var hfNames = strings.NewReplacer("token_embd", "model.embed_tokens", "output_norm", "model.norm", "output.weight", "lm_head.weight",
	"blk.", "model.layers.", "attn_norm", "input_layernorm", "ffn_norm", "post_attention_layernorm",
	"attn_q", "self_attn.q_proj", "attn_k", "self_attn.k_proj", "attn_v", "self_attn.v_proj", "attn_output", "self_attn.o_proj",
	"ffn_gate", "mlp.gate_proj", "ffn_up", "mlp.up_proj", "ffn_down", "mlp.down_proj")

// safetensorsTwin writes a Llama model of GGUF's into a folder as transformers
// has it, weights as BF16, and returns the bytes of its safetensors file. The
// rows of queries and keys stay in GGUF's order: the twin says nothing sensible,
// and is as large and as many-partitioned as the real one.
func safetensorsTwin(dir string, b []byte) ([]byte, error) {
	f, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "model.gguf")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	m, err := lm.Open(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var tensors []safetensors.Tensor
	var data [][]byte
	for _, t := range f.Tensors {
		s, err := f.Storage(b, t)
		if err != nil {
			return nil, err
		}
		shape := []uint64{uint64(s.Rows), uint64(s.Cols)}
		if len(t.Dims) == 1 {
			shape = shape[1:]
		}
		out := make([]byte, 0, 2*s.Rows*s.Cols)
		row := make([]float32, s.Cols)
		for i := range s.Rows {
			if err := s.DequantRow(i, row); err != nil {
				return nil, err
			}
			for _, x := range row {
				u := math.Float32bits(x)
				out = append(out, byte(u>>16), byte(u>>24))
			}
		}
		tensors = append(tensors, safetensors.Tensor{Name: hfNames.Replace(t.Name), Type: safetensors.BF16, Shape: shape})
		data = append(data, out)
	}
	if err := writeTexts(dir, m); err != nil {
		return nil, err
	}
	var w bytes.Buffer
	err = safetensors.Write(&w, map[string]string{"format": "pt"}, tensors, func(i int) []byte { return data[i] })
	return w.Bytes(), err
}

// writeTexts writes the files beside the weights.
func writeTexts(dir string, m *lm.Model) error {
	c := m.Net.Config
	vocabulary := map[string]int{}
	for i, t := range tinymodel.Tokens() {
		vocabulary[t] = i
	}
	for name, v := range map[string]any{
		"config.json": map[string]any{
			"model_type": "llama", "hidden_size": c.Width, "num_hidden_layers": c.Layers, "num_attention_heads": c.Heads,
			"num_key_value_heads": c.KVHeads, "intermediate_size": c.MLP, "vocab_size": c.Vocabulary, "max_position_embeddings": c.Context,
			"rope_theta": c.RopeBase, "rms_norm_eps": c.Eps, "tie_word_embeddings": true, "hidden_act": "silu", "head_dim": c.HeadDim,
		},
		"tokenizer.json": map[string]any{
			"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": []any{}, "normalizer": nil, "post_processor": nil,
			"pre_tokenizer": map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
			"decoder":       map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
			"model": map[string]any{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
				"fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": tinymodel.Merges},
		},
	} {
		b, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
