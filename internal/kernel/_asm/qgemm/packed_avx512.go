package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// pack unpacks 16 rows of blocks to a panel.
func pack(c constants, f format) {
	simd.Func("pack"+f.name, "func("+weightArgs+", panel *byte)",
		fmt.Sprintf("unpacks 16 rows of %s blocks to a panel.", f.name))
	r := simd.NewRows16(simd.Arg("w"), simd.Arg("stride"))
	u := newUnpacker(c, f, r)
	panel, n := simd.Arg("panel"), simd.Arg("blocks")
	ahead := newPrefetcher(r)
	blocks := 1
	if f.k {
		SHRQ(U8(3), n)
		blocks = super
	}
	Label("one")
	ahead.fetch(f.bytes * lanes)
	u.pack(panel)
	r.Advance(f.bytes)
	ADDQ(U32(uint32(blocks*f.panelBytes())), panel)
	DECQ(n)
	JNZ(LabelRef("one"))
	VZEROUPPER()
	RET()
}

// pack unpacks one stored block.
func (u *unpacker) pack(panel GPVirtual) {
	for _, p := range u.parts(panel) {
		p.rest()
	}
}

// part is the unpacking of some blocks of 32.
type part struct {
	steps
	blocks []int
}

// parts returns the unpacking of one stored block.
func (u *unpacker) parts(panel GPVirtual) []part {
	quant := func(blk, j int) Mem { return simd.At(panel, blk*u.panelBytes()+u.panelQuants()+64*j) }
	scale := func(blk, i int, z VecVirtual) { VMOVUPS(z, simd.At(panel, blk*u.panelBytes()+64*i)) }
	switch {
	case u.chain == twoScales:
		return u.partsQ6_K(scale, quant)
	case u.k:
		return u.partsK(scale, quant)
	}
	return []part{{steps{func() {
		d, m := u.head(0)
		scale(0, 0, d)
		if m != nil {
			scale(0, 1, m)
		}
		u.block(0, false, func(j int, q VecVirtual) { VMOVUPS(q, quant(0, j)) })
	}}, []int{0}}}
}

// packed multiplies tiles of activation rows by a panel.
func packed(f format, rows int) {
	simd.Func(fmt.Sprintf("packed%s%s", f.name, by(rows)), "func(panel *byte, blocks, tiles int, "+tileArgs+")",
		fmt.Sprintf("multiplies tiles of %d activation row(s) by a panel of %s.", rows, f.name))
	mask := outputMask()
	s := newSums(f, rows)
	s.activations()
	cp, ldc, tiles := simd.Arg("c"), simd.Arg("ldc"), simd.Arg("tiles")
	Label("tile")
	panel, n := simd.Arg("panel"), simd.Arg("blocks")
	s.zero()
	Label("one")
	s.panel(panel, 0)
	s.advance(1)
	ADDQ(U32(uint32(f.panelBytes())), panel)
	DECQ(n)
	JNZ(LabelRef("one"))
	s.store(cp, ldc, mask)
	for range rows {
		ADDQ(ldc, cp)
	}
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}
