package chat

import "sort"

// text is a string that knows which of its bytes came from outside the template.
type text struct {
	s    string
	user bool  // the first byte came from outside
	cuts []int // offsets, ascending and inside the string, where that changes
}

// lit is text that the template's author wrote.
func lit(s string) text { return text{s: s} }

// foreign is text from the conversation or the caller's variables.
func foreign(s string) text { return text{s: s, user: true} }

// tainted reports whether any byte came from outside.
func (t text) tainted() bool { return t.s != "" && (t.user || len(t.cuts) > 0) }

// derive gives s the origin of t as a whole, for operations that do not keep positions (upper, repr).
func (t text) derive(s string) text { return text{s: s, user: t.tainted()} }

// slice is t[i:j] in bytes.
func (t text) slice(i, j int) text {
	lo := sort.SearchInts(t.cuts, i+1)
	hi := sort.SearchInts(t.cuts, j)
	out := text{s: t.s[i:j], user: t.user != (lo%2 == 1)}
	if lo < hi {
		out.cuts = make([]int, hi-lo)
		for k, c := range t.cuts[lo:hi] {
			out.cuts[k] = c - i
		}
	}
	return out
}

// each calls f for every run of one origin.
func (t text) each(f func(s string, user bool)) {
	user, from := t.user, 0
	for _, c := range t.cuts {
		f(t.s[from:c], user)
		user, from = !user, c
	}
	if from < len(t.s) {
		f(t.s[from:], user)
	}
}

// builder joins text. Each byte is charged to the render, and the result is at most as long as the output may be, so
// that no string grows large before anyone looks at it.
type builder struct {
	r          *render
	b          []byte
	user, last bool
	cuts       []int
}

func (b *builder) add(t text) error {
	if err := b.r.room(len(b.b), len(t.s)); err != nil {
		return err
	}
	t.each(func(s string, user bool) {
		if len(b.b) == 0 {
			b.user = user
		} else if user != b.last {
			b.cuts = append(b.cuts, len(b.b))
		}
		b.last = user
		b.b = append(b.b, s...)
	})
	return nil
}

func (b *builder) lit(s string) error { return b.add(lit(s)) }

func (b *builder) text() text { return text{s: string(b.b), user: b.user, cuts: b.cuts} }

// concat joins a few texts.
func (r *render) concat(ts ...text) (text, error) {
	b := builder{r: r}
	for _, t := range ts {
		if err := b.add(t); err != nil {
			return text{}, err
		}
	}
	return b.text(), nil
}
