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
	first [256]bool // bytes that begin one
	only  int       // the one byte that begins all of them, or -1
}

func newMarkerSet(pieces []string, ids []int32) *markerSet {
	m := &markerSet{ids: ids, only: -1}
	slices.SortFunc(m.ids, func(a, b int32) int { return strings.Compare(pieces[a], pieces[b]) })
	for _, id := range m.ids {
		m.texts = append(m.texts, pieces[id])
		m.first[pieces[id][0]] = true
	}
	if n := len(m.texts); n > 0 && m.texts[0][0] == m.texts[n-1][0] {
		m.only = int(m.texts[0][0])
	}
	return m
}

// find returns where the first marker in s is, and its token. Without one, start
// and end are len(s).
func (m *markerSet) find(s string) (start, end int, id int32) {
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
		if n, id := m.longest(s[i:]); n > 0 {
			return i, i + n, id
		}
	}
	return len(s), len(s), None
}

// longest returns the length and the token of the longest marker that s begins
// with, or 0. It narrows the sorted list byte by byte, so it looks at no more
// of s than the longest marker that shares a beginning with it.
func (m *markerSet) longest(s string) (length int, id int32) {
	lo, hi := 0, len(m.texts)
	id = None
	for n := 0; lo < hi; n++ {
		if len(m.texts[lo]) == n {
			length, id = n, m.ids[lo]
			lo++
		}
		if n == len(s) {
			break
		}
		part := m.texts[lo:hi]
		hi = lo + sort.Search(len(part), func(i int) bool { return part[i][n] > s[n] })
		lo += sort.Search(len(part), func(i int) bool { return part[i][n] >= s[n] })
	}
	return length, id
}
