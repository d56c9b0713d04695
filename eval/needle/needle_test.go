package needle_test

import (
	"math"
	"strings"
	"testing"

	"github.com/micaml/mica/eval/needle"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/tokenizer"
)

// letters is a tokenizer with a token for each byte.
type letters struct{}

func (letters) Encode(s string, _ tokenizer.EncodeOptions) []int32 {
	ids := make([]int32, len(s))
	for i := range ids {
		ids[i] = int32(s[i])
	}
	return ids
}

func (letters) Decode(ids []int32) string {
	b := make([]byte, len(ids))
	for i := range b {
		b[i] = byte(ids[i])
	}
	return string(b)
}

// The specification's figures: 12 words are expected, "a" twice, so that a
// perfect answer has 11 of 12; an empty one 0.
func TestScoreOfWords(t *testing.T) {
	f := needle.Sandwich()
	for _, c := range []struct {
		answer  string
		score   float64
		correct bool
	}{
		{"eat a sandwich and sit in Dolores Park on a sunny day.", 11.0 / 12, true},
		{"EAT A SANDWICH AND SIT IN DOLORES PARK ON A SUNNY DAY.", 11.0 / 12, true},
		{"", 0, false},
		{"eat a sandwich", 3.0 / 12, false},
		{"sandwich sandwich sandwich sandwich sandwich sandwich", 1.0 / 12, false},
	} {
		score, correct := f.Score(c.answer)
		if math.Abs(score-c.score) > 1e-12 || correct != c.correct {
			t.Errorf("%q: %v %v, want %v %v", c.answer, score, correct, c.score, c.correct)
		}
	}
}

func TestScoreOfNumber(t *testing.T) {
	f := needle.Number(3)
	if score, correct := f.Score("It is " + f.Answer + "."); score != 1 || !correct {
		t.Errorf("the right number: %v %v", score, correct)
	}
	if score, correct := f.Score("It is " + f.Answer[:4]); score != 0 || correct {
		t.Errorf("four of five digits: %v %v", score, correct)
	}
	if f != needle.Number(3) || f.Answer == needle.Number(4).Answer {
		t.Error("a number doesn't follow from its seed alone")
	}
	if !strings.Contains(f.Sentence, f.Answer) || strings.Contains(f.Question, f.Answer) {
		t.Errorf("the sentence must hold the answer and the question must not: %+v", f)
	}
}

func TestHide(t *testing.T) {
	f := needle.Fact{Sentence: "The code is 7.", Question: "Code?", Answer: "7", Exact: true}
	text := strings.Repeat("Some words stand here. ", 10)
	hay, err := needle.NewHay(letters{}, text)
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int{60, 100, 230, 900} { // the last one repeats the text
		for _, depth := range []int{0, 11, 50, 89, 99, 100} {
			got, err := hay.Hide(f, length, depth)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != length {
				t.Errorf("length %d, depth %d: %d tokens", length, depth, len(got))
			}
			before, after, found := strings.Cut(got, "\n"+f.Sentence+"\n")
			if !found {
				t.Fatalf("length %d, depth %d: no fact in %q", length, depth, got)
			}
			if whole := before + after; !strings.HasPrefix(strings.Repeat(text, 5), whole) {
				t.Errorf("length %d, depth %d: the text was changed: %q", length, depth, whole)
			}
			room := length - len(f.Sentence) - 2
			switch {
			case depth == 100:
				if after != "" {
					t.Errorf("depth 100: %q comes after the fact", after)
				}
			case before != "" && !strings.HasSuffix(before, "."):
				t.Errorf("depth %d: inside a sentence: %q", depth, before)
			case len(before) > room*depth/100 || len(before) <= room*depth/100-len("Some words stand here. "):
				t.Errorf("length %d, depth %d: %d tokens before the fact, of %d", length, depth, len(before), room)
			}
		}
	}
	for _, c := range []struct {
		length, depth int
		want          string
	}{
		{16, 0, "needle: 16 tokens are too few to hide a fact of 16"},
		{100, -1, "needle: a depth of -1 percent"},
		{100, 101, "needle: a depth of 101 percent"},
	} {
		if _, err := hay.Hide(f, c.length, c.depth); err == nil || err.Error() != c.want {
			t.Errorf("length %d, depth %d: %v, want %s", c.length, c.depth, err, c.want)
		}
	}
	if _, err := needle.NewHay(letters{}, ""); err == nil {
		t.Error("a haystack of nothing was taken")
	}
}

func TestFind(t *testing.T) {
	ids := letters{}.Encode("some text. The code is 7. More.", tokenizer.EncodeOptions{})
	if from, to := needle.Find(letters{}, ids, "The code is 7."); from != 11 || to != 25 {
		t.Errorf("found at [%d, %d), want [11, 25)", from, to)
	}
	if from, to := needle.Find(letters{}, ids, "the code"); from != to {
		t.Errorf("found what isn't there at [%d, %d)", from, to)
	}
}

func TestLayersAndChoice(t *testing.T) {
	near := func(distance ...int) []gemfilter.Near {
		c := make([]gemfilter.Near, len(distance))
		for i, d := range distance {
			c[i] = gemfilter.Near{Distance: d, Recall: 1 / float64(1+d)}
		}
		return c
	}
	layers := needle.Layers([][]gemfilter.Near{near(9, 3, 0, 0), near(5, 0, 0, 1), near(7, 1, 0, 0)})
	if l := layers[1]; l.Distance != 1 || math.Abs(l.Found-1.0/3) > 1e-12 || math.Abs(l.Recall-(0.25+1+0.5)/3) > 1e-12 {
		t.Errorf("layer 1: %+v", l)
	}
	if got := needle.Choose(layers); got != 2 {
		t.Errorf("chose layer %d, want 2", got)
	}
	// Finding the first token isn't enough, nor is a layer that finds less often.
	if got := needle.Choose([]needle.Layer{{Found: 1, Recall: 0.5}, {Found: 0.8, Recall: 1}, {Found: 0.95, Recall: 0.91}, {Found: 1, Recall: 1}}); got != 2 {
		t.Errorf("chose layer %d, want 2", got)
	}
	if needle.Layers(nil) != nil {
		t.Error("layers of no curves")
	}
}
