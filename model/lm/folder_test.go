package lm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/tensor"
)

// A folder with everything: weights in two files, tokenizer, chat template.
// The ids are those of Hugging Face's tokenizers.
func TestOpenFolder(t *testing.T) {
	dir := saved(t, "qwen3")
	one, err := Open(filepath.Join(dir, "model-00001-of-00002.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	m, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Format != "safetensors" || m.Net.Config != one.Net.Config {
		t.Errorf("format %s, %+v and %+v", m.Format, m.Net.Config, one.Net.Config)
	}
	if got := m.Text(" the thing"); !slices.Equal(got, []int32{93, 68, 93, 72, 77, 70}) {
		t.Errorf("tokens %v", got)
	}
	ids, err := m.Chat(chat.Message{Role: "user", Content: "the"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Tokenizer.Decode(ids), "<|im_start|>user the<|im_end|>"; got != want {
		t.Errorf("chat %q, want %q", got, want)
	}
	if !m.Tokenizer.IsEOG(95) {
		t.Error("<|im_end|> does not end a turn")
	}
	if m.Types["BF16"] != 25 || m.Parameters != 24784 || m.Weights != 2*m.Parameters {
		t.Errorf("types %v, %d parameters in %d bytes", m.Types, m.Parameters, m.Weights)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// edit changes a JSON file of a folder.
func edit(t *testing.T, dir, name string, change func(keys map[string]any)) {
	t.Helper()
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(b, &keys); err != nil {
		t.Fatal(err)
	}
	change(keys)
	if b, err = json.Marshal(keys); err != nil {
		t.Fatal(err)
	}
	write(t, path, b)
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// tensorEdit is a tensor table to spoil.
type tensorEdit struct {
	tensors []safetensors.Tensor
	data    map[string][]byte
}

func (e *tensorEdit) at(name string) *safetensors.Tensor {
	return &e.tensors[slices.IndexFunc(e.tensors, func(t safetensors.Tensor) bool { return t.Name == name })]
}

// reshape gives a tensor another shape or type, and zeros.
func (e *tensorEdit) reshape(name string, typ safetensors.Type, shape ...uint64) {
	i := slices.IndexFunc(e.tensors, func(t safetensors.Tensor) bool { return t.Name == name })
	if i < 0 {
		e.tensors = append(e.tensors, safetensors.Tensor{Name: name})
		i = len(e.tensors) - 1
	}
	n := uint64(2)
	switch typ {
	case safetensors.F32:
		n = 4
	case safetensors.I8:
		n = 1
	}
	for _, d := range shape {
		n *= d
	}
	e.tensors[i].Type, e.tensors[i].Shape, e.data[name] = typ, shape, make([]byte, n)
}

func (e *tensorEdit) rename(from, to string) {
	e.at(from).Name = to
	e.data[to] = e.data[from]
}

// editTensors changes a safetensors file of a folder.
func editTensors(t *testing.T, dir, name string, change func(e *tensorEdit)) {
	t.Helper()
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	e := &tensorEdit{tensors: f.Tensors, data: map[string][]byte{}}
	for _, x := range f.Tensors {
		e.data[x.Name] = b[x.Offset:][:x.Size]
	}
	change(e)
	var out bytes.Buffer
	if err := safetensors.Write(&out, nil, e.tensors, func(i int) []byte { return e.data[e.tensors[i].Name] }); err != nil {
		t.Fatal(err)
	}
	write(t, path, out.Bytes())
}

// Configurations that don't fit or aren't supported, of the family whose
// checkpoint they spoil. Values are JSON; "" removes the key.
func TestHostileConfigs(t *testing.T) {
	cases := []struct{ family, key, value, want string }{
		{"llama", "model_type", ``, `key "model_type": missing`},
		{"llama", "model_type", `7`, `key "model_type": is the number 7, want a string`},
		{"llama", "model_type", `"mamba"`, `key "model_type": "mamba": not supported; supported are llama, qwen2, qwen3, gpt2, gpt_neox, gemma3_text`},
		{"llama", "model_type", `"qwen2"`, `tensor "model.layers.0.self_attn.q_proj.bias": missing`},
		{"qwen2", "model_type", `"llama"`, `tensor "model.layers.0.self_attn.k_proj.bias": the llama architecture has no such part`},
		{"qwen3", "model_type", `"llama"`, `_norm.weight": the llama architecture has no such part`},
		{"gpt2", "model_type", `"gpt_neox"`, `key "intermediate_size": missing`},
		{"llama", "vocab_size", ``, `key "vocab_size": missing`},
		{"llama", "vocab_size", `0`, `key "vocab_size": 0 is not in [1, 4194304]`},
		{"llama", "vocab_size", `-1`, `key "vocab_size": -1 is negative`},
		{"llama", "vocab_size", `97`, `tensor "model.embed_tokens.weight": shape [96 32], and the configuration says [97 32]`},
		{"llama", "vocab_size", `9223372036854775808`, `key "vocab_size": 9223372036854775808 is not in`},
		{"llama", "vocab_size", `1e400`, `key "vocab_size": is the number 1e400, want an integer`},
		{"llama", "vocab_size", `96.5`, `key "vocab_size": is the number 96.5, want an integer`},
		{"llama", "vocab_size", `"96"`, `key "vocab_size": is the string "96", want an integer`},
		{"llama", "vocab_size", `[96]`, `key "vocab_size": is an array, want an integer`},
		{"llama", "hidden_size", ``, `key "hidden_size": missing`},
		{"llama", "hidden_size", `33`, `tensor "model.embed_tokens.weight"`},
		{"llama", "hidden_size", `131073`, `key "hidden_size": 131073 is not in`},
		{"llama", "num_hidden_layers", ``, `key "num_hidden_layers": missing`},
		{"llama", "num_hidden_layers", `0`, `key "num_hidden_layers": 0 is not in`},
		{"llama", "num_hidden_layers", `1`, `tensor "model.layers.1.`},
		{"llama", "num_hidden_layers", `3`, `key "num_hidden_layers": 3 layers, and there is no tensor "model.layers.2.input_layernorm.weight"`},
		{"llama", "num_hidden_layers", `1024`, `key "num_hidden_layers": 1024 layers`},
		{"llama", "num_hidden_layers", `1025`, `key "num_hidden_layers": 1025 is not in`},
		{"llama", "num_hidden_layers", `true`, `key "num_hidden_layers": is true, want an integer`},
		{"llama", "num_attention_heads", ``, `key "num_attention_heads": missing`},
		{"llama", "num_attention_heads", `0`, `key "num_attention_heads": 0 is not in`},
		{"llama", "num_attention_heads", `6`, `tensor "model.layers.0.self_attn.q_proj.weight": shape [32 32], and the configuration says [48 32]`},
		{"qwen2", "num_attention_heads", `6`, `key "num_attention_heads": width 32 isn't a multiple of 6 heads`},
		{"llama", "num_key_value_heads", `0`, `key "num_key_value_heads": 0 is not in`},
		{"llama", "num_key_value_heads", `3`, `key "num_key_value_heads": 4 query heads can't share 3 KV heads`},
		{"llama", "num_key_value_heads", `8`, `key "num_key_value_heads": 4 query heads can't share 8 KV heads`},
		{"llama", "num_key_value_heads", `4`, `tensor "model.layers.0.self_attn.k_proj.weight"`},
		{"llama", "num_key_value_heads", `null`, `tensor "model.layers.0.self_attn.k_proj.weight"`},
		{"llama", "head_dim", `16`, `tensor "model.layers.0.self_attn.q_proj.weight"`},
		{"llama", "head_dim", `258`, `key "head_dim": heads of 258: at most 256 is supported`},
		{"llama", "head_dim", `-8`, `key "head_dim": -8 is negative`},
		{"qwen3", "head_dim", `null`, `tensor "model.layers.0.self_attn.q_norm.weight": shape [12], and the configuration says [128]`},
		{"gpt2", "head_dim", `16`, `key "head_dim": 4 heads of 16 for a width of 32`},
		{"llama", "intermediate_size", ``, `key "intermediate_size": missing`},
		{"llama", "intermediate_size", `64`, `tensor "model.layers.0.mlp.gate_proj.weight"`},
		{"gpt2", "n_inner", ``, `tensor "transformer.h.0.mlp.c_fc.weight": shape [32 48], and the configuration says [32 128]`},
		{"llama", "max_position_embeddings", ``, `key "max_position_embeddings": missing`},
		{"llama", "max_position_embeddings", `0`, `key "max_position_embeddings": 0 is not in`},
		{"llama", "max_position_embeddings", `1099511627776`, `key "max_position_embeddings": 1099511627776 is not in`},
		{"gpt2", "n_positions", `64`, `tensor "transformer.wpe.weight": shape [32 32], and the configuration says [64 32]`},
		{"llama", "rms_norm_eps", `-1`, `key "rms_norm_eps": epsilon -1`},
		{"llama", "rms_norm_eps", `2`, `key "rms_norm_eps": epsilon 2`},
		{"llama", "rms_norm_eps", `1e999`, `key "rms_norm_eps": 1e999 overflows`},
		{"llama", "rms_norm_eps", `"small"`, `key "rms_norm_eps": is the string "small", want a number`},
		{"llama", "rope_parameters", `{"rope_type":"yarn"}`, `key "rope_parameters.rope_type": "yarn": not supported; supported is default`},
		{"llama", "rope_parameters", `{"rope_type":"llama3","factor":8}`, `key "rope_parameters.rope_type": "llama3": not supported`},
		{"llama", "rope_parameters", `{"rope_type":7}`, `key "rope_parameters.rope_type": is the number 7, want a string`},
		{"llama", "rope_parameters", `{"rope_theta":0}`, `key "rope_theta": base 0`},
		{"llama", "rope_parameters", `{"rope_theta":1e300}`, `key "rope_theta": base +Inf`},
		{"llama", "rope_parameters", `{"rope_theta":"x"}`, `key "rope_parameters.rope_theta": is the string "x", want a number`},
		{"llama", "rope_parameters", `[]`, `key "rope_parameters": not an object with keys`},
		{"llama", "rope_parameters", `{"partial_rotary_factor":0}`, `key "partial_rotary_factor": 0 of a head of 8`},
		{"llama", "rope_parameters", `{"partial_rotary_factor":1.5}`, `key "partial_rotary_factor": 1.5 of a head of 8`},
		{"gptneox", "rope_parameters", `{"partial_rotary_factor":0.4}`, `key "partial_rotary_factor": 0.4`},
		{"llama", "rope_scaling", `{"type":"linear","factor":2}`, `key "rope_scaling.type": "linear": not supported`},
		{"llama", "rope_scaling", `{"rope_type":"dynamic"}`, `key "rope_scaling.rope_type": "dynamic": not supported`},
		{"llama", "rope_scaling", `2`, `key "rope_scaling": not an object with keys`},
		{"gemma3", "rope_parameters", `{"full_attention":{"rope_type":"linear"}}`, `key "rope_parameters.full_attention.rope_type": "linear": not supported`},
		{"gemma3", "rope_parameters", `{"sliding_attention":{"rope_theta":1}}`, `key "rope_local_base_freq": base 1`},
		{"gemma3", "rope_parameters", `{"sliding_attention":3}`, `key "rope_parameters.sliding_attention": not an object with keys`},
		{"llama", "hidden_act", `"relu"`, `key "hidden_act": "relu": not supported in llama; supported is silu`},
		{"llama", "hidden_act", `3`, `key "hidden_act": is the number 3, want a string`},
		{"gpt2", "activation_function", `"gelu"`, `key "activation_function": "gelu": not supported in gpt2; supported is gelu_new`},
		{"gptneox", "hidden_act", `"gelu_new"`, `key "hidden_act": "gelu_new": not supported in gptneox; supported is gelu`},
		{"gemma3", "hidden_activation", `"silu"`, `key "hidden_activation": "silu": not supported in gemma3`},
		{"llama", "attention_bias", `true`, `key "attention_bias": true: not supported in llama`},
		{"llama", "attention_bias", `1`, `key "attention_bias": is the number 1, want a bool`},
		{"llama", "mlp_bias", `true`, `key "mlp_bias": true: not supported in llama`},
		{"gptneox", "attention_bias", `false`, `key "attention_bias": false: not supported in gptneox`},
		{"gpt2", "scale_attn_weights", `false`, `key "scale_attn_weights": false: not supported in gpt2`},
		{"gpt2", "scale_attn_by_inverse_layer_idx", `true`, `key "scale_attn_by_inverse_layer_idx": true: not supported in gpt2`},
		{"gpt2", "add_cross_attention", `true`, `key "add_cross_attention": true: not supported in gpt2`},
		{"llama", "tie_word_embeddings", `true`, ``},
		{"llama", "tie_word_embeddings", `"yes"`, `key "tie_word_embeddings": is the string "yes", want a bool`},
		{"qwen2", "tie_word_embeddings", `false`, `tensor "lm_head.weight": missing`},
		{"qwen2", "use_sliding_window", `true`, `key "use_sliding_window": not supported in qwen2`},
		{"qwen2", "layer_types", `["full_attention","sliding_attention"]`, `key "layer_types": layer 1: "sliding_attention": not supported in qwen2`},
		{"qwen2", "layer_types", `["full_attention"]`, `key "layer_types": 1 for 2 layers`},
		{"qwen2", "layer_types", `["full_attention",7]`, `key "layer_types": element 1: is the number 7, want a string`},
		{"qwen2", "layer_types", `"full_attention"`, `key "layer_types": is the string "full_attention", want an array of strings`},
		{"gemma3", "layer_types", `["full_attention","sliding_attention","full_attention"]`, `key "layer_types": layer 1: "sliding_attention" where every layer number 1 would be "full_attention"`},
		{"gemma3", "layer_types", `["sliding_attention","chunked","full_attention"]`, `key "layer_types": layer 1: "chunked"`},
		{"gemma3", "sliding_window", `-5`, `key "sliding_window": -5 is negative`},
		{"gemma3", "query_pre_attn_scalar", `0`, `key "query_pre_attn_scalar": 0 is not in`},
		{"gemma3", "attn_logit_softcapping", `50.0`, `key "attn_logit_softcapping": not supported in gemma3`},
		{"gemma3", "final_logit_softcapping", `30.0`, `key "final_logit_softcapping": not supported in gemma3`},
		{"gemma3", "use_bidirectional_attention", `true`, `key "use_bidirectional_attention": true: not supported in gemma3`},
		{"llama", "num_local_experts", `8`, `key "num_local_experts": not supported in llama`},
		{"llama", "quantization_config", `{"bits":4}`, `key "quantization_config": not supported in llama`},
	}
	if len(cases) < 80 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s, %s %.40s", c.family, c.key, c.value), func(t *testing.T) {
			dir := saved(t, c.family)
			edit(t, dir, "config.json", func(keys map[string]any) {
				if delete(keys, c.key); c.value != "" {
					keys[c.key] = json.RawMessage(c.value)
				}
			})
			refused(t, c.want, func() error { _, err := openSaved(t, dir); return err })
		})
	}
}

// refused calls open, which must fail with what is wanted, and without much
// memory. "" is that it must not fail.
func refused(t *testing.T, want string, open func() error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := open()
	runtime.ReadMemStats(&after)
	if want == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v doesn't say %q", err, want)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// Folders whose files don't fit each other.
func TestHostileFolders(t *testing.T) {
	const weights, first, second = "model.safetensors", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	const list, vocabulary, settings = "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json"
	put := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, filepath.Join(dir, name), []byte(text)) }
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	in := func(name string, change func(e *tensorEdit)) func(*testing.T, string) {
		return func(t *testing.T, dir string) { editTensors(t, dir, name, change) }
	}
	for _, c := range []struct {
		name, family string
		spoil        func(t *testing.T, dir string)
		want         string
	}{
		{"nothing", "qwen3", func(*testing.T, string) {}, ""},
		{"no configuration", "qwen3", remove("config.json"), "config.json"},
		{"half a configuration", "qwen3", put("config.json", `{"model_type":`), "config.json: hfconfig: "},
		{"a list for a configuration", "qwen3", put("config.json", `[]`), "config.json: hfconfig: want an object"},
		{"null for a configuration", "qwen3", put("config.json", `null`), "config.json: hfconfig: want an object"},
		{"deep configuration", "qwen3", put("config.json", strings.Repeat(`{"a":`, 1<<17)), "nested deeper than 8"},
		{"long configuration", "qwen3", put("config.json", strings.Repeat(" ", maxConfig+1)), "config.json: not a file of at most 1048576 bytes"},
		{"no weights", "llama", remove(weights), weights},
		{"empty weights", "llama", put(weights, ""), weights + ": safetensors: "},
		{"half an index", "qwen3", put(list, `{"weight_map":{`), list + ": safetensors: index: "},
		{"an index out of the folder", "qwen3", put(list, `{"weight_map":{"a":"../model.safetensors"}}`), list + `: safetensors: tensor "a": file name "../model.safetensors"`},
		{"an index to nowhere", "qwen3", put(list, `{"weight_map":{"a":"none.safetensors"}}`), "none.safetensors"},
		{"an index with a tensor too many", "qwen3", func(t *testing.T, dir string) {
			edit(t, dir, list, func(keys map[string]any) { keys["weight_map"].(map[string]any)["more"] = first })
		}, `tensor "more" is not in ` + first},
		{"a tensor that the index lacks", "qwen3", in(second, func(e *tensorEdit) { e.reshape("more", safetensors.BF16, 2) }),
			second + `: tensor "more": the index doesn't have it here`},
		{"a tensor in the other file", "qwen3", in(second, func(e *tensorEdit) { e.reshape("model.embed_tokens.weight", safetensors.BF16, 2) }),
			`the index doesn't have it here`},
		{"one file missing", "qwen3", remove(second), second},
		{"no tokenizer", "qwen3", remove(vocabulary), vocabulary},
		{"half a tokenizer", "qwen3", put(vocabulary, `{`), vocabulary},
		{"half the settings", "qwen3", put(settings, `{`), settings},
		{"an end that is no token", "qwen3", put(settings, `{"eos_token":"<end>"}`), "eos_token"},
		{"a template that doesn't parse", "qwen3", put(settings, `{"chat_template":"{% for %}"}`), settings + ": chat template: "},
		{"a template that is a number", "qwen3", put(settings, `{"chat_template":7}`), "chat_template: neither a text nor a list"},
		{"a template file that doesn't parse", "qwen3", put("chat_template.jinja", "{% if %}"), "chat_template.jinja: chat template: "},
		{"templates, none the default", "qwen3", put(settings, `{"chat_template":[{"name":"rag","template":"{% if %}"}]}`), ""},
		{"more tokens than rows", "qwen3", func(t *testing.T, dir string) {
			edit(t, dir, vocabulary, func(keys map[string]any) {
				keys["model"].(map[string]any)["vocab"].(map[string]any)["more"] = 96
			})
		}, "97 tokens, and config.json's vocab_size is 96"},
		{"no embedding", "llama", in(weights, func(e *tensorEdit) { e.rename("model.embed_tokens.weight", "model.embed.weight") }),
			`tensor "model.embed_tokens.weight": missing`},
		{"no query map", "llama", in(weights, func(e *tensorEdit) { e.rename("model.layers.1.self_attn.q_proj.weight", "spare") }),
			`tensor "model.layers.1.self_attn.q_proj.weight": missing`},
		{"a tensor too many", "llama", in(weights, func(e *tensorEdit) { e.reshape("model.layers.0.mlp.experts", safetensors.F32, 2) }),
			`tensor "model.layers.0.mlp.experts": the llama architecture has no such part`},
		{"a mask", "gpt2", in(weights, func(e *tensorEdit) { e.reshape("transformer.h.0.attn.bias", safetensors.F32, 1, 1, 4, 4) }), ""},
		{"turned round", "gpt2", in(weights, func(e *tensorEdit) { e.reshape("transformer.h.0.attn.c_attn.weight", safetensors.F32, 96, 32) }),
			`tensor "transformer.h.0.attn.c_attn.weight": shape [96 32], and the configuration says [32 96]`},
		{"a fused bias too short", "gptneox", in(weights, func(e *tensorEdit) {
			e.reshape("gpt_neox.layers.1.attention.query_key_value.bias", safetensors.F32, 95)
		}), `query_key_value.bias": shape [95], and the configuration says [96]`},
		{"a norm of two dimensions", "gemma3", in(weights, func(e *tensorEdit) {
			e.reshape("model.layers.2.pre_feedforward_layernorm.weight", safetensors.F32, 1, 32)
		}), `pre_feedforward_layernorm.weight": shape [1 32], and the configuration says [32]`},
		{"three dimensions", "llama", in(weights, func(e *tensorEdit) {
			e.reshape("model.layers.0.mlp.up_proj.weight", safetensors.BF16, 48, 16, 2)
		}), `up_proj.weight": shape [48 16 2], and the configuration says [48 32]`},
		{"integers", "llama", in(weights, func(e *tensorEdit) {
			e.reshape("model.layers.0.mlp.up_proj.weight", safetensors.I8, 48, 32)
		}), `tensor "model.layers.0.mlp.up_proj.weight": type I8`},
		{"a norm in integers", "gemma3", in(weights, func(e *tensorEdit) { e.reshape("model.norm.weight", safetensors.I8, 32) }),
			`tensor "model.norm.weight": type I8`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := saved(t, c.family)
			c.spoil(t, dir)
			refused(t, c.want, func() error {
				if c.family != "qwen3" { // the one with a tokenizer
					_, err := openSaved(t, dir)
					return err
				}
				m, err := Open(dir)
				if err == nil {
					err = m.Close()
				}
				return err
			})
		})
	}
}

// Checkpoints of the body alone leave the base out of their names, and old
// files have float32 and float16 tensors.
func TestOlderCheckpoints(t *testing.T) {
	dir := saved(t, "gpt2")
	editTensors(t, dir, "model.safetensors", func(e *tensorEdit) {
		for i := range e.tensors {
			x := &e.tensors[i]
			old := x.Name
			s, err := tensor.NewStorage(tensor.BF16, 1, len(e.data[old])/2, e.data[old])
			if err != nil {
				t.Fatal(err)
			}
			f, err := floats(s, 0)
			if err != nil {
				t.Fatal(err)
			}
			x.Name, x.Type = strings.TrimPrefix(old, "transformer."), safetensors.F32
			if i%2 == 0 {
				v, _ := f.F32()
				x.Type = safetensors.F16
				f = half(t, v)
			}
			e.data[x.Name] = f.Bytes()
		}
	})
	n, err := openSaved(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	_, ref := checkpoint(t, "gpt2")
	if s, ok := verify(t, n, ref).First(); ok {
		t.Errorf("%s is the first site that differs: off by %.3g, limit %.3g", s.Name(), s.Error, s.Limit)
	}
}

func half(t *testing.T, x []float32) *tensor.Storage {
	t.Helper()
	var b []byte
	for _, v := range x {
		h := tensor.F32ToF16(v)
		b = append(b, byte(h), byte(h>>8))
	}
	s, err := tensor.NewStorage(tensor.F16, 1, len(x), b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever a config.json holds, it is refused or makes a configuration that
// fits itself.
func FuzzConfig(f *testing.F) {
	for _, x := range families {
		b, err := os.ReadFile(filepath.Join(saved(f, x.name), "config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"model_type":"gemma3_text","sliding_window":1e1,"rope_parameters":{"full_attention":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _, err := readHFConfig(b)
		if err != nil {
			return
		}
		if c.Layers < 1 || c.Width < 1 || c.MLP < 1 || c.Vocabulary < 1 || c.Heads%c.KVHeads != 0 || c.HeadDim < 1 || c.HeadDim > maxHeadDim ||
			c.RopeDim < 0 || c.RopeDim > c.HeadDim || c.Context < 1 || !(c.Eps >= 0) || c.Window > 0 && c.Pattern < 1 || familyOf(c.Architecture) == nil {
			t.Errorf("%s gives %+v", b, c)
		}
	})
}
