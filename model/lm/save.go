package lm

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/op"
)

// hfClasses are the classes of transformers for the families that can be written as
// folders: those whose tensors have the layout of GGUF but for rotary pairs.
var hfClasses = map[string]string{"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}

// CanWriteFolder says whether ConfigJSON and WriteWeights know the family.
func (n *Decoder) CanWriteFolder() error {
	if hfClasses[n.family.name] == "" {
		return fmt.Errorf("lm: a %s can't be written as a folder of safetensors; llama, qwen2 and qwen3 can", n.family.name)
	}
	return nil
}

// tied says that the embedding is the output matrix too.
func (n *Decoder) tied() bool {
	for _, w := range n.weights {
		if w.Name == "output.weight" {
			return false
		}
	}
	return true
}

// ConfigJSON returns the config.json of the network, as transformers and [Open] read
// it. end is the token that ends a text.
func (n *Decoder) ConfigJSON(end int32) ([]byte, error) {
	if err := n.CanWriteFolder(); err != nil {
		return nil, err
	}
	c := &n.Config
	f := map[string]any{
		"architectures": []string{hfClasses[n.family.name]}, "model_type": n.family.hfName, "hidden_act": n.family.hfAct[0],
		"hidden_size": c.Width, "intermediate_size": c.MLP, "num_hidden_layers": c.Layers, "num_attention_heads": c.Heads,
		"num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim, "vocab_size": c.Vocabulary, "max_position_embeddings": c.Context,
		"rms_norm_eps": shortest(c.Eps), "rope_theta": shortest(c.RopeBase),
		"rope_parameters":     map[string]any{"rope_type": "default", "rope_theta": shortest(c.RopeBase)},
		"tie_word_embeddings": n.tied(), "torch_dtype": "float32", "bos_token_id": nil, "eos_token_id": nil,
	}
	if n.family.name == "llama" {
		f["attention_bias"], f["mlp_bias"] = false, false
	}
	if end >= 0 {
		f["eos_token_id"] = end
	}
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// shortest is a float32 that JSON shows as short as it can.
func shortest(x float32) json.Number {
	b, err := json.Marshal(x)
	if err != nil { // not finite; no configuration has such a number
		return "0"
	}
	return json.Number(b)
}

// WriteWeights writes model.safetensors: all weights in float32, under the names and
// in the layout of transformers.
func (n *Decoder) WriteWeights(w io.Writer) error {
	if err := n.CanWriteFolder(); err != nil {
		return err
	}
	turned := n.layout == op.Interleaved
	var list []safetensors.Tensor
	for _, x := range n.weights {
		shape := []uint64{uint64(x.Rows), uint64(x.Cols)}
		if x.Rows == 1 {
			shape = shape[1:]
		}
		list = append(list, safetensors.Tensor{Name: n.family.names.name(x.Name), Type: safetensors.F32, Shape: shape})
	}
	var failed error
	err := safetensors.Write(w, map[string]string{"format": "pt"}, list, func(i int) []byte {
		x := n.weights[i]
		b, err := n.littleEndian(x, turned)
		if err != nil && failed == nil {
			failed = fmt.Errorf("lm: weight %q: %w", x.Name, err)
		}
		return b
	})
	if failed != nil {
		return failed
	}
	return err
}

// littleEndian returns a weight as float32 in little-endian order, with the rows of
// queries and keys in halves rather than pairs if turned.
func (n *Decoder) littleEndian(w *op.Weight, turned bool) ([]byte, error) {
	b, x := make([]byte, 0, 4*w.Rows*w.Cols), make([]float32, w.Cols)
	turned = turned && n.queryOrKey(w)
	for i := range w.Rows {
		from := i
		if turned {
			dim := n.Config.HeadDim
			half, place := i%dim/(dim/2), i%dim%(dim/2)
			from = i/dim*dim + 2*place + half
		}
		if err := w.DequantRow(from, x); err != nil {
			return nil, err
		}
		for _, v := range x {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b, nil
}

// queryOrKey says whether a weight is a map to queries or keys.
func (n *Decoder) queryOrKey(w *op.Weight) bool {
	_, part, _ := strings.Cut(strings.TrimPrefix(w.Name, "blk."), ".")
	return part == "attn_q.weight" || part == "attn_k.weight"
}
