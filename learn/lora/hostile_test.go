package lora

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/tensor"
)

func base(t testing.TB, width int) *lm.Decoder {
	t.Helper()
	n, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 2, Width: width, Heads: 2, KVHeads: 1, HeadDim: 8, MLP: 24,
		Vocabulary: 10, RopeBase: 10000, RopeDim: 8, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Broken and foreign adapters, each with the words that the user sees after the path.
func TestHostile(t *testing.T) {
	n := base(t, 16)
	const name = "base_model.model.model.layers.1.self_attn.v_proj"
	type files struct {
		config  map[string]any
		tensors []safetensors.Tensor
		data    map[string][]byte
	}
	find := func(f *files, name string) *safetensors.Tensor {
		for i := range f.tensors {
			if f.tensors[i].Name == name {
				return &f.tensors[i]
			}
		}
		t.Fatalf("no tensor %q", name)
		return nil
	}
	rename := func(f *files, from, to string) { find(f, from).Name = to; f.data[to] = f.data[from] }
	for _, c := range []struct {
		what     string
		change   func(f *files)
		want     string
		mismatch bool
	}{
		{"nothing", func(*files) {}, "", false},
		{"type", func(f *files) { f.config["peft_type"] = "IA3" }, `key "peft_type": "IA3" is not supported; LORA is`, false},
		{"no type", func(f *files) { delete(f.config, "peft_type") }, `hfconfig: key "peft_type": missing`, false},
		{"rank 0", func(f *files) { f.config["r"] = 0 }, `key "r": 0 is not in [1, 4096]`, false},
		{"huge rank", func(f *files) { f.config["r"] = 1 << 40 }, `key "r": 1099511627776 is not in [1, 4096]`, false},
		{"another rank", func(f *files) { f.config["r"] = 4 },
			`lora: the adapter is of another model: tensor "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": shape [3 16], and rank 4 of a 16 x 16 map needs [4 16]`, true},
		{"rank as text", func(f *files) { f.config["r"] = "3" }, `hfconfig: key "r": is the string "3", want an integer`, false},
		{"alpha", func(f *files) { f.config["lora_alpha"] = 1e30 }, `lora: alpha 1e+30`, false},
		{"dropout", func(f *files) { f.config["lora_dropout"] = 1.5 }, `lora: dropout 1.5 is not in [0, 1)`, false},
		{"dora", func(f *files) { f.config["use_dora"] = true }, `key "use_dora": DoRA's magnitudes are not supported`, false},
		{"bias", func(f *files) { f.config["bias"] = "all" }, `key "bias": only "none" is supported: an adapter with biases needs a base of its own`, false},
		{"lora bias", func(f *files) { f.config["lora_bias"] = true }, `key "lora_bias": biases of an adapter are not supported`, false},
		{"modules", func(f *files) { f.config["modules_to_save"] = []string{"lm_head"} }, `key "modules_to_save": whole modules in an adapter are not supported`, false},
		{"ranks", func(f *files) { f.config["rank_pattern"] = map[string]int{"q_proj": 2} }, `key "rank_pattern": ranks of their own for some modules are not supported`, false},
		{"alphas", func(f *files) { f.config["alpha_pattern"] = map[string]int{"q_proj": 2} }, `key "alpha_pattern": alphas of their own for some modules are not supported`, false},
		{"unknown", func(f *files) { f.config["use_magic"] = true }, `key "use_magic": mica doesn't know what this changes; take it out if it changes nothing`, false},
		{"unknown but empty", func(f *files) { f.config["use_magic"], f.config["magic_config"] = false, map[string]any{} }, "", false},
		{"pissa", func(f *files) { f.config["init_lora_weights"] = "pissa" },
			`key "init_lora_weights": "pissa" begins with changed weights of the base, which mica doesn't do: save the adapter as one of the unchanged base`, false},
		{"another layer", func(f *files) { rename(f, name+lowA, strings.Replace(name, "1", "2", 1)+lowA) },
			`lora: the adapter is of another model: tensor "base_model.model.model.layers.2.self_attn.v_proj.lora_A.weight": the network has no "model.layers.2.self_attn.v_proj"`, true},
		{"half", func(f *files) { f.tensors = f.tensors[:len(f.tensors)-1] }, `tensor "` + name + lowA + `": its other half is missing`, false},
		{"empty", func(f *files) { f.tensors = nil }, `no tensors`, false},
		{"embedding", func(f *files) { rename(f, name+lowA, "base_model.model.model.embed_tokens.lora_embedding_A") },
			`tensor "base_model.model.model.embed_tokens.lora_embedding_A": adapters of embeddings are not supported`, false},
		{"magnitude", func(f *files) { rename(f, name+lowA, name+".lora_magnitude_vector") }, `tensor "` + name + `.lora_magnitude_vector": DoRA's magnitudes are not supported`, false},
		{"whole module", func(f *files) { rename(f, name+lowA, "base_model.model.lm_head.weight") },
			`tensor "base_model.model.lm_head.weight": whole modules in an adapter are not supported`, false},
		{"base layer", func(f *files) { rename(f, name+lowA, "base_model.model.lm_head.base_layer.weight") },
			`tensor "base_model.model.lm_head.base_layer.weight": a copy of the base's weights: save the adapter with save_embedding_layers=False`, false},
		{"both", func(f *files) { rename(f, name+lowA, name+".lora_C.weight") },
			`tensor "` + name + `.lora_C.weight": not supported; base_model.model.MODULE.lora_A.weight and lora_B.weight are`, false},
		{"twice", func(f *files) {
			short := strings.Replace(name, ".model.layers", ".layers", 1) + lowA
			f.tensors = append(f.tensors, safetensors.Tensor{Name: short, Type: safetensors.F32, Shape: []uint64{3, 16}})
			f.data[short] = make([]byte, 4*3*16)
		}, `the module has another one already`, false},
		{"integers", func(f *files) { find(f, name+lowA).Type = safetensors.I32 }, `tensor "` + name + lowA + `": type I32: not supported; supported are F32, F16, BF16`, false},
		{"infinite", func(f *files) { copy(f.data[name+lowB][8:], []byte{0, 0, 0x80, 0x7f}) }, `tensor "` + name + lowB + `": has a number that is not finite`, false},
	} {
		dir := t.TempDir()
		a, err := New(n, Settings{Rank: 3}, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		f := &files{data: map[string][]byte{}}
		b, err := os.ReadFile(filepath.Join(dir, configFile))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &f.config); err != nil {
			t.Fatal(err)
		}
		if b, err = os.ReadFile(filepath.Join(dir, weightsFile)); err != nil {
			t.Fatal(err)
		}
		s, err := safetensors.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range s.Tensors {
			f.data[x.Name] = b[x.Offset:][:x.Size]
		}
		f.tensors = s.Tensors
		c.change(f)
		var out bytes.Buffer
		if err := safetensors.Write(&out, nil, f.tensors, func(i int) []byte { return f.data[f.tensors[i].Name] }); err != nil {
			t.Fatal(c.what, err)
		}
		if b, err = json.Marshal(f.config); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{configFile: b, weightsFile: out.Bytes()} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err = Load(n, dir)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.what, err)
		case c.want != "" && (err == nil || !strings.HasSuffix(err.Error(), c.want) || errors.Is(err, ErrMismatch) != c.mismatch):
			t.Errorf("%s: error %v\nwant %s", c.what, err, c.want)
		}
	}
}

