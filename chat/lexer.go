package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	tokEOF kind = iota
	tokData
	tokVarBegin
	tokVarEnd
	tokBlockBegin
	tokBlockEnd
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

// token is a piece of the source; for strings s is the decoded value.
type token struct {
	kind kind
	s    string
	off  int
}

func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "end of template"
	case tokVarEnd:
		return "'}}'"
	case tokBlockEnd:
		return "'%}'"
	case tokString:
		return fmt.Sprintf("string %q", t.s)
	}
	return fmt.Sprintf("%q", t.s)
}

// lexer follows Jinja2's own rules with trim_blocks and lstrip_blocks on: the newline after a block tag or comment
// goes, and so do blanks before one that starts its line; '-' strips more, '+' nothing.
type lexer struct {
	src       string
	pos       int
	lineStart bool // the last match ended a line, so blanks before the next tag may go
	toks      []token
}

// normalize does what Jinja2 does before anything else: one kind of newline, and a final one dropped.
func normalize(src string) string {
	if strings.IndexByte(src, '\r') >= 0 {
		src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	}
	return strings.TrimSuffix(src, "\n")
}

func lex(src string) ([]token, error) {
	l := &lexer{src: src, lineStart: true}
	for l.pos < len(src) {
		if err := l.next(); err != nil {
			return nil, errorAt(src, l.pos, err)
		}
	}
	l.emit(tokEOF, "", len(src))
	return l.toks, nil
}

func (l *lexer) emit(k kind, s string, off int) { l.toks = append(l.toks, token{k, s, off}) }

// next consumes template text up to a tag, and the tag.
func (l *lexer) next() error {
	open := l.pos
	for {
		i := strings.IndexByte(l.src[open:], '{')
		if i < 0 || open+i+1 >= len(l.src) {
			l.emit(tokData, l.src[l.pos:], l.pos)
			l.pos = len(l.src)
			return nil
		}
		open += i
		if c := l.src[open+1]; c == '{' || c == '%' || c == '#' {
			break
		}
		open++
	}
	data, at := l.src[l.pos:open], l.pos
	kind := l.src[open+1]
	l.pos = open + 2
	sign := l.sign()
	if data = l.stripLeft(data, sign, kind != '{'); data != "" {
		l.emit(tokData, data, at)
	}
	switch kind {
	case '#':
		return l.comment(open)
	case '{':
		l.emit(tokVarBegin, "{{", open)
		return l.inside("}}", tokVarEnd)
	}
	if end := l.rawBegin(l.pos); end > 0 {
		return l.raw(open, end)
	}
	l.emit(tokBlockBegin, "{%", open)
	return l.inside("%}", tokBlockEnd)
}

func (l *lexer) sign() byte {
	if l.pos < len(l.src) && (l.src[l.pos] == '-' || l.src[l.pos] == '+') {
		l.pos++
		return l.src[l.pos-1]
	}
	return 0
}

func (l *lexer) stripLeft(data string, sign byte, block bool) string {
	if sign == '-' {
		return strings.TrimRightFunc(data, isSpace)
	}
	if sign == '+' || !block {
		return data
	}
	nl := strings.LastIndexByte(data, '\n') + 1
	if (nl > 0 || l.lineStart) && strings.TrimLeftFunc(data[nl:], isSpace) == "" {
		return data[:nl]
	}
	return data
}

// close consumes the end of a tag at pos, whose optional sign stands before it, and what the sign takes away.
func (l *lexer) close(sign byte, delim string) {
	from := l.pos
	l.pos += len(delim)
	switch {
	case sign == '-':
		l.pos = len(l.src) - len(strings.TrimLeftFunc(l.src[l.pos:], isSpace))
	case sign != '+' && delim != "}}" && strings.HasPrefix(l.src[l.pos:], "\n"):
		l.pos++
	}
	l.lineStart = l.pos > from && l.src[l.pos-1] == '\n'
}

func (l *lexer) comment(open int) error {
	i := strings.Index(l.src[l.pos:], "#}")
	if i < 0 {
		l.pos = open
		return fmt.Errorf("comment is never closed")
	}
	var sign byte
	if i > 0 && (l.src[l.pos+i-1] == '-' || l.src[l.pos+i-1] == '+') {
		sign = l.src[l.pos+i-1]
	}
	l.pos += i
	l.close(sign, "#}")
	return nil
}

// word returns the offset after "blanks word blanks" at i, or -1.
func (l *lexer) word(i int, word string) int {
	rest := strings.TrimLeftFunc(l.src[i:], isSpace)
	if !strings.HasPrefix(rest, word) {
		return -1
	}
	return len(l.src) - len(strings.TrimLeftFunc(rest[len(word):], isSpace))
}

// rawBegin returns the offset of the end delimiter if a raw tag's inside starts at i.
func (l *lexer) rawBegin(i int) int {
	j := l.word(i, "raw")
	if j < 0 || !strings.HasPrefix(l.src[j:], "%}") && !strings.HasPrefix(l.src[j:], "-%}") {
		return -1
	}
	return j
}

