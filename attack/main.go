// Command attack gives mica bad input by the hundred thousand and counts what
// comes of it: spoiled model files, hostile names and archives, a lying server,
// texts and templates made to stall.
//
//	go run ./attack [flags] [NAME ...]
//
// Each sweep tries cases that are numbered and the same each time, against one
// promise of SECURITY.md. What it counted goes to attack/results.json and
// attack/RESULTS.md; a case in which the promise broke is a finding, and its
// input is kept in attack/findings/. A sweep that was interrupted goes on where
// it was, and one that has a result isn't run again unless --fresh asks for it.
// The same sweeps at a small scale are part of `go test ./...`.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(command(ctx, os.Args[1:], sweeps(), os.Stdout, os.Stderr))
}

const usage = `attack gives mica bad input and counts what comes of it.

Usage: go run ./attack [flags] [NAME ...]

NAME is a sweep (T3/real) or the test that it belongs to (T3); without one, all
but the fuzz runs (T1) are run. --list names them.

`

// settings are the flags.
type settings struct {
	dir, work, model   string
	scale              float64
	slice              time.Duration
	fresh, json, names bool
}

// command runs the program and returns its exit code: 3 if there are findings.
func command(ctx context.Context, args []string, all []sweep, stdout, stderr io.Writer) int {
	var s settings
	cache, _ := os.UserCacheDir() // without one the default is below the working folder
	fs := flag.NewFlagSet("attack", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage); fs.PrintDefaults() }
	fs.StringVar(&s.dir, "dir", "attack", "`folder` of the results")
	fs.StringVar(&s.work, "work", filepath.Join(cache, "mica-attack"), "`folder` of scratch files, in memory if that can be")
	fs.StringVar(&s.model, "model", "", "GGUF `file` to spoil; without one, the store's smollm2")
	fs.Float64Var(&s.scale, "scale", 1, "part of the full figure, above 0 and at most 1")
	fs.DurationVar(&s.slice, "slice", 0, "stop after this `time`; the next run goes on (exit code 4: there is more)")
	fs.BoolVar(&s.fresh, "fresh", false, "begin again, whatever there is")
	fs.BoolVar(&s.json, "json", false, "write the results to standard output as JSON")
	fs.BoolVar(&s.names, "list", false, "list the sweeps")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	code, err := attack(ctx, s, fs.Args(), all, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "attack:", err)
	}
	return code
}

func attack(ctx context.Context, s settings, names []string, all []sweep, stdout, stderr io.Writer) (int, error) {
	if s.names {
		for _, w := range all {
			fmt.Fprintf(stdout, "%-22s %s\n", w.name, w.what)
		}
		return 0, nil
	}
	if !(s.scale > 0 && s.scale <= 1) {
		return 2, fmt.Errorf("--scale %v: want more than 0 and at most 1", s.scale)
	}
	chosen, err := choose(all, names)
	if err != nil {
		return 2, err
	}
	r, err := newRunner(s, all, stderr)
	if err != nil {
		return 1, err
	}
	if s.slice > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.slice, errSlice)
		defer cancel()
	}
	for _, w := range chosen {
		if err := r.run(ctx, w); err != nil {
			if errors.Is(err, errSlice) {
				return 4, nil
			}
			if ctx.Err() != nil {
				return 130, errors.New("interrupted; the next run goes on from here")
			}
			return 1, fmt.Errorf("%s: %w", w.name, err)
		}
	}
	if s.json {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(r.results); err != nil {
			return 1, err
		}
	}
	if n := r.results.findings(chosen); n > 0 {
		return 3, fmt.Errorf("%d findings: see %s", n, filepath.Join(s.dir, "RESULTS.md"))
	}
	return 0, nil
}

// errSlice is the cause that a run ends for when its time is up.
var errSlice = errors.New("the slice is over")

// choose returns the sweeps that are named, in the order of the table.
func choose(all []sweep, names []string) ([]sweep, error) {
	var chosen []sweep
	known := map[string]bool{}
	for _, w := range all {
		test, _, _ := strings.Cut(w.name, "/")
		known[test], known[w.name] = true, true
		pick := len(names) == 0 && test != "T1" // that takes days
		for _, n := range names {
			pick = pick || n == w.name || n == test
		}
		if pick {
			chosen = append(chosen, w)
		}
	}
	for _, n := range names {
		if !known[n] {
			return nil, fmt.Errorf("no sweep %q: --list names them", n)
		}
	}
	return chosen, nil
}
