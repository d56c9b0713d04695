// Package par shares loops between the cores.
//
// Each worker begins on a stretch of its own, chunk by chunk, and goes on with
// the stretches of those who are behind. Nobody waits for a helper
// that has claimed nothing, so a machine whose other core is busy loses that
// core and not more: a helper that never wakes costs nothing. Helpers spin
// briefly after a loop, since the next one of a forward pass follows within
// microseconds, and then park.
package par

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Task is the body of a loop. Do runs iterations [lo, hi) and may use scratch
// that belongs to worker, which is in [0, Workers()). An interface and not a
// func, so that a loop with arguments needs no closure on the heap.
type Task interface{ Do(worker, lo, hi int) }

// Pool runs loops on a fixed number of workers, of which the caller is number
// 0. A nil Pool is valid and runs everything on the caller.
//
// How a loop is cut never shows in its result: iterations must be
// independent, and kernels give an output's whole sum to one iteration.
type Pool struct {
	workers int
	busy    sync.Mutex // held by the loop that owns the helpers

	// The loop in progress. gen is odd while one is open; a helper enters by
	// raising inside and leaves by lowering it, and the caller closes the
	// loop (gen even) before it waits for inside to reach zero. So no helper
	// can touch a loop whose caller has returned.
	gen    atomic.Uint64
	inside atomic.Int64
	task   Task
	grain  int64
	shares []share // of each worker
	_      [64]byte

	parked  atomic.Int64
	mu      sync.Mutex
	wake    *sync.Cond
	stopped bool
	done    sync.WaitGroup

	failure atomic.Pointer[failed]
}

// share is the stretch of iterations that one worker begins on. What follows a
// chunk is then mostly the same worker's next one, so that what a kernel or the
// processor fetched ahead isn't fetched for nothing: a generated token, which
// reads every weight once, takes 0.72 (F16) to 0.85 (K-quants) of the time that it
// takes when workers claim chunks in turn.
type share struct {
	next atomic.Int64
	end  int64
	_    [48]byte // no two in one cache line
}

type failed struct{ value any }

// spins is how often a helper looks for the next loop before it parks: some
// 20 microseconds, longer than the serial stretches of a forward pass.
const spins = 4000

// New returns a pool of n workers, the caller included; n <= 0 means one for
// each core. Close ends its goroutines.
func New(n int) *Pool {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	p := &Pool{workers: n, shares: make([]share, n)}
	p.wake = sync.NewCond(&p.mu)
	for w := 1; w < n; w++ {
		p.done.Add(1)
		go p.help(w)
	}
	return p
}

// Workers returns the number of workers, the caller included.
func (p *Pool) Workers() int {
	if p == nil {
		return 1
	}
	return p.workers
}

// Close ends the helpers. Loops started later run on the caller alone.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.stopped = true
	p.wake.Broadcast()
	p.mu.Unlock()
	p.done.Wait()
}

// For runs t over [0, n) in chunks of at most grain iterations and returns
// when all are done. Loops do not nest. A second loop on the same pool while
// one runs goes ahead on its caller, as worker 0 of its own scratch, which
// therefore must not be shared between concurrent passes.
// A panic in a chunk reaches the caller.
func (p *Pool) For(n, grain int, t Task) {
	if n <= 0 {
		return
	}
	grain = max(grain, 1)
	if p == nil || p.workers == 1 || n <= grain || !p.busy.TryLock() {
		t.Do(0, 0, n)
		return
	}
	defer p.busy.Unlock()
	p.task, p.grain = t, int64(grain)
	p.deal(int64((n+grain-1)/grain), int64(n))
	p.gen.Add(1) // open
	if p.parked.Load() > 0 {
		p.mu.Lock()
		p.wake.Broadcast()
		p.mu.Unlock()
	}
	defer p.finish()
	p.work(0)
}

// deal gives each worker its share of n iterations in so many chunks.
func (p *Pool) deal(chunks, n int64) {
	for w := range p.shares {
		s := &p.shares[w]
		s.next.Store(chunks * int64(w) / int64(p.workers) * p.grain)
		s.end = min(chunks*int64(w+1)/int64(p.workers)*p.grain, n)
	}
}

// stop leaves nothing to claim.
func (p *Pool) stop() {
	for w := range p.shares {
		p.shares[w].next.Store(p.shares[w].end)
	}
}

// finish closes the loop and waits for the helpers that are inside a chunk.
func (p *Pool) finish() {
	p.stop()     // also after a panic
	p.gen.Add(1) // close
	for i := 0; p.inside.Load() != 0; i++ {
		if i > 200 {
			runtime.Gosched() // a helper may have lost its core in mid-chunk
		}
	}
	p.task = nil
	if f := p.failure.Swap(nil); f != nil {
		panic(f.value)
	}
}

func (p *Pool) work(worker int) {
	for i := range p.shares {
		s := &p.shares[(worker+i)%p.workers]
		for {
			lo := s.next.Add(p.grain) - p.grain
			if lo >= s.end {
				break
			}
			p.task.Do(worker, int(lo), int(min(lo+p.grain, s.end)))
		}
	}
}

func (p *Pool) help(worker int) {
	defer p.done.Done()
	last := uint64(0)
	for {
		g, ok := p.await(last)
		if !ok {
			return
		}
		last = g
		p.inside.Add(1)
		// Entered before looking again: if the loop is still open now, its
		// caller waits for us; if it has closed meanwhile, we touch nothing.
		if p.gen.Load() == g {
			p.guarded(worker)
		}
		p.inside.Add(-1)
	}
}

// guarded keeps a panic on a helper from ending the process.
func (p *Pool) guarded(worker int) {
	defer func() {
		if v := recover(); v != nil {
			p.failure.CompareAndSwap(nil, &failed{v})
			p.stop()
		}
	}()
	p.work(worker)
}

// await returns the number of an open loop newer than last, spinning first.
func (p *Pool) await(last uint64) (uint64, bool) {
	for i := range spins {
		if g := p.gen.Load(); g&1 == 1 && g != last {
			return g, true
		}
		if i&63 == 63 {
			runtime.Gosched()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parked.Add(1)
	defer p.parked.Add(-1)
	for {
		if g := p.gen.Load(); g&1 == 1 && g != last {
			return g, true
		}
		if p.stopped {
			return 0, false
		}
		p.wake.Wait()
	}
}
