package gemfilter

import (
	"context"
	"strings"
	"time"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/baseline"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/keep/h2o"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/keep/streaming"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
)

// method is one way to read a prompt with a budget of k tokens or entries.
type method struct {
	name  string
	what  string                                        // for the report
	pick  func(k, layer int, seed uint64) keep.Selector // nil: the whole prompt
	cache func(k, window int) keep.Compressor           // nil: everything is remembered
}

// methods are what GemFilter is compared with, and itself.
var methods = []method{
	{name: "gemfilter", what: "k tokens of the prompt, read again",
		pick: func(k, layer int, _ uint64) keep.Selector { return gemfilter.Filter{Layer: layer, Keep: k} }},
	{name: "snapkv", what: "k entries for each query head, as released; window 32, mean pool of 5",
		cache: func(k, _ int) keep.Compressor { return snapkv.Method{Budget: k, PerQuery: true} }},
	{name: "snapkv-kv", what: "k entries for each KV head; the window chosen on the prompts that chose the layer",
		cache: func(k, window int) keep.Compressor { return snapkv.Method{Budget: k, Window: window} }},
	{name: "h2o", what: "k entries for each KV head, the last 32 among them, chosen once after the prompt",
		cache: func(k, _ int) keep.Compressor { return h2o.Method{Budget: k, Recent: 32} }},
	{name: "h2o-step", what: "k entries for each KV head, half of them the newest, chosen again after each token",
		cache: func(k, _ int) keep.Compressor { return h2o.Method{Budget: k, Recent: k / 2, Steps: true} }},
	{name: "streaming", what: "the first 4 and the newest k - 4",
		cache: func(k, _ int) keep.Compressor { return streaming.Method{Budget: k, Sinks: 4} }},
	{name: "random", what: "k tokens drawn from the prompt, read again",
		pick: func(k, _ int, seed uint64) keep.Selector { return baseline.Random{Keep: k, Seed: seed} }},
	{name: "last", what: "the last k tokens, read again",
		pick: func(k, _ int, _ uint64) keep.Selector { return baseline.Last{Keep: k} }},
}

// answer is what came of one prompt.
type answer struct {
	Text    string  `json:"text"`
	Right   bool    `json:"right"`
	Prompt  int     `json:"prompt"`   // tokens
	FirstMS float64 `json:"first_ms"` // until the first token is known, selection included
	Bytes   int64   `json:"bytes"`    // of keys and values when it is
}

// longest is how many tokens an answer has at most: a blank, five digits, and
// a full stop with what follows.
const longest = 8

// ask reads a prompt with a selection or a compression, or neither, and
// generates greedily.
func (x *experiment) ask(ctx context.Context, ids []int32, pick keep.Selector, cache keep.Compressor, want string) (answer, error) {
	a := answer{Prompt: len(ids)}
	start := time.Now()
	seq := pass.NewSeq(ids...)
	if pick != nil {
		s, err := pick.Select(ctx, x.eng, seq)
		if err != nil {
			return a, err
		}
		seq = seq.Select(s.Kept)
	}
	if cache != nil {
		if _, err := keep.Compress(x.eng, seq, len(seq.Tokens), cache); err != nil {
			return a, err
		}
	}
	// The first token by hand, to see the memory before anything follows.
	logits, err := x.next(ctx, seq)
	if err != nil {
		return a, err
	}
	first := lm.Argmax(logits)
	a.FirstMS, a.Bytes = float64(time.Since(start).Microseconds())/1000, seq.Bytes()
	text := []int32{first}
	end := lm.StopAtEnd(x.m.Tokenizer)
	if !end(first) {
		seq.Append(first)
		for id, err := range lm.Generate(ctx, x.eng, seq, lm.Options{Max: longest - 1, Stop: end}) {
			if err != nil {
				return a, err
			}
			text = append(text, id)
		}
	}
	a.Text = x.m.Tokenizer.Decode(text)
	a.Right = strings.Contains(a.Text, want)
	return a, nil
}

// next runs what seq holds and returns the logits of the last token, [V].
func (x *experiment) next(ctx context.Context, seq *pass.Seq) ([]float32, error) {
	p, err := x.eng.Begin(seq)
	if err != nil {
		return nil, err
	}
	defer p.End()
	if err := p.Run(ctx, 0, x.eng.Depth()); err != nil {
		return nil, err
	}
	logits, err := p.Logits(-1)
	if err != nil {
		return nil, err
	}
	return append([]float32(nil), logits...), nil
}
