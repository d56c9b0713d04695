package dataset

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
)

// Options says how a [Loader] goes through a set.
type Options struct {
	Batch int // examples in each batch
	// Seed decides the order of every epoch and what Transform draws.
	Seed uint64
	// InOrder goes through the set from first to last, in every epoch.
	InOrder bool
	// Rest makes the last batch of an epoch smaller; otherwise what doesn't fill
	// a batch is left out of that epoch.
	Rest bool
	// Transform changes a batch as it comes: crops, flips, noise. What it draws
	// from rng depends on the seed and the batch's position alone. It may write to X
	// and Labels; Tokens and Targets are the set's own, and are replaced by other
	// slices, not written to. It runs in the loader's goroutine.
	Transform func(b *Batch, rng *rand.Rand) error
}

// Position is where a loader stands: the batch that comes next. It marshals as
// JSON, for checkpoints.
type Position struct {
	Epoch int `json:"epoch"`
	Batch int `json:"batch"`
}

// Loader reads a set batch by batch, without end: after an epoch comes the next. It
// reads one batch ahead while the caller works. Its methods are for one goroutine.
type Loader struct {
	set      Set
	opt      Options
	batches  int // an epoch
	at       Position
	order    []int
	ordered  int // the epoch of order, -1: none
	free     []*Batch
	given    *Batch
	ahead    chan fetched // of one
	reading  bool         // something is or will be in ahead
	next     *Batch       // what work reads
	nextAt   Position
	work     func()
	pcg      rand.PCG
	rng      *rand.Rand // draws from pcg
	stop     chan struct{}
	stopOnce sync.Once
}

type fetched struct {
	b   *Batch
	err error
}

// ErrClosed says that a loader was closed.
var ErrClosed = errors.New("dataset: the loader is closed")

// NewLoader returns a loader at the beginning of epoch 0.
func NewLoader(s Set, o Options) (*Loader, error) {
	l := &Loader{set: s, opt: o, ordered: -1, free: []*Batch{{}, {}}, stop: make(chan struct{}), ahead: make(chan fetched, 1)}
	l.rng = rand.New(&l.pcg)
	l.work = func() { l.ahead <- fetched{l.next, l.read(l.next, l.nextAt)} } // one for all, for a closure is allocated
	if o.Batch <= 0 {
		return nil, fmt.Errorf("dataset: batches of %d examples", o.Batch)
	}
	l.batches = s.Len() / o.Batch
	if o.Rest && s.Len()%o.Batch != 0 {
		l.batches++
	}
	if l.batches == 0 {
		return nil, fmt.Errorf("dataset: %d examples don't fill a batch of %d: make batches smaller", s.Len(), o.Batch)
	}
	return l, nil
}

// Set is what the loader reads.
func (l *Loader) Set() Set { return l.set }

// Batches is the number of batches in an epoch.
func (l *Loader) Batches() int { return l.batches }

// Position is the position of the batch that Next returns next.
func (l *Loader) Position() Position { return l.at }

// Seek makes Next go on from a position, in a checkpoint say.
func (l *Loader) Seek(p Position) error {
	if p.Epoch < 0 || p.Batch < 0 || p.Batch >= l.batches {
		return fmt.Errorf("dataset: batch %d of epoch %d: an epoch has %d batches", p.Batch, p.Epoch, l.batches)
	}
	if l.reading {
		f := <-l.ahead
		l.reading, l.free = false, append(l.free, f.b)
	}
	l.at = p
	return nil
}

// Next returns the next batch, which is good until the next call.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-l.stop:
		return nil, ErrClosed
	default:
	}
	if l.given != nil {
		l.free, l.given = append(l.free, l.given), nil
	}
	if !l.reading {
		l.fetch(l.at)
	}
	var f fetched
	select {
	case f = <-l.ahead:
	case <-ctx.Done():
		return nil, ctx.Err() // what is being read is found by the next call
	}
	l.reading = false
	if f.err != nil {
		l.free = append(l.free, f.b)
		return nil, f.err
	}
	l.given = f.b
	l.at = l.after(l.at)
	l.fetch(l.at)
	return f.b, nil
}

// Close ends the reading ahead.
func (l *Loader) Close() {
	l.stopOnce.Do(func() { close(l.stop) })
	if l.reading {
		<-l.ahead
		l.reading = false
	}
}

func (l *Loader) after(p Position) Position {
	if p.Batch++; p.Batch == l.batches {
		p = Position{Epoch: p.Epoch + 1}
	}
	return p
}

// fetch begins to read the batch of a position. Nobody else touches the order and
// the batch meanwhile.
func (l *Loader) fetch(p Position) {
	l.next, l.nextAt, l.reading = l.free[len(l.free)-1], p, true
	l.free = l.free[:len(l.free)-1]
	go l.work()
}

func (l *Loader) read(b *Batch, p Position) error {
	if l.ordered != p.Epoch {
		l.order = order(l.order, l.set.Len(), l.opt.Seed, p.Epoch, l.opt.InOrder, &l.pcg, l.rng)
		l.ordered = p.Epoch
	}
	b.Reset()
	lo := p.Batch * l.opt.Batch
	hi := min(lo+l.opt.Batch, len(l.order))
	if err := l.set.Read(b, l.order[lo:hi]); err != nil {
		return err
	}
	if l.opt.Transform == nil {
		return nil
	}
	mix := uint64(p.Epoch)<<32 | uint64(uint32(p.Batch))
	l.pcg.Seed(l.opt.Seed+mix*0x9e3779b97f4a7c15, streamTransform)
	return l.opt.Transform(b, l.rng)
}

// Order writes the order of an epoch over buf: a permutation of n examples that
// depends on seed and epoch alone, or 0 to n-1.
func Order(buf []int, n int, seed uint64, epoch int, inOrder bool) []int {
	pcg := &rand.PCG{}
	return order(buf, n, seed, epoch, inOrder, pcg, rand.New(pcg))
}

// order is Order with a generator at hand, which draws from pcg.
func order(buf []int, n int, seed uint64, epoch int, inOrder bool, pcg *rand.PCG, rng *rand.Rand) []int {
	buf = buf[:0]
	for i := range n {
		buf = append(buf, i)
	}
	if !inOrder {
		pcg.Seed(seed+uint64(epoch)*0x9e3779b97f4a7c15, streamOrder)
		rng.Shuffle(n, func(i, j int) { buf[i], buf[j] = buf[j], buf[i] })
	}
	return buf
}
