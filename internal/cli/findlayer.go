package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/micaml/mica/eval/needle"
	"github.com/micaml/mica/internal/atomicfile"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/plot"
	"github.com/micaml/mica/store"
)

// layersDoc is the document of needle --find-layer --json.
type layersDoc struct {
	head
	Mode        string         `json:"mode"`
	Keep        int            `json:"keep"`
	Prompts     int            `json:"prompts"`
	Layers      []needle.Layer `json:"layers"`
	Recommended int            `json:"recommended_layer"`
}

// findLayer looks at every layer of prompts with a needle.
func (c *call) findLayer(ctx context.Context, m *model, eng *pass.Engine, plan *needlePlan, format string) error {
	f := gemfilter.Filter{Keep: defaultKeep}
	for _, method := range plan.methods {
		if g, ok := method.pick.(gemfilter.Filter); ok {
			f = g
		}
	}
	doc := layersDoc{Mode: eng.Mode().String(), Keep: f.Keep}
	var curves [][]gemfilter.Near
	total := len(plan.facts) * len(plan.lengths) * len(plan.depths)
	for trial := range plan.facts {
		for _, length := range plan.lengths {
			for _, depth := range plan.depths {
				ids, err := c.hidden(m, plan, trial, length, depth)
				if err != nil {
					return err
				}
				from, to := needle.Find(m.Tokenizer, ids, plan.facts[trial].Sentence)
				if from == to {
					return fmt.Errorf("the needle is lost in a prompt of %d tokens", len(ids))
				}
				stop := c.working("%d of %d: %s tokens, depth %d %%", len(curves)+1, total, count(length), depth)
				curve, err := f.Curve(ctx, eng, pass.NewSeq(ids...), from, to)
				stop()
				if err != nil {
					return err
				}
				curves = append(curves, curve)
			}
		}
	}
	doc.Prompts, doc.Layers = len(curves), needle.Layers(curves)
	doc.Recommended = needle.Choose(doc.Layers)
	if err := rememberLayer(m.layerKey(), doc.Recommended); err != nil {
		return err
	}
	switch {
	case c.set.json || format == "json":
		digest, err := m.digest()
		if err != nil {
			return err
		}
		doc.head = c.head(digest)
		return c.printJSON(doc)
	case format == "csv":
		return doc.csv(c)
	case format != "":
		_, err := c.out.Write(doc.picture(m.file.Name))
		return err
	}
	var rows [][]string
	for _, l := range doc.Layers {
		mark := ""
		if l.Layer == doc.Recommended {
			mark = "<- recommended"
		}
		rows = append(rows, []string{strconv.Itoa(l.Layer), fmt.Sprintf("%g", l.Distance), fmt.Sprintf("%.0f %%", 100*l.Found), fmt.Sprintf("%.0f %%", 100*l.Recall), mark})
	}
	table(c.out, c.width(), []string{" LAYER", " DISTANCE", " FOUND", " KEPT OF NEEDLE", ""}, rows, nil)
	fmt.Fprintf(c.out, "\n%d prompts, %s tokens kept of each. --select gemfilter uses layer %d of this model from now on.\n", doc.Prompts, count(doc.Keep), doc.Recommended)
	return nil
}

func (d *layersDoc) csv(c *call) error {
	w := csv.NewWriter(c.out)
	w.Write([]string{"layer", "distance", "found", "recall"})
	for _, l := range d.Layers {
		w.Write([]string{strconv.Itoa(l.Layer), fmt.Sprint(l.Distance), fmt.Sprint(l.Found), fmt.Sprint(l.Recall)})
	}
	w.Flush()
	return w.Error()
}

// picture draws what each layer finds.
func (d *layersDoc) picture(model string) []byte {
	found, recall := plot.Line{Label: "needle found (distance 0)"}, plot.Line{Label: "share of the needle kept", Color: 1, Dashed: true}
	for _, l := range d.Layers {
		found.Points = append(found.Points, plot.Point{X: float64(l.Layer), Y: l.Found})
		recall.Points = append(recall.Points, plot.Point{X: float64(l.Layer), Y: l.Recall})
	}
	return plot.Chart{
		Title: "Where a filter finds the needle: " + model, X: "layer", Y: "share of prompts, of tokens", Lines: []plot.Line{found, recall},
		Foot: fmt.Sprintf("%d prompts, %s tokens kept of each; %s mode; recommended layer %d", d.Prompts, count(d.Keep), d.Mode, d.Recommended),
	}.SVG()
}

// layerKey is the name of a model in [layersFile]: its digest, or for a file
// that wasn't pulled, which would first have to be read for one, what the file
// system says.
func (m *model) layerKey() string {
	if m.file.Digest != "" {
		return m.file.Digest
	}
	info, err := os.Stat(m.file.Path)
	if err != nil {
		return m.file.Path
	}
	path, err := filepath.Abs(m.file.Path)
	if err != nil {
		path = m.file.Path
	}
	return fmt.Sprintf("%s %d %d", path, info.Size(), info.ModTime().UnixNano())
}

// layersFile holds the layers that were found.
func layersFile() (string, error) {
	s, err := store.Open("")
	if err != nil {
		return "", err
	}
	return filepath.Join(s.Dir(), "filter-layers.json"), nil
}

// foundLayers reads the file; one that can't be read is none.
func foundLayers() map[string]int {
	path, err := layersFile()
	if err != nil {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var layers map[string]int
	if json.Unmarshal(b, &layers) != nil {
		return nil
	}
	return layers
}

func rememberLayer(key string, layer int) error {
	path, err := layersFile()
	if err != nil {
		return err
	}
	layers := foundLayers()
	if layers == nil {
		layers = map[string]int{}
	}
	layers[key] = layer
	b, err := json.MarshalIndent(layers, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(path, 0o644, append(b, '\n')); err != nil {
		return failed("set MICA_CACHE to a folder that you can write to", "%w", err)
	}
	return nil
}
