package cli

import (
	"context"
	"regexp"
	"strings"

	"github.com/micaml/mica/store"
)

var listVerb = verb{
	name: "list", alias: "ls",
	short: "list the models on this machine",
	long: `list shows the models that pull has fetched: their size, the beginning of their
digest, when they were fetched, under which licence and from where.`,
	run: runList,
}

func runList(_ context.Context, c *call) error {
	s, err := store.Open("")
	if err != nil {
		return err
	}
	have, err := s.List()
	if err != nil {
		// Part of the list is better than none; what is wrong is said too.
		c.say("mica list: %s", harmless(strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	if c.set.json {
		doc := struct {
			head
			Models []stored `json:"models"`
		}{c.head(""), []stored{}}
		for _, m := range have {
			doc.Models = append(doc.Models, stored{originOf(m), m.Digest})
		}
		return c.printJSON(doc)
	}
	if len(have) == 0 {
		c.note("no models yet; `mica pull %s` fetches a small one", demoModel)
		return nil
	}
	var rows [][]string
	var total int64
	for _, m := range have {
		rows = append(rows, []string{m.Name, size(m.Size), m.Digest[:min(12, len(m.Digest))], m.Pulled.Local().Format("2006-01-02 15:04"),
			orDash(m.License), shortCommit.ReplaceAllString(m.Source, "$1")})
		total += m.Size
	}
	table(c.out, c.outTTY, []string{"NAME", " SIZE", "DIGEST", "PULLED", "LICENSE", "FROM"}, rows, nil)
	c.note("%s in all; `mica show MODEL` tells where a file is", size(total))
	return nil
}

// shortCommit finds a commit of the Hub and its beginning.
var shortCommit = regexp.MustCompile(`(@[0-9a-f]{12})[0-9a-f]{28}\b`)

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return harmless(s)
}
