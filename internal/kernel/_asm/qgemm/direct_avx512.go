package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// direct multiplies straight from the stored blocks, each byte of which is
// read once.
func direct(c constants, f format, rows int) {
	directFunc(f, rows)
	mask := outputMask()
	r := simd.NewRows16(simd.Arg("w"), simd.Arg("stride"))
	u := newUnpacker(c, f, r)
	s := newSums(f, rows)
	if rows == 1 && f.bits == 4 {
		s.high = ZMM()
	}
	cp, groups := simd.Arg("c"), simd.Arg("groups")
	ahead := newPrefetcher(r)

	Label("group")
	s.activations()
	n := simd.Arg("blocks")
	s.zero()
	if whole := u.whole(); whole > 1 {
		SUBQ(U8(uint8(whole)), n)
		JL(LabelRef("rest"))
		Label("several")
		several(u, s, ahead)
		r.Advance(whole * f.bytes)
		s.advance(whole)
		SUBQ(U8(uint8(whole)), n)
		JGE(LabelRef("several"))
		Label("rest")
		ADDQ(U8(uint8(whole)), n)
		JZ(LabelRef("done"))
	}
	Label("one")
	ahead.fetch(f.bytes * lanes)
	d, m := u.head(0)
	s.begin(0, 0)
	u.block(0, s.raw(), func(j int, w VecVirtual) { s.add(0, j, w) })
	s.end(0, d, m)
	r.Advance(f.bytes)
	s.advance(1)
	DECQ(n)
	JNZ(LabelRef("one"))
	Label("done")
	s.store(cp, simd.Arg("ldc"), mask)
	ADDQ(U8(64), cp)
	nextGroup(r)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// directK is direct for the K-quants. The registers do not hold 256 numbers of 16
// rows beside the sums, so these go through a panel of one block, which stays in
// the first-level cache.
func directK(c constants, f format, rows int) {
	directFunc(f, rows)
	mask := outputMask()
	r := simd.NewRows16(simd.Arg("w"), simd.Arg("stride"))
	u := newUnpacker(c, f, r)
	s := newSums(f, rows)
	ahead := newPrefetcher(r)
	panel := simd.Arg("panel")

	Label("group")
	s.activations()
	n := simd.Arg("blocks")
	s.zero()
	Label("super")
	parts := u.parts(panel)
	parts[0].rest()
	for i := range parts {
		var next steps
		if i+1 < len(parts) {
			next = parts[i+1].steps
		}
		s.mix(next, 8*len(parts[i].blocks), func() {
			for _, blk := range parts[i].blocks {
				ahead.fetch(f.bytes * lanes / super)
				s.panel(panel, blk)
			}
		})
	}
	r.Advance(f.bytes)
	s.advance(super)
	SUBQ(U8(super), n)
	JNZ(LabelRef("super"))
	cp := simd.Arg("c")
	s.store(cp, simd.Arg("ldc"), mask)
	ADDQ(U8(64), cp)
	Store(cp, Param("c"))
	nextGroup(r)
	groups := simd.Arg("groups")
	DECQ(groups)
	Store(groups, Param("groups"))
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

func directFunc(f format, rows int) {
	simd.Func(fmt.Sprintf("direct%s%s", f.name, by(rows)), "func("+weightArgs+", groups int, panel *byte, "+tileArgs+")",
		fmt.Sprintf("multiplies %d activation row(s) by groups of 16 rows of stored %s blocks.", rows, f.name))
}

// nextGroup moves r, which stands at the end of its rows, that is at the
// beginning of the next ones, to the next group: 15 rows on.
func nextGroup(r simd.Rows16) {
	for _, b := range r.Base {
		LEAQ(Mem{Base: b, Index: r.S3, Scale: 4}, b)
		ADDQ(r.S3, b)
	}
}

// prefetcher points to what will be needed. 16 rows at once defeat the
// hardware's prefetcher, but the next 16 follow them in memory: fetch from there
// as much as is multiplied here.
type prefetcher struct{ next GPVirtual }

func newPrefetcher(r simd.Rows16) prefetcher {
	p := prefetcher{GP64()}
	MOVQ(r.S1, p.next)
	SHLQ(U8(4), p.next)
	ADDQ(r.Base[0], p.next)
	return p
}

// fetch fetches n bytes. A few at a time keep the memory busy all the time, where
// many at once would have to wait for each other.
func (p prefetcher) fetch(n int) {
	for off := 0; off < n; off += 64 {
		PREFETCHT1(simd.At(p.next, off+8<<10))
	}
	ADDQ(U32(uint32(n)), p.next)
}

// whole returns how many blocks are a whole number of 16-byte loads, if those
// are worth a loop of their own: the scales then come out of the same transposes
// as the quants.
func (u *unpacker) whole() int {
	switch u.name {
	case "Q4_0":
		return 8
	case "Q4_1":
		return 4
	case "Q5_1":
		return 2
	}
	return 1
}

// several multiplies the whole blocks.
func several(u *unpacker, s *sums, ahead prefetcher) {
	var at func(n int, t VecVirtual) // takes dword n of the blocks
	if u.name == "Q4_0" {
		at = u.dwordQ4_0(s)
	} else {
		at = u.dword(s)
	}
	loads := u.whole() * u.bytes / 16
	next := u.quads(0)
	for load := range loads {
		ahead.fetch(16 * lanes)
		var do steps
		now := next
		if load+1 < loads {
			next, do = u.quadsInSteps(16 * (load + 1))
		}
		s.mix(do, 2*len(now), func() {
			for i, t := range now {
				at(4*load+i, t)
			}
		})
	}
}

// dword is for blocks of whole dwords.
func (u *unpacker) dword(s *sums) func(n int, t VecVirtual) {
	var d, m VecVirtual
	dwords := u.bytes / 4
	return func(n int, t VecVirtual) {
		blk, at := n/dwords, n%dwords
		switch j := at - u.format.quants/4; {
		case at == 0:
			d, m = u.scales(t)
			s.begin(blk, 0)
		case j < 0:
			u.high = t
		default:
			s.quad(u, blk, j, t)
			if j == 3 {
				s.end(blk, d, m)
			}
		}
	}
}

// dwordQ4_0 is for blocks of 18 bytes. Two of them are nine dwords: the scale of
// the first with its quants half a dword late, and the scale of the second in
// the middle, which sets its quants right.
func (u *unpacker) dwordQ4_0(s *sums) func(n int, t VecVirtual) {
	var d, before VecVirtual
	late := ZMM()
	VMOVDQU16(u.late, late)
	return func(n int, t VecVirtual) {
		blk, at := n/9*2, n%9
		switch {
		case at == 0:
			d = u.halves(t, 0)
			s.begin(blk, 0)
		case at <= 4:
			VPERMT2W(t, late, before)
			s.quad(u, blk, at-1, before)
			if at == 4 {
				s.end(blk, d, nil)
				d = u.halves(t, 1)
				s.begin(blk+1, 0)
			}
		default:
			s.quad(u, blk+1, at-5, t)
			if at == 8 {
				s.end(blk+1, d, nil)
			}
		}
		before = t
	}
}

// quad adds the quants in dword i of a 4- or 5-bit block.
func (s *sums) quad(u *unpacker, blk, i int, t VecVirtual) {
	u.quad(i, t, s.raw(), func(j int, w VecVirtual) { s.add(blk, j, w) })
}
