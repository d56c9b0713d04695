//go:build unix

package store

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the command into a process group of its own, so that all of it can be ended: pip
// is often a script that starts Python.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
