// Package rope turns pairs of numbers in the plane: rotary position embedding.
//
// A pair (a, b) becomes, with cosine and sine from a table,
//
//	fma(a, cos, -(b*sin)), fma(b, cos, a*sin)
//
// in every tier, with the product in parentheses rounded first.
//
// Assembly for the reason in package act. A head of 64 numbers on one core of an
// AMD EPYC 9004:
//
//	              plain Go   AVX2     AVX-512
//	Interleaved     272 ns     8.6 ns     8.3 ns
//	Halves          274 ns     8.1 ns     8.6 ns
package rope

//go:generate go run -C ../_asm ./rope -out ../rope/rope_amd64.s -stubs ../rope/stubs_amd64.go -pkg rope

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
)

// Interleaved turns the pairs (2i, 2i+1) of x by the angles whose cosine and
// sine are table[2i] and table[2i+1]; sign 1 turns forward, -1 back. It writes
// len(table) numbers; dst may be x. A slice that is too short, or an odd table,
// is a mistake of the program, and panics.
func Interleaved(dst, x, table []float32, sign float32) {
	if n := check(dst, x, table); n > 0 {
		interleaved(cpu.Kernels(), dst[:n], x[:n], table, sign)
	}
}

// Halves is Interleaved for the pairs (i, i + len(table)/2).
func Halves(dst, x, table []float32, sign float32) {
	if n := check(dst, x, table); n > 0 {
		halves(cpu.Kernels(), dst[:n], x[:n], table, sign)
	}
}

func check(dst, x, table []float32) int {
	n := len(table)
	if n%2 != 0 || len(dst) < n || len(x) < n {
		panic(fmt.Sprintf("rope: %d numbers to %d by a table of %d", len(x), len(dst), n))
	}
	return n
}
