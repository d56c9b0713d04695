package gemfilter

import (
	"context"
	"fmt"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/pass"
)

// Near is what the tokens that one layer would keep have to do with a needle.
type Near struct {
	// Distance is D_l, the paper's (section 4.3): from the needle's first token
	// to the nearest token kept, 0 if it is kept itself.
	Distance int
	Recall   float64 // share of the needle's tokens that are kept
}

// Curve tells of each layer what a filter there would keep of tokens [from, to)
// of seq, in one pass through all layers. f.Layer is ignored.
func (f Filter) Curve(ctx context.Context, eng *pass.Engine, seq *pass.Seq, from, to int) ([]Near, error) {
	f.Layer = 0
	dim, err := f.check(eng, seq)
	if err != nil {
		return nil, err
	}
	if from < 0 || from >= to || to > len(seq.Tokens) {
		return nil, fmt.Errorf("gemfilter: %w: a needle of tokens [%d, %d) in a prompt of %d", keep.ErrArgument, from, to, len(seq.Tokens))
	}
	p, err := eng.Begin(&pass.Seq{Tokens: seq.Tokens, Transient: true})
	if err != nil {
		return nil, err
	}
	defer p.End()
	curve := make([]Near, eng.Depth())
	for l := range curve {
		s, err := f.scoresAt(ctx, p, len(seq.Tokens), dim)
		if err != nil {
			return nil, err
		}
		curve[l] = near(keep.Top(keep.MeanPool(s, f.pool()), f.Keep), from, to)
		if err := p.Run(ctx, l, l+1); err != nil {
			return nil, err
		}
	}
	return curve, nil
}

func near(kept []int, from, to int) Near {
	n, inside := Near{Distance: -1}, 0
	for _, i := range kept {
		if d := max(i-from, from-i); n.Distance < 0 || d < n.Distance {
			n.Distance = d
		}
		if i >= from && i < to {
			inside++
		}
	}
	n.Recall = float64(inside) / float64(to-from)
	return n
}
