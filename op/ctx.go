package op

import (
	"fmt"

	"github.com/micaml/mica/internal/kernel/qgemm"
	"github.com/micaml/mica/internal/par"
)

// Mode is a numeric mode. Every result says which one it was computed in.
type Mode uint8

const (
	// Exact computes with float32 activations: for training, verification and
	// references.
	Exact Mode = iota
	// Fast quantises each activation row to 8 bits, in blocks of 32, where it
	// meets a quantised weight: for serving.
	Fast
)

func (m Mode) String() string {
	if m == Fast {
		return "fast"
	}
	return "exact"
}

// ParseMode reads "exact" or "fast".
func ParseMode(s string) (Mode, error) {
	switch s {
	case "exact":
		return Exact, nil
	case "fast":
		return Fast, nil
	}
	return Exact, fmt.Errorf("mode %q: not one of exact, fast", s)
}

// Val is a handle to a tensor of float32 in a [Ctx]. The zero Val is no
// tensor. A handle is good until the scope that it was made in ends; using it
// later is reported as an error of the context, not as wrong numbers.
type Val struct {
	index  int32 // into Ctx.vals, plus one
	serial uint32
}

// Valid reports whether v was made by an op. It doesn't tell whether v's
// scope is still open.
func (v Val) Valid() bool { return v.index != 0 }

type value struct {
	data   []float32
	shape  Shape
	serial uint32
	needs  bool // a gradient with respect to it is wanted
}

// Ctx is what ops compute in: it owns their results, knows the numeric mode
// and the worker pool, and records onto a tape if it has one. A Ctx serves
// one goroutine at a time.
//
// Errors are sticky, as in bufio.Writer: the first failed op is kept for
// [Ctx.Err], and ops after it do nothing and return the zero Val. So code
// that chains ops checks once, at the end.
type Ctx struct {
	mode   Mode
	pool   *par.Pool
	rec    Recorder
	tracer Tracer

	vals   []value
	arena  arena
	rooms  []room
	serial uint32
	err    error

	roomCalls int  // of Room, less those given back
	repeating bool // a checkpointed span runs again
	spare     Recorder

	// The quantised form of the value that a Fast linear saw last: the query,
	// key and value projections read the same one.
	acts    qgemm.Acts
	actsOf  Val
	kernels kernels
}

// NewCtx returns a context that computes in mode on pool, which may be nil
// (everything on the caller).
func NewCtx(mode Mode, pool *par.Pool) *Ctx { return &Ctx{mode: mode, pool: pool} }

// Mode returns the numeric mode.
func (c *Ctx) Mode() Mode { return c.mode }

// Record makes r keep the ops of a backward pass from now on; nil ends it.
// grad.Start calls it.
func (c *Ctx) Record(r Recorder) { c.rec = r }

// Spare keeps a recorder that has done its work for whoever records next, and
// returns the one that was kept: grad.Tape's memory goes from step to step.
func (c *Ctx) Spare(r Recorder) Recorder {
	kept := c.spare
	c.spare = r
	return kept
}

// Taped reports whether ops are being recorded.
func (c *Ctx) Taped() bool { return c.rec != nil }

// Err returns the first error since the context was made or reset.
func (c *Ctx) Err() error { return c.err }

// Fail makes err the context's error if it has none.
func (c *Ctx) Fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// ClearErr forgets the error, for a caller that has handled it and closed the
// scope that it came from.
func (c *Ctx) ClearErr() { c.err = nil }

func (c *Ctx) failf(op, format string, args ...any) Val {
	c.Fail(fmt.Errorf("op: %s: %w", op, fmt.Errorf(format, args...)))
	return Val{}
}

// Scope is a mark in a context: see [Ctx.Open].
type Scope struct {
	vals   int
	arena  mark
	rooms  int
	caches int
}

// Open opens a scope. [Ctx.Close] gives back everything that was made since,
// at once. Scopes nest: layer in pass in tape in step.
func (c *Ctx) Open() Scope {
	return Scope{len(c.vals), c.arena.mark(), c.roomCalls, c.kernels.attn.taped}
}

