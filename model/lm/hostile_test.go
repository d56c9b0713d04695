package lm_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/model/lm"
)

// draft is a model file to spoil: valid GGUF, whatever it then says.
type draft struct {
	t       *testing.T
	meta    *gguf.Meta
	tensors []gguf.Tensor
	data    [][]byte
}

func newDraft(t *testing.T) *draft {
	t.Helper()
	b, err := tinymodel.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return draftOf(t, b)
}

// familyDraft is the checkpoint of a family, which has no tokenizer.
func familyDraft(t *testing.T, name string) *draft {
	t.Helper()
	b, err := os.ReadFile("testdata/families/" + name + ".gguf.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return draftOf(t, b)
}

func draftOf(t *testing.T, b []byte) *draft {
	t.Helper()
	f, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	d := &draft{t: t, meta: f.Meta, tensors: f.Tensors}
	for _, x := range f.Tensors {
		d.data = append(d.data, b[x.Offset:][:x.Size])
	}
	return d
}

func (d *draft) set(key string, v any) {
	if err := d.meta.Set(key, v); err != nil {
		d.t.Fatal(err)
	}
}

func (d *draft) remove(key string) {
	old := d.meta
	d.meta = new(gguf.Meta)
	for k, v := range old.All() {
		if k != key {
			d.set(k, v)
		}
	}
}

func (d *draft) index(name string) int {
	i := slices.IndexFunc(d.tensors, func(t gguf.Tensor) bool { return t.Name == name })
	if i < 0 {
		d.t.Fatalf("no tensor %s", name)
	}
	return i
}

func (d *draft) drop(name string) {
	i := d.index(name)
	d.tensors, d.data = slices.Delete(d.tensors, i, i+1), slices.Delete(d.data, i, i+1)
}

func (d *draft) rename(from, to string) { d.tensors[d.index(from)].Name = to }

// reshape and retype give a tensor another shape or type, and zeros.
func (d *draft) reshape(name string, dims ...uint64) {
	d.tensors[d.index(name)].Dims = dims
	d.retype(name, d.tensors[d.index(name)].Type)
}

const float64Type gguf.Type = 28 // that mica has no arithmetic for

func (d *draft) retype(name string, typ gguf.Type) {
	i := d.index(name)
	rows, row := 1, int(d.tensors[i].Dims[0])
	for _, x := range d.tensors[i].Dims[1:] {
		rows *= int(x)
	}
	bytes := 8 * row
	if typ != float64Type {
		dt, err := typ.DType()
		if err != nil {
			d.t.Fatal(err)
		}
		if bytes, err = dt.RowBytes(row); err != nil {
			d.t.Fatal(err)
		}
	}
	d.tensors[i].Type, d.data[i] = typ, make([]byte, rows*bytes)
}

func (d *draft) add(name string, dims ...uint64) {
	d.tensors = append(d.tensors, gguf.Tensor{Name: name, Dims: dims, Type: gguf.F32})
	d.data = append(d.data, nil)
	d.reshape(name, dims...)
}

func (d *draft) write() string {
	d.t.Helper()
	var out bytes.Buffer
	f := &gguf.File{Meta: d.meta, Tensors: d.tensors}
	if err := gguf.Encode(&out, f, func(i int) []byte { return d.data[i] }); err != nil {
		d.t.Fatal(err)
	}
	path := filepath.Join(d.t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

func TestHostileModels(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	set := func(key string, v any) func(*draft) { return func(d *draft) { d.set(key, v) } }
	remove := func(key string) func(*draft) { return func(d *draft) { d.remove(key) } }
	cases := []struct {
		name  string
		spoil func(*draft)
		want  string // in the error: the key or tensor at fault
	}{
		{"no architecture", remove("general.architecture"), `key "general.architecture"`},
		{"other architecture", set("general.architecture", "mamba"), `key "general.architecture": architecture "mamba": not supported`},
		{"architecture a number", set("general.architecture", uint32(7)), `key "general.architecture"`},
		{"name a number", set("general.name", uint32(7)), `key "general.name"`},
		{"no block count", remove("llama.block_count"), `key "llama.block_count"`},
		{"no blocks", set("llama.block_count", uint32(0)), `key "llama.block_count": 0 is not in [1, 1024]`},
		{"fewer blocks than tensors", set("llama.block_count", uint32(1)), `tensor "blk.1.`},
		{"more blocks than tensors", set("llama.block_count", uint32(3)), `key "llama.block_count": 3 layers`},
		{"a thousand blocks", set("llama.block_count", uint32(1024)), `key "llama.block_count": 1024 layers`},
		{"4 Gi blocks", set("llama.block_count", uint32(math.MaxUint32)), `key "llama.block_count"`},
		{"2^63 blocks", set("llama.block_count", uint64(1<<63)), `key "llama.block_count"`},
		{"-1 blocks", set("llama.block_count", int32(-1)), `key "llama.block_count"`},
		{"block count a string", set("llama.block_count", "2"), `key "llama.block_count"`},
		{"block count an array", set("llama.block_count", []uint32{2}), `key "llama.block_count"`},
		{"block count a fraction", set("llama.block_count", float32(2)), `key "llama.block_count"`},
		{"no heads", set("llama.attention.head_count", uint32(0)), `key "llama.attention.head_count": 0`},
		{"heads for each layer", set("llama.attention.head_count", []uint32{4, 4}), `key "llama.attention.head_count"`},
		{"4 Gi heads", set("llama.attention.head_count", uint32(math.MaxUint32)), `key "llama.attention.head_count"`},
		{"heads that don't divide the width", set("llama.attention.head_count", uint32(6)), `key "llama.attention.head_count`},
		{"no KV heads", set("llama.attention.head_count_kv", uint32(0)), `key "llama.attention.head_count_kv": 0`},
		{"more KV heads than heads", set("llama.attention.head_count_kv", uint32(8)), `key "llama.attention.head_count_kv"`},
		{"KV heads that don't divide", set("llama.attention.head_count_kv", uint32(3)), `key "llama.attention.head_count_kv"`},
		{"other KV heads than the tensors", set("llama.attention.head_count_kv", uint32(4)), `tensor "blk.0.attn_k.weight"`},
		{"no width", remove("llama.embedding_length"), `key "llama.embedding_length"`},
		{"width 0", set("llama.embedding_length", uint32(0)), `key "llama.embedding_length"`},
		{"width 2^40", set("llama.embedding_length", uint64(1<<40)), `key "llama.embedding_length"`},
		{"other width than the tensors", set("llama.embedding_length", uint32(128)), `tensor "token_embd.weight": shape [64 269], and the configuration says [128 269]`},
		{"no MLP width", remove("llama.feed_forward_length"), `key "llama.feed_forward_length"`},
		{"other MLP width than the tensors", set("llama.feed_forward_length", uint32(256)), `tensor "blk.0.ffn_gate.weight"`},
		{"MLP width for each layer", set("llama.feed_forward_length", []uint32{128, 128}), `key "llama.feed_forward_length"`},
		{"no context", remove("llama.context_length"), `key "llama.context_length"`},
		{"context 0", set("llama.context_length", uint32(0)), `key "llama.context_length"`},
		{"context 2^40", set("llama.context_length", uint64(1<<40)), `key "llama.context_length"`},
		{"epsilon NaN", set("llama.attention.layer_norm_rms_epsilon", nan), `key "llama.attention.layer_norm_rms_epsilon"`},
		{"epsilon negative", set("llama.attention.layer_norm_rms_epsilon", float32(-1)), `key "llama.attention.layer_norm_rms_epsilon"`},
		{"epsilon infinite", set("llama.attention.layer_norm_rms_epsilon", inf), `key "llama.attention.layer_norm_rms_epsilon"`},
		{"epsilon a string", set("llama.attention.layer_norm_rms_epsilon", "small"), `key "llama.attention.layer_norm_rms_epsilon"`},
		{"rotary base NaN", set("llama.rope.freq_base", nan), `key "llama.rope.freq_base"`},
		{"rotary base 0", set("llama.rope.freq_base", float32(0)), `key "llama.rope.freq_base"`},
		{"rotary base infinite", set("llama.rope.freq_base", math.MaxFloat64), `key "llama.rope.freq_base"`},
		{"odd rotary dimensions", set("llama.rope.dimension_count", uint32(15)), `key "llama.rope.dimension_count"`},
		{"no rotary dimensions", set("llama.rope.dimension_count", uint32(0)), `key "llama.rope.dimension_count"`},
		{"more rotary dimensions than the head has", set("llama.rope.dimension_count", uint32(18)), `key "llama.rope.dimension_count"`},
		{"heads of 512", set("llama.attention.key_length", uint32(512)), `key "llama.attention.key_length"`},
		{"other heads than the tensors", set("llama.attention.key_length", uint32(32)), `tensor "blk.0.attn_q.weight"`},
		{"values wider than keys", set("llama.attention.value_length", uint32(32)), `key "llama.attention.value_length"`},
		{"scaled positions", set("llama.rope.scaling.type", "yarn"), `key "llama.rope.scaling.type": not supported`},
		{"scaled positions, type left out", set("llama.rope.scaling.factor", float32(4)), `key "llama.rope.scaling.factor": not supported`},
		{"scaled positions, the old way", set("llama.rope.scale_linear", float32(2)), `key "llama.rope.scale_linear": not supported`},
		{"experts", set("llama.expert_count", uint32(8)), `key "llama.expert_count": not supported`},
		{"sliding window", set("llama.attention.sliding_window", uint32(64)), `key "llama.attention.sliding_window": not supported`},

		{"no embedding", func(d *draft) { d.drop("token_embd.weight") }, `tensor "token_embd.weight": missing`},
		{"embedding a vector", func(d *draft) { d.reshape("token_embd.weight", 64) }, `tensor "token_embd.weight"`},
		{"embedding of another height", func(d *draft) { d.reshape("token_embd.weight", 64, 270) }, `tensor "output.weight"`},
		{"no query map", func(d *draft) { d.drop("blk.1.attn_q.weight"); d.add("blk.1.spare", 32) }, `tensor "blk.1.attn_q.weight": missing`},
		{"no last norm", func(d *draft) { d.drop("output_norm.weight") }, `tensor "output_norm.weight": missing`},
		{"misspelled", func(d *draft) { d.rename("blk.0.ffn_up.weight", "blk.0.ffn_upp.weight") }, `tensor "blk.0.ffn_up.weight": missing`},
		{"turned round", func(d *draft) { d.reshape("blk.0.ffn_up.weight", 128, 64) }, `tensor "blk.0.ffn_up.weight": shape [128 64], and the configuration says [64 128]`},
		{"three dimensions", func(d *draft) { d.reshape("blk.0.ffn_up.weight", 64, 64, 2) }, `tensor "blk.0.ffn_up.weight": shape [64 64 2]`},
		{"a norm too long", func(d *draft) { d.reshape("blk.0.attn_norm.weight", 96) }, `tensor "blk.0.attn_norm.weight"`},
		{"a norm too high", func(d *draft) { d.reshape("blk.0.attn_norm.weight", 64, 2) }, `tensor "blk.0.attn_norm.weight"`},
		{"a bias", func(d *draft) { d.add("blk.0.attn_q.bias", 64) }, `tensor "blk.0.attn_q.bias": the llama architecture has no such part`},
		{"rotary factors", func(d *draft) { d.add("rope_freqs.weight", 8) }, `tensor "rope_freqs.weight"`},
		{"a layer too many", func(d *draft) { d.add("blk.2.attn_q.weight", 64, 64) }, `tensor "blk.2.attn_q.weight"`},
		{"a norm in 8 bits", func(d *draft) { d.retype("blk.0.attn_norm.weight", gguf.Q8_0) }, `tensor "blk.0.attn_norm.weight": a norm's gain must be F32`},
		{"a map of integers", func(d *draft) { d.retype("blk.1.ffn_down.weight", gguf.I32) }, `tensor "blk.1.ffn_down.weight"`},
		{"a map of float64", func(d *draft) { d.retype("blk.1.ffn_down.weight", float64Type) }, `tensor "blk.1.ffn_down.weight"`},
		{"a map of integers", func(d *draft) { d.retype("blk.1.ffn_down.weight", gguf.I8) }, `tensor "blk.1.ffn_down.weight": type I8: not supported`},

		{"no tokenizer", remove("tokenizer.ggml.model"), `key "tokenizer.ggml.model"`},
		{"other tokenizer", set("tokenizer.ggml.model", "bert"), `key "tokenizer.ggml.model": tokenizer "bert": not supported`},
		{"SentencePiece without scores", set("tokenizer.ggml.model", "llama"), `key "tokenizer.ggml.scores"`},
		{"other pre-tokenizer", set("tokenizer.ggml.pre", "klingon"), `"klingon"`},
		{"no tokens", remove("tokenizer.ggml.tokens"), `key "tokenizer.ggml.tokens"`},
		{"tokens are numbers", set("tokenizer.ggml.tokens", []uint32{1, 2}), `key "tokenizer.ggml.tokens"`},
		{"one token too many", func(d *draft) {
			d.remove("tokenizer.ggml.token_type")
			d.set("tokenizer.ggml.tokens", append(tinymodel.Tokens(), "more"))
		}, `key "tokenizer.ggml.tokens": 270 tokens, and "token_embd.weight" has 269 rows`},
		{"a token twice", set("tokenizer.ggml.tokens", append(tinymodel.Tokens()[:268], "a")), `tokens[268]: "a"`},
		{"no merges", remove("tokenizer.ggml.merges"), `key "tokenizer.ggml.merges"`},
		{"a merge to nowhere", set("tokenizer.ggml.merges", []string{"z z"}), `merges[0]`},
		{"a token type for each but one", set("tokenizer.ggml.token_type", make([]int32, 268)), `types: 268 for 269 tokens`},
		{"a token type of 2^32+1", set("tokenizer.ggml.token_type", append(make([]int64, 268), 1<<32+1)), `key "tokenizer.ggml.token_type": element 268`},
		{"end token outside", set("tokenizer.ggml.eos_token_id", uint32(269)), `key "tokenizer.ggml.eos_token_id": token 269 of 269`},
		{"end token negative", set("tokenizer.ggml.eos_token_id", int32(-1)), `key "tokenizer.ggml.eos_token_id"`},
		{"end of turn outside", set("tokenizer.ggml.eot_token_id", uint32(4096)), `key "tokenizer.ggml.eot_token_id"`},
		{"begin token a string", set("tokenizer.ggml.bos_token_id", "<s>"), `key "tokenizer.ggml.bos_token_id"`},
		{"begin token asked for and not there", func(d *draft) {
			d.remove("tokenizer.ggml.bos_token_id")
			d.set("tokenizer.ggml.add_bos_token", true)
		}, `add_bos`},
		{"a template that doesn't parse", set("tokenizer.chat_template", "{% for %}"), `key "tokenizer.chat_template"`},
		{"template a list", set("tokenizer.chat_template", []string{"a"}), `key "tokenizer.chat_template"`},
	}
	if len(cases) < 40 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDraft(t)
			c.spoil(d)
			refused(t, d, c.want)
		})
	}
	t.Logf("%d models", len(cases))
}

