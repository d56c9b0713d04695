package cli

import (
	"context"
	"strings"

	"github.com/micaml/mica/store"
)

var listVerb = verb{
	name: "list", alias: "ls",
	short: "list the models on this machine",
	long:  `list shows the models that pull has fetched.`,
	run:   runList,
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
		c.note("no models yet; `mica pull %s` fetches a small one", store.Names()[0])
		return nil
	}
	var rows [][]string
	for _, m := range have {
		rows = append(rows, []string{m.Name, size(m.Size), m.License, m.Pulled.Format("2006-01-02"), m.Path})
	}
	table(c.out, c.outTTY, []string{"NAME", " SIZE", "LICENSE", "PULLED", "FILE"}, rows, nil)
	return nil
}
