// Package task reads small tasks for language models and marks what a model
// makes of them. A task is a file of JSON objects, one on each line:
//
//	{"prompt": "2 + 2 =", "answer": "4"}
//	{"prompt": "The capital of France is", "choices": ["Paris", "Rome"], "answer": 0}
//
// The first kind asks the model to write; see [Item.Exact] and [Item.Contains].
// The second asks which choice it thinks the likeliest; see [Best]. How the
// model is run is the caller's business.
package task

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a file, so that no line can ask for a month of work.
const (
	maxLine    = 1 << 20 // bytes
	maxItems   = 1_000_000
	maxChoices = 1000
)

// Item is a question.
type Item struct {
	Line    int // of the file, from 1
	Prompt  string
	Choices []string // nil: the model writes
	Answers []string // any of which is right; the one right choice
	Right   int      // index of the right choice
}

// raw is a line. Other fields are somebody's own notes.
type raw struct {
	Prompt  *string         `json:"prompt"`
	Choices []string        `json:"choices"`
	Answer  json.RawMessage `json:"answer"`
}

// Read reads a task. An answer is a text, or for a question without choices a
// list of texts any of which is right, or for one with choices also the index
// of the right one, from 0. Blank lines are passed over. An error names the line.
func Read(r io.Reader) ([]Item, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var items []Item
	n := 0
	for lines.Scan() {
		n++
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if len(items) == maxItems {
			return nil, fmt.Errorf("line %d: more than %d questions", n, maxItems)
		}
		item, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		item.Line = n
		items = append(items, item)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d: more than %d bytes", n+1, maxLine)
	case err != nil:
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	case len(items) == 0:
		return nil, errors.New("no questions")
	}
	return items, nil
}

func parse(line []byte) (Item, error) {
	if !utf8.Valid(line) {
		return Item{}, errors.New("not UTF-8")
	}
	var x raw
	if err := json.Unmarshal(line, &x); err != nil {
		return Item{}, plain(err)
	}
	switch {
	case x.Prompt == nil:
		return Item{}, errors.New(`no "prompt"`)
	case strings.TrimSpace(*x.Prompt) == "":
		return Item{}, errors.New(`"prompt" is empty`)
	case len(x.Answer) == 0 || string(x.Answer) == "null":
		return Item{}, errors.New(`no "answer"`)
	}
	item := Item{Prompt: *x.Prompt, Choices: x.Choices}
	if x.Choices == nil {
		return item, item.setAnswers(x.Answer)
	}
	return item, item.setRight(x.Answer)
}

// plain says what is wrong with JSON without Go's names for it.
func plain(err error) error {
	t, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return fmt.Errorf("not JSON: %w", err)
	case t.Field == "prompt":
		return errors.New(`"prompt" is not a text`)
	case t.Field == "choices":
		return errors.New(`"choices" is not a list of texts`)
	}
	return errors.New("not an object")
}

func (t *Item) setAnswers(answer []byte) error {
	var one string
	if json.Unmarshal(answer, &one) == nil {
		t.Answers = []string{one}
	} else if json.Unmarshal(answer, &t.Answers) != nil {
		return errors.New(`"answer" is neither a text nor a list of texts`)
	}
	if len(t.Answers) == 0 || slices.ContainsFunc(t.Answers, func(s string) bool { return normal(s) == "" }) {
		return errors.New(`"answer" is empty`)
	}
	return nil
}

func (t *Item) setRight(answer []byte) error {
	if n := len(t.Choices); n < 2 || n > maxChoices {
		return fmt.Errorf(`%d "choices": 2 to %d make a question`, n, maxChoices)
	}
	for i, c := range t.Choices {
		if strings.TrimSpace(c) == "" {
			return fmt.Errorf("choice %d is empty", i)
		}
		if slices.Contains(t.Choices[:i], c) {
			return fmt.Errorf("choice %d, %q, is there twice", i, c)
		}
	}
	var text string
	if json.Unmarshal(answer, &t.Right) != nil {
		if json.Unmarshal(answer, &text) != nil {
			return errors.New(`"answer" is neither a choice nor the index of one`)
		}
		if t.Right = slices.Index(t.Choices, text); t.Right < 0 {
			return fmt.Errorf(`"answer" %q is none of the choices`, text)
		}
	}
	if t.Right < 0 || t.Right >= len(t.Choices) {
		return fmt.Errorf(`"answer" %d of %d choices: they count from 0`, t.Right, len(t.Choices))
	}
	t.Answers = []string{t.Choices[t.Right]}
	return nil
}

// normal is a text as it is compared: in lower case, with single blanks, and
// without punctuation around it.
func normal(s string) string {
	return strings.Trim(strings.Join(strings.Fields(strings.ToLower(s)), " "), " .,;:!?\"'`")
}

// Exact reports whether what a model wrote is an answer, but for case, white
// space, and punctuation around it.
func (t *Item) Exact(said string) bool {
	return slices.ContainsFunc(t.Answers, func(a string) bool { return normal(said) == normal(a) })
}

// Contains reports whether an answer is in what a model wrote, but for case and
// white space.
func (t *Item) Contains(said string) bool {
	return slices.ContainsFunc(t.Answers, func(a string) bool { return strings.Contains(normal(said), normal(a)) })
}

// Join puts a choice behind a prompt, with a blank between them unless there is
// white space already.
func Join(prompt, choice string) string {
	end, _ := utf8.DecodeLastRuneInString(prompt)
	first, _ := utf8.DecodeRuneInString(choice)
	if strings.ContainsRune(" \t\n", end) || strings.ContainsRune(" \t\n", first) {
		return prompt + choice
	}
	return prompt + " " + choice
}

// Best is the choice with the highest log-likelihood, and that with the highest
// for each character, which doesn't prefer short ones: acc and acc_norm of
// lm-evaluation-harness. Of equals it is the first; a NaN is never the best.
func Best(choices []string, logLikelihood []float64) (best, byLength int) {
	per := make([]float64, len(choices))
	for i, c := range choices {
		per[i] = logLikelihood[i] / float64(max(1, utf8.RuneCountInString(c)))
	}
	return argmax(logLikelihood), argmax(per)
}

func argmax(x []float64) int {
	best := 0
	for i, v := range x {
		if v > x[best] || x[best] != x[best] {
			best = i
		}
	}
	return best
}