func TestMissing(t *testing.T) {
	n, dir := base(t, 16), t.TempDir()
	if _, err := Load(n, dir); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), configFile) {
		t.Errorf("error %v", err)
	}
	a, err := New(n, Settings{}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(base(t, 32), dir); !errors.Is(err, ErrMismatch) {
		t.Errorf("of a narrower model: %v", err)
	}
	if err := os.Rename(filepath.Join(dir, weightsFile), filepath.Join(dir, "adapter_model.bin")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(n, dir); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "safe_serialization=True") {
		t.Errorf("error %v", err)
	}
}

// FuzzConfig: whatever adapter_config.json holds is an error or settings in range.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		`{"peft_type":"LORA","r":8,"lora_alpha":16,"lora_dropout":0.1,"use_rslora":true,"bias":"none","target_modules":["q_proj"],"base_model_name_or_path":"a"}`,
		`{"peft_type":"LORA","r":8,"lora_alpha":1e400}`, `{"peft_type":"LORA","r":-1}`, `{"peft_type":"LORA","r":8,"lora_alpha":16,"use_dora":1}`,
		`{"peft_type":null}`, `{"r":{}}`, `[]`, ``, `{"peft_type":"LORA","r":8,"lora_alpha":16,"rank_pattern":{"a":1},"x":[[[]]]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _, err := readConfig(b)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if x := float64(s.scale()); s.Rank < 1 || s.Rank > MaxRank || !(math.Abs(x) <= 1e6) || !(s.Dropout >= 0 && s.Dropout < 1) {
			t.Fatalf("%q gives %+v", b, s)
		}
	})
}
