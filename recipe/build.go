package recipe

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/micaml/mica/learn/lora"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/train"
)

// Options say where a recipe is carried out.
type Options struct {
	Threads int // 0: one for each core
	// Find gives the file or folder of a model by its name; nil: names are paths.
	Find func(name string) (path string, err error)
}

// Job is a training that can begin: data is read, the network is there, and each
// weight is known to be trained or not. Gradients and the optimizer's state are
// allocated by [Job.Start] alone.
type Job struct {
	Recipe *Recipe
	Engine *pass.Engine
	Plan   *optim.Plan // what is trained

	net    network
	groups []optim.Group // of Plan
	model  *lm.Model     // of network.kind "model"
	from   string        // its path
	words  *vocabulary
	data   *examples
	task   interface {
		train.Task
		judge
	}
	text    *train.Language // of task, if it learns from text
	adapter *lora.Adapter   // nil: none
	average *optim.Average  // likewise
	closers []func() error
}

// Build makes the network and the data of a recipe and checks that they fit together.
func Build(r *Recipe, o Options) (*Job, error) {
	j := &Job{Recipe: r}
	if err := j.build(o); err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

func (j *Job) build(o Options) (err error) {
	r := j.Recipe
	switch r.Network.Kind {
	case "model":
		if err := j.open(o.Find); err != nil {
			return err
		}
	case "llama":
		if j.words, err = r.vocabulary(); err != nil {
			return err
		}
	}
	if j.data, err = r.load(j.words); err != nil {
		return err
	}
	switch r.Network.Kind {
	case "model":
		if n := j.model.Net.Config.Context; r.Data.Length > n {
			return fmt.Errorf("data.length is %d tokens, and %s was made for %d", r.Data.Length, r.Network.Path, n)
		}
	case "llama":
		if j.net, err = r.llama(j.words.bpe.Len()); err != nil {
			return err
		}
	default:
		if j.net, err = r.classifier(j.data.train); err != nil {
			return err
		}
	}
	if err := j.arrange(); err != nil {
		return err
	}
	j.Engine = pass.NewEngine(j.net, pass.Options{Threads: o.Threads})
	j.closers = append(j.closers, func() error { j.Engine.Close(); return nil })
	return j.makeTask()
}

// Close gives back threads and mapped files.
func (j *Job) Close() error {
	var err error
	for i := len(j.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, j.closers[i]())
	}
	j.closers = nil
	return err
}

// open opens the model to train further.
func (j *Job) open(find func(string) (string, error)) (err error) {
	j.from = j.Recipe.Network.Path
	if find != nil {
		if j.from, err = find(j.from); err != nil {
			return err
		}
	}
	if j.model, err = lm.Open(j.from); err != nil {
		return fmt.Errorf("network.path: %w", err)
	}
	j.closers = append(j.closers, j.model.Close)
	j.net, j.words = j.model.Net, &vocabulary{bpe: j.model.Tokenizer}
	if j.Recipe.Adapter != "" {
		return j.adapt()
	}
	return j.canSave()
}

// arrange decides which weights are trained, and makes those float32.
func (j *Job) arrange() (err error) {
	r := j.Recipe
	groups := []optim.Group{{Name: "all"}}
	rules := []string{r.Optimizer}
	switch {
	case j.adapter != nil:
		groups = []optim.Group{{Name: adapterGroup, Match: []string{"*.lora_A", "*.lora_B"}}}
	case len(r.Train) > 0:
		groups, rules = nil, nil
	}
	for i, g := range r.Train {
		name := cmp.Or(g.Name, fmt.Sprintf("train.%d", i))
		groups = append(groups, optim.Group{Name: name, Match: g.Match, Layers: g.Layers, Rate: g.Rate})
		rule := cmp.Or(g.Optimizer, r.Optimizer)
		if g.Freeze {
			rule = ""
		}
		if g.Rate == 0 && !g.Freeze {
			return fmt.Errorf("train.%d.rate is 0: say \"freeze\": true", i)
		}
		rules = append(rules, rule)
	}
	weights := j.net.Weights()
	// Once without rules, which tells the weights that have to be float32.
	if j.Plan, err = optim.Arrange(weights, groups...); err != nil {
		return err
	}
	for i := range groups {
		if rules[i] == "" {
			continue
		}
		m, p, err := optimizers.parse(rules[i])
		if err != nil {
			return err
		}
		groups[i].Rule = m.make(p)
		for _, w := range j.Plan.Weights(i) {
			if err := toFloat32(w); err != nil {
				return err
			}
		}
	}
	j.groups = groups
	j.Plan, err = optim.Arrange(weights, groups...)
	return err
}

// toFloat32 gives a weight numbers that can be trained.
func toFloat32(w *op.Weight) error {
	if _, ok := w.F32(); ok {
		return nil
	}
	x := make([]float32, w.Rows*w.Cols)
	for i := range w.Rows {
		if err := w.DequantRow(i, x[i*w.Cols:(i+1)*w.Cols]); err != nil {
			return fmt.Errorf("weight %q: %w", w.Name, err)
		}
	}
	w.Storage = tensor.FromFloat32(w.Rows, w.Cols, x)
	return nil
}

// makeTask says what is learnt.
func (j *Job) makeTask() error {
	r := j.Recipe
	if j.data.text {
		j.text = &train.Language{Engine: j.Engine, Trained: j.net.Weights(), Checkpointed: r.Recompute}
		j.task = language{j.text}
		if j.adapter != nil {
			j.task = adapted{language{j.text}, j.adapter}
		}
		return nil
	}
	m, p, err := losses.parse(r.Loss)
	if err != nil {
		return err
	}
	k, err := m.make(p, j.data.train.Len(), j.data.train.Classes())
	if err != nil {
		return fmt.Errorf("loss: %w", err)
	}
	j.task = classifier{&train.Classifier{Engine: j.Engine, Trained: j.net.Weights(), Criterion: k}}
	return nil
}
