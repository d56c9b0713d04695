package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/store"
	"github.com/micaml/mica/tensor"
)

// realModel is the model that most rows run: SmolLM2-135M-Instruct, Q4_1.
const realModel = "smollm2"

// modelNames are the files that makeModels makes, beside the real one, which
// is Q4_1. All but "K" are the same network in another storage type.
var modelNames = []string{"Q4_1", "Q4_0", "Q8_0", "F16", "K"}

// makeModels returns the path of each model, making the files that are missing.
func makeModels(cache string, say func(string, ...any)) (map[string]string, error) {
	st, err := store.Open("")
	if err != nil {
		return nil, err
	}
	real, err := st.Resolve(realModel)
	if err != nil {
		return nil, fmt.Errorf("the real model, which `mica pull %s` gets: %w", realModel, err)
	}
	paths := map[string]string{"Q4_1": real.Path}
	for _, name := range modelNames[1:] {
		path := filepath.Join(cache, "models", name+".gguf")
		paths[name] = path
		if _, err := os.Stat(path); err == nil {
			continue
		}
		say("making %s", path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := makeModel(name, path, real.Path); err != nil {
			return nil, fmt.Errorf("making %s: %w", path, err)
		}
	}
	return paths, nil
}

func makeModel(name, path, from string) error {
	m, err := tensor.OpenMapping(from)
	if err != nil {
		return err
	}
	defer m.Close()
	f, err := gguf.Parse(byteReader(m.Bytes()), int64(m.Len()))
	if err != nil {
		return err
	}
	if name == "K" {
		k := kModel(f)
		return writeModel(path, k, func(i int) ([]byte, error) { return randomWeights(k.Tensors[i], i) })
	}
	kinds := map[string]struct {
		dt       tensor.DType
		fileType uint32 // llama.cpp's number of the mixture
	}{"Q4_0": {tensor.Q4_0, 2}, "Q8_0": {tensor.Q8_0, 7}, "F16": {tensor.F16, 1}}
	kind := kinds[name]
	old := f.Tensors
	f.Tensors = append([]gguf.Tensor(nil), old...)
	for i := range f.Tensors {
		t := &f.Tensors[i]
		switch {
		case len(t.Dims) < 2: // norms stay as they are
		case t.Name == "token_embd.weight" && kind.dt == tensor.Q4_0:
			// The table is the output matrix too, which llama.cpp's own 4-bit
			// mixtures keep at 8 bits.
		default:
			if t.Type, err = gguf.TypeOf(kind.dt); err != nil {
				return err
			}
		}
	}
	if err := f.Meta.Set("general.file_type", kind.fileType); err != nil {
		return err
	}
	return writeModel(path, f, func(i int) ([]byte, error) {
		s, err := f.Storage(m.Bytes(), old[i])
		if err != nil {
			return nil, err
		}
		if f.Tensors[i].Type == old[i].Type {
			return s.Bytes(), nil
		}
		return requantize(s, kind.dt)
	})
}

// requantize stores the numbers of s as dt. From one 4-bit type to another
// costs accuracy, which speed does not notice.
func requantize(s *tensor.Storage, dt tensor.DType) ([]byte, error) {
	x := make([]float32, s.Rows*s.Cols)
	for r := range s.Rows {
		if err := s.DequantRow(r, x[r*s.Cols:(r+1)*s.Cols]); err != nil {
			return nil, err
		}
	}
	q, err := tensor.Quantize(dt, s.Rows, s.Cols, x)
	if err != nil {
		return nil, err
	}
	return q.Bytes(), nil
}

// kShape is the network of K-quants: every width is a multiple of 256, the size of
// a block, and the body is as large as Gemma 3 270M's with its table.
var kShape = struct{ layers, width, mlp, heads, kv int }{18, 1024, 2816, 16, 4}

// kModel describes a Llama with the vocabulary of f in the mixture that llama.cpp calls
// Q4_K_M: Q4_K, and Q6_K for the table and for half of attn_v and ffn_down.
func kModel(f *gguf.File) *gguf.File {
	k := kShape
	vocabulary := f.Tensors[0].Dims[1]
	g := &gguf.File{Meta: new(gguf.Meta)}
	for key, v := range f.Meta.All() {
		g.Meta.Set(key, v)
	}
	for key, v := range map[string]int{ // all keys that f has already, so their order is f's
		"llama.block_count": k.layers, "llama.embedding_length": k.width, "llama.feed_forward_length": k.mlp,
		"llama.attention.head_count": k.heads, "llama.attention.head_count_kv": k.kv, "general.file_type": 15,
	} {
		g.Meta.Set(key, uint32(v))
	}
	g.Meta.Set("general.name", "random weights, Q4_K_M mixture")
	add := func(name string, ty gguf.Type, dims ...int) {
		t := gguf.Tensor{Name: name, Type: ty}
		for _, d := range dims {
			t.Dims = append(t.Dims, uint64(d))
		}
		g.Tensors = append(g.Tensors, t)
	}
	add("token_embd.weight", gguf.Q6_K, k.width, int(vocabulary))
	add("output_norm.weight", gguf.F32, k.width)
	kv := k.width / k.heads * k.kv
	for i := range k.layers {
		better := gguf.Q4_K // llama.cpp's use_more_bits
		if i < k.layers/8 || i >= 7*k.layers/8 || (i-k.layers/8)%3 == 2 {
			better = gguf.Q6_K
		}
		b := fmt.Sprintf("blk.%d.", i)
		add(b+"attn_norm.weight", gguf.F32, k.width)
		add(b+"attn_q.weight", gguf.Q4_K, k.width, k.width)
		add(b+"attn_k.weight", gguf.Q4_K, k.width, kv)
		add(b+"attn_v.weight", better, k.width, kv)
		add(b+"attn_output.weight", gguf.Q4_K, k.width, k.width)
		add(b+"ffn_norm.weight", gguf.F32, k.width)
		add(b+"ffn_gate.weight", gguf.Q4_K, k.width, k.mlp)
		add(b+"ffn_up.weight", gguf.Q4_K, k.width, k.mlp)
		add(b+"ffn_down.weight", better, k.mlp, k.width)
	}
	return g
}

// randomWeights fills tensor i of kModel. Quants and small scales are random; the
// float16 factors of a block are set so that weights are about 1/sqrt(width).
func randomWeights(t gguf.Tensor, i int) ([]byte, error) {
	dt, err := t.Type.DType()
	if err != nil {
		return nil, err
	}
	rows := 1
	if len(t.Dims) > 1 {
		rows = int(t.Dims[1])
	}
	rowBytes, err := dt.RowBytes(int(t.Dims[0]))
	if err != nil {
		return nil, err
	}
	b := make([]byte, rows*rowBytes)
	if dt == tensor.F32 {
		for j := 0; j < len(b); j += 4 {
			putU32(b[j:], math.Float32bits(1))
		}
		return b, nil
	}
	rng := rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)})
	io.ReadFull(rng, b)
	_, size := dt.Block()
	for j := 0; j < len(b); j += size {
		block := b[j : j+size]
		if dt == tensor.Q6_K { // ql 128, qh 64, scales 16, d: scale*(q-32) is within 128*32
			putU16(block[208:], tensor.F32ToF16(2e-5))
			continue
		}
		// d, dmin, 12 bytes of 6-bit scales: scale*q is within 63*15, min within 63
		putU16(block[0:], tensor.F32ToF16(1e-4))
		putU16(block[2:], tensor.F32ToF16(7e-4))
	}
	return b, nil
}
