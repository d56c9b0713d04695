package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/micaml/mica/recipe"
)

// planDoc is the document of train --plan --json.
type planDoc struct {
	*trainDoc
	Layers   []planLayer      `json:"layers"`
	Weights  []recipe.Weight  `json:"weights"`
	Estimate *recipe.Estimate `json:"estimate"`
	Memory   int64            `json:"memory_bytes"`
}

// planLayer is what a layer has of weights.
type planLayer struct {
	Layer   int      `json:"layer"` // -1: weights of no layer
	Numbers int      `json:"parameters"`
	Trained int      `json:"trained"`
	Bytes   int64    `json:"training_bytes"`
	Groups  []string `json:"groups"`
}

// planTraining shows what would be trained.
func (c *call) planTraining(job *recipe.Job, doc *trainDoc) error {
	stop := c.working("counting on two examples")
	e, err := job.Estimate()
	stop()
	if err != nil {
		return recipeError(err)
	}
	p := planDoc{trainDoc: doc, Weights: job.Weights(), Estimate: e, Memory: e.Memory()}
	for _, r := range job.Plan.Rows() {
		p.Layers = append(p.Layers, planLayer{r.Layer, r.Numbers, r.Trained, r.Bytes, append([]string{}, r.Groups...)})
	}
	if c.set.json {
		return c.printJSON(p)
	}
	s := doc.Size
	kind, shape := "classes", strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Shape), " ", " x "), "[]")
	if job.Text() {
		kind, shape = "tokens in the vocabulary", shape+" tokens"
	}
	test := ""
	if s.Test > 0 {
		test = fmt.Sprintf(", %s for the test", count(s.Test))
	}
	fmt.Fprintf(c.out, "network  %s, %d layers, %s numbers, %s of them trained\n", s.Network, s.Layers, count(s.Numbers), count(s.Trained))
	fmt.Fprintf(c.out, "data     %s: %s examples to learn from, %s held back%s; each %s, %s %s\n\n", harmless(s.Data), count(s.Examples), count(s.Held), test, shape, count(s.Classes), kind)
	shapeTable(c, p.Weights)
	fmt.Fprintf(c.out, "\n%s\n", strings.TrimRight(layerTable(job), "\n"))
	fmt.Fprintf(c.out, "\nmemory   about %s: weights %s, gradients %s, optimizer %s, activations of a batch %s", size(p.Memory), size(e.Weights+e.Copies), size(e.Gradients), size(e.Optimizer), size(e.Activations))
	if e.Average > 0 {
		fmt.Fprintf(c.out, ", average %s", size(e.Average))
	}
	fmt.Fprintf(c.out, "\ntime     about %s: %s a step of %s operations, at half of this machine's limits; an estimate\n", seconds(time.Duration(e.Seconds*1e9)), stepTime(e.StepSeconds), big(e.Flops))
	return nil
}

// stepTime is a duration that may be short.
func stepTime(s float64) string {
	if s < 0.1 {
		return fmt.Sprintf("%.2g ms", 1000*s)
	}
	return seconds(time.Duration(s * 1e9))
}

// layerTable shows what is trained, layer by layer.
func layerTable(job *recipe.Job) string { return job.Plan.String() }

// shapeTable shows the shape of each weight, of layers that are alike in one row.
func shapeTable(c *call, weights []recipe.Weight) {
	type row struct {
		recipe.Weight
		last int
	}
	var rows []*row
	seen := map[string]*row{}
	for _, w := range weights {
		name := w.Name
		if w.Layer >= 0 {
			name = "." + name + "."
			name = strings.Trim(strings.Replace(name, "."+strconv.Itoa(w.Layer)+".", ".*.", 1), ".")
		}
		key := fmt.Sprint(name, w.Rows, w.Cols, w.Group, w.Type)
		if r := seen[key]; r != nil && w.Layer == r.last+1 {
			r.last++
			continue
		}
		r := &row{w, w.Layer}
		r.Name = name
		seen[key] = r
		rows = append(rows, r)
	}
	var cells [][]string
	for _, r := range rows {
		layers := "-"
		if r.Layer >= 0 {
			layers = strconv.Itoa(r.Layer)
			if r.last > r.Layer {
				layers += "-" + strconv.Itoa(r.last)
			}
		}
		by := "frozen"
		if r.Trained {
			by = r.Group
		}
		cells = append(cells, []string{layers, harmless(r.Name), fmt.Sprintf("%d x %d", r.Rows, r.Cols), r.Type, harmless(by)})
	}
	table(c.out, c.outTTY, []string{"LAYERS", "WEIGHT", " SHAPE", "TYPE", "GROUP"}, cells, nil)
}
