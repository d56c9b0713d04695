package lm_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/tokenizer"
)

const chatML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" +
	"{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

// words is a small vocabulary, learnt from a sentence.
func words(t *testing.T) tokenizer.Config {
	t.Helper()
	text := strings.Repeat("the rays of light are bent in the glass, and the colours part. ", 8)
	c, err := tokenizer.Train(func(yield func(string) bool) { yield(text) },
		tokenizer.TrainOptions{Vocabulary: 288, Special: []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func shapeFor(c tokenizer.Config, architecture string, tied bool) lm.Config {
	return lm.Config{Name: "small", Architecture: architecture, Layers: 2, Width: 64, Heads: 4, KVHeads: 2, HeadDim: 16, MLP: 96,
		Vocabulary: len(c.Tokens), Context: 512, RopeBase: 20000, RopeDim: 16, Eps: 1e-5, Tied: tied}
}

// lastLogits are those after each token.
func lastLogits(t *testing.T, n *lm.Decoder, ids []int32) []float32 {
	t.Helper()
	e := pass.NewEngine(n, pass.Options{Threads: 1})
	defer e.Close()
	p, err := e.Begin(pass.NewSeq(ids...))
	if err != nil {
		t.Fatal(err)
	}
	defer p.End()
	if err := p.Run(context.Background(), 0, e.Depth()); err != nil {
		t.Fatal(err)
	}
	rows := make([]int, len(ids))
	for i := range rows {
		rows[i] = i
	}
	x, err := p.Head("logits", rows...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// What is written reads back as the network that was written, with every weight rounded
// once by the quantiser that is tested against ggml's; in F32 bit for bit.
func TestWriteGGUF(t *testing.T) {
	c := words(t)
	for _, architecture := range []string{"llama", "qwen2", "qwen3"} {
		for _, tied := range []bool{false, true} {
			for _, kind := range []tensor.DType{tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0} {
				t.Run(fmt.Sprint(architecture, tied, kind), func(t *testing.T) {
					n, err := lm.NewRandom(shapeFor(c, architecture, tied), tensor.F32, 3)
					if err != nil {
						t.Fatal(err)
					}
					path := filepath.Join(t.TempDir(), "m.gguf")
					var b bytes.Buffer
					if err := n.WriteGGUF(&b, lm.GGUF{Type: kind, Tokenizer: c, Template: chatML, License: "MIT"}); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
					m, err := lm.Open(path)
					if err != nil {
						t.Fatal(err)
					}
					defer m.Close()
					// The same rounding by hand, on the network that was written.
					for _, w := range n.Weights() {
						if w.Rows == 1 {
							continue
						}
						x, _ := w.F32()
						s, err := tensor.Quantize(kind, w.Rows, w.Cols, x)
						if err != nil {
							t.Fatal(err)
						}
						w.Storage = s
					}
					ids, err := m.Chat(chat.Message{Role: "user", Content: "the rays of glass"})
					if err != nil {
						t.Fatal(err)
					}
					want, got := lastLogits(t, n, ids), lastLogits(t, m.Net, ids)
					for i := range want {
						if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
							t.Fatalf("logit %d: %v, and %v after it was read back", i, want[i], got[i])
						}
					}
					if start, _ := m.Tokenizer.ID("<|im_start|>"); ids[0] != start {
						t.Errorf("a conversation begins with token %d, not %d", ids[0], start)
					}
				})
			}
		}
	}
}

func TestWriteGGUFRefuses(t *testing.T) {
	c := words(t)
	for want, spoil := range map[string]func(o *lm.GGUF){
		"lm: write GGUF: type Q6_K: matrices are written as F32, F16, BF16, Q8_0, Q4_0 or Q4_1": func(o *lm.GGUF) { o.Type = tensor.Q6_K },
		`lm: write GGUF: tokenizer "llama": only byte-level ones are written`:                   func(o *lm.GGUF) { o.Tokenizer.Model = tokenizer.SentencePiece },
		"lm: write GGUF: a tokenizer of 287 tokens, and the embedding has 288 rows": func(o *lm.GGUF) {
			o.Tokenizer.Tokens = o.Tokenizer.Tokens[:287]
		},
		"lm: write GGUF: a tokenizer that normalizes text can't be told in this format":                   func(o *lm.GGUF) { o.Tokenizer.NFC = true },
		"lm: write GGUF: chat template: ":                                                                 func(o *lm.GGUF) { o.Template = "{% if %}" },
		"lm: write GGUF: what was written can't be read: tokenizer: pre: \"none\": unknown pre-tokenizer": func(o *lm.GGUF) { o.Tokenizer.Pre = "none" },
	} {
		n, err := lm.NewRandom(shapeFor(c, "llama", true), tensor.F32, 3)
		if err != nil {
			t.Fatal(err)
		}
		o := lm.GGUF{Type: tensor.F16, Tokenizer: c}
		spoil(&o)
		var b bytes.Buffer
		if err := n.WriteGGUF(&b, o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if b.Len() > 0 {
			t.Errorf("%s: %d bytes were written", want, b.Len())
		}
	}
	n, err := lm.NewRandom(lm.Config{Architecture: "gpt2", Layers: 1, Width: 64, Heads: 4, KVHeads: 4, HeadDim: 16, MLP: 64, Vocabulary: len(c.Tokens), Context: 64, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.WriteGGUF(new(bytes.Buffer), lm.GGUF{Tokenizer: c}); err == nil || err.Error() != "lm: write GGUF: a gpt2 can't be written; llama, qwen2 and qwen3 can" {
		t.Error(err)
	}
}
