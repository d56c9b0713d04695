package tokenizer

import (
	"os"
	"slices"
	"testing"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/internal/testmodel"
)

// TestRealModelVocabulary compares the committed vocabulary, on which the
// other tests rest, with the real model's.
func TestRealModelVocabulary(t *testing.T) {
	f, err := os.Open(testmodel.Path(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := gguf.Parse(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	c, meta := smolConfig(t), file.Meta
	for key, want := range map[string][]string{"tokens": c.Tokens, "merges": c.Merges} {
		got, err := meta.Strings("tokenizer.ggml." + key)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %d in the model, %d committed, not the same (%v)", key, len(got), len(want), err)
		}
	}
	types, err := meta.Ints("tokenizer.ggml.token_type")
	if err != nil || !slices.EqualFunc(types, c.Types, func(a int64, b int32) bool { return a == int64(b) }) {
		t.Errorf("types: not the same (%v)", err)
	}
	if pre, err := meta.String("tokenizer.ggml.pre"); err != nil || pre != c.Pre {
		t.Errorf("pre: %q (%v)", pre, err)
	}
	for key, want := range map[string]int32{"bos": c.BOS, "eos": c.EOS, "unknown": c.Unknown, "padding": c.Pad} {
		if id, err := meta.Int("tokenizer.ggml." + key + "_token_id"); err != nil || id != int64(want) {
			t.Errorf("%s: %d in the model, %d committed (%v)", key, id, want, err)
		}
	}
}
