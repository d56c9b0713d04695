package op

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Profile is a [Tracer] that adds up time, arithmetic and memory traffic by
// kind of op. The zero value is ready. A call's time is what has passed since
// the call before, so the time between ops is in it, and lines add up to the
// whole; of several passes at once the times would mix.
type Profile struct {
	mu    sync.Mutex
	last  time.Time
	lines map[string]*ProfileLine
}

// ProfileLine is one kind of op in a [Profile].
type ProfileLine struct {
	Op       string // its name, with dtype and size of a matrix: "linear Q4_1 1536x576"
	Backward bool
	Calls    int
	Time     time.Duration
	Cost     Cost
}

// Start begins anew, with nothing counted.
func (p *Profile) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines, p.last = map[string]*ProfileLine{}, time.Now()
}

// Mark leaves out the time since the last call: what follows begins now.
func (p *Profile) Mark() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
}

// Trace counts a call.
func (p *Profile) Trace(c *Ctx, e Entry) { p.add(c, &e, false, 1) }

// TraceBackward counts a call's backward pass, at the cost of the forward one
// for each gradient.
func (p *Profile) TraceBackward(c *Ctx, e Entry, _ Grads, gradients int) {
	p.add(c, &e, true, gradients)
}

func (p *Profile) add(c *Ctx, e *Entry, backward bool, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	name := e.Op.Name()
	if e.W != nil && e.W.Rows > 1 {
		name = fmt.Sprintf("%s %v %dx%d", name, e.W.DType, e.W.Rows, e.W.Cols)
	}
	key := name
	if backward {
		key += " back"
	}
	l := p.lines[key]
	if l == nil {
		if p.lines == nil {
			p.lines = map[string]*ProfileLine{}
		}
		l = &ProfileLine{Op: name, Backward: backward}
		p.lines[key] = l
	}
	l.Calls++
	if !p.last.IsZero() {
		l.Time += now.Sub(p.last)
	}
	l.Cost = l.Cost.Plus(int64(times), e.Op.Cost(c, e))
	p.last = time.Now() // without the time that it took to get here
}

// Lines returns what was counted, the longest time first.
func (p *Profile) Lines() []ProfileLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []ProfileLine
	for _, l := range p.lines {
		all = append(all, *l)
	}
	slices.SortFunc(all, func(a, b ProfileLine) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Op, b.Op))
	})
	return all
}
