package paper

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
	"github.com/micaml/mica/pass"
)

// Claim is what a paper says and an experiment tests. It stands before the
// run.
type Claim struct {
	ID    string
	Text  string
	Paper string // the paper's figure
	Unit  string // of what is measured
	// Exact claims are about every input, so that a quick run judges them
	// too. All others need the full run.
	Exact bool
	// Why says why the claim can't be shown at this scale; then no run
	// judges it. "" for claims that can be shown.
	Why string
}

// Experiment measures the claims of a paper.
type Experiment struct {
	// Model is the one that the verdicts are about, as a command names it; "" if the
	// experiment trains networks of its own.
	Model  string
	Claims []Claim
	// Run measures every claim that can be shown: see [Run.Judge] and
	// [Run.Undecided].
	Run func(ctx context.Context, r *Run) error
}

// Setting is how an experiment is run.
type Setting struct {
	Model   string // path of the model's file
	Digest  string // of that file
	Engine  pass.Options
	Seed    uint64
	Quick   bool   // for the machinery, in less than a minute
	Folder  string // that exists: for pictures, and for what an interrupted run has found
	Fresh   bool   // forget what an interrupted run has found
	Version string // of mica
	// Progress hears what comes next; may be nil.
	Progress func(done, total int, what string)
}

// Run is an experiment at work.
type Run struct {
	Setting
	claims   []Claim
	verdicts map[string]Verdict
	sections []Section
	pictures []string
	journal  *journal
	errs     []error // of the experiment's code: claims that it doesn't make
}

// Verdict is what a run found about a claim.
type Verdict struct {
	ID       string   `json:"id"`
	Claim    string   `json:"claim"`
	Paper    string   `json:"paper"`
	Measured *float64 `json:"measured"` // nil: nothing
	Unit     string   `json:"unit"`
	Holds    *bool    `json:"holds"` // nil: can't be shown
	Why      string   `json:"why,omitempty"`
	Note     string   `json:"note,omitempty"` // what else was seen
}

// Reproduce runs the paper's experiment. An interrupted one leaves what it has
// found in the folder, and the next of the same setting goes on from there.
func (p Paper) Reproduce(ctx context.Context, s Setting) (*Result, error) {
	if p.Experiment == nil {
		return nil, fmt.Errorf("paper %s: no experiment yet", p.Slug)
	}
	r := &Run{Setting: s, claims: p.Experiment.Claims, verdicts: map[string]Verdict{}}
	if r.Progress == nil {
		r.Progress = func(int, int, string) {}
	}
	var err error
	if r.journal, err = openJournal(filepath.Join(s.Folder, unfinished), s.key(p.Slug), s.Fresh); err != nil {
		return nil, err
	}
	defer r.journal.Close()
	start := time.Now().Add(-r.journal.spent)
	r.journal.start = start
	if err := p.Experiment.Run(ctx, r); err != nil {
		return nil, err
	}
	res := &Result{
		Slug: p.Slug, Quick: s.Quick, Mode: s.Engine.Mode.String(), Seconds: math.Round(time.Since(start).Seconds()*10) / 10,
		Pictures: r.pictures, Sections: r.sections,
	}
	for _, c := range r.claims {
		v, ok := r.verdicts[c.ID]
		switch {
		case !ok && c.Why == "":
			r.errs = append(r.errs, fmt.Errorf("claim %s was not measured", c.ID))
		case !ok:
			v = Verdict{ID: c.ID, Claim: c.Text, Paper: c.Paper, Unit: c.Unit, Why: c.Why}
		}
		res.Claims = append(res.Claims, v)
	}
	if len(r.errs) > 0 {
		return nil, fmt.Errorf("paper %s: %w", p.Slug, errors.Join(r.errs...))
	}
	return res, r.journal.remove()
}

// key is everything that decides what a run finds, times included.
func (s *Setting) key(slug string) string {
	return fmt.Sprintf("%s: mica %s, model %s, %s, %d threads, seed %d, quick %t", slug, s.Version, s.Digest, s.Engine.Mode, s.Engine.Threads, s.Seed, s.Quick)
}

// Judge says what was measured for a claim, and whether it holds. A claim that
// can't be shown at this scale gets no verdict even so, and in a quick run only
// exact ones get one.
func (r *Run) Judge(id string, measured float64, holds bool, note string) {
	r.decide(id, measured, &holds, "", note)
}

// Undecided says what was measured for a claim, and why that is no verdict.
func (r *Run) Undecided(id string, measured float64, why, note string) {
	r.decide(id, measured, nil, why, note)
}

func (r *Run) decide(id string, measured float64, holds *bool, why, note string) {
	i := slices.IndexFunc(r.claims, func(c Claim) bool { return c.ID == id })
	if i < 0 {
		r.errs = append(r.errs, fmt.Errorf("claim %s was not made before the run", id))
		return
	}
	if _, twice := r.verdicts[id]; twice {
		r.errs = append(r.errs, fmt.Errorf("claim %s was judged twice", id))
		return
	}
	c := r.claims[i]
	v := Verdict{ID: id, Claim: c.Text, Paper: c.Paper, Unit: c.Unit, Holds: holds, Why: why, Note: note}
	switch {
	case c.Why != "":
		v.Holds, v.Why = nil, c.Why
	case r.Quick && !c.Exact:
		v.Holds, v.Why = nil, "a quick run asks too little for a verdict"
	}
	if !math.IsNaN(measured) && !math.IsInf(measured, 0) {
		v.Measured = &measured
	}
	r.verdicts[id] = v
}

// Section adds a part to the report.
func (r *Run) Section(s Section) { r.sections = append(r.sections, s) }

// Picture writes a picture into the folder.
func (r *Run) Picture(name string, svg []byte) error {
	if name != filepath.Base(name) || filepath.Ext(name) != ".svg" {
		return fmt.Errorf("paper: %q is no name for a picture", name)
	}
	if err := atomicfile.WriteBytes(filepath.Join(r.Folder, name), 0o644, svg); err != nil {
		return err
	}
	r.pictures = append(r.pictures, name)
	return nil
}
