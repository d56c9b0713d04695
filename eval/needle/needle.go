// Package needle asks models for a fact that is hidden in a long text: the
// needle in a haystack, as Shi et al. 2024 (arXiv 2409.17422) code it.
//
// A [Hay] hides a [Fact] at a depth of a text of some length; what the model
// answers gets the fact's score. Which tokens a method keeps of the prompt, and
// how the model is run, is the caller's business.
package needle

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/micaml/mica/tokenizer"
)

// Fact is a sentence to hide and what is asked about it.
type Fact struct {
	Sentence string
	Question string
	Answer   string // what a right answer says

	// Exact asks for the answer itself: the score is 1 if it is in what the
	// model says, else 0. Otherwise the score is the paper's share of words.
	Exact bool
}

// Sandwich is the paper's fact, with the paper's score.
func Sandwich() Fact {
	const do = "eat a sandwich and sit in Dolores Park on a sunny day"
	return Fact{
		Sentence: "The best thing to do in San Francisco is " + do + ".",
		Question: "What is the best thing to do in San Francisco?",
		Answer:   do + ".",
	}
}

// cities are those that [Number] draws from.
var cities = []string{
	"London", "Paris", "Tokyo", "Berlin", "Madrid", "Rome", "Cairo", "Lima", "Oslo", "Vienna",
	"Dublin", "Athens", "Prague", "Warsaw", "Lisbon", "Nairobi", "Havana", "Seoul", "Delhi", "Quito",
}

// Number is a fact of five random digits about a city, decided by a seed:
// nothing that a model could know.
func Number(seed uint64) Fact {
	r := rand.New(rand.NewPCG(seed, 0x6e6565646c65))
	city, digits := cities[r.IntN(len(cities))], fmt.Sprint(10000+r.IntN(90000))
	return Fact{
		Sentence: fmt.Sprintf("The special magic number for %s is %s.", city, digits),
		Question: fmt.Sprintf("What is the special magic number for %s?", city),
		Answer:   digits,
		Exact:    true,
	}
}

// Score is how good an answer is, from 0 to 1, and whether it counts as right.
// The paper's score is the number of words that answer and expectation share,
// over the number of expected words: words are what white space separates, in
// lower case; those shared count once, those expected as often as they come. Half
// of them are right enough.
func (f Fact) Score(answer string) (score float64, correct bool) {
	if f.Exact {
		if strings.Contains(answer, f.Answer) {
			return 1, true
		}
		return 0, false
	}
	said := map[string]bool{}
	for _, w := range strings.Fields(strings.ToLower(answer)) {
		said[w] = true
	}
	expected := strings.Fields(strings.ToLower(f.Answer))
	shared := 0
	for _, w := range expected {
		if said[w] {
			shared++
			said[w] = false
		}
	}
	score = float64(shared) / float64(len(expected))
	return score, score >= 0.5
}

// Tokenizer is what a [Hay] needs of one.
type Tokenizer interface {
	Encode(text string, o tokenizer.EncodeOptions) []int32
	Decode(ids []int32) string
}

// Hay is a text in a model's tokens.
type Hay struct {
	t    Tokenizer
	text []int32
	stop map[int32]bool // tokens of a full stop
}

// NewHay prepares a text. One without tokens is an error.
func NewHay(t Tokenizer, text string) (*Hay, error) {
	h := &Hay{t: t, text: t.Encode(text, tokenizer.EncodeOptions{}), stop: map[int32]bool{}}
	if len(h.text) == 0 {
		return nil, fmt.Errorf("needle: the haystack has no tokens")
	}
	for _, id := range t.Encode(".", tokenizer.EncodeOptions{}) {
		h.stop[id] = true
	}
	return h, nil
}

// Hide returns a text of length tokens, the fact's sentence included, with the
// sentence at depth percent: at the end of the sentence before that place, on a
// line of its own. A haystack that is too short is repeated. An error says that
// the fact doesn't fit, or that depth isn't in [0, 100].
func (h *Hay) Hide(f Fact, length, depth int) (string, error) {
	if depth < 0 || depth > 100 {
		return "", fmt.Errorf("needle: a depth of %d percent", depth)
	}
	fact := h.t.Encode("\n"+f.Sentence+"\n", tokenizer.EncodeOptions{})
	room := length - len(fact)
	if room < 1 {
		return "", fmt.Errorf("needle: %d tokens are too few to hide a fact of %d", length, len(fact))
	}
	ids := make([]int32, 0, length)
	for len(ids) < room {
		ids = append(ids, h.text[:min(len(h.text), room-len(ids))]...)
	}
	at := room
	if depth < 100 {
		at = room * depth / 100
		for at > 0 && !h.stop[ids[at-1]] {
			at--
		}
	}
	return h.t.Decode(ids[:at]) + "\n" + f.Sentence + "\n" + h.t.Decode(ids[at:]), nil
}

// Ask is the prompt: the paper's frame around a text and the fact's question.
func (f Fact) Ask(text string) string {
	return "Read this book.\n<book> " + text + " </book>\nBased on the content of the book, Question: " + f.Question + "\nAnswer:"
}

// Find returns the tokens [from, to) of a prompt that a sentence is in; from ==
// to if it isn't there.
func Find(t Tokenizer, ids []int32, sentence string) (from, to int) {
	at := strings.Index(t.Decode(ids), sentence)
	if at < 0 {
		return 0, 0
	}
	// Decode is a concatenation, so lengths of prefixes tell where a token ends.
	end := func(i int) int { return len(t.Decode(ids[:i])) }
	from = upTo(len(ids), func(i int) bool { return end(i+1) > at })
	to = upTo(len(ids), func(i int) bool { return end(i) >= at+len(sentence) })
	return from, to
}

// upTo is the first i in [0, n) with ok(i), which stays true from there; else n.
func upTo(n int, ok func(int) bool) int {
	lo, hi := 0, n
	for lo < hi {
		if mid := (lo + hi) / 2; ok(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
