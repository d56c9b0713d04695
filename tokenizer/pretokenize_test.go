package tokenizer

import (
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// llamaExpressions are those of llama.cpp's llm_tokenizer_bpe. Each cuts what the
// one before left into its matches and the parts between them.
var llamaExpressions = map[string][]string{
	"gpt-2":     {gpt2Expression},
	"smollm":    {`\p{N}`, gpt2Expression},
	"starcoder": {`\p{N}`, gpt2Expression},
	"llama-bpe": {`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"qwen2":     {`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
}

const gpt2Expression = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)`

func cut(t *testing.T, re *regexp2.Regexp, parts []string) []string {
	t.Helper()
	var out []string
	for _, p := range parts {
		runes, at := []rune(p), 0
		m, err := re.FindStringMatch(p)
		for ; err == nil && m != nil; m, err = re.FindNextMatch(m) {
			if m.Index > at {
				out = append(out, string(runes[at:m.Index]))
			}
			out = append(out, m.String())
			at = m.Index + m.Length
		}
		if err != nil {
			t.Fatal(err)
		}
		if at < len(runes) {
			out = append(out, string(runes[at:]))
		}
	}
	return out
}

// TestPreTokenizersLlamaCpp runs llama.cpp's expressions in a regular expression
// engine of Go's Unicode version. Left out are code points on which the versions
// differ, and the long s, which only Hugging Face's engine folds.
func TestPreTokenizersLlamaCpp(t *testing.T) {
	table := classes()
	same := func(r rune) bool {
		c, _ := table.at(string(r), 0)
		return r != 'ſ' && c&letter != 0 == unicode.IsLetter(r) && c&digit != 0 == unicode.IsNumber(r) && c&number != 0 == unicode.IsNumber(r)
	}
	rows := fixtureRows[referenceRow](t, "smollm.jsonl.gz")[:4000]
	for pre, expressions := range llamaExpressions {
		var compiled []*regexp2.Regexp
		for _, e := range expressions {
			compiled = append(compiled, regexp2.MustCompile(e, regexp2.None))
		}
		compared, wrong := 0, 0
		for _, row := range rows {
			if !utf8.ValidString(row.Text) || slices.ContainsFunc([]rune(row.Text), func(r rune) bool { return !same(r) }) {
				continue
			}
			want := []string{row.Text}
			for _, re := range compiled {
				want = cut(t, re, want)
			}
			var got []string
			for s := row.Text; s != ""; {
				n := preTokenizers[pre].next(table, s)
				got, s = append(got, s[:n]), s[n:]
			}
			if row.Text == "" {
				want = nil
			}
			if compared++; !slices.Equal(got, want) {
				if wrong++; wrong <= 5 {
					t.Errorf("%s: %q\n got %q\nwant %q", pre, row.Text, got, want)
				}
			}
		}
		if wrong > 0 || compared < 3000 {
			t.Errorf("%s: %d of %d differ", pre, wrong, compared)
		}
	}
}
