//go:build !unix

package kerneltest

import (
	"testing"
	"unsafe"
)

func guarded(t testing.TB, n int, edge Edge) []byte {
	t.Helper()
	words := make([]uint64, n/8+1) // aligned for any number
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
}
