package gemfilter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/paper"
)

var own = paper.Paper{Slug: "gemfilter", Title: "GemFilter", Experiment: &Experiment}

// tiny returns a setting with a model of random weights, which finds nothing:
// what has to hold for every model must hold for it.
func tiny(t *testing.T) paper.Setting {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := tinymodel.Write(path); err != nil {
		t.Fatal(err)
	}
	return paper.Setting{Model: path, Quick: true, Folder: t.TempDir()}
}

func TestQuickRun(t *testing.T) {
	s := tiny(t)
	steps, total, most := 0, 0, 0
	s.Progress = func(done, all int, _ string) {
		if done != steps {
			t.Errorf("step %d is told as %d", steps, done)
		}
		steps, total, most = steps+1, all, max(most, done)
	}
	r, err := own.Reproduce(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if steps != total || most != total-1 {
		t.Errorf("%d steps up to %d, and %d were said", steps, most, total)
	}
	if len(r.Claims) != len(claims) {
		t.Fatalf("%d verdicts, want %d", len(r.Claims), len(claims))
	}
	for i, v := range r.Claims {
		c := claims[i]
		if v.ID != c.ID || v.Claim != c.Text || v.Paper != c.Paper || v.Unit != c.Unit {
			t.Errorf("verdict %d is %+v, and the claim %+v", i, v, c)
		}
		if c.Exact && (v.Holds == nil || !*v.Holds || *v.Measured != 0) {
			t.Errorf("%s must hold for every model: %s, %s", c.ID, v.Verdict(), v.Value())
		}
		if !c.Exact && (v.Holds != nil || v.Why == "") {
			t.Errorf("%s: a quick run judged it: %s", c.ID, v.Verdict())
		}
	}
	for _, name := range []string{"needle-64.svg", "layers.svg", "distance.svg", "time.svg"} {
		if b, err := os.ReadFile(filepath.Join(s.Folder, name)); err != nil || !strings.HasPrefix(string(b), "<svg") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Every method has a line in every table, with all of the answers.
	for _, title := range []string{"Right answers", "Milliseconds to the first token", "Bytes of keys and values"} {
		s := section(t, r, title)
		if len(s.Rows) != 1+len(methods) {
			t.Errorf("%s: %d rows", title, len(s.Rows))
		}
		for _, row := range s.Rows {
			if len(row) != len(s.Head) {
				t.Errorf("%s: %v for %v", title, row, s.Head)
			}
		}
	}
	for _, row := range section(t, r, "Right answers").Rows {
		if !strings.HasSuffix(row[2], "/3") {
			t.Errorf("%s has %s answers, want 3", row[0], row[2])
		}
	}
	if b, err := json.Marshal(r); err != nil || !json.Valid(b) {
		t.Errorf("%v", err)
	}
}

func section(t *testing.T, r *paper.Result, title string) paper.Section {
	t.Helper()
	for _, s := range r.Sections {
		if s.Title == title {
			return s
		}
	}
	t.Fatalf("no section %q", title)
	return paper.Section{}
}

// An interrupted run goes on where it was, and finds the same.
func TestResume(t *testing.T) {
	s := tiny(t)
	whole, err := own.Reproduce(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	s.Folder = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	s.Progress = func(done, total int, _ string) {
		if done == total/2 {
			cancel()
		}
	}
	if _, err := own.Reproduce(ctx, s); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	s.Progress = nil
	again, err := own.Reproduce(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{"Right answers", "Bytes of keys and values", "What a filter in each layer keeps of the needle", "What the filter kept of one prompt"} {
		if a, b := section(t, whole, title), section(t, again, title); !reflect.DeepEqual(a, b) {
			t.Errorf("%s differs:\n%v\n%v", title, a, b)
		}
	}
}

func TestNoModel(t *testing.T) {
	_, err := own.Reproduce(t.Context(), paper.Setting{Model: filepath.Join(t.TempDir(), "none.gguf"), Folder: t.TempDir()})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestShortContext(t *testing.T) {
	b, err := tinymodel.Encode()
	if err != nil {
		t.Fatal(err)
	}
	// The key, the type uint32, and 32,768.
	key := append([]byte("llama.context_length"), 4, 0, 0, 0)
	long, short := append(key[:len(key):len(key)], 0, 128, 0, 0), append(key[:len(key):len(key)], 0, 1, 0, 0)
	if bytes.Count(b, long) != 1 {
		t.Fatal("the context isn't where it was looked for")
	}
	s := tiny(t)
	if err := os.WriteFile(s.Model, bytes.Replace(b, long, short, 1), 0o644); err != nil {
		t.Fatal(err)
	}
	const want = "gemfilter: the experiment needs a context of 384 tokens, and this model was made for 256"
	if _, err := own.Reproduce(t.Context(), s); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// No prompt that the layer is chosen with shares its number or its part of the
// text with one that is asked.
func TestPromptsAreApart(t *testing.T) {
	m, err := lm.Open(tiny(t).Model)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	x := &experiment{r: &paper.Run{}, m: m, plan: full}
	numbers := map[string]bool{}
	texts := map[int]string{}
	for trial := heldOut; trial < full.trials; trial++ {
		for _, length := range full.lengths {
			for _, depth := range full.depths {
				p, err := x.hide(trial, length, depth)
				if err != nil {
					t.Fatal(err)
				}
				if numbers[p.fact.Answer] {
					t.Errorf("trial %d, %d tokens, depth %d: %s again", trial, length, depth, p.fact.Answer)
				}
				numbers[p.fact.Answer] = true
				text := m.Tokenizer.Decode(p.ids)
				if n := strings.Count(text, p.fact.Answer); n != 1 {
					t.Errorf("trial %d, %d tokens, depth %d: the number is there %d times", trial, length, depth, n)
				}
				if stem := strings.TrimSuffix(p.fact.Sentence, " "+p.fact.Answer+"."); !strings.HasSuffix(text, "\n"+stem) {
					t.Errorf("the prompt ends in %q", text[len(text)-60:])
				}
				if got := m.Tokenizer.Decode(p.ids[p.from:p.to]); !strings.Contains(got, p.fact.Sentence) {
					t.Errorf("tokens %d to %d are %q", p.from, p.to, got)
				}
				if depth == 100 && length == 1024 {
					texts[trial] = text[:strings.Index(text, p.fact.Sentence)]
				}
			}
		}
	}
	for a, text := range texts {
		for b, other := range texts {
			if probe := text[len(text)/2:][:60]; a != b && strings.Contains(other, probe) {
				t.Errorf("trials %d and %d both read %q", a, b, probe)
			}
		}
	}
}

// judged runs a judge on answers that the test makes up: right says how many
// of 15 a method has with each k and length.
func judged(t *testing.T, right map[string]int) map[string]paper.Verdict {
	t.Helper()
	var about []paper.Claim
	for _, c := range claims {
		switch c.ID {
		case "full", "collapse", "snapkv", "snapkv-kv", "beats-full":
			about = append(about, c)
		}
	}
	p := paper.Paper{Slug: "gemfilter", Experiment: &paper.Experiment{Claims: about, Run: func(_ context.Context, r *paper.Run) error {
		x := &experiment{r: r, plan: full}
		for _, name := range append([]string{"full"}, names()...) {
			ks := x.ks
			if name == "full" {
				ks = []int{0}
			}
			for _, k := range ks {
				for _, length := range x.lengths {
					for i := range 15 {
						// Where k isn't small, everything is right: that must not count.
						ok := i < right[name] || k != 0 && !small(k, length)
						x.rows = append(x.rows, row{method: name, k: k, length: length, answer: answer{Right: ok}})
					}
				}
			}
		}
		x.judgeAnswers()
		return nil
	}}}
	r, err := p.Reproduce(t.Context(), paper.Setting{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]paper.Verdict{}
	for _, v := range r.Claims {
		out[v.ID] = v
	}
	return out
}

func TestJudgeAnswers(t *testing.T) {
	for _, c := range []struct {
		right map[string]int
		want  string
	}{
		// 6 cells of 15 have small k.
		{map[string]int{"full": 15, "gemfilter": 15, "snapkv": 10, "snapkv-kv": 15, "random": 1, "last": 3},
			"full 0 holds, collapse 0.2 holds, snapkv 33.33 holds, snapkv-kv 0 holds"},
		{map[string]int{"full": 15, "gemfilter": 14, "snapkv": 15, "snapkv-kv": 14, "random": 8, "last": 3},
			"full -6.667 does not hold, collapse 0.5333 does not hold, snapkv -6.667 does not hold, snapkv-kv 0 holds"},
		{map[string]int{"full": 7, "gemfilter": 9, "snapkv": 1, "snapkv-kv": 1},
			"full 13.33 can't be shown, collapse 0 can't be shown, snapkv 53.33 can't be shown, snapkv-kv 53.33 can't be shown"},
		{map[string]int{}, "full 0 can't be shown, collapse can't be shown, snapkv 0 can't be shown, snapkv-kv 0 can't be shown"},
	} {
		v := judged(t, c.right)
		var got []string
		for _, id := range []string{"full", "collapse", "snapkv", "snapkv-kv"} {
			v := v[id]
			number, _, _ := strings.Cut(v.Value(), " ")
			got = append(got, strings.Join(strings.Fields(fmt.Sprint(id, " ", number, " ", v.Verdict())), " "))
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%v:\n%s\nwant\n%s", c.right, s, c.want)
		}
		if v["beats-full"].Holds != nil {
			t.Errorf("beats-full was judged")
		}
	}
}

func TestGaps(t *testing.T) {
	ids := []int32{'a', 'b', 'c', 'd', 'e', 'f'}
	decode := func(ids []int32) string {
		b := make([]byte, len(ids))
		for i, x := range ids {
			b[i] = byte(x)
		}
		return string(b)
	}
	for _, c := range []struct {
		kept []int
		want string
	}{
		{[]int{0, 1, 2, 3, 4, 5}, "abcdef"},
		{[]int{1, 2, 5}, "[... 1 ...]bc[... 2 ...]f"},
		{[]int{0, 4}, "a[... 3 ...]e[... 1 ...]"},
		{nil, "[... 6 ...]"},
	} {
		if got := gaps(ids, c.kept, decode); got != c.want {
			t.Errorf("%v: %q, want %q", c.kept, got, c.want)
		}
	}
}

func TestDifferent(t *testing.T) {
	if n := different([]float32{1, 2, 3}, []float32{1, 2.0000002, 4}); n != 2 {
		t.Errorf("%d differ, want 2", n)
	}
	// Bits, not values.
	if n := different([]float32{0}, []float32{float32(math.Copysign(0, -1))}); n != 1 {
		t.Errorf("the two zeros: %d differ, want 1", n)
	}
}
