package lm_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/testmodel"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// The promise: for one model, numeric mode and KV type, what is computed for a
// sequence depends on that sequence alone. The same bits for any threads, any
// chunks of the prompt, any split of the layers, any company in the pass,
// memory reused or computed again, and any kernel tier.

var bg = context.Background()

const steps = 16 // greedy tokens

// outcome is all logits of a prompt's last row and of each greedy step after
// it, as one hash, and the tokens.
type outcome struct {
	hash   string
	tokens []int32
}

// way is a way to compute the same thing.
type way struct {
	name    string
	threads int
	tile    int
	chunk   int     // tokens of the prompt in one pass; 0: all
	company int     // other sequences in every pass
	spans   []int   // boundaries where the layers are cut
	resume  bool    // save and resume at the cuts
	fresh   bool    // forget everything and compute again, at every third step
	kv      bool    // reserve memory ahead
	prompt  []int32 // the sequence
}

func (w way) run(t *testing.T, n *lm.Decoder, mode op.Mode) outcome {
	t.Helper()
	eng := pass.NewEngine(n, pass.Options{Mode: mode, Threads: w.threads, Tile: w.tile})
	defer eng.Close()
	h := sha256.New()
	var out outcome
	seq := pass.NewSeq()
	if w.kv {
		seq.Reserve(len(w.prompt) + steps)
	}
	others := make([]*pass.Seq, w.company)
	for i := range others { // longer than the prompt, and shorter
		others[i] = pass.NewSeq(randomTokens(uint64(90+i), 3+(len(w.prompt)+40)*(1-i%2), n.Config.Vocabulary)...)
	}
	chunk := w.chunk
	if chunk == 0 {
		chunk = len(w.prompt)
	}
	for c := range slices.Chunk(w.prompt, chunk) {
		seq.Append(c...)
		x := w.pass(t, eng, seq, others)
		if len(seq.Tokens) == len(w.prompt) {
			out.note(h, x)
		}
	}
	for i := 1; i < steps; i++ {
		if w.fresh && i%3 == 0 {
			seq = pass.NewSeq(slices.Clone(seq.Tokens)...)
		}
		seq.Append(out.tokens[len(out.tokens)-1])
		out.note(h, w.pass(t, eng, seq, others))
	}
	out.hash = fmt.Sprintf("%x", h.Sum(nil))
	return out
}

func (o *outcome) note(h hash.Hash, logits []float32) {
	_ = binary.Write(h, binary.LittleEndian, logits) // a hash takes everything
	o.tokens = append(o.tokens, lm.Argmax(logits))
}

// pass runs the new tokens of seq, between those of the others, and returns
// the logits of its last row.
func (w way) pass(t *testing.T, eng *pass.Engine, seq *pass.Seq, others []*pass.Seq) []float32 {
	t.Helper()
	seqs, at := []*pass.Seq{seq}, 0
	for i, o := range others {
		if len(o.Tokens) == o.Next() { // it has run: one more
			o.Append(int32(i + o.Next()%7))
		}
		if i == 0 {
			seqs, at = []*pass.Seq{o, seq}, 1
		} else {
			seqs = append(seqs, o)
		}
	}
	p, err := eng.Begin(seqs...)
	check(t, err)
	from := 0
	for _, to := range append(slices.Clone(w.spans), eng.Depth()) {
		check(t, p.Run(bg, from, to))
		if w.resume {
			s, err := p.Save(nil)
			check(t, err)
			p.End()
			p, err = eng.Resume(s)
			check(t, err)
		}
		from = to
	}
	last := -1
	for i, r := range p.Rows() {
		if int(r.Seq) == at {
			last = i
		}
	}
	x, err := p.Logits(last)
	check(t, err)
	x = slices.Clone(x)
	p.End()
	for _, v := range x {
		if math.IsNaN(float64(v)) {
			t.Fatal("logits are not numbers")
		}
	}
	return x
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func randomTokens(seed uint64, n, vocab int) []int32 {
	r := rand.New(rand.NewPCG(seed, 77))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(vocab))
	}
	return ids
}

