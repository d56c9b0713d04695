package recipe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/train"
)

// The names in the folder of a training.
const (
	CheckpointFolder = "checkpoints"
	LogFile          = "metrics.jsonl"
	TableFile        = "metrics.csv"
	CurveFile        = "curve.svg"
	RecipeFile       = "recipe.json"
	WeightsFile      = "model.safetensors"
)

// judge measures a network without learning.
type judge interface {
	measure(ctx context.Context, s dataset.Set, batch int) (train.Metrics, error)
}

type classifier struct{ *train.Classifier }

func (t classifier) measure(ctx context.Context, s dataset.Set, batch int) (train.Metrics, error) {
	return t.Accuracy(ctx, s, batch)
}

type language struct{ *train.Language }

func (t language) measure(ctx context.Context, s dataset.Set, batch int) (train.Metrics, error) {
	return t.Perplexity(ctx, s, batch)
}

// Watch hears how a training goes. Each may be nil.
type Watch struct {
	Step      func(train.Progress)
	Evaluated func(train.Metrics)
	Saved     func(name string) // a file of the result, at the end
}

// Run is a training under way.
type Run struct {
	*train.Loop
	job    *Job
	folder string
	dir    *checkpoint.Dir
	data   *dataset.Loader
	watch  Watch
}

// Start allocates what training takes: gradients, the optimizer's state, batches. Its
// checkpoints and its log go into the folder, which need not exist.
func (j *Job) Start(folder string, w Watch) (*Run, error) {
	r := j.Recipe
	dir, err := checkpoint.Open(filepath.Join(folder, CheckpointFolder), checkpoint.Options{Keep: r.Save.Keep, Recipe: j.Digest()})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, err
	}
	opt, err := j.Plan.New(j.Engine.Pool())
	if err != nil {
		return nil, err
	}
	parts := map[string]checkpoint.Part{}
	var after func(int)
	if r.Average != "" {
		m, p, err := averages.parse(r.Average)
		if err != nil {
			return nil, err
		}
		var trained = j.trained()
		if j.average, err = optim.NewAverage(j.Engine.Pool(), m.make(p), trained); err != nil {
			return nil, err
		}
		parts["average"] = j.average
		after = func(int) { j.average.Update() }
	}
	rate, err := r.schedule()
	if err != nil {
		return nil, err
	}
	data, err := dataset.NewLoader(j.data.train, dataset.Options{Batch: r.Batch, Seed: r.Seed})
	if err != nil {
		return nil, err
	}
	run := &Run{job: j, folder: folder, dir: dir, data: data, watch: w}
	every := r.Evaluate.Every
	if every == 0 {
		every = r.Steps
	}
	run.Loop, err = train.New(j.task, data, opt, train.Options{
		Steps: r.Steps, Rate: rate, Clip: r.Clip, Accumulate: r.Gather, Seed: r.Seed,
		Evaluate: run.evaluate, EvaluateEvery: every, Best: r.best(), Patience: r.Evaluate.Patience,
		After: after, Parts: parts, Checkpoints: dir, SaveEvery: r.Save.Every,
		Log: filepath.Join(folder, LogFile), LogEvery: max(1, min(10, r.Steps/20)), Progress: w.Step,
	})
	if err != nil {
		data.Close()
		return nil, err
	}
	return run, nil
}

// Close ends the reading of data.
func (r *Run) Close() { r.data.Close() }

// trained are the weights that have a gradient.
func (j *Job) trained() []*op.Weight {
	var all []*op.Weight
	for _, w := range j.net.Weights() {
		if w.Grad != nil {
			all = append(all, w)
		}
	}
	return all
}

// schedule is the learning rate by step.
func (r *Recipe) schedule() (optim.Schedule, error) {
	m, p, err := rates.parse(r.Rate)
	if err != nil {
		return nil, err
	}
	return m.make(p, r.Steps), nil
}

// best is the metric that decides, with a minus if less is better.
func (r *Recipe) best() string {
	if b := r.Evaluate.Best; b == "loss" || b == "perplexity" {
		return "-" + b
	}
	return r.Evaluate.Best
}

// evaluate judges the network on the examples that were held back.
func (r *Run) evaluate(ctx context.Context) (train.Metrics, error) {
	m, err := r.job.judge(ctx, r.job.data.held)
	if err == nil && r.watch.Evaluated != nil {
		r.watch.Evaluated(m)
	}
	return m, err
}

// judge measures the weights that would be kept: the averages, if there are any.
func (j *Job) judge(ctx context.Context, s dataset.Set) (m train.Metrics, err error) {
	err = j.kept(func() error {
		m, err = j.task.measure(ctx, s, j.Recipe.Batch)
		return err
	})
	return m, err
}

// kept calls f while the weights are those that are kept.
func (j *Job) kept(f func() error) error {
	if j.average == nil {
		return f()
	}
	return j.average.With(f)
}

// Result is how a training ended.
type Result struct {
	Steps   int           `json:"steps"`             // that were taken
	Stopped bool          `json:"stopped,omitempty"` // by patience
	Kept    int           `json:"kept_step"`         // whose weights are kept
	Held    train.Metrics `json:"evaluation"`        // of these
	Test    train.Metrics `json:"test,omitempty"`    // likewise, where the data has a test
	Files   []string      `json:"files"`             // in the folder
}

// Finish chooses the weights to keep, the best or the last ones, judges them and writes
// them and what the log says into the folder.
func (r *Run) Finish(ctx context.Context) (*Result, error) {
	j, out := r.job, &Result{Steps: r.Step(), Stopped: r.Stopped(), Kept: r.Step()}
	if j.Recipe.Evaluate.Best != "" {
		best, err := r.dir.Best()
		switch {
		case err == nil && best.Step != r.Step():
			if err := r.ResumeFrom(best); err != nil {
				return nil, err
			}
			out.Kept = best.Step
		case err != nil && !errors.Is(err, checkpoint.ErrNone): // no evaluation gave a number
			return nil, err
		}
	}
	var err error
	if out.Held, err = j.judge(ctx, j.data.held); err != nil {
		return nil, err
	}
	if j.data.test != nil {
		if out.Test, err = j.judge(ctx, j.data.test); err != nil {
			return nil, err
		}
	}
	if out.Files, err = r.write(); err != nil {
		return nil, err
	}
	return out, nil
}

// Report writes what the log says as a table and as a picture, and the recipe, into
// the folder: after an interruption too.
func (r *Run) Report() ([]string, error) {
	j := r.job
	lines, err := train.ReadLog(filepath.Join(r.folder, LogFile))
	if err != nil {
		return nil, err
	}
	name := strings.TrimSpace(j.Recipe.Network.Kind + " on " + j.data.what)
	metrics := []string{"loss", "eval.loss"}
	if !j.data.text {
		metrics = append(metrics, "eval.accuracy")
	}
	files := map[string][]byte{
		TableFile: csvOf(lines), CurveFile: train.Curve(fmt.Sprintf("mica train: %s", name), lines, metrics...), RecipeFile: j.Recipe.JSON(),
	}
	for _, f := range []string{TableFile, CurveFile, RecipeFile} {
		if err := writeFile(filepath.Join(r.folder, f), files[f]); err != nil {
			return nil, err
		}
	}
	return []string{LogFile, TableFile, CurveFile, RecipeFile}, nil
}
