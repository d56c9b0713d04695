package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// echo is how close together two signals count as one: programs such as
// timeout send theirs both to us and to our group.
const echo = 100 * time.Millisecond

// interruptible returns a context that ends with the first Ctrl-C or
// termination. The second one ends the program at once. A verb may have
// Ctrl-C for itself: see [interrupts].
func interruptible() (ctx context.Context, stop func()) {
	own := new(interrupts)
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), interruptsKey{}, own))
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		var first time.Time
		for s := range c {
			if s == os.Interrupt && own.caught() {
				continue
			}
			cause, code := errInterrupted, exitInterrupted
			if s == syscall.SIGTERM {
				cause, code = errTerminated, exitTerminated
			}
			switch {
			case first.IsZero():
				first = time.Now()
				cancel(cause)
			case time.Since(first) > echo:
				os.Exit(code)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(c)
		close(c)
		cancel(nil)
	}
}

// readAll is io.ReadAll of at most limit bytes that gives up when ctx ends,
// even while the other end of a pipe says nothing.
func readAll(ctx context.Context, r io.Reader, limit int64) ([]byte, error) {
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := io.ReadAll(io.LimitReader(r, limit+1))
		done <- result{b, err}
	}()
	select {
	case x := <-done:
		return x.b, x.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
