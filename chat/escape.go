package chat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape decodes a string literal by Python's rules: an unknown escape stays as written.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		width := 0
		switch c := s[i]; c {
		case '\n': // a line continued
		case '\\', '\'', '"':
			b.WriteByte(c)
		case 'a', 'b', 'f', 'n', 'r', 't', 'v':
			b.WriteByte("\a\b\f\n\r\t\v"[strings.IndexByte("abfnrtv", c)])
		case 'x':
			width = 2
		case 'u':
			width = 4
		case 'U':
			width = 8
		case 'N':
			return "", fmt.Errorf("named characters (\\N{...}) are not supported")
		case '0', '1', '2', '3', '4', '5', '6', '7':
			n := 1
			for n < 3 && i+n < len(s) && s[i+n] >= '0' && s[i+n] <= '7' {
				n++
			}
			v, _ := strconv.ParseUint(s[i:i+n], 8, 32)
			b.WriteRune(rune(v))
			i += n - 1
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
		if width == 0 {
			continue
		}
		if i+width >= len(s) {
			return "", fmt.Errorf("truncated escape in string")
		}
		v, err := strconv.ParseUint(s[i+1:i+1+width], 16, 32)
		if err != nil || v > utf8.MaxRune || !utf8.ValidRune(rune(v)) {
			return "", fmt.Errorf("bad escape \\%s in string", s[i:i+1+width])
		}
		b.WriteRune(rune(v))
		i += width
	}
	return b.String(), nil
}
