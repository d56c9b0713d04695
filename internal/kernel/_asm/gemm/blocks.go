package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// block decodes ggml's blocks of 32: a float16 scale d, in Q4_1 a float16
// minimum m, then the quants. Products and sums round separately, as
// tensor.DequantRow has them.
type block struct {
	lanes  [3]OpmaskVirtual // of simd.Quads
	dtype  string
	header int // bytes before the quants
	bits   int
	zero   int32 // of the 4-bit quants
	min    bool

	index VecVirtual // dword r is the offset of row r from row 0
	table VecVirtual // 4-bit quant -> float32
	have  bool
}

var (
	q8_0 = func() *block { return &block{dtype: "Q8_0", header: 2, bits: 8} }
	q4_0 = func() *block { return &block{dtype: "Q4_0", header: 2, bits: 4, zero: 8} }
	q4_1 = func() *block { return &block{dtype: "Q4_1", header: 4, bits: 4, min: true} }
)

func (b *block) name() string           { return b.dtype }
func (b *block) step() (int, int, bool) { return 32, b.header + 4*b.bits, true }

func (b *block) init() {
	b.lanes = simd.LaneMasks()
	b.have = false
	if b.bits == 4 {
		t := simd.Table("quants"+b.dtype, func() {
			for i := range int32(16) {
				DATA(4*int(i), F32(float32(i-b.zero)))
			}
		})
		b.table = ZMM()
		VMOVUPS(t, b.table)
	}
}

// scales reads d and m of 16 rows.
func (b *block) scales(r simd.Rows16) (d, m VecVirtual) {
	z, k := ZMM(), K()
	VPXORD(z, z, z)
	KXNORW(k, k, k)
	VPGATHERDD(Mem{Base: r.Base[0], Index: b.index, Scale: 1}, k, z)
	return b.convert(z)
}

func (b *block) convert(z VecVirtual) (d, m VecVirtual) {
	d = ZMM()
	VPMOVDW(z, d.AsY())
	VCVTPH2PS(d.AsY(), d)
	if b.min {
		m = ZMM()
		VPSRLD(U8(16), z, z)
		VPMOVDW(z, m.AsY())
		VCVTPH2PS(m.AsY(), m)
	}
	return d, m
}

func (b *block) unit(r simd.Rows16, use func(int, VecVirtual)) {
	if !b.have {
		panic("index not set up")
	}
	d, m := b.scales(r)
	apply := func(i int, q VecVirtual) {
		VMULPS(d, q, q)
		if b.min {
			VADDPS(m, q, q)
		}
		use(i, q)
	}
	if b.bits == 8 {
		for h := range 2 {
			for t, z := range simd.Quads(r, b.header+16*h, b.lanes) {
				for i := range 4 { // byte i, sign extended
					q := ZMM()
					if i < 3 {
						VPSLLD(U8(24-8*i), z, q)
						VPSRAD(U8(24), q, q)
					} else {
						VPSRAD(U8(24), z, q)
					}
					VCVTDQ2PS(q, q)
					apply(16*h+4*t+i, q)
				}
			}
		}
		return
	}
	quads := simd.Quads(r, b.header, b.lanes)
	for high := range 2 { // number j is in the low, j+16 in the high nibble of byte j
		for t, z := range quads {
			for i := range 4 {
				q := ZMM()
				if s := 8*i + 4*high; s > 0 {
					VPSRLD(U8(s), z, q)
					VPERMPS(b.table, q, q) // looks at four bits only
				} else {
					VPERMPS(b.table, z, q)
				}
				apply(16*high+4*t+i, q)
			}
		}
	}
}

// rows sets up the index of the scales from the stride.
func (b *block) rows(stride GPVirtual) {
	t := simd.Table("iota", func() {
		for i := range 16 {
			DATA(4*i, U32(i))
		}
	})
	b.index = ZMM()
	VPBROADCASTD(stride.As32(), b.index)
	VPMULLD(t, b.index, b.index)
	b.have = true
}
