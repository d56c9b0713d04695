// Package cpu decides which kernel tier runs: the widest one that this
// processor has, or the one that MICA_KERNELS names.
//
// A tier changes speed and never a bit: every tier follows the order of
// additions that the plain-Go twins define.
package cpu

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// Tier is a family of kernels, ordered from the plainest to the widest.
type Tier uint8

const (
	Go     Tier = iota // plain Go, on every architecture
	AVX2               // AVX2 with FMA and F16C, amd64
	AVX512             // AVX-512 F/BW/DQ/VL/VBMI with VNNI, amd64
	tiers
)

var names = [tiers]string{"go", "avx2", "avx512"}

func (t Tier) String() string { return names[t] }

// Tiers lists the tiers that this machine can run, plainest first.
func Tiers() []Tier {
	have := []Tier{Go}
	if hasAVX2() {
		have = append(have, AVX2)
		if hasAVX512() {
			have = append(have, AVX512)
		}
	}
	return have
}

// EnvKernels is the variable that pins a tier, for tests and for bisecting.
const EnvKernels = "MICA_KERNELS"

var selected = sync.OnceValues(func() (Tier, error) { return choose(os.Getenv(EnvKernels), Tiers()) })

func choose(want string, have []Tier) (Tier, error) {
	best := have[len(have)-1]
	if want == "" {
		return best, nil
	}
	for _, t := range have {
		if t.String() == want {
			return t, nil
		}
	}
	var ok []string
	for _, t := range have {
		ok = append(ok, t.String())
	}
	return best, fmt.Errorf("%s=%s: not a kernel tier of this machine (it has %s)", EnvKernels, want, strings.Join(ok, ", "))
}

// Selected returns the tier in force. The error tells of a MICA_KERNELS that
// this machine can't honour; the tier is then the widest one.
func Selected() (Tier, error) { return selected() }

// Kernels is Selected without the error, for the kernels themselves.
func Kernels() Tier {
	t, _ := selected()
	return t
}

// Of returns what a kernel family has for tier t.
func Of[T any](t Tier, plain, avx2, avx512 T) T {
	switch t {
	case AVX512:
		return avx512
	case AVX2:
		return avx2
	}
	return plain
}
