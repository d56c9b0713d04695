package recipe

import (
	"fmt"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/kernel/peak"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/train"
)

// Estimate is what a training takes, in bytes and seconds: figures to plan with. It is
// counted on two examples that pass through the network once; nothing is trained.
type Estimate struct {
	Weights     int64 `json:"weights_bytes"` // of the network
	Copies      int64 `json:"copies_bytes"`  // of weights that lie in a file
	Gradients   int64 `json:"gradients_bytes"`
	Optimizer   int64 `json:"optimizer_bytes"`
	Average     int64 `json:"average_bytes"`
	Activations int64 `json:"activations_bytes"` // of a batch, with their gradients
	Flops       int64 `json:"step_flops"`        // of a step, forward and backward
	Traffic     int64 `json:"step_bytes"`        // that must cross the memory bus in a step
	// Seconds are of a step and of all steps and evaluations, at half of what this
	// machine's limits allow, which is about what training steps reach.
	StepSeconds float64 `json:"step_seconds"`
	Seconds     float64 `json:"seconds"`
}

// ofLimit is the share of the machine's limits that training steps are taken to reach.
const ofLimit = 0.5

// Memory is all of it.
func (e *Estimate) Memory() int64 {
	return e.Weights + e.Copies + e.Gradients + e.Optimizer + e.Average + e.Activations
}

// Estimate counts what the job takes.
func (j *Job) Estimate() (*Estimate, error) {
	e, r := &Estimate{}, j.Recipe
	trained := int64(0)
	for _, w := range j.net.Weights() {
		e.Weights += int64(len(w.Bytes()))
	}
	for _, row := range j.Plan.Rows() {
		trained += int64(row.Trained)
		e.Optimizer += row.Bytes - 8*int64(row.Trained)
	}
	e.Gradients = 4 * trained
	if j.model != nil && j.adapter == nil {
		e.Copies = 4 * trained
	}
	if r.Average != "" {
		e.Average = 4 * trained
	}
	var c [2]counter
	for i := range c {
		if err := j.count(&c[i], i+1); err != nil {
			return nil, err
		}
	}
	// What grows with the batch is the difference between one and two.
	grown := func(x, y int64, n int) int64 { return x + max(0, y-x)*int64(n-1) }
	e.Activations = grown(c[0].held(j), c[1].held(j), r.Batch)
	batches := int64(r.Gather)
	again := int64(0)
	if r.Recompute {
		again = batches * grown(c[0].forward.Flops, c[1].forward.Flops, r.Batch)
	}
	e.Flops = again + batches*grown(c[0].both.Flops, c[1].both.Flops, r.Batch)
	e.Traffic = batches*grown(c[0].both.Bytes, c[1].both.Bytes, r.Batch) + 40*trained // of the update: each number read and written
	limits := peak.Measure(j.Engine.Pool())
	least, _ := limits.Least(e.Flops, 0, e.Traffic)
	e.StepSeconds = least / ofLimit
	judged := j.data.held.Len()
	forward, _ := limits.Least(grown(c[0].forward.Flops, c[1].forward.Flops, judged), 0, grown(c[0].forward.Bytes, c[1].forward.Bytes, judged))
	evaluations := 1
	if r.Evaluate.Every > 0 {
		evaluations += r.Steps / r.Evaluate.Every
	}
	e.Seconds = float64(r.Steps)*e.StepSeconds + float64(evaluations)*forward/ofLimit
	return e, nil
}

// count passes n examples through the network.
func (j *Job) count(k *counter, n int) (err error) {
	n = min(n, j.data.train.Len())
	var b dataset.Batch
	for i := range n {
		if err := j.data.train.Read(&b, []int{i}); err != nil {
			return err
		}
	}
	// A gradient that is there, of no length, says that one is wanted: no backward
	// pass follows.
	for i := range j.groups {
		if j.groups[i].Rule == nil {
			continue
		}
		for _, w := range j.Plan.Weights(i) {
			if w.Grad == nil {
				w.Grad = []float32{}
				defer func() { w.Grad = nil }()
			}
		}
	}
	if j.text != nil { // all is kept here; held tells what would be
		j.text.Checkpointed = false
		defer func() { j.text.Checkpointed = j.Recipe.Recompute }()
	}
	c := j.task.NewCtx()
	c.Trace(k)
	tape := grad.Start(c)
	defer tape.End()
	c.Repeat(func() { _, err = j.task.Loss(c, &b, train.Step{}) }) // statistics stay as they are
	if err == nil {
		err = c.Err()
	}
	if err != nil {
		return fmt.Errorf("an example of the data doesn't pass through the network: %w", err)
	}
	return nil
}

