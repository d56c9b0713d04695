package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The vocabulary and the merges are nearly all of a tokenizer.json: a million
// small strings. They are read by hand, which takes a fifth of encoding/json's
// time and stops at the first entry too many. encoding/json has checked the
// syntax when it calls UnmarshalJSON, so only the types are left to check.

type (
	jsonVocab  []jsonEntry
	jsonMerges []string // "left right"
	jsonEntry  struct {
		text string
		id   int64
	}
)

func (v *jsonVocab) UnmarshalJSON(b []byte) error {
	s := jsonScanner{b: b}
	if s.next() != '{' {
		return fmt.Errorf("model.vocab: not an object")
	}
	for s.i++; s.next() != '}'; s.comma() {
		text, err := s.text()
		if err != nil {
			return fmt.Errorf("model.vocab: %w", err)
		}
		if s.next() == ':' {
			s.i++
		}
		id, ok := s.integer()
		if !ok {
			return fmt.Errorf("model.vocab: the id of %q is not an integer from 0 to %d", clip(text), maxTokens-1)
		}
		if len(*v) == maxTokens {
			return fmt.Errorf("model.vocab: more than %d tokens", maxTokens)
		}
		*v = append(*v, jsonEntry{text, id})
	}
	return nil
}

// jsonAddedList is a list that stops at the first entry too many.
type jsonAddedList []jsonAdded

func (l *jsonAddedList) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	switch t, err := d.Token(); {
	case err != nil:
		return err
	case t == nil:
		return nil
	case t != json.Delim('['):
		return fmt.Errorf("added_tokens: not a list")
	}
	for d.More() {
		n := len(*l)
		if n == maxTokens {
			return fmt.Errorf("added_tokens: more than %d tokens", maxTokens)
		}
		*l = append(*l, jsonAdded{})
		if err := d.Decode(&(*l)[n]); err != nil {
			return fmt.Errorf("added_tokens[%d]: %w", n, plainError(err))
		}
	}
	return nil
}

// UnmarshalJSON reads merges in both forms: "left right" and ["left", "right"].
func (m *jsonMerges) UnmarshalJSON(b []byte) error {
	s := jsonScanner{b: b}
	if s.next() != '[' {
		return fmt.Errorf("model.merges: not a list")
	}
	for s.i++; s.next() != ']'; s.comma() {
		n := len(*m)
		if n == maxMerges {
			return fmt.Errorf("model.merges: more than %d merges", maxMerges)
		}
		if s.next() != '[' {
			text, err := s.text()
			if err != nil {
				return fmt.Errorf("model.merges[%d]: %w", n, err)
			}
			*m = append(*m, text)
			continue
		}
		var parts [3]string
		k := 0
		for s.i++; s.next() != ']' && k < len(parts); s.comma() {
			var err error
			if parts[k], err = s.text(); err != nil {
				return fmt.Errorf("model.merges[%d]: %w", n, err)
			}
			k++
		}
		if k != 2 {
			return fmt.Errorf("model.merges[%d]: not two parts", n)
		}
		s.i++
		*m = append(*m, parts[0]+" "+parts[1])
	}
	return nil
}

// jsonScanner goes through JSON that is known to be well-formed.
type jsonScanner struct {
	b []byte
	i int
}

// next skips blanks and returns the byte it is at, 0 at the end.
func (s *jsonScanner) next() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (s *jsonScanner) comma() {
	if s.next() == ',' {
		s.i++
	}
}

// text reads a string.
func (s *jsonScanner) text() (string, error) {
	if s.next() != '"' {
		return "", fmt.Errorf("%q where a string is wanted", clip(string(s.b[s.i:min(s.i+20, len(s.b))])))
	}
	begin := s.i
	plain := true
	for s.i++; s.i < len(s.b) && s.b[s.i] != '"'; s.i++ {
		if s.b[s.i] == '\\' {
			plain = false
			s.i++
		}
	}
	s.i = min(s.i+1, len(s.b))
	quoted := s.b[begin:s.i]
	if plain && len(quoted) >= 2 {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	var text string
	err := json.Unmarshal(quoted, &text)
	return text, err
}

// integer reads a number, false if it is none from 0 to maxTokens-1.
func (s *jsonScanner) integer() (int64, bool) {
	s.next()
	n, digits := int64(0), 0
	for ; s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9'; s.i++ {
		n = n*10 + int64(s.b[s.i]-'0')
		if digits++; n >= maxTokens {
			return 0, false
		}
	}
	return n, digits > 0 && bytes.IndexByte([]byte(" \t\r\n,}"), s.at()) >= 0
}

func (s *jsonScanner) at() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}
