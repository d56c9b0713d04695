package reading

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/op"
)

func prose() []string {
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "Sentence %d of a plain text says nothing that anybody would ask about. ", i)
		if i%5 == 4 {
			b.WriteString("\n\n")
		}
	}
	return []string{b.String()}
}

func generator(t *testing.T, o Options) *Generator {
	t.Helper()
	g, err := New(prose(), o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *Generator) must(t *testing.T, task Task, i, length, turns int) Document {
	t.Helper()
	d, err := g.Make(task, i, length, turns)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The same index gives the same document, whatever was made before; others differ.
func TestDocumentsDependOnSeedAndIndex(t *testing.T) {
	a, b, c := generator(t, Options{Seed: 1}), generator(t, Options{Seed: 1}), generator(t, Options{Seed: 2})
	for _, task := range Tasks {
		seen := map[string]bool{}
		for i := range 40 {
			x := a.must(t, task, i, 200, 3)
			if y := b.must(t, task, i, 200, 3); !reflect.DeepEqual(x, y) {
				t.Fatalf("%s %d: %+v, then %+v", task, i, x, y)
			}
			if reflect.DeepEqual(x, c.must(t, task, i, 200, 3)) {
				t.Errorf("%s %d: the same with another seed", task, i)
			}
			seen[fmt.Sprint(x)] = true
		}
		if len(seen) != 40 {
			t.Errorf("%s: %d different documents of 40", task, len(seen))
		}
	}
	b.must(t, Single, 7, 100, 1)
	if !reflect.DeepEqual(a.must(t, List, 3, 100, 2), b.must(t, List, 3, 100, 2)) {
		t.Error("what was made before counts")
	}
}

// Each answer can be found: in a hidden sentence that is in the text, or in the question.
func TestAnswersAreThere(t *testing.T) {
	for _, o := range []Options{{}, {Held: true}, {HeldWording: true}, {Held: true, HeldWording: true}} {
		g := generator(t, o)
		for _, task := range Tasks {
			for i := range 200 {
				d := g.must(t, task, i, 400, 3)
				if len(d.Turns) != 3 {
					t.Fatalf("%s: %d questions", task, len(d.Turns))
				}
				for _, h := range d.Hidden {
					if strings.Count(d.Text, h) != 1 {
						t.Errorf("%s %d: %q isn't hidden once in %q", task, i, h, d.Text)
					}
				}
				for _, q := range d.Turns {
					if strings.ContainsAny(q.Question+d.Text, "{}") {
						t.Errorf("%q is not filled in", q.Question)
					}
					from := q.Question
					if task == Single || task == TwoHop || task == List && !strings.HasPrefix(from, "On the list there are") {
						from = d.Text
					}
					want := q.Answer
					if task == Instruct || strings.HasPrefix(q.Question, "On the list there are") {
						want = strings.TrimPrefix(strings.Fields(want)[len(strings.Fields(want))-1], "the ")
					}
					if !strings.Contains(from, want) {
						t.Errorf("%s %d: %q isn't in %q", task, i, want, from)
					}
				}
				if task == TwoHop && strings.Contains(d.Hidden[0], d.Turns[0].Answer) {
					t.Errorf("one hop is enough: %q", d.Hidden)
				}
			}
		}
	}
}

// A subject that is asked about comes in one fact of the text alone, or the answer
// would depend on which is read.
func TestFactsDontContradict(t *testing.T) {
	g := generator(t, Options{})
	for i := range 300 {
		d := g.must(t, Single, i, 600, 6)
		asked := map[string]string{}
		for _, q := range d.Turns {
			if a, ok := asked[q.Question]; ok && a != q.Answer {
				t.Errorf("%q has answers %q and %q", q.Question, a, q.Answer)
			}
			asked[q.Question] = q.Answer
		}
	}
}

// No word of an evaluation is ever drawn in training, and the other way round.
func TestHeldOutWords(t *testing.T) {
	all := []func(*draw) string{person, city, thing, colour, trade, deed, coloured, madeUp, digits, year, date}
	for _, held := range []bool{false, true} {
		g := generator(t, Options{Held: held})
		for i := range 300 {
			d := g.must(t, Single, i, 100, 2)
			for _, q := range d.Turns {
				if heldOut(q.Answer) != held {
					t.Fatalf("%q in documents with held %v", q.Answer, held)
				}
			}
		}
	}
	for i, f := range all {
		n := 0
		d := &draw{Rand: rand.New(rand.NewPCG(uint64(i), 1))}
		for range 4000 {
			if heldOut(f(d)) {
				n++
			}
		}
		if n < 40 || n > 2000 {
			t.Errorf("word %d: %d of 4000 are held out", i, n)
		}
	}
}

// The wordings of evaluations aren't those of training.
func TestHeldOutWordings(t *testing.T) {
	forms := func(k []string) (list []*regexp.Regexp) {
		for _, s := range k {
			list = append(list, regexp.MustCompile("^"+strings.NewReplacer(`\{s\}`, ".+", `\{v\}`, ".+", `\{k\}`, ".+").Replace(regexp.QuoteMeta(s))+"$"))
		}
		return list
	}
	var held, learnt []*regexp.Regexp
	for _, k := range kinds {
		n := len(k.ask) - 1
		learnt, held = append(learnt, forms(k.ask[:n])...), append(held, forms(k.ask[n:])...)
	}
	match := func(list []*regexp.Regexp, s string) bool {
		return slices.ContainsFunc(list, func(r *regexp.Regexp) bool { return r.MatchString(s) })
	}
	for i := range 400 {
		a := generator(t, Options{}).must(t, Single, i, 50, 1).Turns[0].Question
		b := generator(t, Options{HeldWording: true}).must(t, Single, i, 50, 1).Turns[0].Question
		if !match(learnt, a) || match(held, a) || !match(held, b) || match(learnt, b) {
			t.Errorf("%q and %q", a, b)
		}
	}
}

func TestLength(t *testing.T) {
	count := func(s string) int { return len(strings.Fields(s)) }
	g := generator(t, Options{Count: count})
	for _, length := range []int{200, 500, 1000, 2000} {
		for i := range 30 {
			d := g.must(t, Single, i, length, 2)
			n := count(d.Text)
			for _, q := range d.Turns {
				n += count(q.Question) + count(q.Answer) + 10
			}
			if n > length || n < length-20 {
				t.Errorf("%d tokens, want about %d", n, length)
			}
		}
	}
	if _, err := g.Make("riddle", 0, 100, 1); err == nil || !strings.Contains(err.Error(), `no task "riddle"`) {
		t.Error(err)
	}
	if _, err := g.Make(Single, 0, 0, 1); err == nil {
		t.Error("a document of no tokens")
	}
	if _, err := New(nil, Options{}); err == nil {
		t.Error("no prose")
	}
}

// Targets are the answers and their ends, each one place before; with Prose more.
func TestTokens(t *testing.T) {
	c := Coder{Encode: func(s string) (ids []int32) {
		for _, b := range []byte(s) {
			ids = append(ids, int32(b))
		}
		return ids
	}, Start: 300, End: 301}
	d := Document{Text: "Newton saw light.", Turns: []Turn{{"Who?", "Newton"}, {"What?", "light"}}}
	ids, targets := c.Tokens(d, 1)
	var all, learnt strings.Builder
	for i, id := range ids {
		write := func(b *strings.Builder, id int32) {
			switch id {
			case 300:
				b.WriteString("<|im_start|>")
			case 301:
				b.WriteString("<|im_end|>")
			default:
				b.WriteByte(byte(id))
			}
		}
		write(&all, id)
		if targets[i] != op.Ignore {
			write(&learnt, targets[i])
			if targets[i] != ids[i+1] {
				t.Errorf("target %d is %d, and the next token %d", i, targets[i], ids[i+1])
			}
		}
	}
	if want := "<|im_start|>user\nNewton saw light.\n\nWho?<|im_end|>\n<|im_start|>assistant\nNewton<|im_end|>\n" +
		"<|im_start|>user\nWhat?<|im_end|>\n<|im_start|>assistant\nlight<|im_end|>"; all.String() != want {
		t.Errorf("%q, want %q", all.String(), want)
	}
	if learnt.String() != "Newton<|im_end|>light<|im_end|>" {
		t.Errorf("learns %q", learnt.String())
	}
	c.Prose = 1
	if _, targets = c.Tokens(d, 1); targets[0] != 'u' {
		t.Error("prose isn't learnt")
	}
}

func TestScore(t *testing.T) {
	for _, c := range []struct {
		task       Task
		want, said string
		score      float64
		correct    bool
	}{
		{Single, "48213", " 48213.\n", 1, true},
		{Single, "48213", "482130", 0, false},
		{TwoHop, "Oslo", "oslo", 0, false},
		{List, "a cup, a hat and a key", "a cup, a hat and a key", 1, true},
		{List, "a cup, a hat and a key", "a hat, a cup", 2. / 3, false},
		{List, "a cup and a hat", "a hat, a cup and a key", 1, false},
		{List, "a cup and a hat", "", 0, false},
		{Copy, "As it is.", "As it is", 1, true},
	} {
		if s, ok := Score(c.task, c.want, c.said); s != c.score || ok != c.correct {
			t.Errorf("%s: %q for %q: %v %v", c.task, c.said, c.want, s, ok)
		}
	}
}
