package tokenizer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestHostileConfigs gives NewBPE what a broken or malicious file could hold.
func TestHostileConfigs(t *testing.T) {
	normal := func(c *Config) {
		c.Types = slices.Repeat([]int32{int32(KindNormal)}, len(c.Tokens))
	}
	for _, tt := range []struct {
		name string
		edit func(c *Config)
		want string // the error begins so, after "tokenizer: "
	}{
		{"zero", func(c *Config) { *c = Config{} }, `pre: ""`},
		{"no pre", func(c *Config) { c.Pre = "" }, `pre: ""`},
		{"unknown pre", func(c *Config) { c.Pre = "gpt-9" }, `pre: "gpt-9": unknown pre-tokenizer, known are ["deepseek-r1-qwen" "gpt-2"`},
		{"pre in capitals", func(c *Config) { c.Pre = "GPT-2" }, `pre: "GPT-2"`},
		{"long pre", func(c *Config) { c.Pre = strings.Repeat("x", 1<<20) }, `pre: "xxxx`},
		{"no tokens", func(c *Config) { c.Tokens = nil }, "tokens: empty"},
		{"too many tokens", func(c *Config) { c.Tokens = make([]string, maxTokens+1) }, "tokens: 2097153, at most"},
		{"too many merges", func(c *Config) { c.Merges = make([]string, maxMerges+1) }, "merges: 4194305, at most"},
		{"empty token", func(c *Config) { c.Tokens[7] = "" }, "tokens[7]: empty"},
		{"huge token", func(c *Config) { c.Tokens[7] = strings.Repeat("a", maxTokenBytes+1) }, "tokens[7]: 65537 bytes"},
		{"huge control token", func(c *Config) {
			normal(c)
			c.Types[256], c.Tokens[256] = int32(KindControl), strings.Repeat("a", maxMarkerBytes+1)
		}, "tokens[256]: 1025 bytes in a special token"},
		{"token twice", func(c *Config) { c.Tokens[256] = "A" }, `tokens[256]: "A" is tokens[65] already`},
		{"NUL twice", func(c *Config) { c.Tokens = append(c.Tokens, "\x00", "\x00") }, `tokens[260]: "\x00" is tokens[259] already`},
		{"no byte symbols", func(c *Config) { c.Tokens, c.Merges = []string{"▁the", "\x00", " "}, nil }, "tokens: none of the 256"},
		{"not UTF-8", func(c *Config) { c.Tokens, c.Merges = []string{"\xff\xfe"}, nil }, "tokens: none of the 256"},
		{"types too short", func(c *Config) { c.Types = []int32{1} }, "types: 1 for 259 tokens"},
		{"types too long", func(c *Config) { normal(c); c.Types = append(c.Types, 1) }, "types: 260 for 259 tokens"},
		{"type 0", func(c *Config) { normal(c); c.Types[3] = 0 }, "types[3]: 0 is no token type"},
		{"type 7", func(c *Config) { normal(c); c.Types[3] = 7 }, "types[3]: 7 is no token type"},
		{"negative type", func(c *Config) { normal(c); c.Types[3] = -1 << 31 }, "types[3]: -2147483648"},
		{"byte symbol is control", func(c *Config) { normal(c); c.Types[65] = int32(KindControl) }, "types[65]: the symbol of byte 0x41"},
		{"byte symbol is user-defined", func(c *Config) { normal(c); c.Types[32] = int32(KindUserDefined) }, "types[32]: the symbol of byte 0x20"},
		{"merge makes a control token", func(c *Config) { normal(c); c.Types[257] = int32(KindControl) }, `merges[0]: "th" is a special token`},
		{"merge without a space", func(c *Config) { c.Merges[0] = "th" }, `merges[0]: "th" is not two parts`},
		{"merge of one part", func(c *Config) { c.Merges[0] = "t " }, `merges[0]: "t " is not two parts`},
		{"merge of no left part", func(c *Config) { c.Merges[0] = " h" }, `merges[0]: " h" is not two parts`},
		{"merge of three parts", func(c *Config) { c.Merges[0] = "t h e" }, `merges[0]: "t h e" is not two parts`},
		{"empty merge", func(c *Config) { c.Merges[1] = "" }, `merges[1]: "" is not two parts`},
		{"huge merge", func(c *Config) { c.Merges[1] = strings.Repeat("y", 1<<20) }, `merges[1]: "yyyy`},
		{"merge of unknown parts", func(c *Config) { c.Merges[1] = "zz q" }, `merges[1]: "zz" is not in the vocabulary`},
		{"merge of an unknown right part", func(c *Config) { c.Merges[1] = "q zz" }, `merges[1]: "zz" is not in the vocabulary`},
		{"merge into nothing", func(c *Config) { c.Merges[1] = "q q" }, `merges[1]: "qq" is not in the vocabulary`},
		{"merge with a NUL", func(c *Config) { c.Merges[1] = "\x00 \x00" }, `merges[1]: "\x00" is not in the vocabulary`},
		{"merge twice", func(c *Config) { c.Merges[1] = "t h" }, `merges[1]: "t h" comes a second time`},
		{"bos outside", func(c *Config) { c.BOS = 259 }, "bos: id 259 is outside the vocabulary of 259"},
		{"bos below none", func(c *Config) { c.BOS = -2 }, "bos: id -2"},
		{"eos outside", func(c *Config) { c.EOS = 1<<31 - 1 }, "eos: id 2147483647"},
		{"unknown outside", func(c *Config) { c.Unknown = -1 << 31 }, "unknown: id -2147483648"},
		{"pad outside", func(c *Config) { c.Pad = 1 << 20 }, "pad: id 1048576"},
		{"eog outside", func(c *Config) { c.EOG = []int32{0, 259} }, "eog[1]: id 259"},
		{"eog none", func(c *Config) { c.EOG = []int32{None} }, "eog[0]: id -1"},
		{"bos wanted but none", func(c *Config) { c.AddBOS = true }, "add_bos: set"},
		{"eos wanted but none", func(c *Config) { c.AddEOS = true }, "add_eos: set"},
		{"model", func(c *Config) { c.Model = "bert" }, `model: "bert" is not supported, "gpt2" and "llama" are`},
		{"scores too short", func(c *Config) { c.Scores = []float32{1} }, "scores: 1 for 259 tokens"},
		{"space prefix", func(c *Config) { c.AddSpacePrefix = true }, "add_space_prefix: set, which is not supported"},
		{"normalized outside", func(c *Config) { c.Normalized = []int32{259} }, "normalized[0]: id 259 is no special token"},
		{"normalized normal", func(c *Config) { normal(c); c.Normalized = []int32{256} }, "normalized[0]: id 256 is no special token"},
	} {
		c := byteConfig([]string{"t h", "th e"}, "<|x|>")
		tt.edit(&c)
		bpe, err := NewBPE(c)
		if err == nil || bpe != nil {
			t.Errorf("%s: accepted", tt.name)
			continue
		}
		if !strings.HasPrefix(err.Error(), "tokenizer: "+tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if len(err.Error()) > 400 {
			t.Errorf("%s: an error of %d bytes", tt.name, len(err.Error()))
		}
		if isPre := strings.HasPrefix(tt.want, "pre:"); errors.Is(err, ErrPre) != isPre {
			t.Errorf("%s: ErrPre is %v", tt.name, !isPre)
		}
	}
	if _, err := NewBPE(byteConfig([]string{"t h", "th e"}, "<|x|>")); err != nil {
		t.Errorf("the table's unedited config: %v", err)
	}
}

// TestHostileSentenceConfigs does the same with a SentencePiece vocabulary.
func TestHostileSentenceConfigs(t *testing.T) {
	byteA := 3 // of the tokens below
	for _, tt := range []struct {
		name string
		edit func(c *Config)
		want string
	}{
		{"as it is", func(c *Config) {}, ""},
		{"merges instead of scores", func(c *Config) { c.Scores, c.Merges = nil, []string{"a b"} }, ""},
		{"neither", func(c *Config) { c.Scores = nil }, "tokenizer: scores: empty, and there are no merges"},
		{"score NaN", func(c *Config) { c.Scores[2] = float32(math.NaN()) }, "tokenizer: scores[2]: not a number"},
		{"scores infinite", func(c *Config) { c.Scores[2], c.Scores[1] = float32(math.Inf(1)), float32(math.Inf(-1)) }, ""},
		{"a byte missing", func(c *Config) { c.Tokens[byteA+0x41] = "<0xZZ>" }, `tokenizer: tokens: "<0x41>" is not there, and characters fall back to bytes`},
		{"a tab, not its byte", func(c *Config) { c.Tokens[byteA+'\t'], c.Types[byteA+'\t'] = "\t", int32(KindNormal) }, ""},
		{"a byte normal", func(c *Config) { c.Types[byteA+0x41] = int32(KindNormal) }, `tokenizer: types[68]: "<0x41>" is not a byte token`},
		{"a byte control", func(c *Config) { c.Types[byteA+0x41] = int32(KindControl) }, `tokenizer: types[68]: "<0x41>" is not a byte token`},
		{"no byte", func(c *Config) { c.Types[0] = int32(KindByte) }, `tokenizer: types[0]: "a" is no byte`},
		{"nearly a byte", func(c *Config) { c.Tokens[0], c.Types[0] = "<0x4g>", int32(KindByte) }, `tokenizer: types[0]: "<0x4g>" is no byte`},
		{"merge of a byte", func(c *Config) { c.Tokens[2], c.Merges = "a<0x41>", []string{"a <0x41>"} }, `tokenizer: merges[0]: "<0x41>" is a byte token`},
		{"merge to control", func(c *Config) { c.Types[2], c.Merges = int32(KindControl), []string{"a b"} }, `tokenizer: merges[0]: "ab" is a special token`},
		{"no types", func(c *Config) { c.Types = nil }, `tokenizer: types[3]: "<0x00>" is not a byte token`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{Model: SentencePiece, Tokens: []string{"a", "b", "ab"}, Types: []int32{1, 1, 1}, BOS: None, EOS: None, Unknown: None, Pad: None}
			for b := range 256 {
				c.Tokens, c.Types = append(c.Tokens, fmt.Sprintf("<0x%02X>", b)), append(c.Types, int32(KindByte))
			}
			c.Scores = make([]float32, len(c.Tokens))
			tt.edit(&c)
			bpe, err := NewBPE(c)
			if tt.want != "" {
				if err == nil || err.Error() != tt.want || bpe != nil {
					t.Errorf("error %v\nwant  %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := bpe.Encode("abaC é", EncodeOptions{}); !slices.Equal(got, []int32{2, 0, 3 + 'C', 3 + ' ', 3 + 0xc3, 3 + 0xa9}) {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestOddConfigs are strange but usable.
func TestOddConfigs(t *testing.T) {
	one := Config{Tokens: []string{"a"}, Pre: "gpt-2", BOS: None, EOS: None, Unknown: None, Pad: None}
	bpe, err := NewBPE(one)
	if err != nil {
		t.Fatal(err)
	}
	if got := bpe.Encode("banana \xff", EncodeOptions{Special: true}); !slices.Equal(got, []int32{0, 0, 0}) {
		t.Errorf("a vocabulary of one letter gives %v", got)
	}
	if len(bpe.Missing()) != 255 || len(bpe.EOG()) != 0 || bpe.IsEOG(None) {
		t.Errorf("missing %d, EOG %v", len(bpe.Missing()), bpe.EOG())
	}

	// Tokens that are no spelling of bytes stand for themselves.
	odd := byteConfig(nil, "a b", "日本", "\x00", "\xff", "Ġx日")
	if bpe, err = NewBPE(odd); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int32]string{256: "a b", 257: "日本", 258: "\x00", 259: "\xff", 260: "Ġx日"} {
		if got, _ := bpe.Piece(id); got != want {
			t.Errorf("Piece(%d) = %q, want %q", id, got, want)
		}
	}
	if got := bpe.Encode("a b\x00\xff", EncodeOptions{}); !slices.Equal(got, []int32{'a', ' ', 'b', 0, 255}) {
		t.Errorf("odd tokens are used: %v", got)
	}

	// Merges whose parts are made by later ones, or by two ways, end all the same.
	order := byteConfig([]string{"ab c", "a b", "b c"})
	order.Tokens = append(order.Tokens, "ca")
	order.Merges = append(order.Merges, "a bc", "c a")
	if bpe, err = NewBPE(order); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"abc", "abcabc", strings.Repeat("abc", 30), strings.Repeat("cab", 30)} {
		if got, want := bpe.Encode(s, EncodeOptions{}), naive(bpe, s); !slices.Equal(got, want) {
			t.Errorf("Encode(%q) = %v, want %v", s, got, want)
		}
	}
}
