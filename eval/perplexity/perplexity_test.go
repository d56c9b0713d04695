package perplexity

import (
	"archive/zip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/testmodel"
	"github.com/micaml/mica/keep/baseline"
	"github.com/micaml/mica/keep/h2o"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/keep/streaming"
	"github.com/micaml/mica/keep/tova"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

var bg = context.Background()

func read(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// small is the random checkpoint of model/lm that testdata/qwen3.json is of.
func small(t *testing.T) *lm.Model {
	t.Helper()
	z, err := zip.OpenReader("../../model/lm/testdata/families/qwen3.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dir := t.TempDir()
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
	m, err := lm.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func engine(t *testing.T, m *lm.Model, mode op.Mode) *pass.Engine {
	t.Helper()
	e := pass.NewEngine(m.Net, pass.Options{Mode: mode, Threads: 2})
	t.Cleanup(e.Close)
	return e
}

// expected is testdata/qwen3.json, made by tools/oracle/eval.py.
type expected struct {
	Tokens []int32
	Cases  []measured
	Last   []struct {
		Prompt, Keep int
		Nats         []float64
	}
}

type measured struct {
	Size, Stride, Tokens int
	Nats, Squares        float64
}

// each is the nats of all tokens of a text that count.
func each(t *testing.T, eng *pass.Engine, ids []int32, size, stride int) (nats []float64) {
	t.Helper()
	windows, err := Windows(len(ids), size, stride, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range windows {
		if err := text(bg, eng, ids, w, -1, func(x float64) { nats = append(nats, x) }); err != nil {
			t.Fatal(err)
		}
	}
	return nats
}

func TestTextAgreesWithTransformers(t *testing.T) {
	var want expected
	read(t, "testdata/qwen3.json", &want)
	eng := engine(t, small(t), op.Exact)
	for _, c := range want.Cases {
		var got Sum
		for _, x := range each(t, eng, want.Tokens, c.Size, c.Stride) {
			got.add(x)
		}
		if got.Tokens != c.Tokens || math.Abs(got.Nats-c.Nats) > 1e-6*c.Nats || math.Abs(got.Squares-c.Squares) > 1e-6*c.Squares {
			t.Errorf("windows of %d, stride %d: %+v, transformers has %+v", c.Size, c.Stride, got, c)
		}
	}
}

// What follows the last tokens of a context is as likely as if they were all.
func TestContinuationAgreesWithTransformers(t *testing.T) {
	var want expected
	read(t, "testdata/qwen3.json", &want)
	eng := engine(t, small(t), op.Exact)
	for _, c := range want.Last {
		got, cost, err := Continuation(bg, eng, want.Tokens[:c.Prompt], want.Tokens[c.Prompt:], Method{Select: baseline.Last{Keep: c.Keep}})
		if err != nil {
			t.Fatal(err)
		}
		nats := 0.0
		for _, x := range c.Nats {
			nats += x
		}
		if got.Tokens != len(c.Nats) || math.Abs(got.Nats-nats) > 1e-6*nats || cost.Kept != c.Keep {
			t.Errorf("last %d: %+v, %d kept, transformers has %d tokens, %g nats", c.Keep, got, cost.Kept, len(c.Nats), nats)
		}
	}
}

// A method with room for everything costs nothing, whether it sees the
// continuation at once or token by token: the same bits.
func TestContinuationWithRoomForAll(t *testing.T) {
	m := small(t)
	var want expected
	read(t, "testdata/qwen3.json", &want)
	prompt, rest := want.Tokens[:30], want.Tokens[30:]
	for _, mode := range []op.Mode{op.Exact, op.Fast} {
		eng := engine(t, m, mode)
		whole, err := Text(bg, eng, want.Tokens, Window{0, 30, len(want.Tokens)}, -1)
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []Method{
			{},
			{Select: baseline.Full{}},
			{Cache: snapkv.Method{Budget: 100, Window: 4}},
			{Cache: streaming.Method{Budget: 100, Sinks: 4}},
			{Cache: tova.Method{Budget: 100}},
			{Cache: h2o.Method{Budget: 100, Recent: 6, Steps: true}},
			{Select: baseline.Last{Keep: 30}, Cache: tova.Method{Budget: 50}},
		} {
			got, cost, err := Continuation(bg, eng, prompt, rest, method)
			if err != nil {
				t.Fatal(err)
			}
			if got != whole || cost.Kept != 30 {
				t.Errorf("%v, %+v: %+v, kept %d; without a method %+v", mode, method, got, cost.Kept, whole)
			}
		}
	}
}

// A budget shrinks memory, and changes what is foretold. Memory is taken in
// blocks of 64 entries: 200 tokens have four of them, a budget of 10 has one.
func TestContinuationForgets(t *testing.T) {
	var want expected
	read(t, "testdata/qwen3.json", &want)
	eng := engine(t, small(t), op.Exact)
	prompt, rest := slices.Repeat(want.Tokens, 5)[:200], want.Tokens[30:]
	all, whole, err := Continuation(bg, eng, prompt, rest, Method{})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []Method{{Cache: snapkv.Method{Budget: 10, Window: 4}}, {Cache: tova.Method{Budget: 10}}} {
		got, cost, err := Continuation(bg, eng, prompt, rest, method)
		if err != nil {
			t.Fatal(err)
		}
		if got.Tokens != all.Tokens || got.Nats == all.Nats || cost.Bytes*4 != whole.Bytes {
			t.Errorf("%+v: %+v in %d bytes; all: %+v in %d", method, got, cost.Bytes, all, whole.Bytes)
		}
	}
}

// SmolLM2 on the text of the demo, token by token, with transformers in float32
// and float64, and choices by lm-evaluation-harness's rule.
//
// A token may be off by twice what PyTorch's float32 is at its worst, and all of
// them, as a root mean square, by twice what it is. Their sum is held to more
// than that, since errors of rounding go both ways and add up to about the
// square root of their number, while those of a wrong method all go one way.
func TestRealModel(t *testing.T) {
	m, err := lm.Open(testmodel.Path(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var want struct {
		Tokens  int
		Size    int
		Stride  int
		Guide   float64
		Nats    struct{ F64 []byte }
		Worst   float64 `json:"torch_f32_max_error"`
		RMS     float64 `json:"torch_f32_rms_error"`
		Sum     float64 `json:"torch_f32_sum_error"`
		Choices []struct {
			Prompt        string
			Choices       []string
			LogLikelihood []float64 `json:"log_likelihood"`
		}
	}
	read(t, "testdata/smollm2.json", &want)
	b, err := os.ReadFile("../needle/opticks.txt")
	if err != nil {
		t.Fatal(err)
	}
	eng := engine(t, m, op.Exact)
	for _, c := range want.Choices {
		for i, choice := range c.Choices {
			n, all := len(m.Text(c.Prompt)), m.Text(c.Prompt+" "+choice)
			got, _, err := Continuation(bg, eng, all[:n], all[n:], Method{})
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got.Nats+c.LogLikelihood[i]) > 1e-4 {
				t.Errorf("%q, %q: %g, transformers has %g", c.Prompt, choice, -got.Nats, c.LogLikelihood[i])
			}
		}
	}
	ids := m.Text(string(b))
	if len(ids) != want.Tokens {
		t.Fatalf("%d tokens, want %d", len(ids), want.Tokens)
	}
	exact := make([]float64, len(want.Nats.F64)/8)
	if _, err := binary.Decode(want.Nats.F64, binary.LittleEndian, exact); err != nil {
		t.Fatal(err)
	}
	nats := each(t, eng, ids, want.Size, want.Stride)
	if len(nats) != len(exact) {
		t.Fatalf("%d tokens count, transformers has %d", len(nats), len(exact))
	}
	var got, reference Sum
	worst, squares := 0.0, 0.0
	for i, x := range nats {
		got.add(x)
		reference.add(exact[i])
		off := math.Abs(x - exact[i])
		worst = max(worst, off)
		squares += off * off
	}
	n := float64(len(nats))
	rms, sum := math.Sqrt(squares/n), got.Nats-reference.Nats
	t.Logf("perplexity %.6f, in float64 %.6f, by the guide's code %.4f", got.Perplexity(), reference.Perplexity(), want.Guide)
	t.Logf("off by %.2g nats at worst, %.2g rms, %.2g in all; PyTorch in float32 by %.2g, %.2g, %.2g", worst, rms, sum, want.Worst, want.RMS, want.Sum)
	if worst > 2*want.Worst || rms > 2*want.RMS || math.Abs(sum) > 4*want.RMS*math.Sqrt(n) {
		t.Errorf("off by %g nats at worst, %g rms, %g in all; PyTorch in float32 by %g, %g, %g", worst, rms, sum, want.Worst, want.RMS, want.Sum)
	}
}

// Each token counts once, and has its context.
func TestWindows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n, size := 1+r.IntN(60), 1+r.IntN(30)
		stride, begins := 1+r.IntN(size), r.IntN(2) == 1
		windows, err := Windows(n, size, stride, begins)
		if (err != nil) != (!begins && (n < 2 || size < 2)) {
			t.Fatal(n, size, stride, begins, err)
		}
		counted := make([]int, n)
		for i, w := range windows {
			if w.End-w.Begin > size || w.From < w.Begin || !begins && w.From == w.Begin || w.From >= w.End || w.End > n {
				t.Fatalf("window %d of %d tokens in %d by %d: %+v", i, n, size, stride, w)
			}
			for j := w.From; j < w.End; j++ {
				counted[j]++
				if context := j - w.Begin; w.Begin > 0 && context < size-stride {
					t.Fatalf("token %d has %d tokens of context: %+v", j, context, w)
				}
			}
		}
		for j, c := range counted {
			alone := !begins && (j == 0 || stride == size && j%size == 0)
			if err == nil && c != 1 && !(alone && c == 0) {
				t.Fatalf("token %d of %d counts %d times in windows of %d by %d (begin token: %v)", j, n, c, size, stride, begins)
			}
		}
	}
}

func TestContinuations(t *testing.T) {
	got, err := Continuations(11, 6, 2)
	if want := []Window{{0, 4, 6}, {2, 6, 8}, {4, 8, 10}, {6, 10, 11}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		n, size, stride int
		windows, conts  string
	}{
		{10, 5, 0, "bad setting: a stride of 0 tokens in windows of 5", "bad setting: a stride of 0 tokens in windows of 5 leaves no context"},
		{10, 5, 6, "bad setting: a stride of 6 tokens in windows of 5", "bad setting: a stride of 6 tokens in windows of 5 leaves no context"},
		{10, 5, 5, "", "bad setting: a stride of 5 tokens in windows of 5 leaves no context"},
		{10, 1, 1, "bad setting: windows of 1 tokens foretell none", "bad setting: a stride of 1 tokens in windows of 1 leaves no context"},
		{1, 5, 2, "bad setting: a text of 1 tokens, none of which has one before it", "bad setting: a text of 1 tokens, and the first 3 are context"},
		{0, 5, 2, "bad setting: a text of 0 tokens, none of which has one before it", "bad setting: a text of 0 tokens, and the first 3 are context"},
	} {
		_, err := Windows(c.n, c.size, c.stride, false)
		check(t, err, c.windows)
		_, err = Continuations(c.n, c.size, c.stride)
		check(t, err, c.conts)
	}
	eng := engine(t, small(t), op.Exact)
	_, _, err := Continuation(bg, eng, nil, []int32{1}, Method{})
	check(t, err, "bad setting: 1 tokens after 0 tokens of context")
	_, err = Text(bg, eng, []int32{1, 2, 3}, Window{0, 0, 3}, -1)
	if err == nil || err.Error() != "perplexity: rows -1 to 1 of 3" {
		t.Error(err)
	}
	_, _, err = Continuation(bg, eng, []int32{1}, []int32{2}, Method{Cache: tova.Method{}})
	if err == nil {
		t.Error("no budget, no error")
	}
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	if fmt.Sprint(err) != want && !(want == "" && err == nil) || want != "" && !errors.Is(err, ErrArgument) {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestInterrupted(t *testing.T) {
	eng := engine(t, small(t), op.Exact)
	why := errors.New("that will do")
	ctx, cancel := context.WithCancelCause(bg)
	cancel(why)
	if _, err := Text(ctx, eng, []int32{1, 2, 3}, Window{0, 1, 3}, -1); !errors.Is(err, why) {
		t.Error(err)
	}
	if _, _, err := Continuation(ctx, eng, []int32{1}, []int32{2}, Method{}); !errors.Is(err, why) {
		t.Error(err)
	}
}

func TestSum(t *testing.T) {
	var s Sum
	for _, x := range []float64{1, 2, 3, 6} {
		s.add(x)
	}
	// The standard error of a mean of four, by hand: sqrt(14/4 / 3).
	if s.Mean() != 3 || s.Perplexity() != math.Exp(3) || math.Abs(s.Error()-math.Exp(3)*math.Sqrt(14./4/3)) > 1e-12 || s.Bits() != 12/math.Ln2 {
		t.Errorf("%+v: mean %g, perplexity %g ± %g, %g bits", s, s.Mean(), s.Perplexity(), s.Error(), s.Bits())
	}
	if one := (Sum{1, 2, 4}); one.Error() != 0 {
		t.Error(one.Error())
	}
}
