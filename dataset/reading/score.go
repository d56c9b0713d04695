package reading

import "strings"

// Score judges what a model said, from 0 to 1, and whether it is right. Space and a full
// stop at the end don't count. A list scores the share of its items that were said; it
// is right if all were and nothing else. Of all else the answer must be what was said,
// letter for letter.
func Score(task Task, want, said string) (score float64, correct bool) {
	want, said = trim(want), trim(said)
	if want == said {
		return 1, true
	}
	if task != List {
		return 0, false
	}
	items, have := split(want), map[string]bool{}
	for _, s := range split(said) {
		have[s] = true
	}
	for _, s := range items {
		if have[s] {
			score++
		}
	}
	score /= float64(len(items))
	return score, score == 1 && len(have) == len(items)
}

func trim(s string) string { return strings.TrimSuffix(strings.TrimSpace(s), ".") }

func split(s string) []string {
	return strings.Split(strings.ReplaceAll(s, " and ", ", "), ", ")
}
