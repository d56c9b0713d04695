package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// kinds are the types that weights may have.
var kinds = []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K,
	tensor.F32, tensor.F16, tensor.BF16}

// page is what the end of a file is aligned to, so that nothing is mapped behind
// the last tensor.
const page = 4096

// A mould is a small model whose weights are spoiled.
type mould struct {
	file    []byte
	tensors []gguf.Tensor
	records []int64
	end     int64 // of the header and tables
}

var mouldConfig = lm.Config{Name: "mould", Architecture: "llama", Layers: 2, Width: 32, Heads: 2, KVHeads: 1, HeadDim: 16, MLP: 64,
	Vocabulary: 8, Context: 64, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}

// newMould makes a model of a kind, with tensor last at the end of the file.
func newMould(kind tensor.DType, last int) (*mould, error) {
	c := mouldConfig
	if kind == tensor.Q4_K || kind == tensor.Q5_K || kind == tensor.Q6_K {
		c.Layers, c.Width, c.MLP, c.HeadDim, c.RopeDim, c.Heads = 1, 256, 256, 64, 64, 4
	}
	net, err := lm.NewRandom(c, tensor.F32, uint64(last))
	if err != nil {
		return nil, err
	}
	weights := net.Weights()
	for i, w := range weights {
		if w.Rows > 1 {
			if weights[i], err = blocks(w, kind, random("mould", int64(last))); err != nil {
				return nil, err
			}
		}
	}
	last %= len(weights)
	weights[last], weights[len(weights)-1] = weights[len(weights)-1], weights[last]
	f := &gguf.File{Meta: new(gguf.Meta)}
	if err := mouldKeys(f.Meta, c); err != nil {
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
	encode := func(padding int) ([]byte, error) {
		if err := f.Meta.Set("mould.padding", strings.Repeat(".", padding)); err != nil {
			return nil, err
		}
		var out bytes.Buffer
		err := gguf.Encode(&out, f, func(i int) []byte { return weights[i].Bytes() })
		return out.Bytes(), err
	}
	b, err := encode(0)
	if err == nil {
		b, err = encode((page - len(b)%page) % page)
	}
	if err != nil {
		return nil, err
	}
	if len(b)%page != 0 {
		return nil, fmt.Errorf("the mould has %d bytes, not whole pages", len(b))
	}
	g, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	l, err := ggufLayout(b)
	return &mould{b, g.Tensors, l.records, l.table[0]}, err
}

// blocks makes a matrix of a type of random bits, with scales that are numbers of
// the size of weights.
func blocks(w *op.Weight, kind tensor.DType, rng *rand.Rand) (*op.Weight, error) {
	rowBytes, err := kind.RowBytes(w.Cols)
	if err != nil {
		return nil, err
	}
	b := make([]byte, w.Rows*rowBytes)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	_, size := kind.Block()
	small := tensor.F32ToF16(0.004)
	for at := 0; at < len(b); at += size {
		block := b[at:][:size]
		switch kind {
		case tensor.F32:
			binary.LittleEndian.PutUint32(block, math.Float32bits(rng.Float32()-0.5))
		case tensor.F16:
			binary.LittleEndian.PutUint16(block, tensor.F32ToF16(rng.Float32()-0.5))
		case tensor.BF16:
			binary.LittleEndian.PutUint16(block, tensor.F32ToBF16(rng.Float32()-0.5))
		case tensor.Q6_K:
			binary.LittleEndian.PutUint16(block[208:], small)
		case tensor.Q4_1, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K:
			binary.LittleEndian.PutUint16(block[2:], small)
			fallthrough
		default:
			binary.LittleEndian.PutUint16(block, small)
		}
	}
	s, err := tensor.NewStorage(kind, w.Rows, w.Cols, b)
	return op.NewWeight(w.Name, s), err
}

func mouldKeys(m *gguf.Meta, c lm.Config) error {
	for _, kv := range []struct {
		key   string
		value any
	}{
		{"general.architecture", c.Architecture},
		{"llama.block_count", uint32(c.Layers)},
		{"llama.embedding_length", uint32(c.Width)},
		{"llama.feed_forward_length", uint32(c.MLP)},
		{"llama.attention.head_count", uint32(c.Heads)},
		{"llama.attention.head_count_kv", uint32(c.KVHeads)},
		{"llama.attention.key_length", uint32(c.HeadDim)},
		{"llama.context_length", uint32(c.Context)},
		{"llama.rope.freq_base", c.RopeBase},
		{"llama.rope.dimension_count", uint32(c.RopeDim)},
		{"llama.attention.layer_norm_rms_epsilon", c.Eps},
		{"tokenizer.ggml.model", "gpt2"},
		{"tokenizer.ggml.pre", "gpt-2"},
		{"tokenizer.ggml.tokens", []string{"a", "b", "c", "d", "e", "f", "g", "ab"}},
		{"tokenizer.ggml.merges", []string{"a b"}},
	} {
		if err := m.Set(kv.key, kv.value); err != nil {
			return err
		}
	}
	return nil
}

// halves are the bits of 16-bit numbers (and the upper ones of 32-bit numbers)
// that arithmetic goes wrong on: NaN, infinities, the largest, the least, zeros.
var halves = []uint16{0x7e00, 0x7c01, 0xfe00, 0x7fff, 0x7c00, 0xfc00, 0x7bff, 0xfbff, 0x0001, 0x8001, 0x8000, 0, 0x7f80, 0xff80, 0x7fc0, 0x7f7f}

// spoilWeights changes a copy of the mould: special numbers at places of scales,
// random bytes, or a changed value of a key.
func (m *mould) spoilWeights(b []byte, rng *rand.Rand) {
	copy(b, m.file)
	for range 1 + rng.IntN(4) {
		t := m.tensors[rng.IntN(len(m.tensors))]
		d := b[t.Offset:][:t.Size]
		switch rng.IntN(4) {
		case 0: // random numbers
			for i := range d {
				d[i] = byte(rng.Uint32())
			}
		case 1: // one special number everywhere that a block begins
			h := halves[rng.IntN(len(halves))]
			step := []int{2, 4, 18, 20, 22, 24, 34, 144, 176, 210}[rng.IntN(10)]
			for i := rng.IntN(step) &^ 1; i+1 < len(d); i += step {
				d[i], d[i+1] = byte(h), byte(h>>8)
			}
		default: // some here and there
			for range 1 + rng.IntN(16) {
				h := halves[rng.IntN(len(halves))]
				i := rng.IntN(len(d)-1) &^ 1
				d[i], d[i+1] = byte(h), byte(h>>8)
			}
		}
	}
	if rng.IntN(8) == 0 {
		i := rng.Int64N(m.end)
		b[i] = byte(rng.Uint32())
	}
}

// moulds is how many there are of each kind, each with another tensor last.
const moulds = 12

func startForward(e *env) (*attempt, error) {
	var all [][]*mould
	for _, k := range kinds {
		var of []*mould
		for last := range moulds {
			m, err := newMould(k, last)
			if err != nil {
				return nil, err
			}
			of = append(of, m)
		}
		all = append(all, of)
	}
	path := filepath.Join(e.work, "mould.gguf")
	var buf []byte
	for _, of := range all {
		if err := fence(path, of[0].file); err != nil {
			return nil, err
		}
	}
	return &attempt{cases: 5_000_000, try: func(i int64) error {
		kind := int(i % int64(len(kinds)))
		rng := random("T4", i)
		m := all[kind][rng.IntN(moulds)]
		if cap(buf) < len(m.file) {
			buf = make([]byte, len(m.file))
		}
		buf = buf[:len(m.file)]
		m.spoilWeights(buf, rng)
		if err := os.WriteFile(path, buf, 0o600); err != nil {
			return err
		}
		e.tally["models of "+kinds[kind].String()]++
		err := forward(e.tally, path, op.Mode(i/int64(len(kinds))%2), rng, i%64 == 0)
		if err != nil {
			return &broken{err, bytes.Clone(buf), "mould.gguf"}
		}
		return nil
	}}, nil
}

// forward opens a model and runs it to the last logit.
func forward(t tally, path string, mode op.Mode, rng *rand.Rand, look bool) error {
	m, err := lm.Open(path)
	if err != nil {
		t["refused"]++
		return explains(err, path)
	}
	defer m.Close()
	if look {
		if nothingBehind(path) {
			t["looked at in /proc: nothing readable behind the file"]++
		} else {
			t["looked at in /proc: something behind the file, or no /proc"]++
		}
	}
	t["ran to the last logit in mode "+mode.String()]++
	return runTokens(m, mode, rng.Int32N(8), rng.Int32N(8), rng.Int32N(8))
}

// fence makes the addresses behind the next mappings of a file of this size
// unreadable, where /proc can show that they are.
func fence(path string, file []byte) error {
	if err := os.WriteFile(path, file, 0o600); err != nil {
		return err
	}
	for range 64 {
		m, err := tensor.OpenMapping(path)
		if err != nil {
			return err
		}
		fenced := nothingBehind(path)
		if err := m.Close(); err != nil {
			return err
		}
		if fenced || reserve(len(file)) != nil {
			break // the tally tells in how many cases it held
		}
	}
	return nil
}

// nothingBehind looks whether a read behind the mapping of a file would be a
// fault: no readable mapping begins where it ends.
func nothingBehind(path string) bool {
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return false
	}
	end := ""
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		if end != "" {
			return from != end || !strings.HasPrefix(f[1], "r")
		}
		if len(f) > 5 && f[5] == path {
			end = to
		}
	}
	return end != ""
}
