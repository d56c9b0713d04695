package tokenizer

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Normalization form C (Unicode Standard Annex 15) by the reference's tables.
// golang.org/x/text/unicode/norm is not used: it follows Go's version of Unicode,
// and it breaks up more than 30 combining marks in a row, which changes the text.

// nfcTable is nfc_table.go in a form that is quick to look at.
type nfcTable struct {
	// class has for each character its combining class (a small number in the
	// order of Unicode's), 0 for a starter; and nfcTouched.
	class      []uint8
	decomposed map[rune]string
	composed   map[uint64]rune
}

// nfcTouched marks characters that may change, or change what is before them.
// Text without any is in form C.
const nfcTouched = 1 << 7

// Hangul syllables are composed and decomposed by a formula (Unicode, 3.12).
const (
	hangulS, hangulL, hangulV, hangulT = 0xac00, 0x1100, 0x1161, 0x11a7
	hangulLs, hangulVs, hangulTs       = 19, 21, 28
	hangulSs                           = hangulLs * hangulVs * hangulTs
)

var nfcTables = sync.OnceValue(func() *nfcTable {
	t := &nfcTable{class: make([]uint8, 0x30000), decomposed: map[rune]string{}, composed: map[uint64]rune{}}
	for k, runs := range nfcMarks {
		r := []rune(runs)
		for i := 0; i < len(r); i += 2 {
			for c := r[i]; c <= r[i+1]; c++ {
				t.class[c] = nfcTouched | uint8(k+1)
			}
		}
	}
	for c := range rune(hangulVs) {
		t.class[hangulV+c] |= nfcTouched
	}
	for c := rune(1); c < hangulTs; c++ {
		t.class[hangulT+c] |= nfcTouched
	}
	for _, entry := range strings.Split(strings.TrimSuffix(nfcLost, " "), " ") {
		c, n := utf8.DecodeRuneInString(entry)
		t.decomposed[c] = entry[n:]
		t.class[c] |= nfcTouched
	}
	// Shorter decompositions come first, so all but the last character of one is
	// known to compose already.
	for _, entry := range strings.Split(strings.TrimSuffix(nfcKept, " "), " ") {
		c, n := utf8.DecodeRuneInString(entry)
		t.decomposed[c] = entry[n:]
		parts := []rune(entry[n:])
		last := parts[len(parts)-1]
		first := t.compose(parts[:len(parts)-1])[0]
		t.composed[pairOf(first, last)] = c
		t.class[last] |= nfcTouched
	}
	return t
})

// nfc returns s in normalization form C. Bytes that are not UTF-8 stay.
func nfc(s string) string {
	i := 0
	for i < len(s) && s[i] < 0xcc { // U+0300, the first that is touched, is 0xcc 0x80
		i++
	}
	if i == len(s) {
		return s
	}
	t := nfcTables()
	var out []byte
	var part []rune
	done := 0 // s[:done] is in out
	for last, i := -1, 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			last, i = i, i+1
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if int(r) >= len(t.class) || t.class[r]&nfcTouched == 0 {
			if last, i = i, i+n; r == utf8.RuneError && n == 1 {
				last = -1 // composes with nothing
			}
			continue
		}
		// The character before, which is a starter, and all that are touched.
		part = part[:0]
		if last < 0 {
			out = append(out, s[done:i]...)
		} else {
			out = append(out, s[done:last]...)
			starter, _ := utf8.DecodeRuneInString(s[last:])
			part = t.decompose(part, starter)
		}
		for int(r) < len(t.class) && t.class[r]&nfcTouched != 0 {
			part = t.decompose(part, r)
			if i += n; i == len(s) {
				break
			}
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		for _, r := range t.compose(part) {
			out = utf8.AppendRune(out, r)
		}
		done, last = i, -1
	}
	if out == nil {
		return s
	}
	return string(append(out, s[done:]...))
}

func (t *nfcTable) classOf(r rune) uint8 {
	if int(r) >= len(t.class) {
		return 0
	}
	return t.class[r] &^ nfcTouched
}

// decompose appends the full decomposition of r.
func (t *nfcTable) decompose(dst []rune, r rune) []rune {
	if s := r - hangulS; s >= 0 && s < hangulSs {
		dst = append(dst, hangulL+s/(hangulVs*hangulTs), hangulV+s%(hangulVs*hangulTs)/hangulTs)
		if s%hangulTs > 0 {
			dst = append(dst, hangulT+s%hangulTs)
		}
		return dst
	}
	if d, ok := t.decomposed[r]; ok {
		for _, r := range d {
			dst = append(dst, r)
		}
		return dst
	}
	return append(dst, r)
}

// compose orders the marks in s, which is decomposed, and composes it in place.
func (t *nfcTable) compose(s []rune) []rune {
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && t.classOf(s[j]) > 0 {
			j++
		}
		slices.SortStableFunc(s[i:j], func(a, b rune) int { return int(t.classOf(a)) - int(t.classOf(b)) })
		i = j + 1
	}
	out := s[:0]
	starter := -1 // place in out of the last starter
	before := -1  // class of what was last kept after it; -1: nothing
	for _, r := range s {
		class := int(t.classOf(r))
		// Nothing between the two may be of the same class or a starter.
		if starter >= 0 && before < class {
			if c := t.pair(out[starter], r); c != 0 {
				out[starter] = c
				continue
			}
		}
		out = append(out, r)
		if class == 0 {
			starter, before = len(out)-1, -1
		} else {
			before = class
		}
	}
	return out
}

// pair returns what a and b compose to, or 0.
func (t *nfcTable) pair(a, b rune) rune {
	if l, v := a-hangulL, b-hangulV; l >= 0 && l < hangulLs && v >= 0 && v < hangulVs {
		return hangulS + (l*hangulVs+v)*hangulTs
	}
	if s, k := a-hangulS, b-hangulT; s >= 0 && s < hangulSs && s%hangulTs == 0 && k > 0 && k < hangulTs {
		return a + k
	}
	return t.composed[pairOf(a, b)]
}
