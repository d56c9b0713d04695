package gemfilter_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

var (
	bg    = context.Background()
	modes = []op.Mode{op.Exact, op.Fast}
)

const dim = 16

func config() lm.Config {
	return lm.Config{Architecture: "llama", Layers: 4, Width: 64, Heads: 6, KVHeads: 2, HeadDim: dim, MLP: 96,
		Vocabulary: 60, Context: 1024, RopeBase: 10000, RopeDim: dim, Eps: 1e-5}
}

// network is of Q8_0 weights, so that fast mode is another arithmetic.
func network(t testing.TB, kind tensor.DType) *lm.Decoder {
	t.Helper()
	n, err := lm.NewRandom(config(), kind, 3)
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

func prompt(seed uint64, n int) *pass.Seq {
	r := rand.New(rand.NewPCG(seed, 1))
	s := pass.NewSeq()
	for range n {
		s.Append(int32(r.IntN(60)))
	}
	return s
}

func kept(t *testing.T, f gemfilter.Filter, e *pass.Engine, s *pass.Seq) []int {
	t.Helper()
	sel, err := f.Select(bg, e, s)
	if err != nil {
		t.Fatal(err)
	}
	if sel.Layer != f.Layer {
		t.Errorf("the selection names layer %d, not %d", sel.Layer, f.Layer)
	}
	return sel.Kept
}

// logits runs a sequence and then steps greedily: the logits of every step,
// and the tokens.
func logits(t *testing.T, e *pass.Engine, s *pass.Seq, steps int) ([]float32, []int32) {
	t.Helper()
	var all []float32
	var ids []int32
	for range steps {
		p, err := e.Begin(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(bg, 0, e.Depth()); err != nil {
			t.Fatal(err)
		}
		x, err := p.Logits(-1)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x...)
		ids = append(ids, lm.Argmax(x))
		s.Append(ids[len(ids)-1])
		p.End()
	}
	return all, ids
}

func inEachMode(t *testing.T, f func(t *testing.T, n *lm.Decoder, e *pass.Engine)) {
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			n := network(t, tensor.Q8_0)
			f(t, n, engine(t, n, pass.Options{Mode: m, Threads: 2}))
		})
	}
}

// Check 1: with room for every token the method changes nothing.
func TestKeepAllIsFull(t *testing.T) {
	inEachMode(t, func(t *testing.T, _ *lm.Decoder, e *pass.Engine) {
		const n = 70
		want, wantIDs := logits(t, e, prompt(1, n), 5)
		for layer := range e.Depth() {
			for _, k := range []int{n, n + 1, 10 * n} {
				s := prompt(1, n)
				j := kept(t, gemfilter.Filter{Layer: layer, Keep: k}, e, s)
				if len(j) != n || j[0] != 0 || j[n-1] != n-1 {
					t.Fatalf("layer %d, keep %d: kept %v", layer, k, j)
				}
				got, ids := logits(t, e, s.Select(j), 5)
				passtest.Same(t, fmt.Sprintf("layer %d, keep %d", layer, k), got, want)
				if !slices.Equal(ids, wantIDs) {
					t.Errorf("tokens %v, want %v", ids, wantIDs)
				}
			}
		}
	})
}

// Checks 2 and 9: what is kept is ascending, within the prompt, and as many
// as asked for, whatever the prompt says.
func TestKeptAscends(t *testing.T) {
	inEachMode(t, func(t *testing.T, _ *lm.Decoder, e *pass.Engine) {
		for _, n := range []int{1, 2, 5, 64, 65, 130} {
			for _, k := range []int{1, 2, 5, 17, n - 1, n, n + 1} {
				for _, pool := range []int{0, 1, 3, 201} {
					if k < 1 {
						continue
					}
					j := kept(t, gemfilter.Filter{Layer: 2, Keep: k, Pool: pool}, e, prompt(uint64(k), n))
					if len(j) != min(k, n) || j[0] < 0 || j[len(j)-1] >= n {
						t.Fatalf("n %d, keep %d: kept %v", n, k, j)
					}
					for i := 1; i < len(j); i++ {
						if j[i] <= j[i-1] {
							t.Fatalf("n %d, keep %d: kept %v", n, k, j)
						}
					}
				}
			}
		}
	})
}

