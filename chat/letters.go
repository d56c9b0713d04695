package chat

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// Python's case mappings are Unicode's full ones (ß becomes SS), which package strings does not do.

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func upper(s string) string {
	if ascii(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

func lower(s string) string {
	if ascii(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

// titleCase is the title case of one character.
func titleCase(s string) string {
	if ascii(s) {
		return strings.ToUpper(s)
	}
	return cases.Title(language.Und).String(s)
}

func capitalize(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return titleCase(s[:n]) + lower(s[n:])
}

// title is str.title: what follows something without case is raised, the rest lowered.
func title(s string) string {
	var b strings.Builder
	inWord, from := false, 0
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(s[i:])
		letter := unicode.IsUpper(c) || unicode.IsLower(c) || unicode.IsTitle(c)
		if letter && !inWord {
			b.WriteString(lower(s[from:i]))
			b.WriteString(titleCase(s[i : i+n]))
			from = i + n
		}
		inWord, i = letter, i+n
	}
	b.WriteString(lower(s[from:]))
	return b.String()
}

var wordStart = regexp.MustCompile(`[-\s({\[<]+`)

// titleFilter is Jinja2's own title, which knows words by what stands before them.
func titleFilter(s string) string {
	var b strings.Builder
	word := func(w string) {
		_, n := utf8.DecodeRuneInString(w)
		b.WriteString(upper(w[:n]))
		b.WriteString(lower(w[n:]))
	}
	from := 0
	for _, m := range wordStart.FindAllStringIndex(s, -1) {
		word(s[from:m[0]])
		b.WriteString(s[m[0]:m[1]])
		from = m[1]
	}
	word(s[from:])
	return b.String()
}
