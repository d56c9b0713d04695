package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

var showVerb = verb{
	name: "show", args: "MODEL", maxArgs: 1,
	short: "show what a model is",
	long:  `show reads a model's file and tells its shape, its size and where it came from.`,
	example: `  mica show smollm2
  mica show model.gguf --json`,
	flags: []string{"model"},
	run:   runShow,
}

// description is the document of show --json.
type description struct {
	head
	Name         string         `json:"name"`
	Path         string         `json:"path"`
	Format       string         `json:"format"`
	Architecture string         `json:"architecture"`
	Title        string         `json:"title"` // as the file calls itself
	Layers       int            `json:"layers"`
	Width        int            `json:"width"`
	Heads        int            `json:"heads"`
	KVHeads      int            `json:"kv_heads"`
	HeadDim      int            `json:"head_dim"`
	MLP          int            `json:"mlp"`
	Vocabulary   int            `json:"vocabulary"`
	Context      int            `json:"context"`
	Parameters   int64          `json:"parameters"`
	Tensors      map[string]int `json:"tensors"` // number by type
	WeightsBytes int64          `json:"weights_bytes"`
	FileBytes    int64          `json:"file_bytes"`
	ChatTemplate bool           `json:"chat_template"`
	FilterLayer  int            `json:"filter_layer"` // where --select gemfilter looks
	Source       string         `json:"source"`
	License      string         `json:"license"`
}

func runShow(_ context.Context, c *call) error {
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	digest, err := m.digest()
	if err != nil {
		return err
	}
	cfg := m.config()
	d := description{
		head: c.head(digest), Name: m.file.Name, Path: m.file.Path, Format: m.Format, Architecture: cfg.Architecture, Title: cfg.Name,
		Layers: cfg.Layers, Width: cfg.Width, Heads: cfg.Heads, KVHeads: cfg.KVHeads, HeadDim: cfg.HeadDim, MLP: cfg.MLP,
		Vocabulary: cfg.Vocabulary, Context: cfg.Context, Parameters: m.Parameters, Tensors: m.Types, WeightsBytes: m.Weights,
		FileBytes: m.file.Size, ChatTemplate: m.Template != nil, FilterLayer: filterLayer(m), Source: m.file.Source, License: m.file.License,
	}
	if c.set.json {
		return c.printJSON(d)
	}
	d.print(c)
	return nil
}

func (d *description) print(c *call) {
	var types []string
	for _, t := range slices.Sorted(maps.Keys(d.Tensors)) {
		types = append(types, fmt.Sprintf("%d %s", d.Tensors[t], t))
	}
	template := "none: it continues text"
	if d.ChatTemplate {
		template = "its own"
	}
	for _, l := range [][2]string{
		{"model", d.Name},
		{"title", d.Title},
		{"architecture", d.Architecture},
		{"parameters", big(d.Parameters)},
		{"layers", fmt.Sprintf("%d of width %d", d.Layers, d.Width)},
		{"heads", fmt.Sprintf("%d, sharing %d for keys and values, of %d", d.Heads, d.KVHeads, d.HeadDim)},
		{"mlp", fmt.Sprint(d.MLP)},
		{"vocabulary", count(d.Vocabulary)},
		{"context", count(d.Context) + " tokens"},
		{"tensors", strings.Join(types, ", ")},
		{"template", template},
		{"format", strings.Replace(d.Format, "gguf", "GGUF", 1) + ", " + size(d.FileBytes)},
		{"file", d.Path},
		{"digest", d.Digest},
		{"source", d.Source},
		{"license", d.License},
	} {
		if l[1] != "" {
			fmt.Fprintf(c.out, "%s  %s\n", pad(l[0], 12), harmless(l[1]))
		}
	}
}
