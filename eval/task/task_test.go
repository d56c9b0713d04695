package task

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	const file = "\ufeff" + `{"prompt": "2 + 2 =", "answer": "4", "source": "somebody's own note"}

{"prompt": "Name a primary colour.", "answer": ["red", "blue", "yellow"]}
{"prompt": "The capital of France is", "choices": ["Rome", "Paris"], "answer": "Paris"}
{"prompt": "Two and two are", "choices": ["four", "five"], "answer": 0}` + "\r\n"
	got, err := Read(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	want := []Item{
		{Line: 1, Prompt: "2 + 2 =", Answers: []string{"4"}},
		{Line: 3, Prompt: "Name a primary colour.", Answers: []string{"red", "blue", "yellow"}},
		{Line: 4, Prompt: "The capital of France is", Choices: []string{"Rome", "Paris"}, Answers: []string{"Paris"}, Right: 1},
		{Line: 5, Prompt: "Two and two are", Choices: []string{"four", "five"}, Answers: []string{"four"}},
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// hostile are files that are refused, with the error.
var hostile = []struct{ file, want string }{
	{"", "no questions"},
	{"\n \n\t\n", "no questions"},
	{"{", "line 1: not JSON: unexpected end of JSON input"},
	{"[]", "line 1: not an object"},
	{`"prompt"`, "line 1: not an object"},
	{"null", `line 1: no "prompt"`},
	{"{}", `line 1: no "prompt"`},
	{"\n\n" + `{"prompt": "x"}`, `line 3: no "answer"`},
	{`{"prompt": "x", "answer": null}`, `line 1: no "answer"`},
	{`{"prompt": " ", "answer": "y"}`, `line 1: "prompt" is empty`},
	{`{"prompt": 7, "answer": "y"}`, `line 1: "prompt" is not a text`},
	{`{"prompt": "x", "answer": "y"} {"prompt": "x", "answer": "y"}`, "line 1: not JSON: invalid character '{' after top-level value"},
	{`{"prompt": "x", "answer": ""}`, `line 1: "answer" is empty`},
	{`{"prompt": "x", "answer": ["y", " ."]}`, `line 1: "answer" is empty`},
	{`{"prompt": "x", "answer": []}`, `line 1: "answer" is empty`},
	{`{"prompt": "x", "answer": 3}`, `line 1: "answer" is neither a text nor a list of texts`},
	{`{"prompt": "x", "answer": {"y": 1}}`, `line 1: "answer" is neither a text nor a list of texts`},
	{`{"prompt": "x", "choices": "y", "answer": 0}`, `line 1: "choices" is not a list of texts`},
	{`{"prompt": "x", "choices": [1, 2], "answer": 0}`, `line 1: "choices" is not a list of texts`},
	{`{"prompt": "x", "choices": [], "answer": 0}`, `line 1: 0 "choices": 2 to 1000 make a question`},
	{`{"prompt": "x", "choices": ["a"], "answer": 0}`, `line 1: 1 "choices": 2 to 1000 make a question`},
	{`{"prompt": "x", "choices": ["a"` + strings.Repeat(`, "b"`, 1000) + `], "answer": 0}`, `line 1: 1001 "choices": 2 to 1000 make a question`},
	{`{"prompt": "x", "choices": ["a", null], "answer": 0}`, "line 1: choice 1 is empty"},
	{`{"prompt": "x", "choices": ["a", "b", "a"], "answer": 0}`, `line 1: choice 2, "a", is there twice`},
	{`{"prompt": "x", "choices": ["a", "b"], "answer": 2}`, `line 1: "answer" 2 of 2 choices: they count from 0`},
	{`{"prompt": "x", "choices": ["a", "b"], "answer": -1}`, `line 1: "answer" -1 of 2 choices: they count from 0`},
	{`{"prompt": "x", "choices": ["a", "b"], "answer": "c"}`, `line 1: "answer" "c" is none of the choices`},
	{`{"prompt": "x", "choices": ["a", "b"], "answer": 0.5}`, `line 1: "answer" is neither a choice nor the index of one`},
	{`{"prompt": "x", "choices": ["a", "b"], "answer": 99999999999999999999}`, `line 1: "answer" is neither a choice nor the index of one`},
	{`{"prompt": "x", "choices": ["a", "b"], "answer": true}`, `line 1: "answer" is neither a choice nor the index of one`},
	{`{"prompt": "x", "answer": "y"}` + "\n{\"prompt\": \"\xff\", \"answer\": \"y\"}", "line 2: not UTF-8"},
	{`{"prompt": "x", "answer": "y"}` + "\n" + strings.Repeat(" ", maxLine+1), "line 2: more than 1048576 bytes"},
	{strings.Repeat("[", 20000), "line 1: not JSON: invalid character '[' exceeded max depth"},
}

func TestReadRefuses(t *testing.T) {
	for _, c := range hostile {
		if _, err := Read(strings.NewReader(c.file)); err == nil || err.Error() != c.want {
			t.Errorf("%.60q: error %v, want %s", c.file, err, c.want)
		}
	}
	f, err := os.Open(t.TempDir()) // a reader that fails
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Read(f); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range hostile {
		if len(c.file) < 1000 {
			f.Add(c.file)
		}
	}
	f.Add(`{"prompt": "x", "choices": ["a", "b"], "answer": "b"}` + "\n" + `{"prompt": "x", "answer": ["a"]}`)
	f.Fuzz(func(t *testing.T, file string) {
		items, err := Read(strings.NewReader(file))
		if err != nil {
			return
		}
		for _, x := range items {
			if strings.TrimSpace(x.Prompt) == "" || len(x.Answers) == 0 || x.Line < 1 {
				t.Fatalf("%+v", x)
			}
			if x.Choices != nil && x.Choices[x.Right] != x.Answers[0] {
				t.Fatalf("%+v", x)
			}
			if !x.Exact(x.Answers[0]) || !x.Contains("so "+x.Answers[0]) {
				if x.Choices == nil {
					t.Fatalf("an answer isn't its own: %+v", x)
				}
			}
		}
	})
}

func TestMarks(t *testing.T) {
	item := Item{Answers: []string{"New York", "the Big Apple"}}
	for _, c := range []struct {
		said            string
		exact, contains bool
	}{
		{"New York", true, true},
		{" new\n york. ", true, true},
		{`"The big apple!"`, true, true},
		{"It is New York, I think", false, true},
		{"Newark", false, false},
		{"York New", false, false},
		{"", false, false},
	} {
		if e, k := item.Exact(c.said), item.Contains(c.said); e != c.exact || k != c.contains {
			t.Errorf("%q: exact %v, contains %v", c.said, e, k)
		}
	}
}

func TestJoin(t *testing.T) {
	for _, c := range [][3]string{{"is", "Paris", "is Paris"}, {"is ", "Paris", "is Paris"}, {"is", " Paris", "is Paris"}, {"A:\n", "b", "A:\nb"}} {
		if got := Join(c[0], c[1]); got != c[2] {
			t.Errorf("%q and %q: %q", c[0], c[1], got)
		}
	}
}

func TestBest(t *testing.T) {
	for _, c := range []struct {
		choices  []string
		like     []float64
		best, by int
	}{
		{[]string{"no", "certainly"}, []float64{-3, -6}, 0, 1}, // -1.5 and -0.67 for each character
		{[]string{"aa", "bb"}, []float64{-3, -3}, 0, 0},
		{[]string{"aa", "bb"}, []float64{math.NaN(), -3}, 1, 1},
		{[]string{"aa", "bb"}, []float64{-3, math.NaN()}, 0, 0},
		{[]string{"aa", "bb"}, []float64{math.Inf(-1), -3}, 1, 1},
		{[]string{"é", "ee"}, []float64{-3, -4}, 0, 1}, // characters, and not bytes
	} {
		if best, by := Best(c.choices, c.like); best != c.best || by != c.by {
			t.Errorf("%v %v: %d, by length %d", c.choices, c.like, best, by)
		}
	}
}

func TestBounds(t *testing.T) {
	one := `{"prompt":"x","answer":"y"}` + "\n"
	items, err := Read(strings.NewReader(strings.Repeat(one, 1000)))
	if err != nil || len(items) != 1000 || !slices.IsSortedFunc(items, func(a, b Item) int { return a.Line - b.Line }) {
		t.Error(len(items), err)
	}
}