// Check 3, and the definition: repeat the keys, one dot product for each
// head, add over the heads, in float64, on the queries and keys that a whole
// pass has in the layer.
func TestScoresAreTheDefinition(t *testing.T) {
	inEachMode(t, func(t *testing.T, _ *lm.Decoder, e *pass.Engine) {
		const n, layer, heads, kv = 90, 1, 6, 2
		s := prompt(4, n)
		var q, k []float32
		watch := func(address string, into *[]float32) {
			if err := s.Watch(address, func(_ pass.At, x []float32) { *into = append(*into, x...) }); err != nil {
				t.Fatal(err)
			}
		}
		watch("1.attn.rot_q", &q)
		watch("1.attn.rot_k", &k)
		logits(t, e, s, 1)
		got, err := gemfilter.Filter{Layer: layer, Keep: 1}.Scores(bg, e, prompt(4, n))
		if err != nil {
			t.Fatal(err)
		}
		last := q[(n-1)*heads*dim:]
		want := make([]float64, n)
		for i := range want {
			for h := range heads {
				for d := range dim {
					want[i] += float64(last[h*dim+d]) * float64(k[(i*kv+h*kv/heads)*dim+d])
				}
			}
		}
		near(t, "score", got, want)
		// 1/sqrt(Dh), a power of two for Dh = 16, moves nothing.
		scaled := slices.Clone(got)
		for i := range scaled {
			scaled[i] /= 4
		}
		if a, b := keep.Top(keep.MeanPool(got, 5), 20), keep.Top(keep.MeanPool(scaled, 5), 20); !slices.Equal(a, b) {
			t.Errorf("kept %v, scaled %v", a, b)
		}
	})
}

// Check 4.
func TestPool(t *testing.T) {
	for _, c := range []struct {
		window   int
		in, want []float32
	}{
		{1, []float32{3, -1, 2}, []float32{3, -1, 2}},
		{5, []float32{5, 0, 0, 0, 0}, []float32{1, 1, 1, 0, 0}},
		{5, []float32{0, 0, 0, 0, 5}, []float32{0, 0, 1, 1, 1}},
		{5, []float32{-5, -5, -5, -5, -5}, []float32{-3, -4, -5, -4, -3}}, // zeros raise the edges
		{3, []float32{6}, []float32{2}},
		{3, nil, nil},
	} {
		if got := keep.MeanPool(c.in, c.window); !slices.Equal(got, c.want) {
			t.Errorf("window %d of %v: %v, want %v", c.window, c.in, got, c.want)
		}
	}
}

// Check 5: layers above r, and in r everything but its norm, queries and
// keys, have no say; and those that have one do.
func TestOnlyEarlierWeightsMatter(t *testing.T) {
	const layer = 2
	f := gemfilter.Filter{Layer: layer, Keep: 25}
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			n := network(t, tensor.F32)
			e := engine(t, n, pass.Options{Mode: m, Threads: 1})
			s := prompt(7, 100)
			scores, err := f.Scores(bg, e, s)
			if err != nil {
				t.Fatal(err)
			}
			want := kept(t, f, e, s)
			later := map[string]bool{"output_norm.weight": true, "output.weight": true}
			for _, name := range []string{"attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"} {
				later[fmt.Sprintf("blk.%d.%s.weight", layer, name)] = true
			}
			for _, name := range []string{"attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"} {
				later[fmt.Sprintf("blk.%d.%s.weight", layer+1, name)] = true
			}
			seen := 0
			for _, w := range n.Weights() {
				undo := disturb(w)
				got, err := f.Scores(bg, e, s)
				if err != nil {
					t.Fatal(err)
				}
				if same := slices.Equal(got, scores); same != later[w.Name] {
					t.Errorf("%s disturbed: the same scores: %v", w.Name, same)
				}
				if later[w.Name] {
					seen++
					if j := kept(t, f, e, s); !slices.Equal(j, want) {
						t.Errorf("%s disturbed: kept %v, want %v", w.Name, j, want)
					}
				}
				undo()
			}
			if seen != len(later) {
				t.Errorf("%d weights above the cut, want %d", seen, len(later))
			}
		})
	}
}

func disturb(w *op.Weight) (undo func()) {
	x := w.Bytes()
	old := slices.Clone(x)
	for i := 3; i < len(x); i += 12 {
		x[i] ^= 0x80 // a float32 changes its sign
	}
	return func() { copy(x, old) }
}

// Check 6: pass 2 is the model on the kept tokens as a prompt of their own,
// at positions from 0.
func TestSecondPassIsAFreshPrompt(t *testing.T) {
	inEachMode(t, func(t *testing.T, n *lm.Decoder, e *pass.Engine) {
		s := prompt(9, 120)
		j := kept(t, gemfilter.Filter{Layer: 1, Keep: 30}, e, s)
		fresh := pass.NewSeq()
		for _, i := range j {
			fresh.Append(s.Tokens[i])
		}
		other := engine(t, n, pass.Options{Mode: e.Mode(), Threads: 1, Tile: 7})
		want, wantIDs := logits(t, other, fresh, 4)
		second := s.Select(j)
		got, ids := logits(t, e, second, 4)
		passtest.Same(t, "pass 2", got, want)
		if !slices.Equal(ids, wantIDs) {
			t.Errorf("tokens %v, want %v", ids, wantIDs)
		}
		// 30 of the prompt and 3 steps have run: the first new one was at 30.
		if second.Next() != 33 {
			t.Errorf("the next position is %d", second.Next())
		}
		at := second.Memory(0).(*pass.KV).Positions(0)
		for i, p := range at {
			if int(p) != i {
				t.Fatalf("positions %v", at)
			}
		}
	})
}

