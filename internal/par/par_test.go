package par

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type count struct {
	hits   []int32
	worker []atomic.Int64
	sleep  time.Duration
}

func (c *count) Do(worker, lo, hi int) {
	c.worker[worker].Add(1)
	for i := lo; i < hi; i++ {
		c.hits[i]++ // unsynchronised on purpose: -race tells of overlap
	}
	if c.sleep > 0 {
		time.Sleep(c.sleep)
	}
}

func TestForCoversOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		p := New(workers)
		for _, n := range []int{0, 1, 2, 7, 64, 1001} {
			for _, grain := range []int{0, 1, 3, 64, 5000} {
				c := &count{hits: make([]int32, n), worker: make([]atomic.Int64, workers)}
				for range 20 {
					p.For(n, grain, c)
				}
				for i, h := range c.hits {
					if h != 20 {
						t.Fatalf("workers %d n %d grain %d: iteration %d ran %d times", workers, n, grain, i, h)
					}
				}
			}
		}
		p.Close()
	}
	var none *Pool
	c := &count{hits: make([]int32, 5), worker: make([]atomic.Int64, 1)}
	none.For(5, 1, c)
	if none.Workers() != 1 || c.hits[4] != 1 {
		t.Fatal("a nil pool must run on the caller")
	}
	none.Close()
}

func TestHelpersWakeFromPark(t *testing.T) {
	p := New(4)
	defer p.Close()
	time.Sleep(20 * time.Millisecond) // all parked by now
	c := &count{hits: make([]int32, 64), worker: make([]atomic.Int64, 4), sleep: time.Millisecond}
	p.For(64, 1, c)
	helped := 0
	for w := range c.worker {
		if c.worker[w].Load() > 0 {
			helped++
		}
	}
	if helped < 2 {
		t.Fatalf("only %d workers took part in a loop of 64 ms", helped)
	}
}

type bomb struct{ at int }

func (b *bomb) Do(_, lo, hi int) {
	time.Sleep(time.Millisecond)
	if lo <= b.at && b.at < hi {
		panic(fmt.Sprint("bomb at ", b.at))
	}
}

func TestPanicReachesCaller(t *testing.T) {
	p := New(3)
	defer p.Close()
	for at := range 24 {
		func() {
			defer func() {
				if v := recover(); v != fmt.Sprint("bomb at ", at) {
					t.Fatalf("recovered %v", v)
				}
			}()
			p.For(24, 1, &bomb{at})
		}()
	}
	c := &count{hits: make([]int32, 9), worker: make([]atomic.Int64, 3)}
	p.For(9, 1, c) // the pool still works
	if c.hits[8] != 1 {
		t.Fatal("pool is broken after a panic")
	}
}

func TestConcurrentCallers(t *testing.T) {
	p := New(3)
	defer p.Close()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			c := &count{hits: make([]int32, 50), worker: make([]atomic.Int64, 3)}
			for range 200 {
				p.For(50, 3, c)
			}
			for i, h := range c.hits {
				if h != 200 {
					t.Errorf("iteration %d ran %d times", i, h)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestForAllocatesNothing(t *testing.T) {
	p := New(2)
	defer p.Close()
	c := &count{hits: make([]int32, 50), worker: make([]atomic.Int64, 2)}
	if a := testing.AllocsPerRun(200, func() { p.For(50, 5, c) }); a != 0 {
		t.Fatalf("%v allocations per loop", a)
	}
}

func BenchmarkFor(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			p := New(workers)
			defer p.Close()
			c := &count{hits: make([]int32, 64), worker: make([]atomic.Int64, workers)}
			for b.Loop() {
				p.For(64, 8, c)
			}
		})
	}
}

// lag holds one worker in its first chunk until the others have done the rest.
type lag struct {
	left  atomic.Int64
	first [2]atomic.Int64
}

func (l *lag) Do(worker, lo, hi int) {
	l.first[worker].CompareAndSwap(-1, int64(lo))
	if worker == 0 {
		time.Sleep(100 * time.Microsecond) // for the helper to wake
	} else {
		for l.left.Load() > int64(hi-lo) {
			time.Sleep(time.Microsecond)
		}
	}
	l.left.Add(int64(lo - hi))
}

// A worker begins where its share begins, and who is behind gets help.
func TestSharesOfTheSlowAreTakenOver(t *testing.T) {
	p := New(2)
	defer p.Close()
	helped := false
	for range 20 {
		l := &lag{}
		l.left.Store(40)
		l.first[0].Store(-1)
		l.first[1].Store(-1)
		p.For(40, 4, l)
		if l.left.Load() != 0 {
			t.Fatalf("%d iterations left", l.left.Load())
		}
		if at := l.first[0].Load(); at != 0 {
			t.Fatalf("the caller began at %d", at)
		}
		helped = helped || l.first[1].Load() == 20
	}
	if !helped {
		t.Fatal("the helper never began on its own share")
	}
}
