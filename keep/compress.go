package keep

import (
	"cmp"
	"fmt"
	"time"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// Compressor makes layers forget. The prompt goes through each layer whole;
// then the method says which keys and values of it the layer remembers.
type Compressor interface {
	// Plan checks the settings against a prompt of n tokens and says what
	// the method wants to see. Its errors wrap [ErrArgument].
	Plan(n int) (Plan, error)
	// Compress drops entries of a layer that has run the whole prompt. With
	// Plan.Steps it is called again after each token that follows.
	Compress(l *Layer) error
}

// Plan is what a Compressor wants to see. The zero value is a method that
// looks at nothing and compresses the prompt once.
type Plan struct {
	Queries int         // how many of the last queries it may ask [Layer.Attention] for
	Sums    bool        // whether it asks for [Layer.Received]
	Steps   bool        // whether it also compresses after each token
	KV      pass.KVKind // how keys and values are kept; 0: as the sequence has it
}

// Compress puts a method in charge of what layers remember of seq, whose
// first prompt tokens are the prompt; no pass has taken any of them yet. They
// may come in several passes if one of these ends where the prompt does. If
// the method compresses after each token, each of those has a pass of its
// own. So what is kept depends on the sequence alone. The errors wrap
// [ErrArgument], or are [pass.ErrEmpty].
//
// Positions stay: a kept key is where it was, and the next token comes where
// it would have come.
func Compress(eng *pass.Engine, seq *pass.Seq, prompt int, m Compressor) (*Compression, error) {
	switch {
	case prompt == 0:
		return nil, pass.ErrEmpty
	case prompt < 0:
		return nil, fmt.Errorf("keep: %w: a prompt of %d tokens", ErrArgument, prompt)
	case seq.Input != nil || seq.Target != nil:
		return nil, fmt.Errorf("keep: %w: a sequence of something else than tokens alone", ErrArgument)
	case seq.Next() != 0:
		return nil, fmt.Errorf("keep: %w: the sequence has run %d tokens before its compression", ErrArgument, seq.Next())
	}
	attends := false
	for i := range eng.Depth() {
		_, ok := eng.Net().Memory(i, tensor.F32).(*pass.KV)
		attends = attends || ok
	}
	if !attends {
		return nil, fmt.Errorf("keep: %w: the model has no layer with keys and values", ErrArgument)
	}
	plan, err := m.Plan(prompt)
	if err != nil {
		return nil, err
	}
	c := &Compression{method: m, plan: plan, seq: seq, prompt: prompt, layers: make([]compressed, eng.Depth())}
	seq.SetPolicy(c)
	seq.KV = cmp.Or(plan.KV, seq.KV)
	return c, nil
}

// Compression is a method at work on a sequence. It is the sequence's
// [pass.Policy].
type Compression struct {
	method Compressor
	plan   Plan
	seq    *pass.Seq
	prompt int
	layers []compressed
	layer  Layer // handed to the method
	steps  time.Duration
}

// compressed is what a Compression knows of a layer.
type compressed struct {
	heads pass.Heads
	tail  []float32 // the last queries, [len(at), H*Dh]
	at    []int32   // and their positions
	rows  int       // in the pass at hand
	done  bool      // the prompt has been compressed

	before, after Size
	time          time.Duration
}

// Size is how much layers remember.
type Size struct {
	Entries int   // of all layers and heads together
	Bytes   int64 // of keys and values
}

// Report tells what the compression of a prompt has done.
type Report struct {
	Heads         int           // that hold entries, of all layers; query heads after [Layer.PerQuery]
	Before, After Size          // Before counts one entry for each token and KV head
	Prompt        time.Duration // that the method took, without sums that attention counts for it
	Steps         time.Duration // that it took after the prompt so far
}

// Report returns what has been done so far: all zero before the prompt.
func (c *Compression) Report() Report {
	r := Report{Steps: c.steps}
	for i := range c.layers {
		l := &c.layers[i]
		if !l.done {
			continue
		}
		if m, ok := c.seq.Memory(i).(*pass.KV); ok {
			r.Heads += m.Heads()
		}
		r.Before.Entries += l.before.Entries
		r.Before.Bytes += l.before.Bytes
		r.After.Entries += l.after.Entries
		r.After.Bytes += l.after.Bytes
		r.Prompt += l.time
	}
	return r
}

// Attending is for the pass: it keeps the last queries.
func (c *Compression) Attending(a pass.Attending) error {
	l, next := &c.layers[a.Layer], c.seq.Next()
	l.heads = a.Heads
	step := next > c.prompt
	if step && !l.done {
		return fmt.Errorf("keep: a prompt of %d tokens must end where a pass ends, and this one ends at %d", c.prompt, next)
	}
	if step && !c.plan.Steps {
		l.tail, l.at = nil, nil
		return nil
	}
	if !step {
		l.done = false
	}
	first := a.Rows[0].Pos
	if n := len(l.at); n > 0 && l.at[n-1] >= first { // a pass that failed is tried again
		l.rows = 0
		for len(l.at) > 0 && l.at[len(l.at)-1] >= first {
			l.at = l.at[:len(l.at)-1]
		}
		l.tail = l.tail[:len(l.at)*len(a.Queries)/len(a.Rows)]
	}
	l.rows += len(a.Rows)
	if n := l.rows; step && n > 1 {
		l.rows = 0
		return fmt.Errorf("keep: a method that drops entries after each token needs a pass for each, and got %d tokens", n)
	}
	if c.plan.Sums {
		a.KV.TrackSums(a.Heads.Query)
	}
	l.remember(a, max(1, c.plan.Queries))
	return nil
}

// remember keeps the last most queries, and where they are.
func (l *compressed) remember(a pass.Attending, most int) {
	w := len(a.Queries) / len(a.Rows)
	skip := max(0, len(a.Rows)-most)
	old := min(len(l.at), most-(len(a.Rows)-skip))
	l.at = append(l.at[:0], l.at[len(l.at)-old:]...)
	l.tail = append(l.tail[:0], l.tail[len(l.tail)-old*w:]...)
	for _, r := range a.Rows[skip:] {
		l.at = append(l.at, r.Pos)
	}
	l.tail = append(l.tail, a.Queries[skip*w:]...)
}

// Attended is for the pass: it lets the method compress.
func (c *Compression) Attended(ctx *op.Ctx, layer int, m *pass.KV) error {
	l, next := &c.layers[layer], c.seq.Next()
	step := next > c.prompt
	rows := l.rows
	l.rows = 0
	if next < c.prompt || rows == 0 {
		return nil
	}
	begin := time.Now()
	at := &c.layer
	at.Index, at.Depth, at.Prompt, at.Step, at.Heads = layer, len(c.layers), c.prompt, step, l.heads
	at.kv, at.ctx, at.tail = m, ctx, l.tail
	before := at.size()
	err := c.method.Compress(at)
	if err == nil {
		err = at.settle()
	}
	at.split = nil
	at.kv, at.ctx, at.tail = nil, nil, nil
	if err != nil {
		return err
	}
	if step {
		c.steps += time.Since(begin)
		return nil
	}
	if !c.plan.Steps {
		m.DropSums()
	}
	at.kv = m
	l.before, l.after = before, at.size()
	at.kv = nil
	l.done, l.time = true, time.Since(begin)
	return nil
}
