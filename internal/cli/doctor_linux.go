package cli

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memory returns how much memory there is and how much of it is free, in
// bytes: of the machine, or of the container if that has less.
func memory() (total, free int64) {
	total, free = meminfo("MemTotal"), meminfo("MemAvailable")
	if limit := number("/sys/fs/cgroup/memory.max"); limit > 0 && limit < total {
		total = limit
		free = max(0, min(free, limit-number("/sys/fs/cgroup/memory.current")))
	}
	return total, free
}

func meminfo(key string) int64 {
	kb, _ := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", key), " kB"), 10, 64)
	return kb << 10
}

// number is the number in a file, or 0: "max" is none.
func number(path string) int64 {
	b, _ := os.ReadFile(path)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// diskFree returns how many bytes a user may still write below dir.
func diskFree(dir string) (int64, bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
