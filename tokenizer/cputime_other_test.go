//go:build !unix

package tokenizer

import (
	"testing"
	"time"
)

var began = time.Now()

// cpuTime is the time on the clock, where the system's own count is out of reach.
func cpuTime(testing.TB) time.Duration { return time.Since(began) }
