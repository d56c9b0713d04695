package tokenizer

import (
	"errors"
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
