package cli

import (
	"context"
	"sync"
	"time"
)

// interrupts lets a verb that goes on after a Ctrl-C have it for itself. It
// travels in the verb's context.
type interrupts struct {
	mu    sync.Mutex
	stop  func()    // what a Ctrl-C does in place of ending the verb; nil: nothing
	first time.Time // when it did
}

type interruptsKey struct{}

func interruptsOf(ctx context.Context) *interrupts {
	i, _ := ctx.Value(interruptsKey{}).(*interrupts)
	return i
}

// catch has the next Ctrl-C call stop, until release. The one after that ends
// the verb, as everywhere: what doesn't stop can be left.
func (i *interrupts) catch(stop func()) (release func()) {
	if i == nil { // nobody listens to Ctrl-C
		return func() {}
	}
	set := func(f func()) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.stop, i.first = f, time.Time{}
	}
	set(stop)
	return func() { set(nil) }
}

// caught reports whether a Ctrl-C is dealt with.
func (i *interrupts) caught() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.stop == nil:
		return false
	case i.first.IsZero():
		i.first = time.Now()
		i.stop()
		return true
	}
	return time.Since(i.first) <= echo
}
