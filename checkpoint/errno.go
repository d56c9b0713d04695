//go:build !plan9

package checkpoint

import "syscall"

var ways = append([]way{
	{syscall.ENOSPC, "free some space, keep fewer checkpoints or save elsewhere"},
	{syscall.ENFILE, "close files or raise the limit on open files"},
	{syscall.EROFS, "make the folder writable or save elsewhere"},
}, anywhere...)
