package chat

import (
	"sort"
	"strings"
)

// Segment is a piece of a prompt as a tokenizer takes it: one control token by its text, or ordinary text.
type Segment struct {
	Text    string
	Special bool
}

// Segments renders the prompt and cuts it at control tokens. specials are their texts, those of added tokens that are
// special; where several fit, the longest counts, from left to right, as in Hugging Face tokenizers and llama.cpp. Added
// tokens that are not special do not belong there: a tokenizer finds them in any text, also where a run of line ends
// (one token in Gemma 3) begins in the template and goes on in a message.
//
// A control token counts only where every byte of it was written by the template (or is BOS, EOS or one of Tokens).
// Between control tokens, text from the template and from the conversation is joined into one segment, so a tokenizer
// that encodes each ordinary segment with control tokens off gives the tokens that the reference gives for the whole
// prompt, wherever nobody forges anything. It must not add a begin token: the template has done so if it wants one.
//
//	for _, s := range segments {
//		if s.Special {
//			ids = append(ids, idOf[s.Text])
//		} else {
//			ids = append(ids, encode(s.Text)...)
//		}
//	}
//
// Added tokens that swallow neighbouring blanks (lstrip, rstrip in tokenizer.json) are the tokenizer's to trim.
func (t *Template) Segments(in Input, specials []string) ([]Segment, error) {
	parts, err := t.Parts(in)
	if err != nil {
		return nil, err
	}
	m := newMatcher(specials)
	var out []Segment
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			out = append(out, Segment{Text: plain.String()})
			plain.Reset()
		}
	}
	for _, p := range parts {
		from := 0
		for i := 0; p.Trusted && i < len(p.Text); {
			n := m.match(p.Text[i:])
			if n == 0 {
				i++
				continue
			}
			plain.WriteString(p.Text[from:i])
			flush()
			out = append(out, Segment{p.Text[i : i+n], true})
			i += n
			from = i
		}
		plain.WriteString(p.Text[from:])
	}
	flush()
	return out, nil
}

// matcher finds which of many strings stands at the start of a text: by first byte, then by the lengths that occur.
type matcher struct {
	known   map[string]bool
	lengths [256][]int // longest first
}

func newMatcher(specials []string) *matcher {
	m := &matcher{known: make(map[string]bool, len(specials))}
	seen := map[[2]int]bool{}
	for _, s := range specials {
		if s == "" {
			continue
		}
		m.known[s] = true
		if k := [2]int{int(s[0]), len(s)}; !seen[k] {
			seen[k] = true
			m.lengths[s[0]] = append(m.lengths[s[0]], len(s))
		}
	}
	for _, l := range m.lengths {
		sort.Sort(sort.Reverse(sort.IntSlice(l)))
	}
	return m
}

// match is the length of the longest special at the start of s, 0 if none.
func (m *matcher) match(s string) int {
	for _, n := range m.lengths[s[0]] {
		if n <= len(s) && m.known[s[:n]] {
			return n
		}
	}
	return 0
}
