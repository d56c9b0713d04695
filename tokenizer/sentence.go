package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// sentence is what a SentencePiece vocabulary has besides its merges. Such a
// model has no pre-tokenizer: merges may cross anything, the spaces too. But
// tokens hold a space hardly anywhere but at their beginning, so a text can
// still be cut into words without a change in what comes out.
type sentence struct {
	ascii [utf8.RuneSelf]int32 // id of each character, or None
	chars map[rune]int32       // and of the others

	// inner holds the characters that some token has right before a space. A text
	// may be cut before a space that follows any other character, for no merge
	// joins the two.
	inner      map[rune]bool
	innerASCII [utf8.RuneSelf]bool
}

// setSentence finds the tokens of single bytes and characters.
func (t *BPE) setSentence(c *Config, ids map[string]int32) error {
	for b := range t.symbol {
		name := fmt.Sprintf("<0x%02X>", b)
		id, ok := ids[name]
		self, isSelf := ids[string(rune(b))]
		switch {
		case !ok && b < utf8.RuneSelf && isSelf && !isControl(c.kind(int(self))):
			id = self // Gemma 2 has a tab, and no byte token for it
		case !ok:
			return fmt.Errorf("tokens: %q is not there, and characters fall back to bytes", name)
		case c.kind(int(id)) != KindByte:
			return fmt.Errorf("types[%d]: %q is not a byte token", id, name)
		}
		t.symbol[b] = id
	}
	s := &sentence{chars: make(map[rune]int32)}
	for r := range s.ascii {
		s.ascii[r] = None
	}
	for id, token := range c.Tokens {
		k := c.kind(id)
		r, n := utf8.DecodeRuneInString(token)
		if k == KindByte && (len(token) != len("<0x00>") || ids[token] != t.symbol[hexByte(token)]) {
			return fmt.Errorf("types[%d]: %q is no byte", id, clip(token))
		}
		if n != len(token) || r == utf8.RuneError && n == 1 || isControl(k) || !s.reachable(token, k) {
			continue
		}
		if r == '▁' {
			r = ' '
		}
		if r < utf8.RuneSelf {
			s.ascii[r] = int32(id)
		} else {
			s.chars[r] = int32(id)
		}
	}
	t.sentence = s
	return nil
}

// hexByte returns the byte that <0xNN> spells; for anything else some byte.
func hexByte(token string) byte {
	const digits = "0123456789ABCDEF"
	return byte(strings.IndexByte(digits, token[3])<<4 | strings.IndexByte(digits, token[4])&15)
}

// reachable reports whether text can become the token: a space in its spelling
// cannot come from a text, whose spaces are ▁, and a byte token stands for what
// is no character of the vocabulary.
func (s *sentence) reachable(token string, k Kind) bool {
	return k != KindByte && strings.IndexByte(token, ' ') < 0
}

// setInner collects what stands before spaces within tokens.
func (s *sentence) setInner(words map[string]int32) {
	s.inner = make(map[rune]bool)
	for w := range words {
		for i := 1; i < len(w); i++ {
			n := strings.IndexByte(w[i:], ' ')
			if n < 0 {
				break
			}
			i += n
			r, _ := utf8.DecodeLastRuneInString(w[:i])
			if s.inner[r] = true; r < utf8.RuneSelf {
				s.innerASCII[r] = true
			}
		}
	}
}

// next returns the length of the word that text, which is not empty, begins with.
func (s *sentence) next(text string) int {
	for i := 1; i < len(text); i++ {
		n := strings.IndexByte(text[i:], ' ')
		if n < 0 {
			break
		}
		i += n
		if c := text[i-1]; c < utf8.RuneSelf {
			if !s.innerASCII[c] {
				return i
			}
		} else if r, _ := utf8.DecodeLastRuneInString(text[:i]); !s.inner[r] {
			return i
		}
	}
	return len(text)
}

// appendSymbols appends the tokens of the characters of word, or of their bytes.
func (s *sentence) appendSymbols(dst []int32, word string, bytes *[256]int32) []int32 {
	for i := 0; i < len(word); {
		if c := word[i]; c < utf8.RuneSelf {
			id := s.ascii[c]
			if id == None {
				id = bytes[c]
			}
			dst = append(dst, id)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(word[i:])
		if id, ok := s.chars[r]; ok && !(r == utf8.RuneError && n == 1) {
			dst = append(dst, id)
		} else {
			dst = appendBytes(dst, word[i:i+n], bytes)
		}
		i += n
	}
	return dst
}

func appendBytes(dst []int32, s string, bytes *[256]int32) []int32 {
	for i := range len(s) {
		dst = append(dst, bytes[s[i]])
	}
	return dst
}

// appendPiece appends the bytes that token stands for.
func (s *sentence) appendPiece(dst []byte, token string, k Kind) []byte {
	if k == KindByte {
		return append(dst, hexByte(token))
	}
	for {
		i := strings.Index(token, "▁")
		if i < 0 {
			return append(dst, token...)
		}
		dst = append(append(dst, token[:i]...), ' ')
		token = token[i+len("▁"):]
	}
}
