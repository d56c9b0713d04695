package paper_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/micaml/mica/paper"
)

// small is a paper whose experiment runs f.
func small(f func(context.Context, *paper.Run) error) paper.Paper {
	return paper.Paper{Slug: "small", Title: "A small paper", Experiment: &paper.Experiment{
		Claims: []paper.Claim{
			{ID: "exact", Text: "it is exact", Unit: "errors", Exact: true},
			{ID: "better", Text: "it is better", Paper: "1 against 2", Unit: "points"},
			{ID: "huge", Text: "it is huge", Unit: "miles", Why: "we are small"},
		},
		Run: f,
	}}
}

func judgeAll(_ context.Context, r *paper.Run) error {
	r.Judge("better", 2.5, true, "a note")
	r.Judge("exact", 0, true, "")
	r.Judge("huge", 7, true, "but seen")
	return nil
}

func reproduce(t *testing.T, p paper.Paper, s paper.Setting) (*paper.Result, error) {
	t.Helper()
	if s.Folder == "" {
		s.Folder = t.TempDir()
	}
	return p.Reproduce(t.Context(), s)
}

func TestVerdicts(t *testing.T) {
	words := func(r *paper.Result) string {
		var s []string
		for _, v := range r.Claims {
			s = append(s, v.ID+": "+v.Value()+": "+v.Verdict()+": "+v.Because())
		}
		return strings.Join(s, "\n")
	}
	r, err := reproduce(t, small(judgeAll), paper.Setting{})
	if err != nil {
		t.Fatal(err)
	}
	// In the order of the claims, and no verdict on what can't be shown.
	want := "exact: 0 errors: holds: \nbetter: 2.5 points: holds: a note\nhuge: 7 miles: can't be shown: we are small; but seen"
	if got := words(r); got != want {
		t.Errorf("full run:\n%s\nwant\n%s", got, want)
	}
	if r, err = reproduce(t, small(judgeAll), paper.Setting{Quick: true}); err != nil {
		t.Fatal(err)
	}
	want = "exact: 0 errors: holds: \nbetter: 2.5 points: can't be shown: a quick run asks too little for a verdict; a note\nhuge: 7 miles: can't be shown: we are small; but seen"
	if got := words(r); got != want {
		t.Errorf("quick run:\n%s\nwant\n%s", got, want)
	}
	r, err = reproduce(t, small(func(_ context.Context, r *paper.Run) error {
		r.Judge("exact", 3, false, "")
		r.Undecided("better", math.NaN(), "blind", "")
		return nil
	}), paper.Setting{})
	if err != nil {
		t.Fatal(err)
	}
	want = "exact: 3 errors: does not hold: \nbetter: : can't be shown: blind\nhuge: : can't be shown: we are small"
	if got := words(r); got != want {
		t.Errorf("got:\n%s\nwant\n%s", got, want)
	}
	if got := r.Failed(); !reflect.DeepEqual(got, []string{"exact"}) {
		t.Errorf("failed: %v", got)
	}
}

