package cli

import (
	"context"
	"iter"
	"time"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
)

// chatCache is the method of --cache in a chat.
type chatCache struct {
	name   string
	method keep.Compressor // nil: all is remembered
	steps  bool            // it forgets with each token, and so wants each in a pass of its own
}

func newChatCache(s string) (chatCache, error) {
	name, method, err := parseCache(s)
	c := chatCache{name: name, method: method}
	if err != nil || method == nil {
		return c, err
	}
	plan, err := method.Plan(1)
	c.steps = plan.Steps
	return c, err
}

// begin puts the method to work on a sequence that nothing has run yet. The
// report is of what it has forgotten; nil if nothing is to be.
func (c *chatCache) begin(eng *pass.Engine, seq *pass.Seq) (report func() *cached, err error) {
	if c.method == nil {
		return func() *cached { return nil }, nil
	}
	of, err := compressed(eng, seq, c.method)
	if err != nil {
		return nil, err
	}
	return func() *cached {
		r := of()
		r.Method = c.name
		return r
	}, nil
}

// generate is lm.Generate. For a method that forgets with each token it runs
// what is new in a chat that goes on one by one.
func (c *chatCache) generate(ctx context.Context, eng *pass.Engine, seq *pass.Seq, o lm.Options) iter.Seq2[int32, error] {
	if !c.steps || seq.Next() == 0 {
		return lm.Generate(ctx, eng, seq, o)
	}
	return func(yield func(int32, error) bool) {
		start := time.Now()
		if err := oneByOne(ctx, eng, seq); err != nil {
			yield(0, err)
			return
		}
		fed, first := time.Since(start), true
		lm.Generate(ctx, eng, seq, o)(func(id int32, err error) bool {
			if first {
				o.Timing.Prompt += fed
				first = false
			}
			return yield(id, err)
		})
	}
}

// oneByOne runs all new tokens of a sequence but the last, each in a pass of
// its own.
func oneByOne(ctx context.Context, eng *pass.Engine, seq *pass.Seq) error {
	all := seq.Tokens
	defer func() { seq.Tokens = all }()
	var p *pass.Pass
	for n := seq.Next() + 1; n < len(all); n++ {
		seq.Tokens = all[:n]
		var err error
		if p == nil {
			if p, err = eng.Begin(seq); err == nil {
				defer p.End()
			}
		} else {
			err = p.Restart(seq)
		}
		if err == nil {
			err = p.Run(ctx, 0, eng.Depth())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
