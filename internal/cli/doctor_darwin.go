package cli

import "golang.org/x/sys/unix"

// memory returns how much memory the machine has; how much of it is free is
// not known here.
func memory() (total, free int64) {
	n, _ := unix.SysctlUint64("hw.memsize")
	return int64(n), 0
}

// diskFree returns how many bytes a user may still write below dir.
func diskFree(dir string) (int64, bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
