//go:build unix

package main

import "golang.org/x/sys/unix"

// reserve takes n bytes of addresses that cannot be read, for as long as the
// program runs. The system gives the next mapping of that size the place below.
func reserve(n int) error {
	_, err := unix.Mmap(-1, 0, n, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	return err
}
