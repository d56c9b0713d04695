package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
)

// bench is a run of the driver.
type bench struct {
	settings
	rows    []*row
	results *results
	models  map[string]string // storage type -> file
	mica    string            // the program under test
	servers servers
	pools   pools
}

func newBench(s settings) (*bench, error) {
	b := &bench{settings: s, rows: table(), results: &results{Machine: thisMachine()}}
	if b.name == "" {
		b.name = b.results.Machine.slug()
	}
	data, err := os.ReadFile(b.path())
	if err == nil {
		old := new(results)
		if err := json.Unmarshal(data, old); err != nil {
			return nil, fmt.Errorf("%s: %w", b.path(), err)
		}
		b.results = old
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if b.results.Rows == nil {
		b.results.Rows = map[string]*result{}
	}
	return b, nil
}

// path is the file of results. A quick run's is not in the tree.
func (b *bench) path() string {
	if b.quick {
		return filepath.Join(b.cache, "quick", b.name+".json")
	}
	return filepath.Join(b.dir, "results", b.name+".json")
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

func (b *bench) close() {
	b.servers.close()
	b.pools.close()
}

// chosen returns the rows that the flags ask for.
func (b *bench) chosen() []*row {
	var rows []*row
	for _, r := range b.rows {
		if b.only.MatchString(r.name) && !(b.resume && r.done(b.results)) && !(b.quick && r.est > 30) {
			rows = append(rows, r)
		}
	}
	return rows
}

// done reports whether every series of the row has a result.
func (r *row) done(all *results) bool {
	res := all.Rows[r.name]
	for _, s := range r.series {
		if res == nil || res.Series[s.name] == nil || res.Series[s.name].Error != "" {
			return false
		}
	}
	return true
}

// cost guesses the seconds that a row takes, with starting its programs.
func (b *bench) cost(r *row) float64 {
	runs := r.runs
	if b.quick {
		runs = 1
	}
	return float64(runs)*r.est + 1.5
}

func (b *bench) list() {
	total := 0.0
	for _, r := range b.chosen() {
		total += b.cost(r)
		var names []string
		for _, s := range r.series {
			names = append(names, s.name)
		}
		fmt.Printf("%6.0f s  %-34s %s\n", b.cost(r), r.name, strings.Join(names, ", "))
	}
	fmt.Printf("%6.0f s  in all, about %.0f minutes\n", total, total/60)
}

func (b *bench) run(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if err := b.begin(ctx); err != nil {
		return err
	}
	rows := slices.DeleteFunc(b.chosen(), func(r *row) bool { return len(r.series) == 0 }) // those are judged from others
	left := 0.0
	for _, r := range rows {
		left += b.cost(r)
	}
	b.say("%d rows, about %.0f minutes; results go to %s", len(rows), left/60, b.path())
	for i, r := range rows {
		b.say("%d/%d %s (about %.0f minutes left)", i+1, len(rows), r.name, left/60)
		left -= b.cost(r)
		res, err := b.measure(ctx, r)
		if err != nil {
			return err // interrupted: what is done is in the file
		}
		b.results.Rows[r.name] = res
		if err := b.save(); err != nil {
			return err
		}
	}
	return nil
}

// prepare builds the program under test and makes the model files.
func (b *bench) prepare(ctx context.Context) error {
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return err
	}
	b.mica = filepath.Join(b.cache, "mica")
	build := exec.CommandContext(ctx, "go", "build", "-o", b.mica, "./cmd/mica")
	build.Dir = filepath.Join(b.dir, "..")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building mica: %w", err)
	}
	var err error
	b.models, err = makeModels(b.cache, b.say)
	return err
}

// begin notes where and with what the results are measured, and the limits.
func (b *bench) begin(ctx context.Context) error {
	b.results.Machine = thisMachine()
	b.results.Command = "bench/run.sh"
	b.results.Versions = b.versions(ctx)
	if b.resume && b.results.Limits != nil {
		return nil
	}
	b.say("measuring the limits of this machine")
	b.results.Limits = map[int]limits{}
	for _, threads := range []int{1, 2} {
		l, by, err := b.measureLimits(ctx, threads)
		if err != nil {
			return err
		}
		b.say("%d threads: %.0f GFLOP/s, %.0f GOP/s in 8 bits, reading %.1f GB/s", threads, l.Flops, l.ByteOps, l.Read)
		b.results.Limits[threads], b.results.LimitsBy = l, by
	}
	return b.save()
}

// measure runs the series of a row in turns. A series that fails is left out from
// then on, and its error is the result; only an interrupt ends the row.
func (b *bench) measure(ctx context.Context, r *row) (*result, error) {
	res := &result{Row: r.name, Date: time.Now().UTC().Truncate(time.Second), Series: map[string]*measurements{}}
	extras := map[string]map[string][]float64{}
	for _, s := range r.series {
		res.Series[s.name] = &measurements{}
		extras[s.name] = map[string][]float64{}
	}
	runs := r.runs
	if b.quick {
		runs = 1
	}
	for range runs {
		for _, s := range r.series {
			m := res.Series[s.name]
			if m.Error != "" {
				continue
			}
			got, err := s.run(ctx, b)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				m.Error, m.Seconds = err.Error(), nil
				b.say("  %s: %v", s.name, err)
				continue
			}
			if got.seconds > 0 {
				m.Seconds = append(m.Seconds, got.seconds)
			}
			for k, v := range got.extra {
				extras[s.name][k] = append(extras[s.name][k], v)
			}
		}
	}
	for _, s := range r.series {
		m := res.Series[s.name]
		for k, v := range extras[s.name] {
			if m.Extra == nil {
				m.Extra = map[string]float64{}
			}
			m.Extra[k] = median(v)
		}
		if len(m.Seconds) > 0 {
			b.say("  %-22s %s", s.name, r.speed(median(m.Seconds)))
		}
	}
	return res, nil
}

func (b *bench) save() error {
	data, err := json.MarshalIndent(b.results, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.path()), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(b.path(), 0o644, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(append(data, '\n')))
		return err
	})
}

// median of x, 0 if it is empty.
func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
