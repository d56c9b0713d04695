// Package row emits loops over rows of float32 for the kernel generators: 16
// numbers at a time and the rest under a mask, so that no byte past the end is
// touched.
package row

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

var loops int // so far, to tell their labels apart

// Part is one turn of a loop: the mask of the numbers that are there, nil for
// all 16.
type Part struct{ mask Op }

// Loop emits body over n numbers; it takes over n and the pointers, which move
// on with each turn. The body appears twice, in full and under a mask.
func Loop(n GPVirtual, pointers []GPVirtual, body func(p Part)) {
	loops++
	whole, rest, done := fmt.Sprint("whole", loops), fmt.Sprint("rest", loops), fmt.Sprint("done", loops)
	SUBQ(U8(16), n)
	JL(LabelRef(rest))
	Label(whole)
	body(Part{})
	for _, p := range pointers {
		ADDQ(U8(64), p)
	}
	SUBQ(U8(16), n)
	JGE(LabelRef(whole))
	Label(rest)
	ADDQ(U8(16), n)
	JZ(LabelRef(done))
	k := Mask(n)
	body(Part{k})
	Label(done)
}

// Mask returns a mask of n lanes, n at most 16.
func Mask(n GPVirtual) OpmaskVirtual {
	m, k := GP32(), K()
	MOVL(U32(1<<16-1), m)
	BZHIL(n.As32(), m, m)
	KMOVW(m, k)
	return k
}

// Load reads 16 numbers; those that are not there read as zero.
func (p Part) Load(from GPVirtual) VecVirtual {
	z := ZMM()
	if p.mask == nil {
		VMOVUPS(simd.At(from, 0), z)
	} else {
		VMOVUPS_Z(simd.At(from, 0), p.mask, z)
	}
	return z
}

// Store writes the numbers that are there.
func (p Part) Store(z VecVirtual, to GPVirtual) { p.Do(VMOVUPS, z, simd.At(to, 0)) }

// Do emits op, for the lanes that are there only: the others keep what they had,
// so that an accumulator's -0 stays one.
func (p Part) Do(op func(...Op), operands ...Op) {
	if p.mask != nil {
		last := len(operands) - 1
		operands = append(operands[:last:last], p.mask, operands[last])
	}
	op(operands...)
}

// Scalar broadcasts a float32 argument.
func Scalar(name string) VecVirtual {
	x, z := XMM(), ZMM()
	Load(Param(name), x)
	VBROADCASTSS(x, z)
	return z
}

// Const broadcasts a constant.
func Const(f float32) VecVirtual {
	z := ZMM()
	VBROADCASTSS(Address(f), z)
	return z
}

// Address returns the address of a constant.
func Address(f float32) Mem {
	return simd.Table(fmt.Sprintf("const%08x", math.Float32bits(f)), func() { DATA(0, U32(math.Float32bits(f))) })
}
