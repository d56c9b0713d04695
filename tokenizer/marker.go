package tokenizer

import (
	"slices"
	"sort"
	"strings"
)

// markerSet finds tokens that are looked for in text by their spelling: the
// leftmost, and among those that begin there the longest, as the reference does.
type markerSet struct {
	texts []string // sorted
	ids   []int32
	asked []bool    // found only when asked for: control tokens
	first [256]bool // bytes that begin one
	only  int       // the one byte that begins all of them, or -1
}

// marker is how a token is spelled, and the token.
type marker struct {
	text string
	id   int32
}

func newMarkerSet(list []marker, kinds []Kind) *markerSet {
	m := &markerSet{only: -1}
	slices.SortFunc(list, func(a, b marker) int { return strings.Compare(a.text, b.text) })
	for _, k := range list {
		if n := len(m.texts); n > 0 && m.texts[n-1] == k.text {
			continue // two spellings that are the same once normalized
		}
		m.texts, m.ids = append(m.texts, k.text), append(m.ids, k.id)
		m.asked = append(m.asked, isControl(kinds[k.id]))
		m.first[k.text[0]] = true
	}
	if n := len(m.texts); n > 0 && m.texts[0][0] == m.texts[n-1][0] {
		m.only = int(m.texts[0][0])
	}
	return m
}

// find returns where the first marker in s is, and its token. Without one, start
// and end are len(s). A control token that was not asked for is text, and no
// other marker is looked for within it.
func (m *markerSet) find(s string, special bool) (start, end int, id int32) {
	if len(m.texts) == 0 {
		return len(s), len(s), None
	}
	for i := 0; i < len(s); i++ {
		if m.only >= 0 {
			n := strings.IndexByte(s[i:], byte(m.only))
			if n < 0 {
				break
			}
			i += n
		} else if !m.first[s[i]] {
			continue
		}
		n, k := m.longest(s[i:])
		if n == 0 {
			continue
		}
		if special || !m.asked[k] {
			return i, i + n, m.ids[k]
		}
		i += n - 1
	}
	return len(s), len(s), None
}

// longest returns the length of the longest marker that s begins with, or 0, and
// its place in the list. It narrows the sorted list byte by byte, so it looks at no more
// of s than the longest marker that shares a beginning with it.
func (m *markerSet) longest(s string) (length, k int) {
	lo, hi := 0, len(m.texts)
	for n := 0; lo < hi; n++ {
		if len(m.texts[lo]) == n {
			length, k = n, lo
			lo++
		}
		if n == len(s) {
			break
		}
		part := m.texts[lo:hi]
		hi = lo + sort.Search(len(part), func(i int) bool { return part[i][n] > s[n] })
		lo += sort.Search(len(part), func(i int) bool { return part[i][n] >= s[n] })
	}
	return length, k
}
