package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/recipe"
	"github.com/micaml/mica/store"
	"github.com/micaml/mica/train"
)

var trainVerb = verb{
	name: "train", args: "RECIPE", maxArgs: 1,
	short: "train a network by a recipe",
	long: `train makes the network that a recipe describes and trains it: an MLP, a CNN or a
vision transformer on pictures or rows of numbers, a Llama from the start, or a
model that there is, all of it or only some layers. A recipe is a JSON file; ` + "`mica\ntrain --schema`" + ` prints its JSON Schema, which says what each field is.

--plan shows what would be trained, layer by layer, with the shapes, and about how
much memory and time it takes. Nothing is trained.

Everything goes into a folder, ./mica-RECIPE or that of -o: checkpoints, the metrics
as metrics.jsonl and metrics.csv, their curve as curve.svg, the recipe as it was in
force, and at the end the weights. A Llama's folder is a model as Hugging Face lays
one out: ` + "`mica run FOLDER`" + ` runs it.

Ctrl-C finishes the step at work and saves a checkpoint. --resume goes on from the
newest one, and gives the same bits as training that never stopped.`,
	example: `  mica train recipe.json --plan
  mica train recipe.json --set steps=2000 --set loss=elr:lambda=3
  mica train recipe.json -o runs/a --resume`,
	flags: []string{"train-folder", "plan", "resume", "set", "schema", "threads"},
	run:   runTrain,
}

// trainDoc is the document of train --json.
type trainDoc struct {
	head
	Recipe  string `json:"recipe"`
	Folder  string `json:"folder"`
	Mode    string `json:"mode"`
	Threads int    `json:"threads"`
	recipe.Size
	From int `json:"resumed_from"` // step
	*recipe.Result
	TotalMS float64 `json:"total_ms"`
}

func runTrain(ctx context.Context, c *call) error {
	if c.set.schema {
		_, err := c.out.Write(recipe.Schema())
		return err
	}
	if len(c.args) == 0 {
		return usage("name one, such as recipe.json; `mica train --schema` says what it may hold", "no recipe")
	}
	path := c.args[0]
	r, err := recipe.Read(path, c.sets()...)
	if err != nil {
		return recipeError(err)
	}
	folder := c.set.folder
	if folder == "" {
		folder = "mica-" + strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	if !c.set.plan {
		if err := c.mayTrain(folder); err != nil {
			return err
		}
	}
	stop := c.working("making the network and reading the data")
	job, err := recipe.Build(r, recipe.Options{Threads: c.set.threads, Find: findModel})
	stop()
	if err != nil {
		return recipeError(err)
	}
	defer job.Close()
	c.set.seed = r.Seed
	doc := &trainDoc{head: c.head(""), Recipe: path, Folder: folder, Mode: job.Engine.Mode().String(), Threads: job.Engine.Threads(), Size: job.Size()}
	if c.set.plan {
		return c.planTraining(job, doc)
	}
	if err := c.train(ctx, job, doc); err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(doc)
	}
	doc.print(c)
	return nil
}

// sets are the values of --set.
func (c *call) sets() []string {
	if c.set.sets == "" {
		return nil
	}
	return strings.Split(c.set.sets, "\n")
}

// findModel is how recipes name models.
func findModel(name string) (string, error) {
	s, err := store.Open("")
	if err != nil {
		return "", err
	}
	m, err := s.Resolve(name)
	return m.Path, err
}

// recipeError says what to do about a recipe that can't be carried out.
func recipeError(err error) error {
	var wrong *recipe.Error
	var ofStore *store.Error
	switch {
	case errors.As(err, &ofStore):
		return err
	case errors.As(err, &wrong):
		return usage("`mica train --schema` says what a recipe may hold", "%w", err)
	case errors.Is(err, fs.ErrNotExist) && strings.Contains(err.Error(), "apt-get"):
		return missing("or set data.kind to \"generated\", which needs no files", "%w", err)
	case errors.Is(err, fs.ErrNotExist):
		return missing("paths are taken from the recipe's folder; check the name", "%w", err)
	}
	return usage("change the recipe, or try another value with --set", "%w", err)
}

// mayTrain looks at what the folder holds already.
func (c *call) mayTrain(folder string) error {
	dir, err := checkpoint.Open(filepath.Join(folder, recipe.CheckpointFolder), checkpoint.Options{})
	if err != nil {
		return failed("name a folder that you can write to with -o", "%w", err)
	}
	steps, err := dir.Steps()
	switch {
	case err != nil:
		return failed("name another folder with -o", "%w", err)
	case len(steps) > 0 && !c.set.resume:
		return usage("add --resume to go on from it, or name another folder with -o", "%s: a training is there already, up to step %s", folder, count(steps[len(steps)-1]))
	}
	return nil
}

// train runs the job and fills in what came of it.
func (c *call) train(ctx context.Context, job *recipe.Job, doc *trainDoc) error {
	start := time.Now()
	if !c.quiet {
		for line := range strings.Lines(layerTable(job)) {
			c.note("%s", strings.TrimSuffix(line, "\n"))
		}
	}
	if n := doc.Wrong; n > 0 {
		c.note("synthetic noise: %s of %s labels to learn from are wrong", count(n), count(doc.Examples))
	}
	show := &trainProgress{c: c, last: start}
	run, err := job.Start(doc.Folder, recipe.Watch{Step: show.step, Evaluated: show.evaluated})
	if err != nil {
		return recipeError(err)
	}
	defer run.Close()
	if c.set.resume {
		if doc.From, err = run.Resume(); err != nil {
			return resumeError(err, doc)
		}
		if doc.From == 0 {
			c.note("%s: no checkpoint yet; training begins", doc.Folder)
		} else {
			c.note("going on after step %s", count(doc.From))
		}
	}
	err = run.Run(ctx)
	c.overwrite("")
	if err != nil {
		return c.trainError(ctx, run, doc, err)
	}
	stop := c.working("judging and saving")
	doc.Result, err = run.Finish(ctx)
	stop()
	if err != nil {
		if ctx.Err() != nil {
			c.note("training is done; `%s` writes the result", c.resumeCommand(doc))
			return err
		}
		return failed("the checkpoints are there; free space or name what is missing, and `"+c.resumeCommand(doc)+"`", "%w", err)
	}
	doc.TotalMS = millis(time.Since(start))
	return nil
}