// Close ends a scope. While a tape records, it keeps everything, because the
// backward pass reads it; the scope in which the tape was started frees it.
func (c *Ctx) Close(s Scope) {
	if c.rec != nil {
		return
	}
	clear(c.vals[s.vals:])
	c.vals = c.vals[:s.vals]
	c.arena.release(s.arena)
	if c.roomCalls > s.rooms {
		for _, r := range c.rooms {
			r.release(s.rooms)
		}
		c.roomCalls = s.rooms
	}
	c.kernels.attn.taped = s.caches
}

// Bytes returns what the context's buffers take, in use or kept for reuse.
func (c *Ctx) Bytes() int64 {
	n := int64(0)
	for _, b := range c.arena.chunks {
		n += 4 * int64(len(b))
	}
	return n
}

// Reset ends every scope and clears the error; buffers are kept for reuse.
func (c *Ctx) Reset() {
	c.rec = nil
	c.err = nil
	c.actsOf = Val{}
	c.Close(Scope{})
}

// Out makes a tensor for an op to write all of. Its content is undefined.
func (c *Ctx) Out(s Shape) Val {
	if c.err != nil {
		return Val{}
	}
	return c.adopt(c.arena.alloc(s.Len()), s)
}

// From makes a tensor of these dimensions that holds a copy of data, which is
// row-major.
func (c *Ctx) From(data []float32, dims ...int) Val {
	v := c.View(data, dims...)
	if !v.Valid() {
		return v
	}
	o := c.Out(c.Shape(v))
	copy(c.Data(o), data)
	return o
}

// View makes a tensor that uses data in place. data must not change while
// the value is in use.
func (c *Ctx) View(data []float32, dims ...int) Val {
	return c.ViewShape(data, MakeShape(dims...))
}

// ViewShape is View for a shape at hand.
func (c *Ctx) ViewShape(data []float32, s Shape) Val {
	if s.Len() != len(data) {
		return c.failf("view", "%d numbers for shape %v", len(data), s)
	}
	return c.adopt(data, s)
}

func (c *Ctx) adopt(data []float32, s Shape) Val {
	if c.err != nil {
		return Val{}
	}
	c.serial++
	c.vals = append(c.vals, value{data: data, shape: s, serial: c.serial})
	return Val{index: int32(len(c.vals)), serial: c.serial}
}

// lookup returns v's entry, or nil and an error in the context.
func (c *Ctx) lookup(v Val) *value {
	i := int(v.index) - 1
	if i >= 0 && i < len(c.vals) && c.vals[i].serial == v.serial {
		return &c.vals[i]
	}
	if v.index == 0 {
		c.Fail(fmt.Errorf("op: use of no value"))
	} else {
		c.Fail(fmt.Errorf("op: use of a value after its scope was closed"))
	}
	return nil
}

// Data returns v's numbers, row-major. They are v's own, not a copy. It
// returns nil if v is not valid here; Err then says why.
func (c *Ctx) Data(v Val) []float32 {
	if e := c.lookup(v); e != nil {
		return e.data
	}
	return nil
}

// Shape returns v's shape, or the empty shape if v is not valid here.
func (c *Ctx) Shape(v Val) Shape {
	if e := c.lookup(v); e != nil {
		return e.shape
	}
	return Shape{}
}

// Want marks v as a leaf whose gradient is wanted.
func (c *Ctx) Want(v Val) {
	if e := c.lookup(v); e != nil {
		e.needs = true
	}
}

// Wants reports whether a gradient with respect to v is wanted.
func (c *Ctx) Wants(v Val) bool {
	i := int(v.index) - 1
	return i >= 0 && i < len(c.vals) && c.vals[i].serial == v.serial && c.vals[i].needs
}

// Index returns a number for v that is dense within the context, for tables
// beside it.
func (v Val) Index() int { return int(v.index) - 1 }