// counter is a tracer that adds up what calls cost and keep.
type counter struct {
	forward, both op.Cost
	kept          int64 // numbers that the tape keeps, with their gradients
	layers        int64 // of these, those up to the last layer
	stream        int64 // numbers that cross a boundary between layers
}

// Trace counts a call and its backward pass, at the cost of the forward one for each
// gradient.
func (k *counter) Trace(c *op.Ctx, e op.Entry) {
	gradients := int64(0)
	for _, w := range [2]*op.Weight{e.W, e.B} {
		if w != nil && w.Grad != nil {
			gradients++
		}
	}
	for _, v := range e.In {
		if c.Wants(v) {
			gradients++
		}
	}
	cost := e.Op.Cost(c, &e)
	k.forward, k.both = k.forward.Plus(1, cost), k.both.Plus(1+gradients, cost)
	n := int64(c.Shape(e.Out).Len())
	if gradients > 0 {
		n *= 2
	}
	if e.In[0] != (op.Val{}) && n > 0 {
		if in := c.Data(e.In[0]); len(in) > 0 && &in[0] == &c.Data(e.Out)[0] {
			n -= int64(len(in)) // a view
		}
	}
	if e.Attr.Aux != (op.Val{}) {
		n += int64(c.Shape(e.Attr.Aux).Len())
	}
	k.kept += n
	if e.W != nil && optim.LayerOf(e.W.Name) >= 0 {
		k.layers, k.stream = k.kept, int64(c.Shape(e.Out).Len())
	}
}

// TraceBackward sees nothing: there is no backward pass.
func (k *counter) TraceBackward(*op.Ctx, op.Entry, op.Grads, int) {}

// held is what is in memory at most, in bytes. Of layers that are computed again it is
// the streams between spans, and one span.
func (k *counter) held(j *Job) int64 {
	if !j.Recipe.Recompute {
		return 4 * k.kept
	}
	depth := j.Engine.Depth()
	span := train.Span(depth)
	return 4 * (k.kept - k.layers + k.layers*int64(span)/int64(depth) + 2*k.stream*int64((depth+span-1)/span))
}

// Weight is a weight as the table of a plan shows it.
type Weight struct {
	Name    string `json:"name"`
	Layer   int    `json:"layer"` // -1: none
	Rows    int    `json:"rows"`
	Cols    int    `json:"cols"`
	Type    string `json:"type"`
	Trained bool   `json:"trained"`
	Group   string `json:"group,omitempty"`
}

// Weights lists the network's weights and what becomes of each.
func (j *Job) Weights() []Weight {
	group := map[*op.Weight]int{}
	for i := range j.groups {
		for _, w := range j.Plan.Weights(i) {
			group[w] = i
		}
	}
	var all []Weight
	for _, w := range j.net.Weights() {
		x := Weight{Name: w.Name, Layer: optim.LayerOf(w.Name), Rows: w.Rows, Cols: w.Cols, Type: w.DType.String()}
		if i, ok := group[w]; ok {
			x.Group, x.Trained = j.groups[i].Name, j.groups[i].Rule != nil
		}
		all = append(all, x)
	}
	return all
}

// Size says how large the network and its data are.
type Size struct {
	Network  string `json:"network"`
	Layers   int    `json:"depth"`
	Numbers  int64  `json:"parameters"`
	Trained  int64  `json:"trained"`
	Data     string `json:"data"`
	Examples int    `json:"examples"` // to learn from
	Held     int    `json:"held_back"`
	Test     int    `json:"test_examples"`
	Shape    []int  `json:"shape"`             // of an example: numbers, or tokens
	Classes  int    `json:"classes,omitempty"` // or, of text, tokens of the vocabulary
	Wrong    int    `json:"wrong_labels,omitempty"`
}

// Text says whether the network learns from text.
func (j *Job) Text() bool { return j.data.text }

// Size describes the job.
func (j *Job) Size() Size {
	d := j.data
	s := Size{Network: j.Recipe.Network.Kind, Layers: j.Engine.Depth(), Data: d.what, Examples: d.train.Len(), Held: d.held.Len(),
		Shape: d.train.Dims(), Classes: d.train.Classes(), Wrong: d.wrong}
	if d.test != nil {
		s.Test = d.test.Len()
	}
	if d.text {
		s.Shape, s.Classes = []int{j.Recipe.Data.Length}, j.words.bpe.Len()
	}
	for _, row := range j.Plan.Rows() {
		s.Numbers += int64(row.Numbers)
		s.Trained += int64(row.Trained)
	}
	return s
}