// An experiment can't leave out a claim that it made, and make none later.
func TestClaimsStandBeforeTheRun(t *testing.T) {
	for _, c := range []struct {
		want string
		run  func(context.Context, *paper.Run) error
	}{
		{"claim exact was not measured", func(_ context.Context, r *paper.Run) error { r.Judge("better", 1, true, ""); return nil }},
		{"claim late was not made before the run", func(ctx context.Context, r *paper.Run) error {
			r.Judge("late", 1, true, "")
			return judgeAll(ctx, r)
		}},
		{"claim exact was judged twice", func(ctx context.Context, r *paper.Run) error {
			r.Judge("exact", 1, false, "")
			return judgeAll(ctx, r)
		}},
		{"broke", func(context.Context, *paper.Run) error { return errors.New("broke") }},
	} {
		if _, err := reproduce(t, small(c.run), paper.Setting{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if _, err := reproduce(t, paper.Paper{Slug: "none"}, paper.Setting{}); err == nil || err.Error() != "paper none: no experiment yet" {
		t.Errorf("without experiment: %v", err)
	}
}

// counting asks five questions and stops with an error before the one that
// stop says.
type counting struct{ asked, stop int }

func (c *counting) run(ctx context.Context, r *paper.Run) error {
	sum := 0.0
	for i := range 5 {
		v, err := paper.Remember(r, string(rune('a'+i)), func() (float64, error) {
			if i == c.stop {
				return 0, context.Canceled
			}
			c.asked++
			return float64(i), nil
		})
		if err != nil {
			return err
		}
		sum += v
	}
	r.Judge("exact", sum, true, "")
	r.Judge("better", sum, true, "")
	return nil
}

func TestResume(t *testing.T) {
	journal := func(dir string) string { return filepath.Join(dir, "unfinished.jsonl") }
	interrupted := func(dir string) {
		t.Helper()
		c := &counting{stop: 3}
		if _, err := reproduce(t, small(c.run), paper.Setting{Folder: dir, Seed: 1}); !errors.Is(err, context.Canceled) || c.asked != 3 {
			t.Fatalf("interrupted: %v after %d", err, c.asked)
		}
	}
	for _, c := range []struct {
		name    string
		setting paper.Setting
		harm    func(path string) error
		asks    int // in the second run
	}{
		{"goes on", paper.Setting{Seed: 1}, nil, 2},
		{"another seed", paper.Setting{Seed: 2}, nil, 5},
		{"another model", paper.Setting{Seed: 1, Digest: "x"}, nil, 5},
		{"quick", paper.Setting{Seed: 1, Quick: true}, nil, 5},
		{"fresh", paper.Setting{Seed: 1, Fresh: true}, nil, 5},
		{"a line cut short", paper.Setting{Seed: 1}, func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, b[:len(b)-4], 0o644)
			}
			return err
		}, 3},
		{"no journal of ours", paper.Setting{Seed: 1}, func(path string) error {
			return os.WriteFile(path, []byte("null\n[1]\n{\"key\":\"a\",\"value\":9}\n"), 0o644)
		}, 5},
		{"a value of another type", paper.Setting{Seed: 1}, func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, []byte(strings.Replace(string(b), `"value":1`, `"value":"one"`, 1)), 0o644)
			}
			return err
		}, 3},
		{"a time that nobody has spent", paper.Setting{Seed: 1}, func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, append(b, `{"key":"z","value":1,"seconds":1e300}`+"\n"+`{"key":"y","value":1,"seconds":-1e300}`...), 0o644)
			}
			return err
		}, 2},
	} {
		dir := t.TempDir()
		interrupted(dir)
		if c.harm != nil {
			if err := c.harm(journal(dir)); err != nil {
				t.Fatal(err)
			}
		}
		c.setting.Folder = dir
		n := &counting{stop: -1}
		r, err := reproduce(t, small(n.run), c.setting)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if n.asked != c.asks {
			t.Errorf("%s: %d questions, want %d", c.name, n.asked, c.asks)
		}
		if got := *r.Claims[0].Measured; got != 10 {
			t.Errorf("%s: measured %v, want 10", c.name, got)
		}
		if r.Seconds < 0 || r.Seconds > 60 {
			t.Errorf("%s: %v seconds", c.name, r.Seconds)
		}
		if _, err := os.Stat(journal(dir)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the journal of a finished run is there: %v", c.name, err)
		}
	}
	// Twice interrupted, the second time after a line that was cut short.
	dir := t.TempDir()
	interrupted(dir)
	b, err := os.ReadFile(journal(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(journal(dir), b[:len(b)-4], 0o644); err != nil {
		t.Fatal(err)
	}
	n := &counting{stop: 4}
	if _, err := reproduce(t, small(n.run), paper.Setting{Folder: dir, Seed: 1}); !errors.Is(err, context.Canceled) || n.asked != 2 {
		t.Errorf("second run: %v after %d", err, n.asked)
	}
	n = &counting{stop: -1}
	if _, err := reproduce(t, small(n.run), paper.Setting{Folder: dir, Seed: 1}); err != nil || n.asked != 1 {
		t.Errorf("third run: %v after %d", err, n.asked)
	}
}

func TestPicture(t *testing.T) {
	dir := t.TempDir()
	var errs []error
	p := small(func(ctx context.Context, r *paper.Run) error {
		for _, name := range []string{"a.svg", "../a.svg", "b/a.svg", "a.png", ""} {
			errs = append(errs, r.Picture(name, []byte("<svg/>")))
		}
		return judgeAll(ctx, r)
	})
	r, err := reproduce(t, p, paper.Setting{Folder: dir})
	if err != nil {
		t.Fatal(err)
	}
	if errs[0] != nil || !reflect.DeepEqual(r.Pictures, []string{"a.svg"}) {
		t.Errorf("%v, pictures %v", errs[0], r.Pictures)
	}
	for i, err := range errs[1:] {
		if err == nil {
			t.Errorf("bad name %d was taken", i)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a.svg")); err != nil || string(b) != "<svg/>" {
		t.Errorf("%q %v", b, err)
	}
}

// What is stored is what the state is computed from.
func TestStoredAndRead(t *testing.T) {
	p := small(judgeAll)
	r, err := reproduce(t, p, paper.Setting{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Result, err = json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	got, err := p.Status()
	if want := (paper.Status{State: paper.Partial, Holds: 2, Total: 3}); err != nil || got != want {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	p.Experiment.Claims[1].Text = "it is best"
	if _, err := p.Status(); err == nil || !strings.Contains(err.Error(), `claim "better" has changed since the run`) {
		t.Errorf("another claim: %v", err)
	}
}

func TestStoredResultsAreNotTrusted(t *testing.T) {
	ok := `{"id":"exact","claim":"it is exact","holds":true},{"id":"better","claim":"it is better","holds":false}`
	for _, c := range []struct{ result, err string }{
		{`{"slug":"small","claims":[` + ok + `]}`, `paper small: stored result: no verdict on claim "huge"`},
		{`{"slug":"small","claims":[` + ok + `,{"id":"huge","claim":"it is huge","holds":null}]}`, `paper small: stored result: claim "huge" can't be shown, and no reason is given`},
		{`{"slug":"small","claims":[` + ok + `,{"id":"huge","claim":"it is huge","why":"x"},{"id":"more","holds":true}]}`, `paper small: stored result: claim "more" is not the experiment's`},
		{`{"slug":"small","claims":[` + ok + `,{"id":"better","holds":true}]}`, `paper small: stored result: claim "better" twice`},
		{`{"slug":"small","claims":[{"holds":true}]}`, `paper small: stored result: a claim has no id`},
		{`{"slug":"small","claims":[{"id":"exact","holds":"yes"}]}`, `paper small: stored result: json: cannot unmarshal string into Go struct field`},
		{`{"slug":"small","claims":{}}`, `paper small: stored result: json: cannot unmarshal object into Go struct field`},
		{`[]`, `paper small: stored result: json: cannot unmarshal array`},
		{`null`, `paper small: stored result: no claims`},
		{"\x00", `paper small: stored result: invalid character`},
		{`{"slug":"small","claims":[` + strings.Repeat(`[`, 20000), `paper small: stored result:`},
	} {
		p := small(judgeAll)
		p.Result = []byte(c.result)
		s, err := p.Status()
		if err == nil || !strings.HasPrefix(err.Error(), c.err) || s != (paper.Status{State: paper.Missing}) {
			t.Errorf("%.80s: %+v %v, want %s", c.result, s, err, c.err)
		}
	}
}

func TestMarkdown(t *testing.T) {
	r, err := reproduce(t, small(func(ctx context.Context, r *paper.Run) error {
		r.Section(paper.Section{Title: "Table", Text: "Some text.", Head: []string{"a", " b"}, Rows: [][]string{{"x|y", "1\n2"}}})
		r.Section(paper.Section{Title: "Words", Text: "as ``` they\nare", Plain: true})
		if err := r.Picture("one.svg", nil); err != nil {
			return err
		}
		return judgeAll(ctx, r)
	}), paper.Setting{})
	if err != nil {
		t.Fatal(err)
	}
	got := string(r.Markdown("A small paper", [][2]string{{"seed", "7"}}))
	for _, want := range []string{
		"# A small paper: what was measured\n",
		"\n- seed: 7\n",
		"| `better` | it is better | 1 against 2 | 2.5 points | holds | a note |\n",
		"\n## Table\n\nSome text.\n\n| a | b |\n|---|---:|\n| x\\|y | 1 2 |\n",
		"\n## Words\n\n````\nas ``` they\nare\n````\n",
		"\n![one.svg](one.svg)\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
