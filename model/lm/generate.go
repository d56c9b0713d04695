package lm

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tokenizer"
)

// Options are the settings of [Generate]. The zero value is greedy and goes on
// for as long as the caller takes tokens.
type Options struct {
	Max     int // tokens at most; 0: as many as Context has room for
	Sampler Sampler
	Stop    func(id int32) bool // ends the generation, and is not given; nil: never
	Context int                 // of the model; 0: no limit
	Timing  *Timing             // filled in if not nil
}

// ahead is how many tokens memory is reserved for before they come. An answer
// that may fill a context of many thousands rarely does.
const ahead = 512

// Timing tells where the time went.
type Timing struct {
	Prompt time.Duration // until the first token is known
	Decode time.Duration // of the tokens after it
	Tokens int           // generated
	Finish string        // "stop", "length", "context"
}

// Generate runs what seq holds and yields tokens, each as soon as it is known.
// The tokens, and what layers remember of them, are added to seq. An error is
// the last thing that it yields: of the pass, or of a prompt longer than
// Context.
func Generate(ctx context.Context, eng *pass.Engine, seq *pass.Seq, o Options) iter.Seq2[int32, error] {
	return func(yield func(int32, error) bool) {
		t := o.Timing
		if t == nil {
			t = &Timing{}
		}
		*t = Timing{} // it may have served another call
		room := o.Max
		if o.Context > 0 {
			left := o.Context - len(seq.Tokens)
			if left < 0 {
				yield(0, fmt.Errorf("lm: a prompt of %d tokens for a context of %d", len(seq.Tokens), o.Context))
				return
			}
			if room <= 0 || room > left+1 {
				room, t.Finish = left+1, "context"
			}
		}
		if room > 0 {
			seq.Reserve(min(room, ahead))
		}
		start := time.Now()
		var p *pass.Pass
		defer func() {
			if p != nil {
				p.End()
			}
		}()
		for room <= 0 || t.Tokens < room {
			id, err := step(ctx, eng, &p, seq, &o.Sampler)
			if err != nil {
				yield(0, err)
				return
			}
			if t.Tokens == 0 {
				t.Prompt = time.Since(start)
				start = time.Now()
			}
			if o.Stop != nil && o.Stop(id) {
				t.Finish = "stop"
				break
			}
			t.Tokens++
			t.Decode = time.Since(start)
			seq.Append(id)
			if !yield(id, nil) {
				t.Finish = "stop"
				return
			}
		}
		t.Decode = time.Since(start)
		if t.Finish == "" {
			t.Finish = "length"
		}
	}
}

// step runs the tokens that seq has not run yet and picks the next. It keeps
// its pass from call to call.
func step(ctx context.Context, eng *pass.Engine, p **pass.Pass, seq *pass.Seq, s *Sampler) (int32, error) {
	var err error
	if *p == nil {
		*p, err = eng.Begin(seq)
	} else {
		err = (*p).Restart(seq)
	}
	if err != nil {
		return 0, err
	}
	if err := (*p).Run(ctx, 0, eng.Depth()); err != nil {
		return 0, err
	}
	logits, err := (*p).Logits(-1)
	if err != nil {
		return 0, err
	}
	return s.Pick(logits), nil
}

// StopAtEnd stops at the tokens that end a turn or a text.
func StopAtEnd(t *tokenizer.BPE) func(int32) bool { return t.IsEOG }
