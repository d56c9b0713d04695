package pass_test

import (
	"testing"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// sequences is a network of every layer that carries a state: Mamba, a GRU, an
// LSTM, and linear attention with decay.
type sequences struct {
	base
	embed  *op.Weight
	layers []nn.Recurrent
}

const seqWidth = 12

// linearAttention is a layer of two heads.
type linearAttention struct{ q, k, v, o nn.Layer }

func (l *linearAttention) Apply(c *op.Ctx, x op.Val, runs []int32, state [][]float32) op.Val {
	spec := &op.LinearAttentionSpec{Heads: op.Heads{Query: 2, KV: 2, Dim: 4}, Causal: true, Decay: []float32{0.9, 0.7}, Runs: runs, State: state}
	return l.o.Apply(c, op.LinearAttention(c, l.q.Apply(c, x), l.k.Apply(c, x), l.v.Apply(c, x), spec))
}

func (l *linearAttention) State() int { return 2 * 4 * 4 }

func newSequences() *sequences {
	n := &sequences{base: base{weights: newWeights(7)}}
	linear := func(out, in int) nn.Layer { return &nn.Linear{W: n.table("w", out, in)} }
	n.embed = n.table("embed", 16, seqWidth)
	n.layers = []nn.Recurrent{
		&nn.Mamba{In: linear(20, seqWidth), Gate: linear(20, seqWidth), Conv: n.table("conv", 20, 4), ConvB: n.table("conv.b", 1, 20), Low: linear(2, 20),
			Delta: &nn.Linear{W: n.table("delta", 20, 2), B: n.table("delta.b", 1, 20)}, BC: linear(6, 20),
			ALog: n.table("alog", 20, 3), D: n.table("d", 1, 20), Out: linear(seqWidth, 20)},
		&nn.GRU{X: linear(3*seqWidth, seqWidth), W: n.table("gru", 3*seqWidth, seqWidth), B: n.table("gru.b", 1, 3*seqWidth)},
		&nn.LSTM{X: linear(4*seqWidth, seqWidth), W: n.table("lstm", 4*seqWidth, seqWidth)},
		&linearAttention{linear(8, seqWidth), linear(8, seqWidth), linear(8, seqWidth), linear(seqWidth, 8)},
	}
	for _, name := range []string{"mamba", "gru", "lstm", "linear"} {
		n.infos = append(n.infos, pass.LayerInfo{Name: name, Width: seqWidth, Rowwise: true, Sites: []pass.Site{pass.ResidPre, pass.ResidPost}})
	}
	n.add("head", 16, seqWidth)
	return n
}

func (n *sequences) Embed(c *op.Ctx, s *pass.State, ids []int32) error {
	s.X = op.Embedding(c, n.embed, ids)
	return nil
}

func (n *sequences) Memory(i int, _ tensor.DType) pass.Memory {
	return pass.NewRecurrent(n.layers[i].State())
}

func (n *sequences) Layer(c *op.Ctx, i int, s *pass.State) error {
	x := s.At(pass.ResidPre, s.X)
	runs, state, err := s.Recurrent()
	if err != nil {
		return err
	}
	s.X = s.At(pass.ResidPost, op.Add(c, x, n.layers[i].Apply(c, x, runs, state)))
	return nil
}

func (n *sequences) Head(c *op.Ctx, _ string, s *pass.State, rows []int32) (op.Val, error) {
	return n.head(c, s.X, rows), nil
}

func (n *sequences) Wrap(func(int, pass.Role, nn.Layer) nn.Layer) pass.Net { return n }

// Layers with a state hold to all that is promised of a network: chunks, batches,
// spans, tiles and threads change no bit.
func TestSequences(t *testing.T) {
	n := newSequences()
	passtest.Conform(t, passtest.Case{Net: n, Weights: n.all, Steps: true,
		Seqs: func() []*pass.Seq {
			return []*pass.Seq{pass.NewSeq(tokens(1, 23, 16)...), pass.NewSeq(3), pass.NewSeq(tokens(2, 70, 16)...)}
		}})
}

func TestCheckpointedSequences(t *testing.T) {
	n := newSequences()
	seqs := func() []*pass.Seq { return []*pass.Seq{pass.NewSeq(tokens(1, 23, 16)...), pass.NewSeq(3)} }
	e := engine(t, n, pass.Options{})
	wantX, wantG, _ := learn(t, e, n.all, seqs(), 0, nil)
	for span := 1; span <= 4; span++ {
		x, g, _ := learn(t, e, n.all, seqs(), span, nil)
		passtest.Same(t, "output", x, wantX)
		passtest.Same(t, "gradients", g, wantG)
	}
}

func TestRecurrentWithoutMemory(t *testing.T) {
	n := newSequences()
	e := engine(t, altered{Net: decoder(t, tensor.F32), layer: func(_ *op.Ctx, _ int, s *pass.State) error {
		_, _, err := s.Recurrent()
		return err
	}}, pass.Options{})
	p := begin(t, e, pass.NewSeq(1))
	wantError(t, p.Run(bg, 0, 1), "layer 0 has no recurrent memory")
	// What a failed pass has put into a state is taken out again.
	q := pass.NewSeq(1, 2)
	e = engine(t, n, pass.Options{})
	through(t, e, q)
	before := remembered(q, 4)
	q.Append(3, 4)
	must(t, q.Edit("3.resid_pre", func(c *op.Ctx, _ pass.At, x op.Val) op.Val { c.Fail(errBoom); return x }))
	p = begin(t, e, q)
	wantError(t, p.Run(bg, 0, 4), "boom")
	if after := remembered(q, 4); after != before {
		t.Errorf("a failed pass left\n%s, want\n%s", after, before)
	}
}
