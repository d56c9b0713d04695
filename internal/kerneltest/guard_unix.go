//go:build unix

package kerneltest

import (
	"testing"

	"golang.org/x/sys/unix"
)

func guarded(t testing.TB, n int, edge Edge) []byte {
	t.Helper()
	page := unix.Getpagesize()
	body := (n + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, body+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("guard pages: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(m); err != nil {
			t.Errorf("guard pages: %v", err)
		}
	})
	for _, fence := range [][]byte{m[:page], m[page+body:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatalf("guard pages: %v", err)
		}
	}
	at := page
	if edge == High {
		at += body - n
	}
	return m[at : at+n : at+n]
}
