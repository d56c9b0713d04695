package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
)

// A runner runs sweeps and keeps what they count.
type runner struct {
	settings
	all     []sweep
	results *results
	log     io.Writer
}

func newRunner(s settings, all []sweep, log io.Writer) (*runner, error) {
	r := &runner{settings: s, all: all, log: log}
	var err error
	r.results, err = readResults(filepath.Join(s.dir, "results.json"))
	return r, err
}

// run runs a sweep, or goes on with it. The error is the context's cause, or
// that the sweep could not be run.
func (r *runner) run(ctx context.Context, w sweep) error {
	rec := r.results.of(w)
	if r.fresh {
		*rec = result{Name: w.name}
	}
	if rec.Complete && rec.Scale >= r.scale {
		r.printf("%s: has a result of %s", w.name, rec.Date)
		return nil
	}
	work := filepath.Join(r.work, strings.ReplaceAll(w.name, "/", "-"))
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if rec.Tally == nil {
		rec.Tally = tally{}
	}
	began := time.Now()
	a, err := w.start(&env{work: work, model: r.model, tally: rec.Tally})
	if err != nil {
		return err
	}
	if a.close != nil {
		defer a.close()
	}
	if rec.Total != 0 && rec.Total != a.cases { // another model: other cases
		clear(rec.Tally)
		*rec = result{Name: w.name, Tally: rec.Tally}
	}
	rec.begin(w, a, r.scale)
	err = r.loop(ctx, w, a, rec, began)
	rec.Complete = err == nil && rec.Done >= rec.Cases
	return errors.Join(err, r.save(rec, &began))
}

// loop tries cases until there are no more or ctx ends.
func (r *runner) loop(ctx context.Context, w sweep, a *attempt, rec *result, began time.Time) error {
	last := time.Now()
	for rec.Done < rec.Cases {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if a.many != nil {
			to := rec.Cases
			if a.batch > 0 {
				to = min(to, rec.Done+a.batch)
			}
			next, found, err := a.many(ctx, rec.Done, to)
			if ctx.Err() == nil && err != nil {
				return err
			}
			for _, f := range found {
				r.found(rec, next, f)
			}
			rec.Done = next
		} else {
			i := spread(rec.Done, a.cases)
			err := guard(a.try, i, func() {
				r.found(rec, i, errStuck)
				os.Exit(1)
			})
			if err != nil {
				r.found(rec, i, err)
			}
			rec.Done++
		}
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			r.printf("%s: %d of %d, %d findings", w.name, rec.Done, rec.Cases, len(rec.Findings))
			if err := r.save(rec, &began); err != nil {
				return err
			}
		}
	}
	r.printf("%s: %d of %d, %d findings", w.name, rec.Done, rec.Cases, len(rec.Findings))
	return nil
}

// maxFindings is how many findings of a sweep are kept; one fault shows often.
const maxFindings = 20

// found keeps a finding, with its input as a file.
func (r *runner) found(rec *result, i int64, err error) {
	rec.Broken++
	line, _, _ := strings.Cut(err.Error(), "\n")
	r.printf("%s: case %d: %s", rec.Name, i, line)
	if len(rec.Findings) >= maxFindings {
		return
	}
	f := finding{Case: i, What: fmt.Sprintf("%.4000v", err)}
	name, input := "finding.txt", []byte(err.Error())
	var b *broken
	if errors.As(err, &b) && b.input != nil {
		name, input = b.name, b.input
	}
	f.File = fmt.Sprintf("findings/%s-%d-%s", strings.ReplaceAll(rec.Name, "/", "-"), i, name)
	path := filepath.Join(r.dir, f.File)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
		err = os.WriteFile(path, input, 0o644)
		if err != nil {
			r.printf("%v", err)
		}
	}
	rec.Findings = append(rec.Findings, f)
}

// save adds the time since *began to the record and writes everything.
func (r *runner) save(rec *result, began *time.Time) error {
	now := time.Now()
	rec.Seconds = math.Round(10*(rec.Seconds+now.Sub(*began).Seconds())) / 10
	*began = now
	rec.stamp(now)
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if err := r.results.write(filepath.Join(r.dir, "results.json")); err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(r.dir, "RESULTS.md"), 0o644, []byte(report(r.all, r.results)))
}

func (r *runner) printf(format string, a ...any) {
	fmt.Fprintf(r.log, format+"\n", a...)
}
