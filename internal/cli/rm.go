package cli

import (
	"context"
	"fmt"

	"github.com/micaml/mica/store"
)

var rmVerb = verb{
	name: "rm", args: "MODEL", maxArgs: 1,
	short: "remove a model from this machine",
	long: `rm shows what removing a model would free, asks, and removes it. --yes answers
beforehand; without a terminal nothing is removed unless it is given.

Only what mica fetched goes. A file that was in the shared folder of the Hub
before, or that another model or revision uses, stays.`,
	example: `  mica rm smollm2
  mica rm hf:org/name --yes`,
	flags: []string{"model", "yes"},
	run:   runRm,
}

func runRm(ctx context.Context, c *call) error {
	name, err := c.modelName()
	if err != nil {
		return err
	}
	s, err := store.Open("")
	if err != nil {
		return err
	}
	plan, err := s.Removal(name)
	if err != nil {
		return err
	}
	yes := c.set.yes
	if !yes {
		if !c.canAsk() {
			return usage("say --yes to remove it", "%s: not removed: this would delete %s and free %s, and nobody can be asked", name, files(len(plan.Files)), size(plan.Bytes))
		}
		for _, f := range plan.Files {
			c.say("  %s", harmless(f))
		}
		for _, k := range plan.Kept {
			c.say("  stays: %s", harmless(k))
		}
		if yes, err = c.confirm(ctx, fmt.Sprintf("Remove %s, %s, %s?", name, files(len(plan.Files)), size(plan.Bytes))); err != nil {
			return err
		}
		if !yes {
			c.note("nothing was removed")
			return nil
		}
	}
	if err := s.Remove(name); err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(struct {
			head
			Name  string   `json:"name"`
			Freed int64    `json:"freed_bytes"`
			Files []string `json:"files"`
			Kept  []string `json:"kept"` // each with the reason
		}{c.head(plan.Model.Digest), name, plan.Bytes, append([]string{}, plan.Files...), append([]string{}, plan.Kept...)})
	}
	for _, k := range plan.Kept {
		c.note("stays: %s", harmless(k))
	}
	_, err = fmt.Fprintf(c.out, "removed %s, freed %s\n", harmless(name), size(plan.Bytes))
	return err
}

func files(n int) string {
	if n == 1 {
		return "1 file"
	}
	return count(n) + " files"
}
