// Package perplexity measures how well a model foretells a text: the mean of
// -log p of its tokens, in nats, and exp of that, the perplexity.
//
// A text is longer than what a model reads at once, so it is cut into windows
// that overlap, as the guide "Perplexity of fixed-length models" of Hugging
// Face transformers has it: each window begins a stride after the one before,
// and of its tokens those count that no window had before it. So each token
// counts once, and has at least size - stride tokens of context, but for those
// of the first window. (A token that begins its window, and so has nothing
// before it, can't count.) [Text] is that. [Continuation] asks the same of a method
// that keeps only some of what it reads: the context goes through the method,
// and the rest of the window is foretold from what is left.
package perplexity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/pass"
)

// ErrArgument is wrapped by errors of settings that make no sense.
var ErrArgument = errors.New("bad setting")

// Window is a stretch [Begin, End) of a text's tokens that is run as a sequence
// of its own, of which those in [From, End) count.
type Window struct{ Begin, From, End int }

// Windows cuts a text of n tokens into windows of size, each a stride after the
// one before. Without a begin token before each, the very first token of the
// text has nothing to be foretold from and doesn't count. The error wraps
// [ErrArgument] unless 1 <= stride <= size, there is a token that counts, and a
// window without a begin token has two.
func Windows(n, size, stride int, begins bool) ([]Window, error) {
	least := 2 // tokens of a window
	if begins {
		least = 1
	}
	switch {
	case stride < 1 || stride > size:
		return nil, fmt.Errorf("%w: a stride of %d tokens in windows of %d", ErrArgument, stride, size)
	case size < least:
		return nil, fmt.Errorf("%w: windows of %d tokens foretell none", ErrArgument, size)
	case n < least:
		return nil, fmt.Errorf("%w: a text of %d tokens, none of which has one before it", ErrArgument, n)
	}
	var all []Window
	for begin, done := 0, least-1; ; begin += stride {
		w := Window{begin, max(done, begin+least-1), min(begin+size, n)}
		if w.From < w.End {
			all = append(all, w)
		}
		if done = w.End; done == n {
			return all, nil
		}
	}
}

// Continuations are the windows whose tokens that count all have size - stride
// tokens of context: those of [Windows], where the first counts from there too.
// The error wraps [ErrArgument] unless 1 <= stride < size and a token counts.
func Continuations(n, size, stride int) ([]Window, error) {
	from := size - stride
	if stride < 1 || from < 1 {
		return nil, fmt.Errorf("%w: a stride of %d tokens in windows of %d leaves no context", ErrArgument, stride, size)
	}
	if n <= from {
		return nil, fmt.Errorf("%w: a text of %d tokens, and the first %d are context", ErrArgument, n, from)
	}
	var all []Window
	for begin := 0; begin+from < n; begin += stride {
		all = append(all, Window{begin, begin + from, min(begin+size, n)})
	}
	return all, nil
}

// Sum is -log p of tokens, added up, in nats.
type Sum struct {
	Tokens  int
	Nats    float64
	Squares float64 // of nats
}

// Add adds another sum.
func (s *Sum) Add(o Sum) {
	s.Tokens += o.Tokens
	s.Nats += o.Nats
	s.Squares += o.Squares
}

// add adds one token. Sums that are made of it alone have the same bits however
// their tokens were run: at once, or a few at a time.
func (s *Sum) add(nats float64) { s.Add(Sum{1, nats, nats * nats}) }

// Mean is the nats of a token; NaN of none.
func (s Sum) Mean() float64 { return s.Nats / float64(s.Tokens) }

// Perplexity is exp of the mean.
func (s Sum) Perplexity() float64 { return math.Exp(s.Mean()) }

// Bits is the sum in bits.
func (s Sum) Bits() float64 { return s.Nats / math.Ln2 }

// Error is the standard error of the perplexity as llama.cpp has it: as if each
// token were an independent draw, which it is not, so it is on the low side.
func (s Sum) Error() float64 {
	if s.Tokens < 2 {
		return 0
	}
	mean := s.Mean()
	variance := max(0, s.Squares/float64(s.Tokens)-mean*mean)
	return math.Sqrt(variance/float64(s.Tokens-1)) * s.Perplexity()
}

// headRows is how many rows of logits are in memory at once: a whole window's
// of a large vocabulary take hundreds of megabytes.
const headRows = 32

// Text is -log p of the tokens of a window that count. begin, if not negative,
// is put before the window.
func Text(ctx context.Context, eng *pass.Engine, ids []int32, w Window, begin int32) (Sum, error) {
	var sum Sum
	err := text(ctx, eng, ids, w, begin, sum.add)
	return sum, err
}

// text hands the nats of each token that counts to add.
func text(ctx context.Context, eng *pass.Engine, ids []int32, w Window, begin int32, add func(nats float64)) error {
	seq := pass.NewSeq()
	seq.Transient = true
	if begin >= 0 {
		seq.Append(begin)
	}
	seq.Append(ids[w.Begin:w.End]...)
	p, err := eng.Begin(seq)
	if err != nil {
		return err
	}
	defer p.End()
	if err := p.Run(ctx, 0, eng.Depth()); err != nil {
		return err
	}
	targets := ids[w.From:w.End]
	return foretold(ctx, p, len(seq.Tokens)-len(targets)-1, targets, add)
}

// foretold hands -log p of each of targets to add, of which row foretells the
// first, and each row after it the next.
func foretold(ctx context.Context, p *pass.Pass, row int, targets []int32, add func(nats float64)) error {
	if row < 0 || row+len(targets) > len(p.Rows()) {
		return fmt.Errorf("perplexity: rows %d to %d of %d", row, row+len(targets)-1, len(p.Rows()))
	}
	rows := make([]int, 0, headRows)
	for len(targets) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(len(targets), headRows)
		rows = rows[:0]
		for i := range n {
			rows = append(rows, row+i)
		}
		logits, err := p.Logits(rows...)
		if err != nil {
			return err
		}
		width := len(logits) / n
		for i, id := range targets[:n] {
			if id < 0 || int(id) >= width {
				return fmt.Errorf("perplexity: token %d of a vocabulary of %d", id, width)
			}
			x := nats(logits[i*width:][:width], id)
			if x-x != 0 { // infinite or not a number
				return fmt.Errorf("perplexity: token %d has a log-likelihood of %g: the model's numbers are broken", id, -x)
			}
			add(x)
		}
		row, targets = row+n, targets[n:]
	}
	return nil
}

// sumBlock is how many logits are summed up in float32.
const sumBlock = 256

// nats is -log softmax(logits)[id]. Most of a large vocabulary is so unlikely
// that its terms are lost one by one in a float32 sum that the likely tokens
// have made large, always to the same side. So only blocks are summed up in
// float32, and the blocks in float64.
func nats(logits []float32, id int32) float64 {
	top, sum := math.Inf(-1), 0.0
	for x := range slices.Chunk(logits, sumBlock) {
		largest, part := act.LogSumExp(x)
		at := float64(largest)
		if math.IsInf(at, -1) {
			continue // a block of tokens that can't follow
		}
		if at > top {
			sum *= math.Exp(top - at)
			top = at
		}
		sum += float64(part) * math.Exp(at-top)
	}
	return math.Log(sum) + top - float64(logits[id])
}
