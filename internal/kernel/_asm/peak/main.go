// Command peak generates the kernels of package peak.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// tier is a width of registers.
type tier struct {
	suffix string
	vec    func() VecVirtual
	chains int // accumulators: more than latency times throughput
	bytes  int
}

var tiers = []tier{
	{"256", YMM, 12, 32},
	{"512", ZMM, 16, 64},
}

func main() {
	for _, t := range tiers {
		t.fma()
		t.dot()
		t.read()
	}
	simd.Emit("peak")
}

func (t tier) loop(n GPVirtual, body func(acc []VecVirtual), clear func(z VecVirtual)) []VecVirtual {
	acc := make([]VecVirtual, t.chains)
	for i := range acc {
		acc[i] = t.vec()
		clear(acc[i])
	}
	Label("loop")
	body(acc)
	DECQ(n)
	JNZ(LabelRef("loop"))
	return acc
}

// fma is one multiply-add to each accumulator a turn.
func (t tier) fma() {
	simd.Func("fma"+t.suffix, "func(dst, x *float32, n int)",
		"adds x[0]*x[0] to each of dst's numbers, n times, in registers.")
	dst, x, n := simd.Arg("dst"), simd.Arg("x"), simd.Arg("n")
	v := t.vec()
	VBROADCASTSS(simd.At(x, 0), v)
	acc := t.loop(n, func(acc []VecVirtual) {
		for _, a := range acc {
			VFMADD231PS(v, v, a)
		}
	}, func(z VecVirtual) { VXORPS(z, z, z) })
	t.store(dst, acc)
}

// dot is one product of bytes to each accumulator a turn: VNNI's four products
// and their sum, or AVX2's two products and a sum of 16 bits, which is all that
// 4-bit weights need.
func (t tier) dot() {
	simd.Func("dot"+t.suffix, "func(dst, x *int32, n int)",
		"adds products of the bytes of x[0] with themselves to each of dst's numbers, n times, in registers.")
	dst, x, n := simd.Arg("dst"), simd.Arg("x"), simd.Arg("n")
	v := t.vec()
	VPBROADCASTD(simd.At(x, 0), v)
	acc := t.loop(n, func(acc []VecVirtual) {
		for _, a := range acc {
			if t.bytes == 64 {
				VPDPBUSD(v, v, a)
				continue
			}
			p := t.vec()
			VPMADDUBSW(v, v, p)
			VPADDW(p, a, a)
		}
	}, func(z VecVirtual) { VXORPS(z, z, z) })
	t.store(dst, acc)
}

func (t tier) store(dst GPVirtual, acc []VecVirtual) {
	for i, a := range acc {
		VMOVUPS(a, simd.At(dst, t.bytes*i))
	}
	VZEROUPPER()
	RET()
}

// read adds up quadwords, four registers a turn.
func (t tier) read() {
	simd.Func("read"+t.suffix, "func(dst, x *uint64, n int)",
		"adds the quadwords of x to dst's lanes, n times four registers.")
	dst, x, n := simd.Arg("dst"), simd.Arg("x"), simd.Arg("n")
	t.chains = 4
	acc := t.loop(n, func(acc []VecVirtual) {
		for i, a := range acc {
			VPADDQ(simd.At(x, t.bytes*i), a, a)
		}
		ADDQ(U32(uint32(4*t.bytes)), x)
	}, func(z VecVirtual) { VXORPS(z, z, z) })
	t.store(dst, acc)
}
