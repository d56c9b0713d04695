// Package kerneltest holds what the tests of the kernel families share: running
// every tier in one process, slices that end at an unreadable page, and
// comparison of bits.
package kerneltest

import (
	"math"
	"os"
	"slices"
	"testing"
	"unsafe"

	"github.com/micaml/mica/internal/cpu"
)

// EnvReference marks the machine on which every tier must be there. On it a
// missing tier fails a test that elsewhere would just run fewer tiers.
const EnvReference = "CI_REFERENCE"

// ForEachTier runs f as a subtest for each kernel tier that this machine has.
func ForEachTier(t *testing.T, f func(t *testing.T, tier cpu.Tier)) {
	t.Helper()
	have := cpu.Tiers()
	for _, tier := range []cpu.Tier{cpu.AVX2, cpu.AVX512} {
		if os.Getenv(EnvReference) == "1" && !slices.Contains(have, tier) {
			t.Errorf("%s=1, but this machine has no %v kernels", EnvReference, tier)
		}
	}
	for _, tier := range have {
		t.Run(tier.String(), func(t *testing.T) { f(t, tier) })
	}
}

// An Edge is an end of a guarded slice.
type Edge bool

const (
	Low  Edge = false // the slice begins just after an unreadable page
	High Edge = true  // the slice ends just before an unreadable page
)

// Edges are both, to range over.
var Edges = []Edge{Low, High}

func (e Edge) String() string {
	if e == High {
		return "high"
	}
	return "low"
}

// Guarded returns n zeroed bytes that touch an unreadable page at the edge, so
// that a kernel which reads or writes past it dies. The pages are given back
// when the test ends. Where pages can't be protected the slice is an ordinary one.
func Guarded(t testing.TB, n int, edge Edge) []byte {
	t.Helper()
	return guarded(t, n, edge)
}

// GuardedOf is Guarded for numbers. n of them must fill a multiple of their
// alignment, as float32, uint16 and the like do.
func GuardedOf[E any](t testing.TB, n int, edge Edge) []E {
	t.Helper()
	var e E
	b := guarded(t, n*int(unsafe.Sizeof(e)), edge)
	return unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// GuardedCopy is GuardedOf with the numbers of s.
func GuardedCopy[E any](t testing.TB, s []E, edge Edge) []E {
	t.Helper()
	g := GuardedOf[E](t, len(s), edge)
	copy(g, s)
	return g
}

// SameBits returns the first index at which got and want differ in a bit, or -1.
// Any NaN equals any other: which of two NaNs an addition keeps depends on the
// order of its operands, and no kernel promises that. Slices of different
// lengths differ at the end of the shorter one.
func SameBits(got, want []float32) int {
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			return i
		}
	}
	if len(got) != len(want) {
		return min(len(got), len(want))
	}
	return -1
}

// CheckBits fails the test if got and want differ in a bit, naming the place.
func CheckBits(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if i := SameBits(got, want); i >= 0 {
		if len(got) != len(want) {
			t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
		}
		t.Fatalf("%s: number %d of %d is %v (%#08x), want %v (%#08x)", what, i, len(got),
			got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
	}
}

// Awkward fills s with numbers that bring out differences: ordinary ones, and
// with the given share subnormals, zeros of both signs, huge ones, NaN and Inf.
func Awkward(s []float32, rnd func() uint64, share float64) {
	special := [...]float32{
		0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32,
		0x1p-126, -0x1.8p-127, 0x1p-70, -0x1p-75, math.MaxFloat32, -math.MaxFloat32,
		float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
	}
	for i := range s {
		u := rnd()
		if float64(u>>40)/(1<<24) < share {
			s[i] = special[u%uint64(len(special))]
		} else {
			s[i] = float32(int32(u)) / (1 << 31)
		}
	}
}
