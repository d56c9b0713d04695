//go:build !linux && !darwin

package cli

import (
	"os"
	"runtime"
)

func cpuModel() string {
	if m := os.Getenv("PROCESSOR_IDENTIFIER"); m != "" { // Windows
		return m
	}
	return runtime.GOARCH
}

// peakRSS is 0: not known here.
func peakRSS() int64 { return 0 }
