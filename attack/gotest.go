package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Some sweeps need the inside of a room, and are tests there. This file runs
// them with the go command and counts.

// run runs the go command and hands on what it prints, line by line. The error is
// that it failed. Tests put another in its place.
var run = runGo

func runGo(ctx context.Context, env []string, line func(string), args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), env...)
	// Ask first: a fuzz run that is killed loses what it has found.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			line(lines.Text())
		}
		io.Copy(io.Discard, r) // after a line too long
	}()
	err := cmd.Run()
	w.Close()
	<-done
	if err != nil {
		// Ctrl-C ends the go command too, maybe before this program knows of it.
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return err
}

// passed is a test that passed, or a subtest.
var passed = regexp.MustCompile(`^\s*--- PASS: \w+(/?)`)

// table is a sweep whose cases are the subtests of a test, or tests that have none.
func table(name, what string, asked int64, unit, room, tests string) sweep {
	return sweep{name, what, unit, asked, func(*env) (*attempt, error) {
		return &attempt{cases: asked, many: func(ctx context.Context, _, to int64) (int64, []error, error) {
			n, whole := int64(0), int64(0)
			found, err := testRun(ctx, nil, room, tests, func(line string) {
				if m := passed.FindStringSubmatch(line); m == nil {
					return
				} else if m[1] == "/" {
					n++
				} else {
					whole++
				}
			})
			if n == 0 {
				n = whole
			}
			if err == nil && len(found) == 0 && n < asked {
				found = append(found, fmt.Errorf("%s of %s has %d cases", tests, room, n))
			}
			return max(to, n), found, err
		}}, nil
	}}
}

// told is how a test tells what it has done: "attack: 12 names" is 12 more, with
// what they were.
var told = regexp.MustCompile(`attack: ([0-9]+) (.+)`)

// lines is a sweep of a test that tells what it has done, and is told by the
// variable MICA_ATTACK which cases to try: "FROM:TO".
// Without a batch it tries all at once, and may try more than were asked for.
func lines(name, what string, asked, batch int64, unit, room, tests string) sweep {
	return sweep{name, what, unit, asked, func(e *env) (*attempt, error) {
		return &attempt{cases: asked, batch: batch, many: func(ctx context.Context, from, to int64) (int64, []error, error) {
			here := tally{}
			done := int64(0)
			found, err := testRun(ctx, []string{fmt.Sprintf("MICA_ATTACK=%d:%d", from, to)}, room, tests, func(line string) {
				if m := told.FindStringSubmatch(line); m != nil {
					n, _ := strconv.ParseInt(m[1], 10, 64)
					here[m[2]] += n
					done += n
				}
			})
			if err != nil || ctx.Err() != nil {
				return from, nil, err // again, from where it began
			}
			for k, n := range here {
				e.tally[k] += n
			}
			if len(found) == 0 && done < to-from {
				found = append(found, fmt.Errorf("%s of %s tried %d cases of %d to %d", tests, room, done, from, to))
			}
			return max(to, from+done), found, nil
		}}, nil
	}}
}

// testRun runs tests. That they fail is a finding; that they don't build, an error.
func testRun(ctx context.Context, env []string, room, tests string, line func(string)) ([]error, error) {
	var out bytes.Buffer
	ran := false
	err := run(ctx, env, func(s string) {
		ran = ran || strings.HasPrefix(s, "=== RUN")
		if out.Len() < 1<<20 {
			out.WriteString(s + "\n")
		}
		line(s)
	}, "test", "-count=1", "-v", "-timeout=30m", "-run=^("+tests+")$", room)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && !ran:
		return nil, fmt.Errorf("%w\n%s", err, out.Bytes())
	case err != nil:
		return []error{&broken{fmt.Errorf("%s of %s fails: %w", tests, room, err), out.Bytes(), "output.txt"}}, nil
	case !ran:
		return nil, fmt.Errorf("%s has no test %s", room, tests)
	}
	return nil, nil
}

// fuzzed is the line of a fuzz run's progress.
var fuzzed = regexp.MustCompile(`^fuzz: elapsed: .* execs: ([0-9]+)`)

// fuzzStep is how long the go command fuzzes before the count is written down.
const fuzzStep = "60s"

// fuzz is a sweep of one fuzz target. What it finds interesting stays in Go's
// cache, so that the next run goes on from there.
func fuzz(name, what string, asked int64, room, target string) sweep {
	return sweep{name, what, "executions", asked, func(*env) (*attempt, error) {
		return &attempt{cases: asked, many: func(ctx context.Context, from, to int64) (int64, []error, error) {
			var out bytes.Buffer
			execs, ran := int64(0), false
			err := run(ctx, nil, func(s string) {
				if m := fuzzed.FindStringSubmatch(s); m != nil {
					execs, _ = strconv.ParseInt(m[1], 10, 64)
					ran = true
				}
				if out.Len() < 1<<20 {
					out.WriteString(s + "\n")
				}
			}, "test", "-run=^$", "-fuzz=^"+target+"$", "-fuzztime="+fuzzStep, "-parallel=1", room)
			next := min(to, from+execs)
			switch {
			case ctx.Err() != nil:
				return next, nil, context.Cause(ctx)
			case !ran:
				return from, nil, errors.Join(err, fmt.Errorf("no executions:\n%s", out.Bytes()))
			case err != nil:
				return next, []error{&broken{fmt.Errorf("%s of %s fails: %w", target, room, err), out.Bytes(), "output.txt"}}, nil
			}
			return next, nil, nil
		}}, nil
	}}
}

// fuzzSweeps are T1: 50 million executions a format.
func fuzzSweeps() []sweep {
	var list []sweep
	for _, f := range []struct{ name, what, room, target string }{
		{"gguf", "any bytes as a GGUF file", "./format/gguf", "FuzzParse"},
		{"gguf-fields", "GGUF files written from any fields", "./format/gguf", "FuzzFields"},
		{"safetensors", "any bytes as a safetensors file", "./format/safetensors", "FuzzParse"},
		{"safetensors-fields", "safetensors files written from any fields", "./format/safetensors", "FuzzFields"},
		{"index", "any bytes as an index of safetensors files", "./format/safetensors", "FuzzParseIndex"},
		{"config", "any bytes as config.json", "./format/hfconfig", "FuzzParse"},
		{"model-config", "any config.json beside a real checkpoint", "./model/lm", "FuzzConfig"},
		{"tokenizer", "any bytes as tokenizer.json", "./tokenizer", "FuzzFromJSON"},
		{"vocabulary", "any vocabulary, types and merges", "./tokenizer", "FuzzConfig"},
		{"round-trip", "any text through every pre-tokenizer and back", "./tokenizer", "FuzzRoundTrip"},
		{"json", "any bytes as JSON", "./internal/strictjson", "FuzzReader"},
		{"wheel", "any bytes as a wheel", "./store", "FuzzWheel"},
		{"tarball", "any bytes as an npm package", "./store", "FuzzTarball"},
		{"manifest", "any bytes as a manifest of the store", "./store", "FuzzManifest"},
		{"reference", "any text as a model reference", "./store", "FuzzParseRef"},
		{"blocks", "any bytes as blocks of every type", "./tensor", "FuzzDequant"},
	} {
		list = append(list, fuzz("T1/"+f.name, f.what, 50_000_000, f.room, f.target))
	}
	return list
}
