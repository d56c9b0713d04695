//go:build unix

package tokenizer

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is how long this process has computed: other programs on the machine
// don't count.
func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
