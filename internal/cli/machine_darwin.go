package cli

import (
	"runtime"

	"golang.org/x/sys/unix"
)

func cpuModel() string {
	if m, err := unix.Sysctl("machdep.cpu.brand_string"); err == nil && m != "" {
		return m
	}
	return runtime.GOARCH
}

// peakRSS is the largest amount of memory that the process has held, in
// bytes, which is the unit that this system uses.
func peakRSS() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return int64(u.Maxrss)
}
