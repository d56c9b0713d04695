package tokenizer

import (
	"maps"
	"slices"
	"strings"
)

// preTokenizer cuts text into the words within which merges happen. Each is the
// hand-written equal of a regular expression: next returns the length of the
// word that s, which is not empty, begins with. It looks at no character more
// than a fixed number of times over a whole text.
type preTokenizer struct {
	next func(t *classTable, s string) int

	// wholeWords: a word that is a token is that token, whatever the merges say
	// (ignore_merges in the reference).
	wholeWords bool
}

// preTokenizers is keyed by GGUF's tokenizer.ggml.pre, in llama.cpp's spelling;
// names in one row have one expression there.
var preTokenizers = map[string]preTokenizer{
	"gpt-2":            {next: nextGPT2},
	"mpt":              {next: nextGPT2},
	"olmo":             {next: nextGPT2}, // and what Pythia's files have
	"smollm":           {next: nextDigitsGPT2},
	"starcoder":        {next: nextDigitsGPT2},
	"llama-bpe":        {next: nextLlama3, wholeWords: true},
	"llama3":           {next: nextLlama3, wholeWords: true},
	"llama-v3":         {next: nextLlama3, wholeWords: true},
	"qwen2":            {next: nextQwen2},
	"deepseek-r1-qwen": {next: nextQwen2},
}

// PreTokenizers returns the names that [Config].Pre may have, sorted.
func PreTokenizers() []string { return slices.Sorted(maps.Keys(preTokenizers)) }

// nextGPT2 is
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func nextGPT2(t *classTable, s string) int { return gpt2(t, s, 0) }

// nextDigitsGPT2 sets every digit apart, then does as nextGPT2 with what is
// between them, each such part as if it were a text of its own.
func nextDigitsGPT2(t *classTable, s string) int {
	if c, n := t.at(s, 0); c&digit != 0 {
		return n
	}
	return gpt2(t, s, digit)
}

// gpt2 takes a character with a class in stop, which is not the first one, for
// the end of the text.
func gpt2(t *classTable, s string, stop class) int {
	if n := contraction(s); n > 0 {
		return n
	}
	c, n := t.at(s, 0)
	if s[0] == ' ' && len(s) > 1 {
		// A single space goes with the word after it.
		if after, m := t.at(s, 1); after&(space|stop) == 0 {
			c, n = after, 1+m
		}
	}
	if c&space == 0 {
		return t.run(s, n, c&word, stop)
	}
	end, last := spaces(t, s)
	if end == len(s) || last == 0 {
		return end
	}
	if c, _ := t.at(s, end); c&stop != 0 {
		return end
	}
	return last // \s+(?!\S) leaves one space to the word that follows
}

// nextLlama3 is
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func nextLlama3(t *classTable, s string) int { return llama3(t, s, 3) }

// nextQwen2 is nextLlama3 with \p{N} in place of \p{N}{1,3}.
func nextQwen2(t *classTable, s string) int { return llama3(t, s, 1) }

func llama3(t *classTable, s string, digits int) int {
	if n := foldedContraction(s); n > 0 {
		return n
	}
	c, n := t.at(s, 0)
	if c&letter != 0 {
		return t.run(s, n, letter, 0)
	}
	if c&number != 0 {
		end := n
		for digits--; digits > 0 && end < len(s); digits-- {
			c, n := t.at(s, end)
			if c&number == 0 {
				break
			}
			end += n
		}
		return end
	}
	if n < len(s) && s[0] != '\r' && s[0] != '\n' {
		after, m := t.at(s, n)
		if after&letter != 0 {
			return t.run(s, n+m, letter, 0)
		}
		if s[0] == ' ' && after&word == 0 {
			c, n = after, n+m
		}
	}
	if c&space == 0 {
		return newlines(s, t.run(s, n, 0, 0))
	}
	end, last := spaces(t, s)
	if line := strings.LastIndexAny(s[:end], "\r\n"); line >= 0 {
		return line + 1
	}
	if end == len(s) || last == 0 {
		return end
	}
	return last
}

// spaces returns where the run of spaces that s begins with ends, and where its
// last character begins.
func spaces(t *classTable, s string) (end, last int) {
	for end < len(s) {
		c, n := t.at(s, end)
		if c&space == 0 {
			break
		}
		last = end
		end += n
	}
	return end, last
}

func newlines(s string, i int) int {
	for i < len(s) && (s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}

// contraction returns the length of the English ending that s begins with:
// 's 't 'm 'd 're 've 'll, or 0.
func contraction(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	switch s[1] {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v', 'l':
		if len(s) > 2 && (s[2] == 'e' && s[1] != 'l' || s[2] == 'l' && s[1] == 'l') {
			return 3
		}
	}
	return 0
}

// foldedContraction is contraction in any case, which for the reference's regex
// engine includes the long s, U+017F.
func foldedContraction(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	if strings.HasPrefix(s[1:], "ſ") {
		return len("'ſ")
	}
	lower := [3]byte{'\'', s[1] | 0x20}
	if len(s) > 2 {
		lower[2] = s[2] | 0x20
	}
	return contraction(string(lower[:]))
}
