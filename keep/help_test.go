package keep_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/baseline"
	"github.com/micaml/mica/keep/h2o"
	"github.com/micaml/mica/keep/pyramid"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/keep/streaming"
	"github.com/micaml/mica/keep/tova"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

var bg = context.Background()

const (
	layers  = 3
	queries = 6 // query heads
	kvs     = 2
	dim     = 16
)

func network(t testing.TB) *lm.Decoder {
	t.Helper()
	n, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: layers, Width: 64, Heads: queries, KVHeads: kvs, HeadDim: dim,
		MLP: 96, Vocabulary: 60, Context: 4096, RopeBase: 10000, RopeDim: dim, Eps: 1e-5}, tensor.Q8_0, 3)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func engine(t testing.TB, n pass.Net, o pass.Options) *pass.Engine {
	t.Helper()
	e := pass.NewEngine(n, o)
	t.Cleanup(e.Close)
	return e
}

func inEachMode(t *testing.T, f func(t *testing.T, e *pass.Engine)) {
	for _, m := range []op.Mode{op.Exact, op.Fast} {
		t.Run(m.String(), func(t *testing.T) { f(t, engine(t, network(t), pass.Options{Mode: m, Threads: 2})) })
	}
	t.Run("8-bit cache", func(t *testing.T) {
		f(t, engine(t, network(t), pass.Options{Mode: op.Fast, KV: pass.KVQ8, Threads: 2}))
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tokens(seed uint64, n int) []int32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(r.IntN(60))
	}
	return x
}

// kinds are a mode's own type of keys and values, and 8 bits.
var kinds = []pass.KVKind{pass.KVByMode, pass.KVQ8}

// method is a Compressor with what is to be expected of it.
type method struct {
	name  string
	m     keep.Compressor
	heads int // that hold entries
	steps bool
	last  int // newest entries that are kept whatever they are
}

// methods are all of them, with a budget of entries.
func methods(budget int) []method {
	return []method{
		{"snapkv", snapkv.Method{Budget: budget, Window: 8}, kvs, false, 8},
		{"snapkv per query head", snapkv.Method{Budget: budget, Window: 8, PerQuery: true}, queries, false, 8},
		{"snapkv max", snapkv.Method{Budget: budget, Window: 3, Pool: 7, Max: true}, kvs, false, 3},
		{"h2o", h2o.Method{Budget: budget, Recent: 6}, kvs, false, 6},
		{"h2o per query head", h2o.Method{Budget: budget, Recent: 6, PerQuery: true}, queries, false, 6},
		{"h2o steps", h2o.Method{Budget: budget, Recent: 6, Steps: true}, kvs, true, 6},
		{"h2o steps per query head", h2o.Method{Budget: budget, Recent: 6, Steps: true, PerQuery: true}, queries, true, 6},
		{"streaming", streaming.Method{Budget: budget, Sinks: 4}, kvs, true, budget - 4},
		{"last", streaming.Method{Budget: budget}, kvs, true, budget},
		{"tova", tova.Method{Budget: budget}, kvs, true, 0},
		{"random", baseline.RandomCache{Budget: budget, Window: 5, Seed: 7}, kvs, false, 5},
		{"pyramid", pyramid.Method{Method: snapkv.Method{Budget: budget, Window: 8}}, kvs, false, 8},
	}
}

// compress puts a method in charge of a new sequence.
func compress(t testing.TB, e *pass.Engine, m keep.Compressor, ids []int32) (*pass.Seq, *keep.Compression) {
	t.Helper()
	s := pass.NewSeq(ids...)
	c, err := keep.Compress(e, s, len(ids), m)
	must(t, err)
	return s, c
}

// run takes what a sequence holds through all layers: the last logits.
func run(t testing.TB, e *pass.Engine, s *pass.Seq) []float32 {
	t.Helper()
	p, err := e.Begin(s)
	must(t, err)
	defer p.End()
	must(t, p.Run(bg, 0, e.Depth()))
	x, err := p.Logits(-1)
	must(t, err)
	return append([]float32(nil), x...)
}

// generate runs a sequence and then n greedy tokens: the logits of all.
func generate(t testing.TB, e *pass.Engine, s *pass.Seq, n int, after func(step int)) []float32 {
	t.Helper()
	all := run(t, e, s)
	last := all
	for i := range n {
		s.Append(lm.Argmax(last))
		last = run(t, e, s)
		all = append(all, last...)
		if after != nil {
			after(i)
		}
	}
	return all
}

func kv(t testing.TB, s *pass.Seq, layer int) *pass.KV {
	t.Helper()
	m, ok := s.Memory(layer).(*pass.KV)
	if !ok {
		t.Fatalf("layer %d has no keys and values", layer)
	}
	return m
}

// entries lists the positions that each head of each layer holds.
func entries(t testing.TB, s *pass.Seq) string {
	t.Helper()
	out := ""
	for i := range layers {
		m := kv(t, s, i)
		for h := range m.Heads() {
			out += fmt.Sprintln(i, h, m.Positions(h))
		}
	}
	return out
}
