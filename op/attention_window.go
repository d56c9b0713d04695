package op

import "slices"

// window returns how many positions back a row sees; 0 is all.
func (s *AttentionSpec) window() int {
	if !s.Causal {
		return 0
	}
	return s.Heads.Window
}

// first returns the first of n entries of a head that the row of the last of
// them sees. It depends on their positions alone, so a prompt may come in any
// chunks.
func (m *Cache) first(head, n, window int) int {
	if n <= 0 {
		return 0
	}
	pos := m.heads[head].pos[:n]
	i, _ := slices.BinarySearch(pos, int32(max(int64(pos[n-1])-int64(window)+1, 0)))
	return i
}

// ascending reports whether a window can be found by position: positions that
// a caller made up may go back.
func (a *attention) ascending(spec *AttentionSpec) bool {
	if spec.window() <= 0 {
		return true
	}
	for i := range spec.Runs {
		m := spec.Runs[i].Cache
		for h := range m.heads {
			if !slices.IsSorted(m.heads[h].pos) {
				return false
			}
		}
	}
	return true
}
