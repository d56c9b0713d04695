package paper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Result is what a run of an experiment found. It is stored as results.json.
type Result struct {
	Slug     string    `json:"slug"`
	Quick    bool      `json:"quick"`
	Mode     string    `json:"mode"`
	Seconds  float64   `json:"seconds"`
	Claims   []Verdict `json:"claims"`
	Pictures []string  `json:"pictures"`
	Sections []Section `json:"sections"`
}

// Section is a part of a report: a text, a table, or both.
type Section struct {
	Title string     `json:"title"`
	Text  string     `json:"text,omitempty"`
	Plain bool       `json:"plain,omitempty"` // Text is shown as it is, line for line
	Head  []string   `json:"head,omitempty"`  // a space before a word: numbers, to the right
	Rows  [][]string `json:"rows,omitempty"`
}

// Failed are the claims that don't hold.
func (r *Result) Failed() []string {
	var ids []string
	for _, v := range r.Claims {
		if v.Holds != nil && !*v.Holds {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// Verdict says in words whether the claim holds.
func (v *Verdict) Verdict() string {
	switch {
	case v.Holds == nil:
		return "can't be shown"
	case *v.Holds:
		return "holds"
	}
	return "does not hold"
}

// Because is why there is no verdict, and what else was seen.
func (v *Verdict) Because() string {
	if v.Why == "" || v.Note == "" {
		return v.Why + v.Note
	}
	return v.Why + "; " + v.Note
}

// Value is what was measured, for people.
func (v *Verdict) Value() string {
	if v.Measured == nil {
		return ""
	}
	return strings.TrimSpace(strconv.FormatFloat(*v.Measured, 'g', 4, 64) + " " + v.Unit)
}

// check tells of results that decide nothing or contradict themselves.
func (r *Result) check() error {
	if len(r.Claims) == 0 {
		return errors.New("no claims")
	}
	seen := map[string]bool{}
	for _, v := range r.Claims {
		switch {
		case v.ID == "":
			return errors.New("a claim has no id")
		case seen[v.ID]:
			return fmt.Errorf("claim %q twice", v.ID)
		case v.Holds == nil && v.Why == "":
			return fmt.Errorf("claim %q can't be shown, and no reason is given", v.ID)
		}
		seen[v.ID] = true
	}
	return nil
}

// matches tells whether the verdicts are about the claims of an experiment.
func (r *Result) matches(e *Experiment) error {
	if e == nil {
		return nil
	}
	have := map[string]Verdict{}
	for _, v := range r.Claims {
		have[v.ID] = v
	}
	for _, c := range e.Claims {
		v, ok := have[c.ID]
		switch {
		case !ok:
			return fmt.Errorf("no verdict on claim %q", c.ID)
		case v.Claim != c.Text:
			return fmt.Errorf("claim %q has changed since the run", c.ID)
		}
		delete(have, c.ID)
	}
	for id := range have {
		return fmt.Errorf("claim %q is not the experiment's", id)
	}
	return nil
}

// readResult reads a stored result and checks it.
func readResult(b []byte) (*Result, error) {
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	return &r, r.check()
}

// Markdown is the report, with lines at its beginning that say where and how
// it came about. Pictures are linked by their names.
func (r *Result) Markdown(title string, where [][2]string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s: what was measured\n\nWritten by the command below; don't edit it.\n", title)
	if r.Quick {
		b.WriteString("\nA quick run: it checks the machinery and gives no verdicts but exact ones.\n")
	}
	b.WriteString("\n")
	for _, w := range where {
		fmt.Fprintf(&b, "- %s: %s\n", w[0], w[1])
	}
	fmt.Fprintf(&b, "- time: %.0f s\n\n## Claims\n\n", r.Seconds)
	var rows [][]string
	for _, v := range r.Claims {
		rows = append(rows, []string{"`" + v.ID + "`", v.Claim, v.Paper, v.Value(), v.Verdict(), v.Because()})
	}
	markdownTable(&b, []string{"id", "claim", "the paper", "measured", "verdict", "why, and what else was seen"}, rows)
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n", s.Title)
		switch {
		case s.Plain:
			fence := "```"
			for strings.Contains(s.Text, fence) {
				fence += "`"
			}
			fmt.Fprintf(&b, "%s\n%s\n%s\n", fence, s.Text, fence)
		case s.Text != "":
			fmt.Fprintln(&b, s.Text)
		}
		if len(s.Head) > 0 {
			if s.Text != "" {
				b.WriteString("\n")
			}
			markdownTable(&b, s.Head, s.Rows)
		}
	}
	if len(r.Pictures) > 0 {
		b.WriteString("\n## Pictures\n")
	}
	for _, p := range r.Pictures {
		fmt.Fprintf(&b, "\n![%s](%[1]s)\n", p)
	}
	return b.Bytes()
}

// markdownTable writes a table; a head that begins with a space is a column of
// numbers.
func markdownTable(b *bytes.Buffer, head []string, rows [][]string) {
	cell := func(s string) string {
		return strings.NewReplacer("|", `\|`, "\n", " ").Replace(strings.TrimSpace(s))
	}
	line := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + cell(c) + " ")
		}
		b.WriteString("|\n")
	}
	line(head)
	for _, h := range head {
		if strings.HasPrefix(h, " ") {
			b.WriteString("|---:")
		} else {
			b.WriteString("|---")
		}
	}
	b.WriteString("|\n")
	for _, r := range rows {
		line(r)
	}
}
