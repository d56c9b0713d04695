package pass

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Options are the settings of an Engine. The zero value is exact mode on
// every core.
type Options struct {
	Mode    op.Mode
	Threads int // 0: one for each core
	// KV is how keys and values are kept: F32, F16 in half the memory, or Q8
	// in about a quarter. The zero value is what the mode is for: F32 in
	// Exact, F16 in Fast. Any goes with either mode, and a sequence may have
	// its own, [Seq.KV].
	KV KVKind
	// Tile is how many rows go through a row-wise layer at once, 0: 512. It
	// bounds the scratch memory of a long prompt and changes no bit.
	Tile int
	// Trace sees every op of the passes but taped ones, whose context is the
	// caller's, for profiles; nil: nobody. It must be safe for use by several
	// passes at once.
	Trace op.Tracer
}

// KVKind is a storage type for keys and values.
type KVKind uint8

const (
	KVByMode KVKind = iota // F32 in Exact, F16 in Fast
	KVF32
	KVF16
	KVQ8 // 8 bits and a scale for each 32 numbers of a key or value
)

// Engine runs passes over one network. It is safe for use by many goroutines,
// each with passes of its own.
type Engine struct {
	net    Net
	layers []LayerInfo
	opt    Options
	pool   *par.Pool

	mu   sync.Mutex
	free []*op.Ctx
}

// NewEngine returns an engine for a network. Close ends its threads.
func NewEngine(n Net, o Options) *Engine {
	if o.Tile <= 0 {
		o.Tile = 512
	}
	return &Engine{net: n, layers: n.Layers(), opt: o, pool: par.New(o.Threads)}
}

// kind returns how numbers of a sequence's keys and values are kept.
func (e *Engine) kind(q *Seq) tensor.DType {
	switch kv := cmp.Or(q.KV, e.opt.KV); {
	case kv == KVQ8:
		return tensor.Q8_0
	case kv == KVF16 || kv == KVByMode && e.opt.Mode == op.Fast:
		return tensor.F16
	default:
		return tensor.F32
	}
}

// Close ends the engine's threads.
func (e *Engine) Close() { e.pool.Close() }

// Net returns the network.
func (e *Engine) Net() Net { return e.net }

// Mode returns the numeric mode.
func (e *Engine) Mode() op.Mode { return e.opt.Mode }

// Threads returns the number of threads that work on a pass.
func (e *Engine) Threads() int { return e.pool.Workers() }

// Pool returns the engine's threads, for an optimizer of its weights.
func (e *Engine) Pool() *par.Pool { return e.pool }

// Depth returns the number of layers: Run(ctx, 0, Depth()) is the whole.
func (e *Engine) Depth() int { return len(e.layers) }

// Errors that a caller can act on.
var (
	ErrEmpty    = errors.New("pass: no tokens to run")
	ErrBoundary = errors.New("pass: the stream isn't at that boundary")
	ErrEnded    = errors.New("pass: the pass has ended")
)

// Begin starts a pass at boundary 0 with the tokens of each sequence that no
// pass has taken yet. End it with [Pass.End].
func (e *Engine) Begin(seqs ...*Seq) (*Pass, error) { return e.BeginAt(0, seqs...) }

// BeginAt is Begin at another boundary at which the network can embed: that
// of the decoder of an encoder-decoder, whose tokens are Seq.Target.
func (e *Engine) BeginAt(boundary int, seqs ...*Seq) (*Pass, error) {
	return e.begin(nil, boundary, seqs)
}

// BeginTaped is Begin on a context that the caller records gradients in: see
// package grad. The values of the pass live in c until its tape ends.
// [Pass.RestartTaped] does the same without allocating.
func (e *Engine) BeginTaped(c *op.Ctx, seqs ...*Seq) (*Pass, error) {
	return e.begin(c, 0, seqs)
}

func (e *Engine) begin(c *op.Ctx, boundary int, seqs []*Seq) (*Pass, error) {
	p, err := e.open(c, seqs)
	if err != nil {
		return nil, err
	}
	if err := p.embed(boundary); err != nil {
		p.abort()
		return nil, err
	}
	return p, nil
}

// NewCtx returns a context in the engine's mode and on its threads, for
// [Engine.BeginTaped] and for ops outside a pass.
func (e *Engine) NewCtx() *op.Ctx { return op.NewCtx(e.opt.Mode, e.pool) }

// open returns a pass on a taped context of the caller's, or one of its own.
func (e *Engine) open(taped *op.Ctx, seqs []*Seq) (*Pass, error) {
	if len(seqs) == 0 {
		return nil, fmt.Errorf("%w: no sequence", ErrEmpty)
	}
	p := &Pass{c: taped, taped: taped != nil}
	if err := p.begin(e, seqs); err != nil {
		return nil, err
	}
	if !p.taped {
		p.c = e.context()
	}
	return p, nil
}

// context returns a context with buffers from an earlier pass if there is one.
func (e *Engine) context() *op.Ctx {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.free); n > 0 {
		c := e.free[n-1]
		e.free = e.free[:n-1]
		return c
	}
	c := e.NewCtx()
	c.Trace(e.opt.Trace)
	return c
}

func (e *Engine) recycle(c *op.Ctx) {
	c.Reset()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.free) < 16 {
		e.free = append(e.free, c)
	}
}
