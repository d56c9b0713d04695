// Package gemfilter keeps the tokens of a long prompt that its last token
// attends to in an early layer, and reads only those again.
//
// Shi, Ming, Nguyen, Liang, Joty, "Discovering the Gems in Early Layers",
// 2024 (arXiv 2409.17422), Algorithm 1. Where the paper and the authors' code
// differ, this follows the code: scores are pooled before the top k.
package gemfilter

import (
	"context"
	"fmt"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// Filter selects k tokens by the last query's scores in one layer.
type Filter struct {
	Layer int // r, 0-based: the layer whose queries and keys are compared
	Keep  int // k, tokens to keep
	Pool  int // window of the average pool, odd; 0 means the paper's 5
}

// Select runs layers 0..r-1 and layer r up to its queries and keys. It is
// pass 1 of the method; pass 2 is the whole model on seq.Select(kept), with
// positions from 0.
func (f Filter) Select(ctx context.Context, eng *pass.Engine, seq *pass.Seq) (keep.Selection, error) {
	scores, err := f.Scores(ctx, eng, seq)
	if err != nil {
		return keep.Selection{}, err
	}
	return keep.Selection{Kept: keep.Top(keep.MeanPool(scores, f.pool()), f.Keep), Layer: f.Layer}, nil
}

// Scores returns s [n] before pooling: s_i = sum over heads h of
// <q_h, k_i of h's group>, of the last query with every key after rotary
// embedding, without 1/sqrt(Dh), softmax or mask.
func (f Filter) Scores(ctx context.Context, eng *pass.Engine, seq *pass.Seq) ([]float32, error) {
	dim, err := f.check(eng, seq)
	if err != nil {
		return nil, err
	}
	// A sequence of its own that remembers nothing: pass 1 stores no KV.
	p, err := eng.Begin(&pass.Seq{Tokens: seq.Tokens, Transient: true})
	if err != nil {
		return nil, err
	}
	defer p.End()
	if err := p.Run(ctx, 0, f.Layer); err != nil {
		return nil, err
	}
	return f.scoresAt(ctx, p, len(seq.Tokens), dim)
}

// scoresAt returns the scores in the layer above the boundary that a pass of n
// tokens is at.
func (f Filter) scoresAt(ctx context.Context, p *pass.Pass, n, dim int) ([]float32, error) {
	look, err := p.Peek(ctx, pass.RotQ, pass.RotK)
	if err != nil {
		return nil, err
	}
	q, k := look[0], look[1]
	width := len(q) / n
	return Score(q[len(q)-width:], k, n, dim), nil
}

// Score returns the scores of n keys for one query row, heads of dimension
// dim. It adds up the queries of each group first, since the sum over heads of
// dot products with one key is the dot product with their sum. q [H*dim], k
// [n, G*dim] -> [n].
func Score(q, k []float32, n, dim int) []float32 {
	width := len(k) / n // G*dim
	group := len(q) / width
	sum := make([]float32, width)
	for h := range len(q) / dim {
		for d := range dim {
			sum[h/group*dim+d] += q[h*dim+d]
		}
	}
	s := make([]float32, n)
	for i := range s {
		for d, x := range k[i*width : (i+1)*width] {
			s[i] += float32(sum[d] * x)
		}
	}
	return s
}

func (f Filter) pool() int {
	if f.Pool == 0 {
		return 5
	}
	return f.Pool
}

// check returns the dimension of a head.
func (f Filter) check(eng *pass.Engine, seq *pass.Seq) (dim int, err error) {
	if f.Layer < 0 || f.Layer >= eng.Depth() {
		return 0, fmt.Errorf("gemfilter: %w: layer=%d, and the model has layers 0 to %d", keep.ErrArgument, f.Layer, eng.Depth()-1)
	}
	if err := keep.CheckPool(f.pool()); err != nil {
		return 0, fmt.Errorf("gemfilter: %w", err)
	}
	kv, ok := eng.Net().Memory(f.Layer, tensor.F32).(*pass.KV)
	if !ok {
		return 0, fmt.Errorf("gemfilter: %w: layer %d has no attention", keep.ErrArgument, f.Layer)
	}
	if err := keep.CheckPrompt(seq, f.Keep); err != nil {
		return 0, fmt.Errorf("gemfilter: %w", err)
	}
	return kv.Dim(), nil
}
