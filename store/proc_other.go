//go:build !unix

package store

import (
	"os/exec"
	"runtime"
	"strconv"
)

func ownGroup(*exec.Cmd) {}

// killGroup ends the command and what it started: pip.exe is a launcher that starts Python.
func killGroup(cmd *exec.Cmd) error {
	if runtime.GOOS == "windows" {
		exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid)).Run()
	}
	return cmd.Process.Kill()
}
