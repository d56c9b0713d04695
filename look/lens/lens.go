// Package lens is the logit lens: what the model would say if it stopped at
// a layer.
//
// nostalgebraist, "interpreting GPT: the logit lens", 2020: the final norm
// and the unembedding are applied to the residual stream between layers. It
// reads the same file and the same pass that serve, quantised or not.
package lens

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/micaml/mica/pass"
)

// Options are the settings of [Look].
type Options struct {
	Layers []int // layers to read after; nil: every layer
	Top    int   // tokens for each position; 0: 5
	Target int32 // token whose rank is asked for, if Ranked
	Ranked bool
}

// Layer is what the lens sees after one layer.
type Layer struct {
	Layer int
	Top   [][]Guess // [T][Top], best first
	Rank  []int     // of the target at each position, 0 is the top; nil unless Ranked
	KL    []float64 // KL(final || here) at each position, in nats
}

// Guess is a token with the probability that the lens gives it.
type Guess struct {
	ID          int32
	Probability float64
}

// Look runs seq through the network and reads the head after each layer. It
// is a pass like any other: the layers remember the tokens afterwards.
func Look(ctx context.Context, eng *pass.Engine, seq *pass.Seq, o Options) ([]Layer, error) {
	if o.Top <= 0 {
		o.Top = 5
	}
	for _, l := range o.Layers {
		if l < 0 || l >= eng.Depth() {
			return nil, fmt.Errorf("lens: layer %d: the model has layers 0 to %d", l, eng.Depth()-1)
		}
	}
	p, err := eng.Begin(seq)
	if err != nil {
		return nil, err
	}
	defer p.End()
	n := len(p.Rows())
	out, early := []Layer{}, []*pass.Pass{} // a pass that stays at each boundary
	for i := range eng.Depth() {
		if err := p.Run(ctx, i, i+1); err != nil {
			return nil, err
		}
		if o.Layers != nil && !slices.Contains(o.Layers, i) {
			continue
		}
		s, err := p.Save(nil)
		if err != nil {
			return nil, err
		}
		e, err := eng.Resume(s)
		if err != nil {
			return nil, err
		}
		defer e.End()
		early = append(early, e)
		out = append(out, Layer{Layer: i, Top: make([][]Guess, n), KL: make([]float64, n)})
		if o.Ranked {
			out[len(out)-1].Rank = make([]int, n)
		}
	}
	// Row by row, since distributions of all rows at once are large.
	for row := range n {
		final, err := distribution(p, row)
		if err != nil {
			return nil, err
		}
		if o.Ranked && (o.Target < 0 || int(o.Target) >= len(final)) {
			return nil, fmt.Errorf("lens: target %d: the vocabulary has tokens 0 to %d", o.Target, len(final)-1)
		}
		for l := range out {
			here, err := distribution(early[l], row)
			if err != nil {
				return nil, err
			}
			out[l].see(row, here, final, o)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return out, nil
}

// distribution is the log-softmax of the head's logits at a row.
func distribution(p *pass.Pass, row int) ([]float64, error) {
	logits, err := p.Logits(row)
	if err != nil {
		return nil, err
	}
	top, sum := float64(slices.Max(logits)), 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x) - top)
	}
	d := make([]float64, len(logits))
	for i, x := range logits {
		d[i] = float64(x) - top - math.Log(sum)
	}
	return d, nil
}

// see fills in a row from log-probabilities here and after the last layer.
func (l *Layer) see(row int, here, final []float64, o Options) {
	for i, q := range here {
		l.KL[row] += math.Exp(final[i]) * (final[i] - q)
		if o.Ranked && q > here[o.Target] {
			l.Rank[row]++
		}
	}
	l.Top[row] = best(here, o.Top)
}

// best returns the k most probable tokens in order; of equal ones the smaller
// id first.
func best(d []float64, k int) []Guess {
	g := make([]Guess, 0, k+1)
	for i, q := range d {
		p := math.Exp(q)
		if len(g) == k && p <= g[k-1].Probability {
			continue
		}
		at := sort.Search(len(g), func(j int) bool { return g[j].Probability < p })
		g = slices.Insert(g, at, Guess{int32(i), p})
		g = g[:min(k, len(g))]
	}
	return g
}
