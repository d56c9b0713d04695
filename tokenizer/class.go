package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// class is what a pre-tokenizer needs to know of a character.
type class uint8

const (
	letter class = 1 << iota // \p{L}
	number                   // \p{N}
	space                    // \s
	digit                    // what the reference's Digits pre-tokenizer sets apart

	word = letter | number | space // characters with none of these are "other"
)

type runeRange struct{ lo, hi rune }

// classTable holds the class of each character up to the last that has one.
type classTable []class

// classes paints the ranges of unicode_table.go into a table of 200 KiB, the first
// time a tokenizer is made.
var classes = sync.OnceValue(func() *classTable {
	last := rune(0)
	sets := []struct {
		ranges []runeRange
		class  class
	}{{letterRanges, letter}, {numberRanges, number | digit}, {spaceRanges, space}, {digitRanges, digit}}
	for _, s := range sets {
		last = max(last, s.ranges[len(s.ranges)-1].hi)
	}
	t := make(classTable, last+1)
	for _, s := range sets {
		for _, r := range s.ranges {
			for c := r.lo; c <= r.hi; c++ {
				t[c] |= s.class
			}
		}
	}
	return &t
})

// at returns the class of the character at s[i] and the number of its bytes. A
// byte that is not UTF-8 is a character by itself, of no class.
func (t *classTable) at(s string, i int) (class, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return (*t)[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	if int(r) >= len(*t) {
		return 0, n
	}
	return (*t)[r], n
}

// run returns where the run of characters with just the classes in kind, from
// s[i] on, ends. A character with a class in stop ends it too.
func (t *classTable) run(s string, i int, kind, stop class) int {
	for i < len(s) {
		c, n := t.at(s, i)
		if c&word != kind || c&stop != 0 {
			break
		}
		i += n
	}
	return i
}
