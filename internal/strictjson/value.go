package strictjson

import (
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// Text reads a string of at most limit bytes. The bytes are valid until the next
// read: they are those of the document, unless the string has escapes.
func (r *Reader) Text(limit int) []byte {
	r.Offset()
	at := r.pos
	raw, escaped := r.text()
	if r.err != nil {
		return nil
	}
	n := len(raw)
	if escaped {
		// The longest escapes stand for a sixth of their length.
		if n/6 > limit {
			r.Fail(at, "string of %d bytes exceeds the limit of %d", n, limit)
			return nil
		}
		raw = r.decode(at+1, at+1+n)
		n = len(raw)
	}
	if n > limit {
		r.Fail(at, "string of %d bytes exceeds the limit of %d", n, limit)
		return nil
	}
	return raw
}

// String reads a string of at most limit bytes.
func (r *Reader) String(limit int) string { return string(r.Text(limit)) }

// text checks a string and returns what stands between its quotes, and whether
// there are escapes in it.
func (r *Reader) text() (raw []byte, escaped bool) {
	if !r.is(String) {
		return nil, false
	}
	start := r.pos + 1
	for i := start; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '"':
			r.pos = i + 1
			return r.b[start:i], escaped
		case c == '\\':
			escaped = true
			_, n := r.escape(i)
			if n == 0 {
				return nil, false
			}
			i += n - 1
		case c < ' ':
			r.Fail(i, "control character %#02x in a string", c)
			return nil, false
		}
	}
	r.Fail(r.pos, "string without an end")
	return nil, false
}

// decode resolves the escapes in b[from:to], which text has checked.
func (r *Reader) decode(from, to int) []byte {
	out := make([]byte, 0, to-from)
	for i := from; i < to; {
		if r.b[i] != '\\' {
			out = append(out, r.b[i])
			i++
			continue
		}
		c, n := r.escape(i)
		out = utf8.AppendRune(out, c)
		i += n
	}
	return out
}

// escape returns the character that the escape at byte at stands for, and the
// length of the escape: 0 after an error.
func (r *Reader) escape(at int) (rune, int) {
	if at+1 < len(r.b) {
		switch c := r.b[at+1]; c {
		case '"', '\\', '/':
			return rune(c), 2
		case 'b':
			return '\b', 2
		case 'f':
			return '\f', 2
		case 'n':
			return '\n', 2
		case 'r':
			return '\r', 2
		case 't':
			return '\t', 2
		case 'u':
			c := r.hex(at)
			if !utf16.IsSurrogate(c) { // or -1
				if c >= 0 {
					return c, 6
				}
				break
			}
			if pair := utf16.DecodeRune(c, r.hex(at+6)); pair != utf8.RuneError {
				return pair, 12
			}
			r.Fail(at, "half a surrogate pair, %q", r.b[at:at+6])
			return 0, 0
		}
	}
	r.Fail(at, "wrong escape in a string")
	return 0, 0
}

// hex reads the escape \uXXXX at byte at; -1 if there is none.
func (r *Reader) hex(at int) rune {
	if at+6 > len(r.b) || r.b[at] != '\\' || r.b[at+1] != 'u' {
		return -1
	}
	v := rune(0)
	for _, c := range r.b[at+2 : at+6] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		v = v<<4 | rune(c)
	}
	return v
}

// Number reads a number and returns it as it is written, valid until the next
// read.
func (r *Reader) Number() []byte {
	if !r.is(Number) {
		return nil
	}
	start, i := r.pos, r.pos
	if r.b[i] == '-' {
		i++
	}
	digits := func() bool {
		from := i
		for i < len(r.b) && isDigit(r.b[i]) {
			i++
		}
		return i > from
	}
	at := func(set string) bool {
		for j := range len(set) {
			if i < len(r.b) && r.b[i] == set[j] {
				i++
				return true
			}
		}
		return false
	}
	ok := at("0") || digits()
	if ok && at(".") {
		ok = digits()
	}
	if ok && at("eE") {
		at("+-")
		ok = digits()
	}
	if !ok {
		r.Fail(start, "wrong number %q", clip(r.b[start:min(i+1, len(r.b))]))
		return nil
	}
	r.pos = i
	return r.b[start:i]
}

// Uint reads a number that is written as an integer from 0 to 2^64-1.
func (r *Reader) Uint() uint64 {
	n := r.Number()
	if r.err != nil {
		return 0
	}
	at := r.pos - len(n)
	v := uint64(0)
	for _, c := range n {
		if !isDigit(c) {
			r.Fail(at, "%s is not a whole number", clip(n))
			return 0
		}
		d := uint64(c - '0')
		if v > (math.MaxUint64-d)/10 {
			r.Fail(at, "%s overflows", clip(n))
			return 0
		}
		v = v*10 + d
	}
	return v
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	if !r.is(Bool) {
		return false
	}
	return r.word("true") || !r.word("false") && r.wrongWord()
}

// Null reads null.
func (r *Reader) Null() {
	if r.is(Null) && !r.word("null") {
		r.wrongWord()
	}
}

// word takes w if it is next.
func (r *Reader) word(w string) bool {
	if len(r.b)-r.pos < len(w) || string(r.b[r.pos:r.pos+len(w)]) != w {
		return false
	}
	r.pos += len(w)
	return true
}

func (r *Reader) wrongWord() bool {
	i := r.pos
	for i < len(r.b) && 'a' <= r.b[i]|0x20 && r.b[i]|0x20 <= 'z' {
		i++
	}
	r.Fail(r.pos, "unknown word %q", clip(r.b[r.pos:i]))
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// clip shortens what an error quotes.
func clip(b []byte) []byte {
	if len(b) > 40 {
		return append(b[:40:40], "..."...)
	}
	return b
}
