package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/model/lm"
)

// quick is a run of the command in folders of the test's own.
func quick(t *testing.T, all []sweep, args ...string) (int, *results, string) {
	t.Helper()
	return in(t, t.TempDir(), t.Context(), all, args...)
}

func in(t *testing.T, dir string, ctx context.Context, all []sweep, args ...string) (int, *results, string) {
	t.Helper()
	var log strings.Builder
	code := command(ctx, append([]string{"--dir", dir, "--work", filepath.Join(dir, "work")}, args...), all, io.Discard, &log)
	r, err := readResults(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	return code, r, log.String()
}

// TestSweeps runs every sweep that needs no real model and no other program, at a
// small scale.
func TestSweeps(t *testing.T) {
	for _, c := range []struct {
		name, scale string
		least       int64
		tallies     string // that must not be 0
	}{
		{"T3/tiny", "0.004", 200, "accepted refused cut"},
		{"T4", "0.00004", 200, "refused"},
		{"T6", "0.002", 100, "accepted refused cut"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, r, log := quick(t, sweeps(), "--scale", c.scale, c.name)
			if code != 0 || len(r.Sweeps) != 1 {
				t.Fatalf("exit code %d\n%s", code, log)
			}
			rec := r.Sweeps[0]
			if rec.Done < c.least || rec.Done != rec.Cases || !rec.Complete || rec.Broken != 0 {
				t.Errorf("%+v", rec)
			}
			for _, k := range strings.Fields(c.tallies) {
				if rec.Tally[k] == 0 {
					t.Errorf("%s: none %s: %v", c.name, k, rec.Tally)
				}
			}
		})
	}
}

// TestTwins makes the two models that are spoiled instead of the real one, of a
// small one: they open, and their parts are where the sweeps think.
func TestTwins(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model.gguf")
	if err := tinymodel.Write(model); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"T3/real", "T3/short", "T3/safetensors"} {
		code, r, log := quick(t, sweeps(), "--model", model, "--scale", "0.002", name)
		if code != 0 || len(r.Sweeps) != 1 || r.Sweeps[0].Tally["accepted"] == 0 || r.Sweeps[0].Tally["refused"] == 0 {
			t.Errorf("%s: exit code %d, %+v\n%s", name, code, r.Sweeps, log)
		}
	}
}

// TestPlantedDefects gives the sweeps targets that are broken: each defect must
// be found, with its input.
func TestPlantedDefects(t *testing.T) {
	plant := func(name string, broken target) sweep {
		return sweep{name, "a defect", "files", 0, func(e *env) (*attempt, error) {
			good, err := tinymodel.Encode()
			if err != nil {
				return nil, err
			}
			return spoilGGUF(e, "planted", good, broken)
		}}
	}
	open := func(path string) error {
		m, err := lm.Open(path)
		if err == nil {
			m.Close()
		}
		return err
	}
	for _, c := range []struct {
		sweep
		want string
	}{
		{plant("P/panic", func(path string, i int64) (bool, error) {
			if err := open(path); err != nil && strings.Contains(err.Error(), "dimension") {
				panic("index out of range [5] with length 4")
			}
			return true, nil
		}), "panic: index out of range"},
		{plant("P/silent", func(path string, i int64) (bool, error) { return open(path) == nil, nil }), "refused without an error"},
		{plant("P/file", func(path string, i int64) (bool, error) {
			err := open(path)
			if err != nil {
				err = errors.New(strings.ReplaceAll(err.Error(), path, "the file"))
			}
			return err == nil, err
		}), "the refusal doesn't name the file"},
		{plant("P/place", func(path string, i int64) (bool, error) {
			if err := open(path); err != nil {
				return false, fmt.Errorf("%s: is broken", path)
			}
			return true, nil
		}), "the refusal doesn't name a tensor, key or field"},
		{plant("P/check", agree(func(path string) (int, []byte, string) { return 0, []byte(`{"runs":true}`), "" })), "check: "},
		{plant("P/verdict", agree(func(path string) (int, []byte, string) { return 3, nil, fmt.Sprint(open(path)) })), "check: exit code 3"},
	} {
		dir := t.TempDir()
		code, r, log := in(t, dir, t.Context(), []sweep{c.sweep}, "--scale", "0.003")
		if code != 3 || len(r.Sweeps) != 1 || len(r.Sweeps[0].Findings) == 0 {
			t.Errorf("%s: exit code %d, %+v\n%s", c.name, code, r.Sweeps, log)
			continue
		}
		f := r.Sweeps[0].Findings[0]
		if !strings.Contains(f.What, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, f.What, c.want)
		}
		input, err := os.ReadFile(filepath.Join(dir, f.File))
		if err != nil || !strings.HasSuffix(f.File, ".gguf") {
			t.Errorf("%s: the input: %s, %v", c.name, f.File, err)
		}
		if again := filepath.Join(t.TempDir(), "planted.gguf"); os.WriteFile(again, input, 0o600) == nil && c.name == "P/panic" {
			if err := open(again); err == nil || !strings.Contains(err.Error(), "dimension") {
				t.Errorf("the input that was kept gives %v", err)
			}
		}
		doc, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
		if err != nil || !strings.Contains(string(doc), f.File) {
			t.Errorf("%s: RESULTS.md doesn't name %s (%v)", c.name, f.File, err)
		}
	}
}

