package mica

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tokenizer"
)

// Sampler picks a token from logits. The zero value is greedy.
type Sampler = lm.Sampler

// GenerateOptions are the settings of an answer. The zero value goes through the
// model's chat template, is greedy, and goes on until the model ends its turn or
// its context is full.
type GenerateOptions struct {
	Max     int // tokens at most; 0: no limit but the context
	Sampler Sampler

	// Raw continues the prompt as plain text. A model without a chat template
	// does so anyway.
	Raw bool
	// Before is what was said before the prompt: {Role: "system", ...}, and
	// turns of "user" and "assistant".
	Before []Message

	// Select reads the prompt once and keeps some of its tokens, from which the
	// answer is made: gemfilter.Filter. nil: all.
	Select keep.Selector
	// Cache lets layers forget keys and values of the prompt: snapkv.Method.
	// nil: none. A method's own settings may not suit the prompt, which is an
	// error that wraps [keep.ErrArgument].
	Cache keep.Compressor

	Report *Report // filled in if not nil, when the answer has ended
}

// Report tells how an answer was made.
type Report struct {
	Prompt int         // tokens of the prompt
	Kept   []int       // which of them Select kept, ascending; nil without it
	Layer  int         // that Select looked at; -1: none
	Cache  keep.Report // what Cache has done; zero without it
	Bytes  int64       // of keys and values at the end
	// Timing has the tokens of the answer, why it ended ("stop", "length",
	// "context"), and how long prompt and answer took. The time of Select isn't
	// in it, nor what a pass that was handed to Continue took before.
	Timing lm.Timing
}

// Piece is a token of an answer, with the text that it completes.
type Piece struct {
	ID int32 // [tokenizer.None] for the last bytes, if they make no whole character
	// Text is whole characters, empty for a token that ends inside of one. A
	// model may choose tokens that aren't UTF-8.
	Text string
}

// String is the text.
func (p Piece) String() string { return p.Text }

// Generate answers a prompt and yields each token as soon as it is known. An
// error is the last thing that it yields: ctx's, or of the prompt or a method.
// Breaking out of the loop ends everything that it began.
func (m *Model) Generate(ctx context.Context, prompt string, o GenerateOptions) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		a := answer{m: m, yield: yield, o: o}
		defer a.report()
		if err := a.ask(ctx, prompt); err != nil {
			yield(Piece{ID: tokenizer.None}, fmt.Errorf("mica: %w", err))
		}
	}
}

// Continue runs the layers that a pass of [Model.Begin] hasn't run yet, and goes
// on as Generate does; the pass has then ended. What was kept on the way is
// kept. Max and Sampler count, and Report; the prompt is the pass's.
func (m *Model) Continue(ctx context.Context, p *pass.Pass, o GenerateOptions) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		defer p.End()
		a := answer{m: m, yield: yield, o: o}
		defer a.report()
		if err := a.goOn(ctx, p); err != nil {
			yield(Piece{ID: tokenizer.None}, fmt.Errorf("mica: %w", err))
		}
	}
}

// answer is one answer while it is made. Its errors begin without the name of
// the package.
type answer struct {
	m     *Model
	yield func(Piece, error) bool
	o     GenerateOptions

	seq    *pass.Seq
	cache  *keep.Compression
	text   *tokenizer.Decoder
	timing lm.Timing
	r      Report
}

func (a *answer) ask(ctx context.Context, prompt string) error {
	tokens, err := a.tokens(prompt)
	if err != nil {
		return err
	}
	a.seq, a.r = pass.NewSeq(tokens...), Report{Prompt: len(tokens), Layer: -1}
	if a.o.Select != nil {
		s, err := a.o.Select.Select(ctx, a.m.eng, a.seq)
		if err != nil {
			return err
		}
		a.r.Kept, a.r.Layer = s.Kept, s.Layer
		a.seq = a.seq.Select(s.Kept)
	}
	if a.o.Cache != nil {
		if a.cache, err = keep.Compress(a.m.eng, a.seq, len(a.seq.Tokens), a.o.Cache); err != nil {
			return err
		}
	}
	return a.stream(ctx, a.o.Max)
}

// tokens is the prompt, checked.
func (a *answer) tokens(prompt string) ([]int32, error) {
	m := a.m
	var tokens []int32
	switch {
	case m.closed.Load():
		return nil, ErrClosed
	case !a.o.Raw && m.lm.Template != nil:
		var err error
		if tokens, err = m.chat(prompt, a.o.Before); err != nil {
			return nil, err
		}
	case len(a.o.Before) > 0:
		return nil, errors.New("messages before a raw prompt: there is no chat template to put them in")
	default:
		tokens = m.Tokens(prompt)
	}
	return tokens, m.fits(tokens)
}

func (a *answer) goOn(ctx context.Context, p *pass.Pass) error {
	if a.m.closed.Load() {
		return ErrClosed
	}
	if n := len(p.Seqs()); n != 1 {
		return fmt.Errorf("a pass of %d sequences goes on as one", n)
	}
	a.seq = p.Seqs()[0]
	a.r = Report{Prompt: len(a.seq.Tokens), Layer: -1}
	start := time.Now()
	if err := p.Run(ctx, p.At(), a.m.eng.Depth()); err != nil {
		return err
	}
	logits, err := p.Logits(-1)
	if err != nil {
		return err
	}
	id := a.o.Sampler.Pick(logits)
	p.End() // its buffers serve the passes to come
	prompt := time.Since(start)
	a.timing = lm.Timing{Prompt: prompt, Finish: "stop"}
	if a.m.lm.Tokenizer.IsEOG(id) {
		return nil
	}
	a.timing.Tokens = 1
	a.seq.Append(id)
	a.text = a.m.lm.Tokenizer.Stream()
	if !a.yield(Piece{id, a.text.Add(id)}, nil) {
		return nil
	}
	if a.o.Max == 1 {
		a.timing.Finish = "length"
		return a.flush()
	}
	err = a.stream(ctx, max(0, a.o.Max-1))
	a.timing.Tokens++
	a.timing.Decode += a.timing.Prompt
	a.timing.Prompt = prompt
	return err
}

// stream generates from what the sequence holds.
func (a *answer) stream(ctx context.Context, most int) error {
	t := a.m.lm.Tokenizer
	if a.text == nil {
		a.text = t.Stream()
	}
	o := lm.Options{Max: most, Sampler: a.o.Sampler, Stop: lm.StopAtEnd(t), Context: a.m.lm.Net.Config.Context, Timing: &a.timing}
	for id, err := range lm.Generate(ctx, a.m.eng, a.seq, o) {
		if err != nil {
			return err
		}
		if !a.yield(Piece{id, a.text.Add(id)}, nil) {
			return nil
		}
	}
	return a.flush()
}

// flush yields what the tokens have left of a character.
func (a *answer) flush() error {
	if rest := a.text.Flush(); rest != "" {
		a.yield(Piece{tokenizer.None, rest}, nil)
	}
	return nil
}

func (a *answer) report() {
	if a.o.Report == nil {
		return
	}
	if a.seq != nil {
		a.r.Bytes = a.seq.Bytes()
	}
	if a.cache != nil {
		a.r.Cache = a.cache.Report()
	}
	a.r.Timing = a.timing
	*a.o.Report = a.r
}
