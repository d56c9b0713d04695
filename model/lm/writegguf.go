package lm

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/tokenizer"
)

// GGUF is what a GGUF file holds beside the weights.
type GGUF struct {
	// Type is the storage type of matrices and the embedding: F32, F16, BF16, Q8_0,
	// Q4_0 or Q4_1, each rounded as ggml's reference does. Norms' gains and biases
	// stay F32.
	Type      tensor.DType
	Tokenizer tokenizer.Config // byte-level, with a token for each row of the embedding
	Template  string           // the chat template; "": none
	License   string           // SPDX; "": not stated
	About     string           // general.description; "": none
}

// fileTypes are llama.cpp's names (enum llama_ftype) of files that are mostly of a type.
var fileTypes = map[tensor.DType]uint32{tensor.F32: 0, tensor.F16: 1, tensor.Q4_0: 2, tensor.Q4_1: 3, tensor.Q8_0: 7, tensor.BF16: 32}

// WriteGGUF writes the network and its tokenizer as a file that [Open] and llama.cpp
// read. The families llama, qwen2 and qwen3 can be written. What is written has been
// read back: a tokenizer, a template or a shape that Open would refuse is an error here.
func (n *Decoder) WriteGGUF(w io.Writer, o GGUF) error {
	meta, err := n.ggufMeta(&o)
	if err != nil {
		return fmt.Errorf("lm: write GGUF: %w", err)
	}
	f := &gguf.File{Meta: meta}
	for _, x := range n.weights {
		typ, err := gguf.TypeOf(n.ggufType(x, o.Type))
		if err != nil {
			return fmt.Errorf("lm: write GGUF: weight %q: %w", x.Name, err)
		}
		dims := []uint64{uint64(x.Cols), uint64(x.Rows)}
		if x.Rows == 1 {
			dims = dims[:1]
		}
		f.Tensors = append(f.Tensors, gguf.Tensor{Name: x.Name, Type: typ, Dims: dims})
	}
	var failed error
	var out bytes.Buffer
	err = gguf.Encode(&out, f, func(i int) []byte {
		b, err := converted(n.weights[i], n.ggufType(n.weights[i], o.Type))
		if err != nil && failed == nil {
			failed = fmt.Errorf("lm: write GGUF: weight %q: %w", n.weights[i].Name, err)
		}
		return b
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	back := &Model{Types: map[string]int{}}
	if err := back.loadGGUF(out.Bytes()); err != nil {
		return fmt.Errorf("lm: write GGUF: what was written can't be read: %w", err)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// ggufType is the type that a weight is stored as.
func (n *Decoder) ggufType(w *op.Weight, kind tensor.DType) tensor.DType {
	if w.Rows == 1 {
		return tensor.F32
	}
	return kind
}

// converted returns the bytes of a weight as another type.
func converted(w *op.Weight, kind tensor.DType) ([]byte, error) {
	if w.DType == kind {
		return w.Bytes(), nil
	}
	x := make([]float32, w.Rows*w.Cols)
	for i := range w.Rows {
		if err := w.DequantRow(i, x[i*w.Cols:(i+1)*w.Cols]); err != nil {
			return nil, err
		}
	}
	s, err := tensor.Quantize(kind, w.Rows, w.Cols, x)
	if err != nil {
		return nil, err
	}
	return s.Bytes(), nil
}

// ggufMeta is the metadata of a file.
func (n *Decoder) ggufMeta(o *GGUF) (*gguf.Meta, error) {
	c, t := &n.Config, &o.Tokenizer
	fileType, known := fileTypes[o.Type]
	switch {
	case hfClasses[n.family.name] == "":
		return nil, fmt.Errorf("a %s can't be written; llama, qwen2 and qwen3 can", n.family.name)
	case n.layout != ggufLayout(n.family):
		return nil, errors.New("the rotary pairs of this network lie otherwise: it was read from a folder")
	case !known:
		return nil, fmt.Errorf("type %v: matrices are written as F32, F16, BF16, Q8_0, Q4_0 or Q4_1", o.Type)
	case t.Model != "" && t.Model != tokenizer.ByteLevel:
		return nil, fmt.Errorf("tokenizer %q: only byte-level ones are written", t.Model)
	case t.NFC || len(t.Normalized) > 0:
		return nil, errors.New("a tokenizer that normalizes text can't be told in this format")
	case len(t.Tokens) != c.Vocabulary:
		return nil, fmt.Errorf("a tokenizer of %d tokens, and the embedding has %d rows", len(t.Tokens), c.Vocabulary)
	}
	types := t.Types
	if len(types) == 0 {
		for range t.Tokens {
			types = append(types, int32(tokenizer.KindNormal))
		}
	}
	m, arch := new(gguf.Meta), c.Architecture+"."
	all := []keyValue{
		{"general.architecture", c.Architecture}, {"general.name", c.Name}, {"general.file_type", fileType},
		{"general.description", o.About}, {"general.license", o.License},
		{arch + "block_count", uint32(c.Layers)}, {arch + "context_length", uint32(c.Context)},
		{arch + "embedding_length", uint32(c.Width)}, {arch + "feed_forward_length", uint32(c.MLP)},
		{arch + "attention.head_count", uint32(c.Heads)}, {arch + "attention.head_count_kv", uint32(c.KVHeads)},
		{arch + "attention.key_length", uint32(c.HeadDim)}, {arch + "attention.value_length", uint32(c.HeadDim)},
		{arch + "rope.freq_base", c.RopeBase}, {arch + "rope.dimension_count", uint32(c.RopeDim)},
		{arch + "attention.layer_norm_rms_epsilon", c.Eps}, {arch + "vocab_size", uint32(c.Vocabulary)},
		{"tokenizer.ggml.model", tokenizer.ByteLevel}, {"tokenizer.ggml.pre", t.Pre},
		{"tokenizer.ggml.tokens", t.Tokens}, {"tokenizer.ggml.token_type", types}, {"tokenizer.ggml.merges", t.Merges},
		{"tokenizer.ggml.add_bos_token", t.AddBOS}, {"tokenizer.ggml.add_eos_token", t.AddEOS},
	}
	for _, id := range []struct {
		name string
		id   int32
	}{{"bos", t.BOS}, {"eos", t.EOS}, {"unknown", t.Unknown}, {"padding", t.Pad}} {
		if id.id >= 0 {
			all = append(all, keyValue{"tokenizer.ggml." + id.name + "_token_id", uint32(id.id)})
		}
	}
	if o.Template != "" {
		if _, err := chat.Parse(o.Template); err != nil {
			return nil, fmt.Errorf("chat template: %w", err)
		}
		all = append(all, keyValue{"tokenizer.chat_template", o.Template})
	}
	for _, kv := range all {
		if kv.value == "" { // not stated
			continue
		}
		if err := m.Set(kv.key, kv.value); err != nil {
			return nil, err
		}
	}
	return m, nil
}

type keyValue struct {
	key   string
	value any
}