// refused opens a model that must not open.
func refused(t *testing.T, d *draft, want string) {
	t.Helper()
	path := d.write()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := lm.Open(path)
	runtime.ReadMemStats(&after)
	if err == nil {
		m.Close()
		t.Fatal("it opened")
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q doesn't say %q", err, want)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// What other families have besides Llama's keys and tensors.
func TestHostileFamilies(t *testing.T) {
	nan := float32(math.NaN())
	set := func(key string, v any) func(*draft) { return func(d *draft) { d.set(key, v) } }
	for _, c := range []struct {
		family, name string
		spoil        func(*draft)
		want         string
	}{
		{"qwen2", "nothing wrong but the tokenizer", func(*draft) {}, `key "tokenizer.ggml.model"`},
		{"qwen2", "no bias", func(d *draft) { d.drop("blk.0.attn_k.bias") }, `tensor "blk.0.attn_k.bias": missing`},
		{"qwen2", "a bias too short", func(d *draft) { d.reshape("blk.0.attn_k.bias", 8) }, `tensor "blk.0.attn_k.bias": shape [8], and the configuration says [16 1]`},
		{"qwen2", "a bias in halves", func(d *draft) { d.retype("blk.0.attn_k.bias", gguf.F16) }, `tensor "blk.0.attn_k.bias": a bias must be F32, not F16`},
		{"qwen2", "a bias of the output", func(d *draft) { d.add("blk.0.attn_output.bias", 32) }, `tensor "blk.0.attn_output.bias": the qwen2 architecture has no such part`},
		{"qwen2", "a window", set("qwen2.attention.sliding_window", uint32(4)), `key "qwen2.attention.sliding_window": not supported`},
		{"qwen3", "no norm of keys", func(d *draft) { d.drop("blk.1.attn_k_norm.weight") }, `tensor "blk.1.attn_k_norm.weight": missing`},
		{"qwen3", "a norm of all heads", func(d *draft) { d.reshape("blk.1.attn_q_norm.weight", 48) }, `tensor "blk.1.attn_q_norm.weight": shape [48], and the configuration says [12 1]`},
		{"gpt2", "three maps", func(d *draft) { d.rename("blk.0.attn_qkv.weight", "blk.0.attn_q.weight") }, `tensor "blk.0.attn_qkv.weight": missing`},
		{"gpt2", "two thirds", func(d *draft) { d.reshape("blk.0.attn_qkv.weight", 32, 64) }, `tensor "blk.0.attn_qkv.weight": shape [32 64], and the configuration says [32 96]`},
		{"gpt2", "two thirds of a bias", func(d *draft) { d.reshape("blk.1.attn_qkv.bias", 64) }, `tensor "blk.1.attn_qkv.bias": shape [64], and the configuration says [96 1]`},
		{"gpt2", "fewer keys", set("gpt2.attention.head_count_kv", uint32(2)), `tensor "blk.0.attn_qkv.weight": shape [32 96], and the configuration says [32 64]`},
		{"gpt2", "no positions", func(d *draft) { d.drop("position_embd.weight") }, `tensor "position_embd.weight": missing`},
		{"gpt2", "more positions than rows", set("gpt2.context_length", uint32(64)), `tensor "position_embd.weight": shape [32 32], and the configuration says [32 64]`},
		{"gpt2", "2^28 positions", set("gpt2.context_length", uint32(1<<28)), `tensor "position_embd.weight"`},
		{"gpt2", "epsilon NaN", set("gpt2.attention.layer_norm_epsilon", nan), `key "gpt2.attention.layer_norm_epsilon"`},
		{"gpt2", "a gate", func(d *draft) { d.add("blk.0.ffn_gate.weight", 32, 48) }, `tensor "blk.0.ffn_gate.weight": the gpt2 architecture has no such part`},
		{"gptneox", "no bias of a norm", func(d *draft) { d.drop("output_norm.bias") }, `tensor "output_norm.bias": missing`},
		{"gptneox", "odd rotary dimensions", set("gptneox.rope.dimension_count", uint32(3)), `key "gptneox.rope.dimension_count": 3 rotary dimensions in a head of 8`},
		{"gptneox", "parallel a number", set("gptneox.use_parallel_residual", uint32(1)), `key "gptneox.use_parallel_residual"`},
		{"gemma3", "no norm behind", func(d *draft) { d.drop("blk.2.post_ffw_norm.weight") }, `tensor "blk.2.post_ffw_norm.weight": missing`},
		{"gemma3", "soft caps", set("gemma3.attn_logit_softcapping", float32(50)), `key "gemma3.attn_logit_softcapping": not supported`},
		{"gemma3", "soft caps at the end", set("gemma3.final_logit_softcapping", float32(30)), `key "gemma3.final_logit_softcapping": not supported`},
		{"gemma3", "a window for each layer", set("gemma3.attention.sliding_window", []uint32{4, 4, 4}), `key "gemma3.attention.sliding_window"`},
		{"gemma3", "a window of 2^40", set("gemma3.attention.sliding_window", uint64(1<<40)), `key "gemma3.attention.sliding_window": 1099511627776 is not in`},
		{"gemma3", "a pattern of 0", set("gemma3.attention.sliding_window_pattern", uint32(0)), `key "gemma3.attention.sliding_window_pattern": 0 is not in`},
		{"gemma3", "a pattern by layer", set("gemma3.attention.sliding_window_pattern", []bool{true, false, true}), `key "gemma3.attention.sliding_window_pattern"`},
		{"gemma3", "local base 0", set("gemma3.rope.freq_base_swa", float32(0)), `key "gemma3.rope.freq_base_swa": base 0`},
		{"gemma3", "scaled positions", set("gemma3.rope.scaling.factor", float32(8)), `key "gemma3.rope.scaling.factor": not supported`},
	} {
		t.Run(c.family+", "+c.name, func(t *testing.T) {
			d := familyDraft(t, c.family)
			c.spoil(d)
			refused(t, d, c.want)
		})
	}
}

// What is harmless opens: the same file with keys that say nothing, tied
// embeddings, and dimensions of 1.
func TestHarmlessModels(t *testing.T) {
	for name, change := range map[string]func(*draft){
		"unchanged":       func(*draft) {},
		"unscaled":        func(d *draft) { d.set("llama.rope.scaling.type", "none") },
		"scaled by 1":     func(d *draft) { d.set("llama.rope.scaling.factor", float32(1)) },
		"no experts":      func(d *draft) { d.set("llama.expert_count", uint32(0)) },
		"tied":            func(d *draft) { d.drop("output.weight") },
		"unknown keys":    func(d *draft) { d.set("llama.colour", "green") },
		"no template":     func(d *draft) { d.remove("tokenizer.chat_template") },
		"no name":         func(d *draft) { d.remove("general.name") },
		"values as keys":  func(d *draft) { d.set("llama.attention.value_length", uint32(16)) },
		"fewer rotate":    func(d *draft) { d.set("llama.rope.dimension_count", uint32(8)) },
		"end of turn":     func(d *draft) { d.set("tokenizer.ggml.eot_token_id", uint32(3)) },
		"numbers as long": func(d *draft) { d.set("llama.block_count", uint64(2)) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDraft(t)
			change(d)
			m, err := lm.Open(d.write())
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if (m.Template == nil) != (name == "no template") {
				t.Error("template", m.Template)
			}
			if m.Tokenizer.IsEOG(3) != (name == "end of turn") {
				t.Error("token 3 ends a turn:", m.Tokenizer.IsEOG(3))
			}
		})
	}
}

func TestOpenNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := lm.Open(filepath.Join(dir, "none.gguf")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
	empty := filepath.Join(dir, "empty.gguf")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lm.Open(empty); err == nil || !strings.HasPrefix(err.Error(), empty+": ") {
		t.Errorf("an empty file: %v", err)
	}
}
