package cli

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

func cpuModel() string {
	if m := field("/proc/cpuinfo", "model name"); m != "" {
		return m
	}
	return runtime.GOARCH
}

// peakRSS is the largest amount of memory that the process has held, in
// bytes: mapped weights count as far as they were touched.
func peakRSS() int64 {
	kb, _ := strconv.ParseInt(strings.TrimSuffix(field("/proc/self/status", "VmHWM"), " kB"), 10, 64)
	return kb << 10
}

// field returns the first value of a key in a file of "key : value" lines.
func field(path, key string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
