package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// FuzzRoundTrip: with all byte symbols Decode undoes Encode for any bytes; with
// SmolLM2's vocabulary too, but for the bytes it lacks; and no text becomes a
// control token.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{"", "Hello, world!", "it's  \r\n 42", "<|im_start|>user\n", "\xff\xfe", "e\u0301 ſ '\u017f"} {
		f.Add(s)
	}
	full, err := NewBPE(byteConfig([]string{"t h", "th e", "Ġ the", "Ã ©", "a a", "aa aa", "Ġ Ġ", "< |"}))
	if err != nil {
		f.Fatal(err)
	}
	var models []*BPE
	for _, pre := range []string{"smollm", "gpt-2", "llama-bpe", "qwen2"} {
		models = append(models, smol(f, pre))
	}
	missing := models[0].Missing()
	f.Fuzz(func(t *testing.T, s string) {
		for _, special := range []bool{false, true} {
			if got := full.Decode(full.Encode(s, EncodeOptions{Special: special})); got != s {
				t.Fatalf("%q came back as %q", s, got)
			}
		}
		kept := string(slices.DeleteFunc([]byte(s), func(b byte) bool { return slices.Contains(missing, b) }))
		for _, bpe := range models {
			ids := bpe.Encode(s, EncodeOptions{})
			for _, id := range ids {
				if bpe.Kind(id) != KindNormal {
					t.Fatalf("plain text %q has token %d", s, id)
				}
			}
			if got := bpe.Decode(ids); got != kept {
				t.Fatalf("%q came back as %q", kept, got)
			}
			var b strings.Builder
			d := bpe.Stream()
			for _, id := range bpe.Encode(s, EncodeOptions{Special: true}) {
				b.WriteString(d.Add(id))
			}
			if b.WriteString(d.Flush()); b.String() != kept {
				t.Fatalf("%q streams as %q", kept, b.String())
			}
		}
	})
}

// FuzzConfig: no vocabulary makes NewBPE, or what it returns, fail.
func FuzzConfig(f *testing.F) {
	f.Add("a\nb\nab", "a b", "gpt-2", []byte{1, 1, 1}, int32(0), "abab")
	f.Add("a\nb\nab\n<x>", "a b", "smollm", []byte{1, 1, 1, 3}, int32(3), "<x>ab")
	f.Add("Ġ\na\nĠa", "Ġ a\na Ġ", "llama-bpe", []byte{4, 1, 1}, int32(-1), " a")
	f.Fuzz(func(t *testing.T, tokens, merges, pre string, types []byte, id int32, text string) {
		c := Config{Tokens: strings.Split(tokens, "\n"), Pre: pre, BOS: id, EOS: id, Unknown: None, Pad: None, AddBOS: true}
		if merges != "" {
			c.Merges = strings.Split(merges, "\n")
		}
		for _, k := range types {
			c.Types = append(c.Types, int32(k))
		}
		fuzzConfig(t, c, text)
		// The same among byte tokens, merged by score or by the merges.
		c.Model, c.NFC = SentencePiece, id%2 == 0
		c.Types = append(c.Types, slices.Repeat([]int32{int32(KindNormal)}, max(0, len(c.Tokens)-len(c.Types)))...)[:len(c.Tokens)]
		for b := range 256 {
			c.Tokens, c.Types = append(c.Tokens, fmt.Sprintf("<0x%02X>", b)), append(c.Types, int32(KindByte))
		}
		for i := range c.Tokens {
			c.Scores = append(c.Scores, float32(i*int(id)%7))
		}
		fuzzConfig(t, c, text)
	})
}

func fuzzConfig(t *testing.T, c Config, text string) {
	bpe, err := NewBPE(c)
	if err != nil {
		return
	}
	for _, o := range []EncodeOptions{{}, {Special: true, BOS: true, EOS: true}} {
		ids := bpe.Encode(text, o)
		for _, id := range ids {
			if _, ok := bpe.Piece(id); !ok {
				t.Fatalf("token %d of %d", id, bpe.Len())
			}
		}
		if got := bpe.Decode(ids); c.Model == SentencePiece && o == (EncodeOptions{}) && bpe.normalize(got) != bpe.normalize(text) {
			t.Fatalf("%q came back as %q", text, got)
		}
	}
	for id := range int32(bpe.Len()) {
		p, _ := bpe.Piece(id)
		bpe.ID(p)
	}
}
