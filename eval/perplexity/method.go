package perplexity

import (
	"context"
	"fmt"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/pass"
)

// Method keeps only some of a context. The zero value keeps all of it.
type Method struct {
	Select keep.Selector   // of tokens that are read again as a prompt; nil: all
	Cache  keep.Compressor // of keys and values of those; nil: all
}

// Cost is what is left of a context.
type Cost struct {
	Kept  int   // tokens
	Bytes int64 // of keys and values, before the continuation
}

// Continuation is -log p of the tokens that follow a context, of which a method
// keeps what it will. The context and the continuation are not empty. A method
// that drops entries after each token sees the continuation token by token.
func Continuation(ctx context.Context, eng *pass.Engine, prompt, rest []int32, m Method) (Sum, Cost, error) {
	if len(prompt) == 0 || len(rest) == 0 {
		return Sum{}, Cost{}, fmt.Errorf("%w: %d tokens after %d tokens of context", ErrArgument, len(rest), len(prompt))
	}
	seq := pass.NewSeq(prompt...)
	if m.Select != nil {
		kept, err := m.Select.Select(ctx, eng, seq)
		if err != nil {
			return Sum{}, Cost{}, err
		}
		seq = seq.Select(kept.Kept)
	}
	cost := Cost{Kept: len(seq.Tokens)}
	step := len(rest)
	if m.Cache != nil {
		plan, err := m.Cache.Plan(len(seq.Tokens))
		if err != nil {
			return Sum{}, Cost{}, err
		}
		if plan.Steps {
			step = 1
		}
		if _, err := keep.Compress(eng, seq, len(seq.Tokens), m.Cache); err != nil {
			return Sum{}, Cost{}, err
		}
	}
	p, err := eng.Begin(seq)
	if err != nil {
		return Sum{}, Cost{}, err
	}
	defer func() { p.End() }()
	if err := p.Run(ctx, 0, eng.Depth()); err != nil {
		return Sum{}, Cost{}, err
	}
	cost.Bytes = seq.Bytes()
	var sum Sum
	err = foretold(ctx, p, len(p.Rows())-1, rest[:1], sum.add)
	// Every row foretells the token after it, so the last token isn't run.
	for i := 0; err == nil && i < len(rest)-1; {
		n := min(step, len(rest)-1-i)
		seq.Append(rest[i : i+n]...)
		if err = p.Restart(seq); err != nil {
			break
		}
		if err = p.Run(ctx, 0, eng.Depth()); err != nil {
			break
		}
		err = foretold(ctx, p, 0, rest[i+1:i+1+n], sum.add)
		i += n
	}
	return sum, cost, err
}