func (l *lexer) raw(open, end int) error {
	l.pos = end
	if l.src[end] == '-' {
		l.pos++
		l.close('-', "%}")
	} else {
		l.close('+', "%}") // the newline after a raw tag stays
	}
	for i := l.pos; ; i += 2 {
		n := strings.Index(l.src[i:], "{%")
		if n < 0 {
			l.pos = open
			return fmt.Errorf("raw block is never closed")
		}
		i += n
		body, at, start := l.src[l.pos:i], l.pos, l.pos
		l.pos = i + 2
		sign := l.sign()
		if j := l.word(l.pos, "endraw"); j >= 0 {
			var s byte
			if j < len(l.src) && (l.src[j] == '-' || l.src[j] == '+') {
				s = l.src[j]
				j++
			}
			if strings.HasPrefix(l.src[j:], "%}") {
				if body = l.stripLeft(body, sign, true); body != "" {
					l.emit(tokData, body, at)
				}
				l.pos = j
				l.close(s, "%}")
				return nil
			}
		}
		l.pos = start
	}
}

// inside reads the tokens of a tag up to its end delimiter, which counts only outside brackets.
func (l *lexer) inside(delim string, end kind) error {
	var open []byte
	for {
		rest := l.src[l.pos:]
		if len(open) == 0 {
			if strings.HasPrefix(rest, delim) {
				l.emit(end, delim, l.pos)
				l.close(0, delim)
				return nil
			}
			if strings.HasPrefix(rest, "-"+delim) || delim == "%}" && strings.HasPrefix(rest, "+"+delim) {
				l.emit(end, delim, l.pos)
				sign := rest[0]
				l.pos++
				l.close(sign, delim)
				return nil
			}
		}
		if rest == "" {
			return fmt.Errorf("unexpected end of template, expected %q", delim)
		}
		c, n := utf8.DecodeRuneInString(rest)
		switch {
		case isSpace(c):
			l.pos += n
		case c >= '0' && c <= '9':
			l.number()
		case c == '\'' || c == '"':
			if err := l.quoted(byte(c)); err != nil {
				return err
			}
		case isWord(c):
			n := strings.IndexFunc(rest, func(r rune) bool { return !isWord(r) })
			if n < 0 {
				n = len(rest)
			}
			l.emit(tokName, rest[:n], l.pos)
			l.pos += n
		default:
			op := operator(rest)
			if op == "" {
				return fmt.Errorf("unexpected character %q", c)
			}
			switch op {
			case "(", "[", "{":
				open = append(open, op[0])
			case ")", "]", "}":
				if len(open) == 0 || open[len(open)-1] != opening[op[0]] {
					return fmt.Errorf("unexpected %q", op)
				}
				open = open[:len(open)-1]
			}
			l.emit(tokOp, op, l.pos)
			l.pos += len(op)
		}
	}
}

var opening = map[byte]byte{')': '(', ']': '[', '}': '{'}

func operator(s string) string {
	if len(s) >= 2 {
		switch s[:2] {
		case "//", "**", "==", "!=", ">=", "<=":
			return s[:2]
		}
	}
	if strings.IndexByte("+-*/~><=.:|,;()[]{}%", s[0]) >= 0 {
		return s[:1]
	}
	return ""
}

// number takes Python's forms: 1_000, 0x1f, 1.5, 1e3. A dot needs a digit after it, and after "a." none is a fraction.
func (l *lexer) number() {
	s, k := l.src[l.pos:], tokInt
	n := digits(s)
	if len(s) > 2 && s[0] == '0' && strings.IndexByte("xXoObB", s[1]) >= 0 {
		n = 2
		for n < len(s) && (isHex(s[n]) || s[n] == '_') {
			n++
		}
	} else if l.pos == 0 || l.src[l.pos-1] != '.' {
		m := n
		if m+1 < len(s) && s[m] == '.' && isDigit(s[m+1]) {
			m += 1 + digits(s[m+1:])
			n, k = m, tokFloat
		}
		if m < len(s) && (s[m] == 'e' || s[m] == 'E') {
			m++
			if m < len(s) && (s[m] == '+' || s[m] == '-') {
				m++
			}
			if d := digits(s[m:]); d > 0 {
				n, k = m+d, tokFloat
			}
		}
	}
	l.emit(k, strings.ReplaceAll(s[:n], "_", ""), l.pos)
	l.pos += n
}

func digits(s string) int {
	n := 0
	for n < len(s) && (isDigit(s[n]) || s[n] == '_' && n > 0 && n+1 < len(s) && isDigit(s[n+1])) {
		n++
	}
	return n
}

func (l *lexer) quoted(q byte) error {
	for i := l.pos + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case q:
			s, err := unescape(l.src[l.pos+1 : i])
			if err != nil {
				return err
			}
			l.emit(tokString, s, l.pos)
			l.pos = i + 1
			return nil
		}
	}
	return fmt.Errorf("string is never closed")
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || r > 127 && unicode.IsMark(r)
}

// isSpace is Python's str.isspace, which also counts the four ASCII separators.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
