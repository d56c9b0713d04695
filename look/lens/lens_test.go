package lens_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/micaml/mica/look/lens"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

var bg = context.Background()

const vocab = 40

func network(t testing.TB) *lm.Decoder {
	t.Helper()
	n, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 4, Width: 64, Heads: 6, KVHeads: 2, HeadDim: 16, MLP: 96,
		Vocabulary: vocab, Context: 64, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.Q8_0, 5)
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

func prompt() *pass.Seq { return pass.NewSeq(3, 1, 4, 1, 5, 9, 2, 6, 5) }

// softmax is the definition, in float64.
func softmax(logits []float32) []float64 {
	p, sum := make([]float64, len(logits)), 0.0
	for i, x := range logits {
		p[i] = math.Exp(float64(x))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// logits are the head's at every boundary above a layer, [L][T][V], from a
// pass that is stepped through without the lens.
func logits(t *testing.T, e *pass.Engine) [][][]float32 {
	t.Helper()
	p, err := e.Begin(prompt())
	if err != nil {
		t.Fatal(err)
	}
	defer p.End()
	out := make([][][]float32, e.Depth())
	for i := range out {
		if err := p.Run(bg, i, i+1); err != nil {
			t.Fatal(err)
		}
		for row := range p.Rows() {
			x, err := p.Logits(row)
			if err != nil {
				t.Fatal(err)
			}
			out[i] = append(out[i], slices.Clone(x))
		}
	}
	return out
}

func TestLook(t *testing.T) {
	for _, mode := range []op.Mode{op.Exact, op.Fast} {
		t.Run(mode.String(), func(t *testing.T) {
			e := engine(t, network(t), pass.Options{Mode: mode, Threads: 2})
			want := logits(t, e)
			const target = 17
			seen, err := lens.Look(bg, e, prompt(), lens.Options{Top: vocab, Target: target, Ranked: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(seen) != e.Depth() {
				t.Fatalf("%d layers", len(seen))
			}
			for i, l := range seen {
				if l.Layer != i || len(l.Top) != 9 || len(l.Rank) != 9 || len(l.KL) != 9 {
					t.Fatalf("layer %d: %d, %d tops, %d ranks, %d KLs", i, l.Layer, len(l.Top), len(l.Rank), len(l.KL))
				}
				for row := range 9 {
					checkRow(t, l, row, softmax(want[i][row]), softmax(want[e.Depth()-1][row]), target)
				}
			}
		})
	}
}

// checkRow compares a row with what follows from the two distributions.
func checkRow(t *testing.T, l lens.Layer, row int, here, final []float64, target int) {
	t.Helper()
	ids := make([]int, len(here))
	rank, kl := 0, 0.0
	for i := range here {
		ids[i] = i
		if here[i] > here[target] {
			rank++
		}
		kl += final[i] * math.Log(final[i]/here[i])
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		if here[a] > here[b] {
			return -1
		}
		return 1
	})
	for j, g := range l.Top[row] {
		if int(g.ID) != ids[j] || math.Abs(g.Probability-here[ids[j]]) > 1e-12 {
			t.Fatalf("layer %d, row %d, place %d: %+v, want %d with %v", l.Layer, row, j, g, ids[j], here[ids[j]])
		}
	}
	if l.Rank[row] != rank {
		t.Errorf("layer %d, row %d: rank %d, want %d", l.Layer, row, l.Rank[row], rank)
	}
	if math.Abs(l.KL[row]-kl) > 1e-12 || l.KL[row] < 0 {
		t.Errorf("layer %d, row %d: KL %v, want %v", l.Layer, row, l.KL[row], kl)
	}
	if last := l.Layer == 3; last != (l.KL[row] == 0) {
		t.Errorf("layer %d, row %d: KL %v", l.Layer, row, l.KL[row])
	}
}

func TestLayersAndTop(t *testing.T) {
	e := engine(t, network(t), pass.Options{Threads: 1})
	all, err := lens.Look(bg, e, prompt(), lens.Options{Top: 3})
	if err != nil {
		t.Fatal(err)
	}
	some, err := lens.Look(bg, e, prompt(), lens.Options{Layers: []int{2, 0, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if len(some) != 2 || some[0].Layer != 0 || some[1].Layer != 2 {
		t.Fatalf("asked for layers 0 and 2, got %d", len(some))
	}
	for _, l := range some {
		for row, top := range l.Top {
			if len(top) != 5 || !slices.Equal(top[:3], all[l.Layer].Top[row]) {
				t.Errorf("layer %d, row %d: %v, and among all layers %v", l.Layer, row, top, all[l.Layer].Top[row])
			}
			if l.KL[row] != all[l.Layer].KL[row] {
				t.Errorf("layer %d, row %d: KL %v and %v", l.Layer, row, l.KL[row], all[l.Layer].KL[row])
			}
		}
		if l.Rank != nil {
			t.Error("ranks without a target")
		}
	}
	none, err := lens.Look(bg, e, prompt(), lens.Options{Layers: []int{}})
	if err != nil || len(none) != 0 {
		t.Errorf("no layers: %d, %v", len(none), err)
	}
}

// Equal probabilities: the smaller id is first, as the model would pick it.
func TestTies(t *testing.T) {
	n := network(t)
	w := n.Weights()
	clear(w[len(w)-1].Bytes()) // every logit is 0
	seen, err := lens.Look(bg, engine(t, n, pass.Options{Threads: 1}), prompt(), lens.Options{Top: 4, Target: 39, Ranked: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range seen {
		for row, top := range l.Top {
			for i, g := range top {
				if int(g.ID) != i || math.Abs(g.Probability-1.0/vocab) > 1e-15 {
					t.Fatalf("place %d is %+v", i, g)
				}
			}
			if l.Rank[row] != 0 || l.KL[row] != 0 {
				t.Fatalf("rank %d, KL %v", l.Rank[row], l.KL[row])
			}
		}
	}
}

func TestErrors(t *testing.T) {
	e := engine(t, network(t), pass.Options{Threads: 1})
	for _, c := range []struct {
		seq  *pass.Seq
		o    lens.Options
		want string
	}{
		{prompt(), lens.Options{Layers: []int{0, 4}}, "lens: layer 4: the model has layers 0 to 3"},
		{prompt(), lens.Options{Layers: []int{-1}}, "lens: layer -1: the model has layers 0 to 3"},
		{prompt(), lens.Options{Target: 40, Ranked: true}, "lens: target 40: the vocabulary has tokens 0 to 39"},
		{prompt(), lens.Options{Target: -1, Ranked: true}, "lens: target -1: the vocabulary has tokens 0 to 39"},
		{pass.NewSeq(), lens.Options{}, "pass: no tokens to run"},
	} {
		if _, err := lens.Look(bg, e, c.seq, c.o); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.o, err, c.want)
		}
	}
	ended, cancel := context.WithCancel(bg)
	cancel()
	if _, err := lens.Look(ended, e, prompt(), lens.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// The same probabilities for any threads and tiles.
func TestSameBits(t *testing.T) {
	n := network(t)
	var want []lens.Layer
	for _, o := range []pass.Options{{Threads: 1}, {Threads: 3}, {Threads: 8, Tile: 2}} {
		o.Mode = op.Fast
		got, err := lens.Look(bg, engine(t, n, o), prompt(), lens.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		for i := range want {
			if !slices.Equal(got[i].KL, want[i].KL) || !slices.EqualFunc(got[i].Top, want[i].Top, slices.Equal) {
				t.Errorf("%+v: layer %d differs", o, i)
			}
		}
	}
}
