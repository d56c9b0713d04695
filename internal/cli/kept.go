package cli

import (
	"fmt"
	"strings"
)

// keptText is the kept part of a prompt, with marks where tokens are missing
// in between: "[... 312 tokens ...]".
func keptText(m *model, ids []int32, kept []int, color bool) string {
	return keptBetween(m, ids, kept, 0, len(ids), color, func(int) string { return yellow })
}

// keptBetween is keptText of the tokens [from, to) only. Tokens have the
// style that the function gives for their index.
func keptBetween(m *model, ids []int32, kept []int, from, to int, color bool, style func(i int) string) string {
	var b strings.Builder
	next := from // the first token that isn't told of yet
	gap := func(to int) {
		n, word := to-next, "tokens"
		if n == 1 {
			word = "token"
		}
		if n > 0 {
			b.WriteString(paint(color, dim, fmt.Sprintf("[... %s %s ...]", count(n), word)))
		}
	}
	// A run is neighbours of one style: a character may need several tokens.
	run := func(i, j int) {
		b.WriteString(paint(color, style(i), harmless(m.Tokenizer.Decode(ids[i:j]))))
		next = j
	}
	begin, last := -1, -1
	for _, i := range kept {
		if i < from || i >= to {
			continue
		}
		if begin >= 0 && (i != last+1 || style(i) != style(begin)) {
			run(begin, last+1)
			begin = -1
		}
		if begin < 0 {
			gap(i)
			begin = i
		}
		last = i
	}
	if begin >= 0 {
		run(begin, last+1)
	}
	gap(to)
	return b.String()
}
