package lm_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

func tinyEngine(t testing.TB) *pass.Engine {
	t.Helper()
	e := pass.NewEngine(tiny(t, tensor.Q8_0), pass.Options{Mode: op.Fast, Threads: 2})
	t.Cleanup(e.Close)
	return e
}

// generate collects all tokens, and the error that ended them.
func generate(ctx context.Context, e *pass.Engine, seq *pass.Seq, o lm.Options) (ids []int32, err error) {
	for id, e := range lm.Generate(ctx, e, seq, o) {
		if e != nil {
			return ids, e
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// definition is greedy decoding without anything: the whole text again for
// every token.
func definition(t *testing.T, e *pass.Engine, prompt []int32, n int) []int32 {
	t.Helper()
	ids := slices.Clone(prompt)
	for range n {
		p, err := e.Begin(pass.NewSeq(slices.Clone(ids)...))
		check(t, err)
		check(t, p.Run(bg, 0, e.Depth()))
		x, err := p.Logits(-1)
		check(t, err)
		ids = append(ids, lm.Argmax(x))
		p.End()
	}
	return ids[len(prompt):]
}

func TestGenerate(t *testing.T) {
	e := tinyEngine(t)
	prompt := randomTokens(5, 12, 300)
	want := definition(t, e, prompt, 20)
	third := want[3]
	if slices.Index(want, third) != 3 {
		t.Fatalf("the fourth token comes earlier, too: another prompt is needed: %v", want)
	}
	stop := func(id int32) bool { return id == third }
	for _, c := range []struct {
		name   string
		o      lm.Options
		want   []int32
		finish string
	}{
		{"max", lm.Options{Max: 20}, want, "length"},
		{"max 1", lm.Options{Max: 1}, want[:1], "length"},
		{"stop", lm.Options{Max: 20, Stop: stop}, want[:3], "stop"},
		{"stop without max", lm.Options{Stop: stop}, want[:3], "stop"},
		{"stop before max", lm.Options{Max: 3, Stop: stop}, want[:3], "length"},
		{"context", lm.Options{Context: 20}, want[:9], "context"},
		{"context before max", lm.Options{Context: 20, Max: 10}, want[:9], "context"},
		{"max before context", lm.Options{Context: 20, Max: 9}, want[:9], "length"},
		{"context full", lm.Options{Context: 12}, want[:1], "context"},
		{"stop before context", lm.Options{Context: 20, Stop: stop}, want[:3], "stop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			seq := pass.NewSeq(slices.Clone(prompt)...)
			// A Timing may have served before.
			timing := lm.Timing{Tokens: 1000, Finish: "old", Prompt: -1}
			c.o.Timing = &timing
			got, err := generate(bg, e, seq, c.o)
			check(t, err)
			if !slices.Equal(got, c.want) {
				t.Errorf("tokens %v, want %v", got, c.want)
			}
			if timing.Finish != c.finish || timing.Tokens != len(c.want) {
				t.Errorf("finish %q after %d tokens, want %q after %d", timing.Finish, timing.Tokens, c.finish, len(c.want))
			}
			if timing.Prompt <= 0 || timing.Decode < 0 {
				t.Errorf("prompt %v, decode %v", timing.Prompt, timing.Decode)
			}
			if !slices.Equal(seq.Tokens, append(slices.Clone(prompt), c.want...)) {
				t.Errorf("the sequence holds %v", seq.Tokens)
			}
		})
	}
}

// However a generation is cut into calls, the tokens are the same.
func TestGenerateInPieces(t *testing.T) {
	e := tinyEngine(t)
	prompt := randomTokens(5, 12, 300)
	want := definition(t, e, prompt, 12)
	seq := pass.NewSeq(slices.Clone(prompt)...)
	var got []int32
	for _, n := range []int{1, 1, 3, 7} {
		ids, err := generate(bg, e, seq, lm.Options{Max: n})
		check(t, err)
		got = append(got, ids...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("in pieces %v, want %v", got, want)
	}
	// A caller that leaves the loop can go on later.
	seq, got = pass.NewSeq(slices.Clone(prompt)...), nil
	var timing lm.Timing
	for id, err := range lm.Generate(bg, e, seq, lm.Options{Timing: &timing}) {
		check(t, err)
		if got = append(got, id); len(got) == 5 {
			break
		}
	}
	if timing.Finish != "stop" || timing.Tokens != 5 {
		t.Errorf("left: finish %q after %d", timing.Finish, timing.Tokens)
	}
	ids, err := generate(bg, e, seq, lm.Options{Max: 7})
	check(t, err)
	if got = append(got, ids...); !slices.Equal(got, want) {
		t.Errorf("left and resumed %v, want %v", got, want)
	}
}

// A generation that ends in the middle leaves the sequence as if it had never
// asked for the next token.
func TestGenerateCancelled(t *testing.T) {
	e := tinyEngine(t)
	prompt := randomTokens(5, 12, 300)
	want := definition(t, e, prompt, 9)
	cause := errors.New("enough")
	for _, after := range []int{0, 1, 4} {
		ctx, cancel := context.WithCancelCause(bg)
		seq := pass.NewSeq(slices.Clone(prompt)...)
		var got []int32
		var failed error
		if after == 0 {
			cancel(cause)
		}
		for id, err := range lm.Generate(ctx, e, seq, lm.Options{Max: 9}) {
			if err != nil {
				failed = err
				break
			}
			if got = append(got, id); len(got) == after {
				cancel(cause)
			}
		}
		cancel(nil)
		if !errors.Is(failed, cause) {
			t.Fatalf("cancelled after %d: %v", after, failed)
		}
		if len(got) != after || len(seq.Tokens) != len(prompt)+after {
			t.Fatalf("cancelled after %d: %d tokens, and the sequence has %d", after, len(got), len(seq.Tokens))
		}
		run := seq.Next()
		if wantRun := (len(prompt) + after - 1) * min(after, 1); run != wantRun {
			t.Errorf("cancelled after %d: %d tokens count as run, want %d", after, run, wantRun)
		}
		for i := range e.Depth() {
			if m := seq.Memory(i); m != nil && m.Len(0) != run {
				t.Errorf("cancelled after %d: layer %d remembers %d tokens, and %d have run", after, i, m.Len(0), run)
			}
		}
		rest, err := generate(bg, e, seq, lm.Options{Max: 9 - after})
		check(t, err)
		if got = append(got, rest...); !slices.Equal(got, want) {
			t.Errorf("cancelled after %d and resumed: %v, want %v", after, got, want)
		}
	}
}

func TestGenerateErrors(t *testing.T) {
	e := tinyEngine(t)
	for _, c := range []struct {
		name string
		seq  *pass.Seq
		o    lm.Options
		want string
	}{
		{"no prompt", pass.NewSeq(), lm.Options{Max: 1}, "pass: no tokens to run"},
		{"prompt too long", pass.NewSeq(1, 2, 3), lm.Options{Context: 2}, "lm: a prompt of 3 tokens for a context of 2"},
		{"token outside", pass.NewSeq(1, 300), lm.Options{Max: 1}, "op: embedding: token 300 at row 1 is not in the vocabulary of 300"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := len(c.seq.Tokens)
			ids, err := generate(bg, e, c.seq, c.o)
			if err == nil || err.Error() != c.want || len(ids) != 0 {
				t.Errorf("%v, %v; want %s", ids, err, c.want)
			}
			if len(c.seq.Tokens) != n || c.seq.Next() != 0 {
				t.Errorf("the sequence was changed: %v, next %d", c.seq.Tokens, c.seq.Next())
			}
		})
	}
}