// Pass 1 leaves the prompt alone, stores nothing, and runs r layers and a
// part of the next (check 9).
func TestFirstPassLeavesNothing(t *testing.T) {
	inEachMode(t, func(t *testing.T, n *lm.Decoder, _ *pass.Engine) {
		for layer := range 4 {
			count := &counted{Decoder: n}
			e := engine(t, count, pass.Options{Mode: op.Exact, Threads: 1})
			s := prompt(2, 40)
			kept(t, gemfilter.Filter{Layer: layer, Keep: 5}, e, s)
			if len(count.layers) != layer+1 || count.layers[layer] != layer {
				t.Errorf("layer %d: ran %v", layer, count.layers)
			}
			// One more is asked about the geometry of its heads.
			if count.memories != layer+1 {
				t.Errorf("layer %d: %d memories, want those of the layers below", layer, count.memories-1)
			}
			if s.Next() != 0 || s.Bytes() != 0 || s.Memory(0) != nil {
				t.Errorf("the prompt was changed: next %d, %d bytes", s.Next(), s.Bytes())
			}
		}
	})
}

type counted struct {
	*lm.Decoder
	layers   []int
	memories int
}

func (n *counted) Layer(c *op.Ctx, i int, s *pass.State) error {
	n.layers = append(n.layers, i)
	return n.Decoder.Layer(c, i, s)
}

func (n *counted) Memory(i int, kv tensor.DType) pass.Memory {
	n.memories++
	return n.Decoder.Memory(i, kv)
}

// The same bits for any threads and tiles.
func TestSelectionSameBits(t *testing.T) {
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			n := network(t, tensor.Q8_0)
			s := prompt(5, 700)
			f := gemfilter.Filter{Layer: 3, Keep: 100}
			var want []float32
			var wantKept []int
			for _, threads := range []int{1, 2, 3, 8} {
				for _, tile := range []int{1, 7, 64, 512} {
					e := engine(t, n, pass.Options{Mode: m, Threads: threads, Tile: tile})
					got, err := f.Scores(bg, e, s)
					if err != nil {
						t.Fatal(err)
					}
					j := kept(t, f, e, s)
					if want == nil {
						want, wantKept = got, j
					}
					passtest.Same(t, fmt.Sprintf("threads %d, tile %d", threads, tile), got, want)
					if !slices.Equal(j, wantKept) {
						t.Errorf("threads %d, tile %d: kept %v, want %v", threads, tile, j, wantKept)
					}
				}
			}
		})
	}
}

// Check 10.
func TestBadSettings(t *testing.T) {
	e := engine(t, network(t, tensor.F32), pass.Options{Threads: 1})
	good := gemfilter.Filter{Layer: 1, Keep: 2}
	with := func(change func(*gemfilter.Filter)) gemfilter.Filter {
		f := good
		change(&f)
		return f
	}
	for _, c := range []struct {
		f    gemfilter.Filter
		s    *pass.Seq
		is   error
		want string
	}{
		{with(func(f *gemfilter.Filter) { f.Keep = 0 }), prompt(1, 5), keep.ErrArgument, "gemfilter: bad setting: keep=0 must be at least 1"},
		{with(func(f *gemfilter.Filter) { f.Keep = -3 }), prompt(1, 5), keep.ErrArgument, "gemfilter: bad setting: keep=-3 must be at least 1"},
		{with(func(f *gemfilter.Filter) { f.Layer = -1 }), prompt(1, 5), keep.ErrArgument, "gemfilter: bad setting: layer=-1, and the model has layers 0 to 3"},
		{with(func(f *gemfilter.Filter) { f.Layer = 4 }), prompt(1, 5), keep.ErrArgument, "gemfilter: bad setting: layer=4, and the model has layers 0 to 3"},
		{with(func(f *gemfilter.Filter) { f.Pool = 4 }), prompt(1, 5), keep.ErrArgument, "gemfilter: bad setting: pool=4 must be odd and at least 1"},
		{with(func(f *gemfilter.Filter) { f.Pool = -1 }), prompt(1, 5), keep.ErrArgument, "gemfilter: bad setting: pool=-1 must be odd and at least 1"},
		{good, pass.NewSeq(), pass.ErrEmpty, "gemfilter: pass: no tokens to run"},
	} {
		_, err := c.f.Select(bg, e, c.s)
		if err == nil || err.Error() != c.want || !errors.Is(err, c.is) {
			t.Errorf("%+v: error %q, want %q", c.f, err, c.want)
		}
		if _, again := c.f.Scores(bg, e, c.s); again == nil || again.Error() != c.want {
			t.Errorf("%+v: Scores says %v", c.f, again)
		}
	}
	if _, err := good.Select(bg, e, pass.NewSeq(1, 60)); err == nil {
		t.Error("a token outside the vocabulary went through")
	}
	ended, cancel := context.WithCancel(bg)
	cancel()
	if _, err := good.Select(ended, e, prompt(1, 5)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
