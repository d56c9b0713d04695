package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// A decoder turns stored weights into float32, across 16 rows.
type decoder interface {
	name() string
	// step is the size of a unit of numbers and of the bytes that hold it;
	// whole says that rows hold only whole units (blocks).
	step() (numbers, bytes int, whole bool)
	// init sets up constants; once in a function.
	init()
	// unit decodes the first unit of 16 rows and calls use for each number in
	// ascending order, with lane r the number of row r.
	unit(r simd.Rows16, use func(i int, z VecVirtual))
}

type f32 struct{}

func (f32) name() string                                      { return "F32" }
func (f32) step() (int, int, bool)                            { return 16, 64, false }
func (f32) init()                                             {}
func (f32) unit(r simd.Rows16, use func(i int, z VecVirtual)) { simd.Lines(r, use) }

// halves is what f16 and bf16 share: a dword holds numbers 2t and 2t+1.
type halves struct {
	split VecVirtual // what takes them apart
}

func (*halves) step() (int, int, bool) { return 32, 64, false }

type f16 struct{ halves }

func (*f16) name() string { return "F16" }
func (d *f16) init() {
	t := simd.Table("evenOdd", func() {
		for i := range 32 {
			DATA(2*i, U16(2*i%32+i/16))
		}
	})
	d.split = ZMM() // word indices: the even words, then the odd ones
	VMOVDQU16(t, d.split)
}
func (d *f16) unit(r simd.Rows16, use func(int, VecVirtual)) {
	simd.Lines(r, func(t int, z VecVirtual) {
		even, odd := ZMM(), ZMM()
		VPERMW(z, d.split, z)
		VCVTPH2PS(z.AsY(), even)
		VEXTRACTI64X4(U8(1), z, odd.AsY())
		VCVTPH2PS(odd.AsY(), odd)
		use(2*t, even)
		use(2*t+1, odd)
	})
}

type bf16 struct{ halves }

func (*bf16) name() string { return "BF16" }
func (d *bf16) init() {
	d.split = ZMM()
	VPTERNLOGD(U8(0xff), d.split, d.split, d.split)
	VPSLLD(U8(16), d.split, d.split) // the upper halves
}
func (d *bf16) unit(r simd.Rows16, use func(int, VecVirtual)) {
	simd.Lines(r, func(t int, z VecVirtual) {
		even, odd := ZMM(), ZMM()
		VPSLLD(U8(16), z, even)
		VPANDD(z, d.split, odd)
		use(2*t, even)
		use(2*t+1, odd)
	})
}
