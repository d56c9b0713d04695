package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// The fixture is what tokenizers' BpeTrainer makes: tools/oracle/bpe_train.py.
func TestTrainAsReference(t *testing.T) {
	f, err := os.Open("testdata/train.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Texts          []string
		Vocabulary     int
		Least          int
		Special        []string
		Tokens, Merges []string
		Probe          []string
		IDs            [][]int32
	}
	if err := json.NewDecoder(z).Decode(&cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		got, err := Train(slices.Values(c.Texts), TrainOptions{Vocabulary: c.Vocabulary, Least: c.Least, Special: c.Special})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Tokens, c.Tokens) {
			t.Errorf("case %d: %d tokens, want %d; the first that differs is %q", i, len(got.Tokens), len(c.Tokens), firstDifference(got.Tokens, c.Tokens))
		}
		if !slices.Equal(got.Merges, c.Merges) {
			t.Errorf("case %d: %d merges, want %d; the first that differs is %q", i, len(got.Merges), len(c.Merges), firstDifference(got.Merges, c.Merges))
		}
		// Written and read again, it encodes as the reference does.
		b, err := got.JSON()
		if err != nil {
			t.Fatal(err)
		}
		bpe, err := FromJSON(b)
		if err != nil {
			t.Fatal(err)
		}
		for j, p := range c.Probe {
			if ids := bpe.Encode(p, EncodeOptions{}); !slices.Equal(ids, c.IDs[j]) {
				t.Errorf("case %d: %q is %v, want %v", i, p, ids, c.IDs[j])
			}
			if s := bpe.Decode(bpe.Encode(p, EncodeOptions{})); s != p {
				t.Errorf("case %d: %q comes back as %q", i, p, s)
			}
		}
	}
}

func firstDifference(a, b []string) []string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return []string{a[i], b[i]}
		}
	}
	return nil
}

func TestTrainErrors(t *testing.T) {
	none := slices.Values([]string(nil))
	for want, o := range map[string]TrainOptions{
		"tokenizer: a vocabulary of 256: from 257, the bytes and 1 special tokens, to 2097152":     {Vocabulary: 256},
		"tokenizer: a vocabulary of 4194304: from 257, the bytes and 1 special tokens, to 2097152": {Vocabulary: 1 << 22},
		`tokenizer: special token "" is empty, too long or there twice`:                            {Vocabulary: 300, Special: []string{""}},
		`tokenizer: special token "<a>" is empty, too long or there twice`:                         {Vocabulary: 300, Special: []string{"<a>", "<a>"}},
		`tokenizer: special token "!" is a byte's own`:                                             {Vocabulary: 300, Special: []string{"!"}},
	} {
		if _, err := Train(none, o); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	c, err := Train(none, TrainOptions{Vocabulary: 257})
	if err != nil || len(c.Tokens) != 257 || len(c.Merges) != 0 {
		t.Errorf("of nothing: %d tokens, %d merges, %v", len(c.Tokens), len(c.Merges), err)
	}
	c.Pre = "qwen2"
	if _, err := c.JSON(); err == nil {
		t.Error("a pre-tokenizer that isn't written was accepted")
	}
}

// Every text can be learnt from, and what is learnt gives it back.
func FuzzTrain(f *testing.F) {
	f.Add("aaaa aaab ababab", 270)
	f.Add("\xff\xfe\x00 <|endoftext|>", 300)
	f.Fuzz(func(t *testing.T, text string, vocabulary int) {
		c, err := Train(slices.Values([]string{text}), TrainOptions{Vocabulary: vocabulary})
		if err != nil {
			return
		}
		b, err := c.JSON()
		if err != nil {
			t.Fatal(err)
		}
		bpe, err := FromJSON(b)
		if err != nil {
			t.Fatal(err)
		}
		if s := bpe.Decode(bpe.Encode(text, EncodeOptions{})); s != strings.ToValidUTF8(text, "\uFFFD") && s != text {
			t.Fatalf("%q comes back as %q", text, s)
		}
	})
}

func BenchmarkTrain(b *testing.B) {
	text := strings.Repeat("the quick brown fox jumps over the lazy dog, and 12 of 345 were here\n", 20000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Train(slices.Values([]string{text}), TrainOptions{Vocabulary: 1024}); err != nil {
			b.Fatal(err)
		}
	}
}