// trainError tells why training ended before its last step, and how to go on.
func (c *call) trainError(ctx context.Context, run *recipe.Run, doc *trainDoc, err error) error {
	again := "`" + c.resumeCommand(doc) + "`"
	if _, e := run.Report(); e != nil && ctx.Err() != nil {
		c.note("%v", e)
	}
	var notFinite *op.NotFiniteError
	switch {
	case ctx.Err() != nil && onlyCancelled(ctx, err):
		c.note("saved after step %s; %s goes on from there", count(run.Step()), again)
		return ctx.Err()
	case ctx.Err() != nil: // and the checkpoint couldn't be saved
		c.note("not saved: %s", strings.ReplaceAll(strings.TrimPrefix(err.Error(), ctx.Err().Error()+"\n"), "\n", "; "))
		c.note("free some space, or make the folder writable; %s goes on from the last whole checkpoint", again)
		return err
	case errors.As(err, &notFinite), strings.Contains(err.Error(), "the gradient's norm is"), strings.Contains(err.Error(), "the loss is"):
		return failed("a lower rate (--set rate=cosine:peak=0.0001), a warm-up or --set clip=1 may help, in a new folder", "%w", err)
	}
	return failed("what was saved is whole: "+again+" goes on from it", "%w", err)
}

// onlyCancelled says that nothing went wrong but that somebody pressed Ctrl-C.
func onlyCancelled(ctx context.Context, err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(many.Unwrap(), func(e error) bool { return !onlyCancelled(ctx, e) })
	}
	return errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))
}

func resumeError(err error, doc *trainDoc) error {
	switch {
	case errors.Is(err, checkpoint.ErrOther):
		return failed("go on with the recipe that it was made by, "+filepath.Join(doc.Folder, recipe.RecipeFile)+", or name another folder with -o", "%w", err)
	case errors.Is(err, checkpoint.ErrTorn):
		return failed("move the damaged checkpoints away to begin anew", "%w", err)
	}
	return failed("name another folder with -o to begin anew", "%w", err)
}

// resumeCommand is the command line that goes on.
func (c *call) resumeCommand(doc *trainDoc) string {
	s := "mica train " + shellWord(doc.Recipe)
	for _, x := range c.sets() {
		s += " --set " + shellWord(x)
	}
	if c.set.folder != "" {
		s += " -o " + shellWord(c.set.folder)
	}
	return s + " --resume"
}

// shellWord quotes a word for a shell if need be.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// trainProgress shows how training goes.
type trainProgress struct {
	c    *call
	last time.Time
	at   int
}

func (p *trainProgress) step(x train.Progress) {
	p.at = x.Step
	if p.c.quiet {
		return
	}
	every := plainEvery
	if p.c.errTTY > 0 {
		every = time.Second / 10
	}
	if now := time.Now(); now.Sub(p.last) < every {
		return
	} else {
		p.last = now
	}
	line := fmt.Sprintf("step %s of %s, epoch %d: loss %.4g, rate %.3g, %s left", count(x.Step), count(x.Steps), x.Epoch+1, x.Loss, x.Rate, seconds(x.Left))
	if p.c.errTTY == 0 {
		p.c.note("%s", line)
		return
	}
	const wide = 20
	done := wide * x.Step / x.Steps
	p.c.overwrite("[" + strings.Repeat("=", done) + strings.Repeat(" ", wide-done) + "] " + line)
}

func (p *trainProgress) evaluated(m train.Metrics) {
	p.c.note("step %s: evaluation: %s", count(p.at), metricsLine(m))
}

// metricsLine writes metrics in the order of their names.
func metricsLine(m train.Metrics) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		x := fmt.Sprintf("%.4g", m[name])
		if name == "accuracy" {
			x = fmt.Sprintf("%.2f %%", 100*m[name])
		}
		all = append(all, name+" "+x)
	}
	return strings.Join(all, ", ")
}

func (d *trainDoc) print(c *call) {
	kept := "the last"
	switch {
	case d.Kept != d.Result.Steps:
		kept = "the best, of step " + count(d.Kept)
	case d.Stopped:
		kept = "the best"
	}
	end := "all steps taken"
	if d.Stopped {
		end = "ended by patience"
	}
	fmt.Fprintf(c.out, "steps       %s, %s\nweights     %s\nevaluation  %s\n", count(d.Result.Steps), end, kept, metricsLine(d.Result.Held))
	if d.Result.Test != nil {
		fmt.Fprintf(c.out, "test        %s\n", metricsLine(d.Result.Test))
	}
	fmt.Fprintf(c.out, "time        %s\n", seconds(time.Duration(d.TotalMS*1e6)))
	fmt.Fprintf(c.out, "folder      %s: %s\n", d.Folder, strings.Join(d.Files, ", "))
	if slices.Contains(d.Files, "config.json") {
		fmt.Fprintf(c.out, "\n`mica run %s --raw TEXT` runs it\n", quoted(d.Folder))
	}
}
