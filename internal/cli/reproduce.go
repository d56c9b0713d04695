package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/paper/all"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/store"
	"github.com/spf13/cobra"
)

var reproduceVerb = verb{
	name: "reproduce", args: "PAPER", maxArgs: 1,
	short: "test the claims of a paper on this machine",
	long: `reproduce runs the experiment of a paper and gives a verdict on each of its claims:
it holds, it doesn't, or it can't be shown at this scale, and why. The claims stand
in the code before the run. ` + "`mica papers`" + ` lists the papers.

The report with all tables, results.json and the pictures go into a folder,
./mica-PAPER or that of -o. An interrupted run leaves there what it has found, and
the same command goes on from it; --fresh begins anew. --quick checks the machinery
in less than a minute, and judges only what a few prompts decide.

The exit code is 3 if a claim does not hold.

--store is for a checkout of mica: a full run of the experiment's own model replaces
the stored results under paper/, which ` + "`mica papers`" + ` goes by.`,
	example: `  mica reproduce gemfilter --quick
  mica reproduce gemfilter -o results --json`,
	flags: []string{"model", "quick", "folder", "fresh", "store", "seed", "mode", "threads"},
	run:   runReproduce,
}

// reproduceDoc is the document of reproduce --json, and results.json.
type reproduceDoc struct {
	head
	Command string `json:"command"`
	Date    string `json:"date"`
	*paper.Result
}

func runReproduce(ctx context.Context, c *call) error {
	p, err := c.paper()
	if err != nil {
		return err
	}
	shelf := ""
	if c.set.store {
		if shelf, err = c.shelf(p); err != nil {
			return err
		}
	}
	mode, err := op.ParseMode(c.set.mode)
	if err != nil {
		return err
	}
	var m store.Model
	digest := ""
	if p.Experiment.Model == "" { // it trains networks of its own
		if c.set.model != "" {
			return usage("leave out --model", "%s: its experiment trains networks of its own", p.Slug)
		}
		mode = op.Exact
	} else {
		if m, err = c.experimentModel(ctx, p.Experiment.Model); err != nil {
			return err
		}
		if digest, err = (&model{file: m}).digest(); err != nil {
			return err
		}
	}
	folder := c.set.folder
	switch {
	case folder != "":
	case shelf != "":
		folder = shelf
	default:
		folder = "mica-" + p.Slug
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return failed("name a folder that you can write to with -o", "%w", err)
	}
	progress, stop := c.progress()
	result, err := p.Reproduce(ctx, paper.Setting{
		Model: m.Path, Digest: digest, Engine: pass.Options{Mode: mode, Threads: c.set.threads}, Seed: c.set.seed,
		Quick: c.set.quick, Folder: folder, Fresh: c.set.fresh, Version: Version, Progress: progress,
	})
	stop()
	if err != nil {
		if ctx.Err() != nil {
			c.note("what was found so far is in %s; the same command goes on from there", folder)
		}
		return err
	}
	doc := reproduceDoc{head: c.head(digest), Command: c.reproduceCommand(p), Date: time.Now().UTC().Format(time.DateOnly), Result: result}
	if err := doc.write(folder, folder, p.Title); err != nil {
		return err
	}
	if shelf != "" && shelf != folder {
		if err := doc.write(shelf, folder, p.Title); err != nil {
			return err
		}
		c.note("stored in %s", shelf)
	}
	if err := doc.tell(c, folder); err != nil {
		return err
	}
	if no := result.Failed(); len(no) > 0 {
		return &failure{exitDoesNotHold, fmt.Errorf("%s: %d of %d claims do not hold: %s", p.Slug, len(no), len(result.Claims), strings.Join(no, ", ")),
			"the figures are in " + filepath.Join(folder, "RESULTS.md")}
	}
	return nil
}

// paper finds the paper of a call.
func (c *call) paper() (paper.Paper, error) {
	var can []string
	for _, p := range all.Papers {
		if p.Experiment != nil {
			can = append(can, p.Slug)
		}
	}
	hint := "papers with an experiment: " + strings.Join(can, ", ")
	if len(c.args) == 0 {
		return paper.Paper{}, usage(hint, "no paper")
	}
	i := slices.IndexFunc(all.Papers, func(p paper.Paper) bool { return p.Slug == c.args[0] })
	if i < 0 {
		return paper.Paper{}, usage(didYouMean(c.args[0], can, hint), "%s: no such paper", quoted(c.args[0]))
	}
	if all.Papers[i].Experiment == nil {
		return paper.Paper{}, missing(hint, "%s: no experiment yet", c.args[0])
	}
	return all.Papers[i], nil
}

// papersWithExperiment are the slugs, with the titles, for completion.
func papersWithExperiment() []string {
	var out []string
	for _, p := range all.Papers {
		if p.Experiment != nil {
			out = append(out, cobra.CompletionWithDesc(p.Slug, p.Title))
		}
	}
	return out
}