// ways are all ways that must agree with the first.
func ways(prompt []int32, depth int) []way {
	w := []way{
		{name: "1 thread", threads: 1},
		{name: "2 threads", threads: 2},
		{name: "3 threads", threads: 3},
		{name: "8 threads", threads: 8},
		{name: "token by token", threads: 2, chunk: 1},
		{name: "chunks of 7", threads: 2, chunk: 7},
		{name: "chunks of 64", threads: 2, chunk: 64},
		{name: "tiles of 50", threads: 2, tile: 50},
		{name: "amid two others", threads: 2, company: 2},
		{name: "amid two others, in chunks", threads: 2, company: 2, chunk: 64},
		{name: "two spans", threads: 2, spans: []int{depth/2 - 1}},
		{name: "three spans, saved and resumed", threads: 2, spans: []int{1, depth - 1}, resume: true},
		{name: "computed again", threads: 2, fresh: true},
		{name: "reserved", threads: 2, kv: true, chunk: 100},
	}
	for i := range w {
		w[i].prompt = prompt
	}
	return w
}

func sameBits(t *testing.T, n *lm.Decoder, mode op.Mode, prompt []int32) {
	t.Helper()
	var want outcome
	for i, w := range ways(prompt, n.Config.Layers) {
		got := w.run(t, n, mode)
		if i == 0 {
			want = got
			if want.hash == (way{threads: 1, prompt: prompt[1:]}).run(t, n, mode).hash {
				t.Fatal("another prompt has the same hash")
			}
		}
		if !slices.Equal(got.tokens, want.tokens) {
			t.Errorf("%s: tokens %v, want %v", w.name, got.tokens, want.tokens)
		}
		if got.hash != want.hash {
			t.Errorf("%s: hash of the logits %.16s, want %.16s", w.name, got.hash, want.hash)
		}
	}
	sameSamples(t, n, mode, prompt)
}

// sameSamples draws tokens with a seed.
func sameSamples(t *testing.T, n *lm.Decoder, mode op.Mode, prompt []int32) {
	t.Helper()
	var want []int32
	for _, threads := range []int{1, 2, 3} {
		eng := pass.NewEngine(n, pass.Options{Mode: mode, Threads: threads, Tile: 64 * threads})
		s := lm.Sampler{Temperature: 1.2, TopK: 200, TopP: 0.95, Seed: 11}
		var got []int32
		for id, err := range lm.Generate(bg, eng, pass.NewSeq(prompt...), lm.Options{Max: steps, Sampler: s}) {
			check(t, err)
			got = append(got, id)
		}
		eng.Close()
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d threads: sampled %v, want %v", threads, got, want)
		}
	}
}

// tiny is a random network with a group of 3 query heads for a KV head.
func tiny(t testing.TB, kind tensor.DType) *lm.Decoder {
	t.Helper()
	n, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 4, Width: 96, Heads: 6, KVHeads: 2, HeadDim: 16, MLP: 160,
		Vocabulary: 300, Context: 2048, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, kind, 21)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// architectures are those that the tests below go through.
var architectures = []string{"llama", "qwen2", "qwen3", "gpt2", "gptneox", "gemma3"}

// tinyOf is a random network of an architecture, a window shorter than the
// prompts.
func tinyOf(t testing.TB, architecture string, kind tensor.DType) *lm.Decoder {
	t.Helper()
	c := lm.Config{Architecture: architecture, Layers: 3, Width: 64, Heads: 4, KVHeads: 2, HeadDim: 16, MLP: 96,
		Vocabulary: 300, Context: 2048, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}
	switch architecture {
	case "gptneox":
		c.Parallel, c.RopeDim = true, 4
	case "gemma3":
		c.Window, c.Pattern, c.LocalRopeBase, c.QueryDim = 20, 2, 100, 24
	}
	n, err := lm.NewRandom(c, kind, 22)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSameBitsOfFamilies(t *testing.T) {
	for _, a := range architectures {
		for kind, mode := range map[tensor.DType]op.Mode{tensor.F32: op.Exact, tensor.Q8_0: op.Fast} {
			t.Run(fmt.Sprint(a, " ", mode), func(t *testing.T) { sameBits(t, tinyOf(t, a, kind), mode, randomTokens(1, 150, 300)) })
		}
	}
}

func TestSameBits(t *testing.T) {
	for _, kind := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0, tensor.Q4_1} {
		for _, mode := range []op.Mode{op.Exact, op.Fast} {
			t.Run(fmt.Sprint(kind, " ", mode), func(t *testing.T) {
				sameBits(t, tiny(t, kind), mode, randomTokens(1, 260, 300))
			})
		}
	}
}

