package cli

import (
	"context"
	"fmt"

	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/paper/all"
)

var papersVerb = verb{
	name:  "papers",
	short: "list the research systems and how far they work",
	long: `papers lists the research systems that mica is made for. The state follows from
the stored result of each paper's experiment: works (a full run has judged every
claim), partial (a quick run, or some claims can't be shown at this scale) or
missing (no run is stored yet).`,
	run: runPapers,
}

type paperRow struct {
	Slug    string      `json:"slug"`
	Title   string      `json:"title"`
	Verb    string      `json:"verb"`
	State   paper.State `json:"state"`
	Command string      `json:"command"`
	Holds   int         `json:"claims_hold"`
	Total   int         `json:"claims_total"`
}

func runPapers(_ context.Context, c *call) error {
	var list []paperRow
	for _, p := range all.Papers {
		s, err := p.Status()
		if err != nil {
			return err
		}
		list = append(list, paperRow{p.Slug, p.Title, p.Verb, s.State, p.Command, s.Holds, s.Total})
	}
	if c.set.json {
		return c.printJSON(struct {
			head
			Papers []paperRow `json:"papers"`
		}{c.head(""), list})
	}
	var rows [][]string
	for _, p := range list {
		claims := ""
		if p.Total > 0 {
			claims = fmt.Sprintf("%d/%d", p.Holds, p.Total)
		}
		rows = append(rows, []string{p.Slug, p.Verb, string(p.State), claims, p.Title})
	}
	table(c.out, c.width(), []string{"PAPER", "VERB", "STATE", " HOLD", "TITLE"}, rows, func(row, col int, cell string) string {
		if row < 0 || col != 2 {
			return cell
		}
		style := map[paper.State]string{paper.Works: green, paper.Partial: yellow, paper.Missing: dim}[list[row].State]
		return paint(c.colorOut, style, cell)
	})
	for _, p := range list {
		if p.Command != "" {
			fmt.Fprintf(c.out, "\n%s: %s\n", p.Slug, p.Command)
		}
	}
	return nil
}
