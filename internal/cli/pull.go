package cli

import (
	"context"
	"fmt"

	"github.com/micaml/mica/store"
)

var pullVerb = verb{
	name: "pull", args: "MODEL", maxArgs: 1,
	short: "fetch a model and check every byte",
	long: `pull makes sure that a model is on this machine, and prints the path of its file.
A model that is here already costs nothing. A download that breaks off leaves
nothing behind but what the next pull can go on from.`,
	example: `  mica pull smollm2
  mica pull hf:org/name@main/model.gguf`,
	flags: []string{"model"},
	run:   runPull,
}

// stored is a model of the store in JSON.
type stored struct {
	origin
	Digest string `json:"digest"`
}

// origin is where a model is and where it came from.
type origin struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	Source  string `json:"source"`
	Size    int64  `json:"size"`
	License string `json:"license"`
	Pulled  string `json:"pulled,omitempty"`
}

func originOf(m store.Model) origin {
	o := origin{Name: m.Name, Path: m.Path, Source: m.Source, Size: m.Size, License: m.License}
	if !m.Pulled.IsZero() {
		o.Pulled = m.Pulled.Format("2006-01-02T15:04:05Z07:00")
	}
	return o
}

func runPull(ctx context.Context, c *call) error {
	name, err := c.modelName()
	if err != nil {
		return err
	}
	m, err := c.pull(ctx, name)
	if err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(struct {
			head
			origin
		}{c.head(m.Digest), originOf(m)})
	}
	_, err = fmt.Fprintln(c.out, m.Path)
	return err
}

// pull fetches a model, showing the progress.
func (c *call) pull(ctx context.Context, name string) (store.Model, error) {
	s, err := store.Open("")
	if err != nil {
		return store.Model{}, err
	}
	report, stop := c.downloading()
	defer stop()
	return s.Pull(ctx, name, report)
}