// prose is some 220 tokens.
const prose = `A ship that leaves the harbour in the evening has the whole night before it. The pilot stays on board as far as
the last buoy; then he climbs down into his boat, waves once, and is gone in the dark. From there on the captain is alone with
the charts, the lamp over the table, and the men who sleep. At midnight the wind turns to the north and the first waves come over
the bow. Nobody speaks much. The cook has made coffee, and the youngest of the sailors, who is at sea for the first time, holds the
cup with both hands and asks how far it is. It is far, says the helmsman, but we have been farther. In the morning the sea is grey
and quite calm, and on the horizon there is a line that may be land, or a cloud, or nothing at all. The captain looks at it through
his glass for a long time. Then he writes something into the log, closes the book, and goes to sleep for the first time since the`

func openRealModel(t testing.TB) *lm.Model {
	t.Helper()
	m, err := lm.Open(testmodel.Path(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestRealModelSameBits(t *testing.T) {
	m := openRealModel(t)
	prompt := m.Text(prose)
	if len(prompt) < 200 || len(prompt) > 300 {
		t.Fatalf("%d tokens", len(prompt))
	}
	for _, mode := range []op.Mode{op.Exact, op.Fast} {
		t.Run(mode.String(), func(t *testing.T) { sameBits(t, m.Net, mode, prompt) })
	}
}

// Kernel tiers are chosen when a program starts, so each is a process.
const childEnv = "MICA_TEST_PRINT_HASH"

func TestKernelTiersSameBits(t *testing.T) {
	tiers(t, "tiny", func(t *testing.T) string {
		all := ""
		for _, kind := range []tensor.DType{tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_1} {
			for _, mode := range []op.Mode{op.Exact, op.Fast} {
				o := way{threads: 2, prompt: randomTokens(1, 90, 300)}.run(t, tiny(t, kind), mode)
				all += fmt.Sprintf("%v-%v-%.12s;", kind, mode, o.hash)
			}
		}
		for _, a := range architectures {
			for _, mode := range []op.Mode{op.Exact, op.Fast} {
				o := way{threads: 2, prompt: randomTokens(1, 90, 300)}.run(t, tinyOf(t, a, tensor.Q8_0), mode)
				all += fmt.Sprintf("%v-%v-%.12s;", a, mode, o.hash)
			}
		}
		return all
	})
}

func TestRealModelKernelTiersSameBits(t *testing.T) {
	tiers(t, "real", func(t *testing.T) string {
		m := openRealModel(t)
		return way{threads: 2, prompt: m.Text(prose)[:24]}.run(t, m.Net, op.Fast).hash
	})
}

// tiers computes in this process and in one for each other tier.
func tiers(t *testing.T, name string, compute func(t *testing.T) string) {
	t.Helper()
	if os.Getenv(childEnv) == name {
		fmt.Printf("hash=%s\n", compute(t))
		return
	}
	want := compute(t)
	for _, tier := range cpu.Tiers() {
		if tier == cpu.Kernels() {
			continue
		}
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
		cmd.Env = append(os.Environ(), cpu.EnvKernels+"="+tier.String(), childEnv+"="+name)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", tier, err, out)
		}
		_, rest, ok := strings.Cut(string(out), "hash=")
		got, _, _ := strings.Cut(rest, "\n")
		if !ok || got != want {
			t.Errorf("%v kernels: %q, and %v kernels: %q", tier, got, cpu.Kernels(), want)
		}
	}
	t.Logf("tiers %v, in force %v", cpu.Tiers(), cpu.Kernels())
}
