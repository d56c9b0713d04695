package op

import "github.com/micaml/mica/tensor"

// Op is a kind of operation. Ops are static values, one for each kind; what
// a call needs besides its inputs is in the [Entry].
type Op interface {
	Name() string
	// Backward adds the gradients with respect to e's inputs, and to its
	// weight, given the gradient with respect to e's output.
	Backward(c *Ctx, e *Entry, g Grads)
	// Cost returns the arithmetic and the memory traffic of the call.
	Cost(c *Ctx, e *Entry) Cost
}

// Entry is one call of an op.
type Entry struct {
	Op   Op
	Out  Val
	In   [3]Val
	W    *Weight
	B    *Weight // a second one: the bias of an op that fuses it
	Attr Attr
}

// trained is how many of e's weights want a gradient.
func (e *Entry) trained() int {
	n := 0
	for _, w := range [2]*Weight{e.W, e.B} {
		if w != nil && w.Grad != nil {
			n++
		}
	}
	return n
}

// Attr holds what a call of an op needs besides values; each op says which
// fields it uses.
type Attr struct {
	F    float32
	N    int
	IDs  []int32
	Aux  Val // what forward saved for backward
	Spec any // a pointer to an op's own settings
}

// Cost is what a call costs at least: multiplications and additions of
// float32 numbers and of 8-bit ones, and bytes that must cross the memory bus
// if nothing is cached.
type Cost struct{ Flops, ByteOps, Bytes int64 }

// Plus adds n times d.
func (a Cost) Plus(n int64, d Cost) Cost {
	return Cost{a.Flops + n*d.Flops, a.ByteOps + n*d.ByteOps, a.Bytes + n*d.Bytes}
}

// Grads is the backward pass as an op sees it.
type Grads interface {
	// Of returns the gradient of an output.
	Of(v Val) []float32
	// Into returns the buffer to add an input's gradient to, or nil if nobody
	// wants it.
	Into(v Val) []float32
	// Set is Into for an op that can also set every number of the buffer, which
	// saves to clear and to read it: if add is false, nothing is in it yet, not
	// even zeros.
	Set(v Val) (into []float32, add bool)
}

// Recorder keeps entries for the backward pass: grad.Tape.
type Recorder interface {
	Add(e Entry)
	// Checkpoint is what [Checkpoint] calls.
	Checkpoint(f func(c *Ctx, in []Val) []Val, in []Val) []Val
}

// Tracer sees each call when it has ended, for profiles.
type Tracer interface {
	Trace(c *Ctx, e Entry)
	// TraceBackward sees the call's backward pass; gradients is how many of
	// its inputs and weights it was for.
	TraceBackward(c *Ctx, e Entry, g Grads, gradients int)
}

// Trace makes t see each call from now on; nil ends it.
func (c *Ctx) Trace(t Tracer) { c.tracer = t }

// Back runs the backward pass of a call: grad.Tape's walk.
func (c *Ctx) Back(e *Entry, g Grads) {
	e.Op.Backward(c, e, g)
	if c.tracer == nil {
		return
	}
	n := e.trained()
	for _, v := range e.In {
		if c.Wants(v) {
			n++
		}
	}
	c.tracer.TraceBackward(c, *e, g, n)
}

// record ends an op: without a tape and a tracer it costs nothing.
func (c *Ctx) record(e Entry) Val {
	if c.err != nil {
		return Val{}
	}
	if c.tracer != nil {
		c.tracer.Trace(c, e)
	}
	if c.rec == nil {
		return e.Out
	}
	needs := e.trained() > 0
	for _, v := range e.In {
		needs = needs || c.Wants(v)
	}
	if needs {
		c.Want(e.Out)
		c.rec.Add(e)
	}
	return e.Out
}

// Weight is a matrix that belongs to a network: [out, in] for a linear map,
// [V, D] for an embedding, [1, D] for a gain.
type Weight struct {
	Name string
	*tensor.Storage
	// Grad accumulates the gradient, [out, in] float32, if it is not nil; a
	// nil Grad means frozen. Only float32 weights can be trained.
	Grad []float32
}

// NewWeight returns a frozen weight. name is what errors call it by.
func NewWeight(name string, s *tensor.Storage) *Weight { return &Weight{Name: name, Storage: s} }

// Train asks for w's gradient, which begins at zero.
func (w *Weight) Train() {
	if w.Grad == nil {
		w.Grad = make([]float32, w.Rows*w.Cols)
	}
}
