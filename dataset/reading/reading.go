package reading

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Task is a kind of document.
type Task string

// The tasks.
const (
	Single   Task = "single"   // facts, each asked for on its own
	TwoHop   Task = "two-hop"  // who is whose kin, and facts about these
	List     Task = "list"     // lists to recall, and what is missing of one
	Copy     Task = "copy"     // a sentence of prose to repeat
	Instruct Task = "instruct" // an instruction of one line, and no document
)

// Tasks lists them.
var Tasks = []Task{Single, TwoHop, List, Copy, Instruct}

// Options say what documents are made of.
type Options struct {
	Seed uint64
	// Count is how many tokens a text has; nil: one for each four bytes.
	Count func(string) int
	// Held makes documents of words that are held out, and HeldWording of sentences
	// and questions that are: for evaluations.
	Held, HeldWording bool
}

// Turn is a question and its answer.
type Turn struct{ Question, Answer string }

// Document is a text and what is asked about it.
type Document struct {
	Task Task
	Text string // may be empty
	// Turns are asked one after the other, the first together with the text.
	Turns []Turn
	// Hidden are the sentences in the text that answer the first question.
	Hidden []string
}

// Generator makes documents. It may be used by several goroutines.
type Generator struct {
	o     Options
	prose []sentence
}

type sentence struct {
	text   string
	tokens int
}

// New returns a generator whose documents have their prose from texts: paragraphs with
// an empty line between.
func New(texts []string, o Options) (*Generator, error) {
	if o.Count == nil {
		o.Count = func(s string) int { return len(s)/4 + 1 }
	}
	g := &Generator{o: o}
	for _, t := range texts {
		for p := range strings.SplitSeq(t, "\n\n") {
			for _, s := range sentences(p) {
				g.prose = append(g.prose, sentence{s, o.Count(" " + s)})
			}
		}
	}
	if len(g.prose) == 0 {
		return nil, errors.New("reading: the texts hold no sentence")
	}
	return g, nil
}

// sentences cuts a paragraph after full stops.
func sentences(p string) (list []string) {
	for p = strings.TrimSpace(p); p != ""; {
		n := len(p)
		for i := 0; i+2 < len(p); i++ {
			if strings.IndexByte(".?!", p[i]) >= 0 && p[i+1] == ' ' && p[i+2] >= 'A' && p[i+2] <= 'Z' {
				n = i + 1
				break
			}
		}
		list, p = append(list, p[:n]), strings.TrimSpace(p[n:])
	}
	return list
}

// Make returns document index of a task: as much of prose that text, questions and
// answers take about length tokens, and no more than these, unless what is hidden
// is longer alone. At most turns questions are asked about it.
func (g *Generator) Make(task Task, index, length, turns int) (Document, error) {
	if index < 0 || length < 1 || turns < 1 {
		return Document{}, fmt.Errorf("reading: document %d of %d tokens with %d questions", index, length, turns)
	}
	rng := rand.New(rand.NewPCG(g.o.Seed, uint64(index)*0x9e3779b97f4a7c15+uint64(len(task))<<56))
	w := &writer{g: g, draw: &draw{rng, g.o.Held, g.o.HeldWording}, doc: Document{Task: task}, used: map[string]bool{}}
	switch task {
	case Single:
		w.single(turns)
	case TwoHop:
		w.twoHop(turns)
	case List:
		w.list(turns)
	case Copy:
		w.copy(turns)
	case Instruct:
		w.instruct(turns)
		return w.doc, nil
	default:
		return Document{}, fmt.Errorf("reading: no task %q; there are %v", task, Tasks)
	}
	w.weave(length)
	return w.doc, nil
}

// writer makes one document.
type writer struct {
	g *Generator
	*draw
	doc    Document
	hidden []string // sentences to hide
	used   map[string]bool
}

// fresh is a word that hasn't come in this document.
func (w *writer) fresh(f func(*draw) string) string {
	for range 1000 {
		s := w.word(f)
		if !w.used[s] {
			w.used[s] = true
			return s
		}
	}
	return w.word(f) // a table that is nearly used up
}

func (w *writer) ask(question, answer string, hidden ...string) {
	if len(w.doc.Turns) == 0 {
		w.doc.Hidden = hidden
	}
	w.doc.Turns = append(w.doc.Turns, Turn{question, answer})
}

// fact hides a fact of a kind and returns its sentence.
func (w *writer) fact(k kind, subject string) (told, value string) {
	value = w.word(k.value)
	told = fill(w.wording(k.tell), subject, value, "")
	w.hidden = append(w.hidden, told)
	return told, value
}

