// Package step is training steps of small networks, as benchmarks and profiles
// run them.
package step

import (
	"context"
	"math/rand/v2"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// LM is the language model of the benchmarks: 6 layers of width 256 with 4
// heads, SwiGLU of 704, a vocabulary of 4,096, and batches of 8 sequences of 256
// tokens: 6.9 million weights, 2,048 rows.
type LM struct {
	eng     *pass.Engine
	ctx     *op.Ctx
	weights []*op.Weight
	rng     *rand.Rand
}

const (
	lmVocabulary = 4096
	lmBatch      = 8
	lmTokens     = 256
)

// NewLM returns the model with weights from a fixed seed, on some threads
// (0: one for each core), traced by t if that isn't nil.
func NewLM(threads int, t op.Tracer) (*LM, error) {
	n, err := lm.NewRandom(lm.Config{
		Architecture: "llama", Layers: 6, Width: 256, Heads: 4, KVHeads: 4, HeadDim: 64, MLP: 704,
		Vocabulary: lmVocabulary, RopeBase: 10000, RopeDim: 64, Eps: 1e-5, Context: lmTokens,
	}, tensor.F32, 1)
	if err != nil {
		return nil, err
	}
	m := &LM{eng: pass.NewEngine(n, pass.Options{Mode: op.Exact, Threads: threads}), weights: n.Weights(), rng: rand.New(rand.NewPCG(1, 1))}
	m.ctx = m.eng.NewCtx()
	m.ctx.Trace(t)
	for _, w := range m.weights {
		w.Train()
	}
	return m, nil
}

// Close ends the model's threads.
func (m *LM) Close() { m.eng.Close() }

// Weights returns what is trained.
func (m *LM) Weights() []*op.Weight { return m.weights }

// Gradients runs a batch forward and backward, which adds to the weights'
// gradients, and returns its loss.
func (m *LM) Gradients() (float32, error) {
	seqs := make([]*pass.Seq, lmBatch)
	var rows []int
	var targets []int32
	for i := range seqs {
		ids := make([]int32, lmTokens+1)
		for j := range ids {
			ids[j] = m.rng.Int32N(lmVocabulary)
		}
		seqs[i] = pass.NewSeq(ids[:lmTokens]...)
		for _, id := range ids[1:] {
			rows = append(rows, len(rows))
			targets = append(targets, id)
		}
	}
	c := m.ctx
	tape := grad.Start(c)
	defer tape.End()
	p, err := m.eng.BeginTaped(c, seqs...)
	if err != nil {
		return 0, err
	}
	defer p.End()
	if err := p.Run(context.Background(), 0, m.eng.Depth()); err != nil {
		return 0, err
	}
	logits, err := p.HeadVal("logits", rows...)
	if err != nil {
		return 0, err
	}
	loss := op.CrossEntropy(c, logits, targets)
	if err := tape.Backward(loss); err != nil {
		return 0, err
	}
	return c.Data(loss)[0], nil
}