// TestFault reads behind a mapping that a spoiled file has shrunk: the sweep goes on.
func TestFault(t *testing.T) {
	if _, err := os.Stat("/proc/self/maps"); err != nil {
		t.Skip("faults of mappings are tested on Linux")
	}
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := tinymodel.Write(path); err != nil {
		t.Fatal(err)
	}
	err := guard(func(int64) error {
		m, err := lm.Open(path)
		if err != nil {
			return err
		}
		defer m.Close()
		if err := os.Truncate(path, 0); err != nil {
			return err
		}
		return runTokens(m, 0, 1)
	}, 0, func() {})
	if err == nil || !strings.Contains(err.Error(), "unexpected fault address") && !strings.Contains(err.Error(), "invalid memory address") {
		t.Errorf("%.200v", err)
	}
}

// TestResume interrupts a sweep: the next run tries the rest, and no case twice.
func TestResume(t *testing.T) {
	seen := map[int64]int{}
	ctx, cancel := context.WithCancel(t.Context())
	w := sweep{"R", "counting", "cases", 0, func(e *env) (*attempt, error) {
		return &attempt{cases: 1000, try: func(i int64) error {
			seen[i]++
			e.tally["tried"]++
			if len(seen) == 300 {
				cancel()
			}
			return nil
		}}, nil
	}}
	dir := t.TempDir()
	code, r, log := in(t, dir, ctx, []sweep{w}, "R")
	if code != 130 || r.Sweeps[0].Done != 300 || r.Sweeps[0].Complete || !strings.Contains(log, "interrupted") {
		t.Errorf("exit code %d, %+v, %s", code, r.Sweeps[0], log)
	}
	if code, r, _ = in(t, dir, t.Context(), []sweep{w}, "--scale", "0.5", "R"); code != 0 || r.Sweeps[0].Done != 500 {
		t.Errorf("exit code %d, %+v", code, r.Sweeps[0])
	}
	if code, r, _ = in(t, dir, t.Context(), []sweep{w}, "R"); code != 0 || r.Sweeps[0].Done != 1000 || r.Sweeps[0].Tally["tried"] != 1000 {
		t.Errorf("exit code %d, %+v", code, r.Sweeps[0])
	}
	for i := range int64(1000) {
		if seen[i] != 1 {
			t.Fatalf("case %d was tried %d times", i, seen[i])
		}
	}
	if _, _, log := in(t, dir, t.Context(), []sweep{w}, "R"); len(seen) != 1000 || !strings.Contains(log, "has a result") {
		t.Errorf("a finished sweep ran again: %s", log)
	}
	if code, r, _ := in(t, dir, t.Context(), []sweep{w}, "--fresh", "R"); code != 0 || seen[0] != 2 || r.Sweeps[0].Tally["tried"] != 1000 {
		t.Errorf("--fresh: exit code %d, %+v", code, r.Sweeps[0])
	}
	w.start = func(*env) (*attempt, error) {
		return &attempt{cases: 1 << 30, try: func(int64) error { time.Sleep(time.Millisecond); return nil }}, nil
	}
	if code, _, _ := in(t, dir, t.Context(), []sweep{w}, "--fresh", "--slice", "20ms", "R"); code != 4 {
		t.Errorf("a slice ends with exit code %d", code)
	}
}

// TestSpread: every case once, whatever the number.
func TestSpread(t *testing.T) {
	for _, n := range []int64{1, 2, 3, 4, 5, 6, 7, 10, 64, 1000, 1597, 173605} {
		seen := make([]bool, n)
		for i := range n {
			if j := spread(i, n); j < 0 || j >= n || seen[j] {
				t.Fatalf("%d of %d is %d, again or outside", i, n, j)
			} else {
				seen[j] = true
			}
		}
	}
}

// TestPlan: the parts of a plan do what they are for, and a mended file is the good one.
func TestPlan(t *testing.T) {
	good, err := tinymodel.Encode()
	if err != nil {
		t.Fatal(err)
	}
	l, err := ggufLayout(good)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan(l, "test")
	path := filepath.Join(t.TempDir(), "v")
	v, err := newVictim(path, good)
	if err != nil {
		t.Fatal(err)
	}
	defer v.f.Close()
	kinds := map[string]int{}
	for i := int64(0); i < p.cases(); i += 37 {
		s := p.at(i)
		kinds[s.kind]++
		if err := v.spoil(s); err != nil {
			t.Fatal(err)
		}
		bad := v.copy()
		if s.bytes == nil && string(bad) == string(good) {
			t.Fatalf("%v changes nothing", s)
		}
		if err := v.mend(s); err != nil {
			t.Fatal(err)
		}
		if s.cut && int64(len(bad)) != s.at {
			t.Fatalf("%v left %d bytes", s, len(bad))
		}
	}
	if string(v.copy()) != string(good) || len(kinds) != 3 {
		t.Errorf("the file is not mended, or kinds are missing: %v", kinds)
	}
}