// single hides a fact for each question and up to as many more.
func (w *writer) single(turns int) {
	for i := range turns + w.IntN(turns+1) {
		k := kinds[w.IntN(len(kinds))]
		subject := w.fresh(k.subject)
		told, value := w.fact(k, subject)
		if i < turns {
			w.ask(fill(w.wording(k.ask), subject, "", ""), value, told)
		}
	}
}

func (w *writer) twoHop(turns int) {
	for i := range turns + 1 {
		first, second, relation := w.fresh(person), w.fresh(person), w.of(kin)
		h := hops[w.IntN(len(hops))]
		bridge := fill(w.wording(kinTells), first, second, relation)
		w.hidden = append(w.hidden, bridge)
		told, value := w.fact(kinds[h.kind], second)
		if i < turns {
			w.ask(fill(w.wording(h.ask), first, "", relation), value, bridge, told)
		}
	}
}

var (
	listTells = []string{"On the list of {s} are {v}.", "{s} must buy {v}.", "What {s} wants is {v}."}
	listAsks  = []string{"What is on the list of {s}?", "What must {s} buy?", "What does {s} want?"}
)

func (w *writer) list(turns int) {
	for i := range turns {
		n := 2 + w.IntN(6)
		var items []string
		for len(items) < n {
			if s := w.word(thing); !slices.Contains(items, s) {
				items = append(items, s)
			}
		}
		if i%2 == w.IntN(2) { // which one is missing
			at := w.IntN(n)
			rest := slices.Delete(slices.Clone(items), at, at+1)
			w.ask("On the list there are "+series("a ", items)+". I already have "+series("the ", rest)+". What do I still need?", "the "+items[at])
			continue
		}
		who := w.fresh(person)
		told := fill(w.wording(listTells), who, series("a ", items), "")
		w.hidden = append(w.hidden, told)
		w.ask(fill(w.wording(listAsks), who, "", ""), series("a ", items), told)
	}
}

// series is a list in words.
func series(article string, items []string) string {
	var b strings.Builder
	for i, s := range items {
		switch {
		case i > 0 && i == len(items)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(article + s)
	}
	return b.String()
}

var copyAsks = []string{"Repeat this: {s}", "Copy this sentence: {s}", "Say this again: {s}"}

// copy asks for a sentence of at most 30 tokens again.
func (w *writer) copy(turns int) {
	for range turns {
		s := w.g.prose[w.IntN(len(w.g.prose))]
		for range 100 {
			if s.tokens <= 30 {
				break
			}
			s = w.g.prose[w.IntN(len(w.g.prose))]
		}
		w.ask(fill(w.wording(copyAsks), s.text, "", ""), s.text)
	}
}

func (w *writer) instruct(turns int) {
	for range turns {
		s, others := w.word(madeUp), []string{w.word(thing), w.word(colour)}
		if w.IntN(2) == 0 {
			s = w.word(thing)
		}
		switch w.IntN(4) {
		case 0:
			w.ask(fill(w.wording([]string{"Say {s}.", "Answer with {s}.", "Please write {s}."}), s, "", ""), s)
		case 1:
			w.ask(fill(w.wording([]string{"Say {s} twice.", "Write {s} two times.", "Two times {s}, please."}), s, "", ""), s+" "+s)
		case 2:
			w.ask(fill(w.wording([]string{"Which word comes first: {v}?", "Say the first of these words: {v}.", "What is the first word of {v}?"}), "", strings.Join(append([]string{s}, others...), ", "), ""), s)
		case 3:
			w.ask(fill(w.wording([]string{"Which word comes last: {v}?", "Say the last of these words: {v}.", "What is the last word of {v}?"}), "", strings.Join(append(others, s), ", "), ""), s)
		}
	}
}

// weave hides what there is to hide in prose that goes on as it stands in its source.
func (w *writer) weave(length int) {
	count := w.g.o.Count
	for _, s := range w.hidden {
		length -= count(" " + s)
	}
	for _, t := range w.doc.Turns {
		length -= count(t.Question) + count(t.Answer) + 10 // what a template adds
	}
	var text []string
	all := w.g.prose
	at := w.IntN(len(all))
	for range len(all) {
		if length -= all[at].tokens; length < 0 {
			break
		}
		text = append(text, all[at].text)
		at = (at + 1) % len(all)
	}
	for _, i := range w.Perm(len(w.hidden)) {
		text = slices.Insert(text, w.IntN(len(text)+1), w.hidden[i])
	}
	var b strings.Builder
	for i, s := range text {
		if i > 0 {
			b.WriteString([...]string{" ", " ", " ", "\n", "\n\n"}[w.IntN(5)])
		}
		b.WriteString(s)
	}
	w.doc.Text = b.String()
}