// shelf is the folder of the paper's stored results in the checkout that the
// command is run in.
func (c *call) shelf(p paper.Paper) (string, error) {
	switch {
	case c.set.quick:
		return "", usage("leave out one of them", "--store: a quick run gives no verdicts to store")
	case c.set.model != "" && c.set.model != p.Experiment.Model:
		return "", usage("leave out --model", "--store: the verdicts are about %s", p.Experiment.Model)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if first, _, _ := bytes.Cut(b, []byte("\n")); err == nil && strings.TrimSpace(string(first)) == "module github.com/micaml/mica" {
			return filepath.Join(dir, "paper", p.Folder()), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", usage("run it in a checkout of mica, or leave it out", "--store: this folder is in no checkout")
		}
		dir = up
	}
}

// experimentModel resolves the model of -m or else the experiment's own, which
// it fetches if need be.
func (c *call) experimentModel(ctx context.Context, own string) (store.Model, error) {
	name := c.set.model
	if name == "" {
		name = own
	}
	s, err := store.Open("")
	if err != nil {
		return store.Model{}, err
	}
	m, err := s.Resolve(name)
	if errors.Is(err, store.ErrNotFound) && name == own {
		c.note("%s isn't on this machine yet", name)
		return c.pull(ctx, name)
	}
	return m, err
}

// progress returns what an experiment tells its progress to.
func (c *call) progress() (report func(done, total int, what string), stop func()) {
	if c.quiet {
		return nil, func() {}
	}
	begin, last, skipped := time.Now(), time.Now(), -1
	return func(done, total int, what string) {
		now := time.Now()
		if skipped < 0 && now.Sub(begin) > time.Second { // what comes at once was known already
			begin, skipped = now, done
		}
		left := ""
		if skipped >= 0 {
			left = timeLeft(begin, done-skipped, total-done)
		}
		line := fmt.Sprintf("%s of %s: %s%s", count(done+1), count(total), what, left)
		switch {
		case c.errTTY > 0:
			c.overwrite(line)
		case now.Sub(last) >= plainEvery:
			last = now
			c.note("%s", line)
		}
	}, func() { c.overwrite("") }
}

// reproduceCommand is the command line that does the same again.
func (c *call) reproduceCommand(p paper.Paper) string {
	s := fmt.Sprintf("mica reproduce %s --seed %d", p.Slug, c.set.seed)
	if p.Experiment.Model != "" {
		s += " --mode " + c.set.mode
	}
	if c.set.threads > 0 {
		s += fmt.Sprintf(" --threads %d", c.set.threads)
	}
	if c.set.quick {
		s += " --quick"
	}
	if c.set.store {
		s += " --store"
	}
	return s
}

// write writes results.json and RESULTS.md to a folder, and the pictures that
// lie in another.
func (d *reproduceDoc) write(to, pictures, title string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return err
	}
	model := "SHA-256 " + d.Digest
	if d.Digest == "" {
		model = "none; the experiment trains its own networks"
	}
	where := [][2]string{
		{"command", "`" + d.Command + "`"}, {"date", d.Date}, {"seed", fmt.Sprint(d.Seed)}, {"mode", d.Mode},
		{"model", model}, {"mica", d.Mica},
		{"machine", fmt.Sprintf("%s, %d cores, %s/%s, %s kernels", d.Machine.CPU, d.Machine.Cores, d.Machine.OS, d.Machine.Arch, d.Machine.Kernels)},
	}
	files := map[string][]byte{"results.json": b.Bytes(), "RESULTS.md": d.Markdown(title, where)}
	if to != pictures {
		for _, name := range d.Pictures {
			svg, err := os.ReadFile(filepath.Join(pictures, name))
			if err != nil {
				return err
			}
			files[name] = svg
		}
	}
	for name, b := range files {
		if err := atomicfile.WriteBytes(filepath.Join(to, name), 0o644, b); err != nil {
			return failed("name a folder that you can write to", "%w", err)
		}
	}
	return nil
}

// tell prints the verdicts and what was written.
func (d *reproduceDoc) tell(c *call, folder string) error {
	var paths []string
	for _, name := range d.Pictures {
		paths = append(paths, filepath.Join(folder, name))
	}
	if c.set.json {
		doc, result := *d, *d.Result
		doc.Result, result.Pictures = &result, paths
		return c.printJSON(doc)
	}
	var rows [][]string
	for _, v := range d.Claims {
		rows = append(rows, []string{v.ID, v.Verdict(), v.Value()})
	}
	table(c.out, c.width(), []string{"CLAIM", "VERDICT", "MEASURED"}, rows, func(row, col int, cell string) string {
		if row < 0 || col != 1 {
			return cell
		}
		style := dim
		if h := d.Claims[row].Holds; h != nil {
			if style = green; !*h {
				style = red
			}
		}
		return paint(c.colorOut, style, cell)
	})
	fmt.Fprintf(c.out, "\nin %s; claims, figures and reasons:\n  %s\n", seconds(time.Duration(d.Seconds*1e9)), filepath.Join(folder, "RESULTS.md"))
	for _, p := range paths {
		fmt.Fprintf(c.out, "  %s\n", p)
	}
	return nil
}