// TestTestsExist: the tests that sweeps run in other rooms are there.
func TestTestsExist(t *testing.T) {
	var asked []string
	spy := func(_ context.Context, _ []string, line func(string), args ...string) error {
		asked = append(asked, strings.Join(args, " "))
		return errors.New("not run")
	}
	old := run
	run = spy
	defer func() { run = old }()
	for _, w := range sweeps() {
		if strings.HasPrefix(w.name, "T3") || w.name == "T4" || w.name == "T6" {
			continue
		}
		quick(t, []sweep{w}, w.name)
	}
	name := regexp.MustCompile(`-(?:run|fuzz)=\^\(?([A-Z][A-Za-z|]+)\)?\$`)
	for _, args := range asked {
		m := name.FindStringSubmatch(args)
		room := args[strings.LastIndex(args, " ")+1:]
		if m == nil {
			t.Errorf("no test in %q", args)
			continue
		}
		for test := range strings.SplitSeq(m[1], "|") {
			if !declared(t, filepath.Join("..", room), test) {
				t.Errorf("%s has no %s", room, test)
			}
		}
	}
	if len(asked) < 20 {
		t.Errorf("only %d", len(asked))
	}
}

func declared(t *testing.T, dir, test string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}

// TestOtherPrograms: what the go command prints is counted, and its failures are findings.
func TestOtherPrograms(t *testing.T) {
	old := run
	defer func() { run = old }()
	says := func(out string, err error) {
		run = func(_ context.Context, _ []string, line func(string), _ ...string) error {
			for l := range strings.SplitSeq(out, "\n") {
				line(l)
			}
			return err
		}
	}
	subtests := table("A", "", 2, "cases", "./x", "TestX")
	told := lines("B", "", 10, 5, "cases", "./x", "TestX")
	fuzzed := fuzz("C", "", 1000, "./x", "FuzzX")
	for _, c := range []struct {
		w        sweep
		out      string
		err      error
		code     int
		findings int
		done     int64
	}{
		{subtests, "=== RUN   TestX\n    --- PASS: TestX/a (0.00s)\n    --- PASS: TestX/b (0.00s)\n--- PASS: TestX", nil, 0, 0, 2},
		{subtests, "=== RUN   TestX\n    --- PASS: TestX/a (0.00s)\n--- PASS: TestX", nil, 3, 1, 2},
		{subtests, "=== RUN   TestX\n    --- FAIL: TestX/a (0.00s)", errors.New("exit status 1"), 3, 1, 2},
		{subtests, "x.go:1: syntax error", errors.New("exit status 1"), 1, 0, 0},
		{subtests, "testing: warning: no tests to run", nil, 1, 0, 0},
		{told, "=== RUN   TestX\n x_test.go:7: attack: 3 apples\n x_test.go:7: attack: 2 pears", nil, 0, 0, 10},
		{told, "=== RUN   TestX\n x_test.go:7: attack: 3 apples", nil, 3, 2, 10},
		{fuzzed, "fuzz: elapsed: 3s, execs: 400 (133/sec), new interesting: 1 (total: 2)\nfuzz: elapsed: 4s, execs: 500 (125/sec)", nil, 0, 0, 1000},
		{fuzzed, "fuzz: elapsed: 3s, execs: 1400 (133/sec)\nFailing input written to testdata/fuzz/FuzzX/1", errors.New("exit status 1"), 3, 1, 1000},
		{fuzzed, "x.go:1: syntax error", errors.New("exit status 1"), 1, 0, 0},
	} {
		says(c.out, c.err)
		code, r, log := quick(t, []sweep{c.w}, c.w.name)
		rec := &result{}
		if len(r.Sweeps) > 0 {
			rec = r.Sweeps[0]
		}
		if code != c.code || len(rec.Findings) != c.findings || rec.Done != c.done {
			t.Errorf("%s with %q: exit code %d, %+v\n%s", c.w.name, c.out, code, rec, log)
		}
	}
}

func TestUsage(t *testing.T) {
	for args, want := range map[string]int{"--scale 2": 2, "--scale 0": 2, "T99": 2, "--nope": 2, "--help": 0, "--list": 0} {
		if code, _, log := quick(t, sweeps(), strings.Fields(args)...); code != want {
			t.Errorf("%s: exit code %d, %s", args, code, log)
		}
	}
	chosen, err := choose(sweeps(), []string{"T3"})
	if err != nil || len(chosen) != 4 {
		t.Errorf("T3 is %d sweeps, %v", len(chosen), err)
	}
	var out strings.Builder
	w := sweep{"J", "nothing", "cases", 0, func(*env) (*attempt, error) {
		return &attempt{cases: 3, try: func(int64) error { return nil }}, nil
	}}
	dir := t.TempDir()
	if code := command(t.Context(), []string{"--dir", dir, "--work", dir, "--json"}, []sweep{w}, &out, io.Discard); code != 0 {
		t.Errorf("exit code %d", code)
	}
	var r results
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil || len(r.Sweeps) != 1 || r.Sweeps[0].Done != 3 {
		t.Errorf("--json: %s, %v", out.String(), err)
	}
}
