package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// tileArgs256 are those of a few rows of a tile whose height is step; whole
// groups of 16 columns are written.
const tileArgs256 = "step int, q *int8, d, s *float32, bias *int32, c *float32, ldc int"

// plan256 is how many rows of activations a kernel takes at most, and whether
// the float32 sums of three or more stay on the stack. 16 registers hold three
// rows of 4-bit products with their sums; 8 bits want more registers for the
// weights, and are worth unpacking for four rows only; 5 and 6 bits have sums in
// 16 and in 32 bits at once.
type plan256 struct {
	rows  int
	spill bool
}

func (f format) plan256() plan256 {
	switch f.bits {
	case 4:
		return plan256{rows: 3}
	case 8:
		return plan256{rows: 4, spill: true}
	}
	return plan256{rows: 2}
}

// depth256 is how many products of dwords fit into int16 sums: a VPMADDUBSW makes
// two products of at most 128 times the quant in each.
func (f format) depth256() int {
	switch f.bits {
	case 4:
		return 8
	case 5:
		return 4
	case 6:
		return 2
	}
	return 1
}

// panelQuants256 is where the quants begin in a panel: those of 8 bits are
// signed, and after the 16 scales come the sums of the negative ones of 16 rows.
func (f format) panelQuants256() int {
	if f.bits == 8 {
		return 64 + 64
	}
	return f.panelQuants()
}

func (f format) panelBytes256() int { return f.panelQuants256() + 512 }

// packed256 multiplies rows of activations by a panel.
func packed256(c constants256, f format, rows int) {
	simd.Func(fmt.Sprintf("packed%s%s_256", f.name, by(rows)), "func(panel *byte, blocks int, "+tileArgs256+")",
		fmt.Sprintf("multiplies %d activation row(s) by a panel of %s.", rows, f.name))
	s := newSums256(c, f, rows, f.plan256().spill && rows > 2)
	panel, n := simd.Arg("panel"), simd.Arg("blocks")
	s.zero()
	Label("one")
	s.panel(panel)
	s.advance()
	ADDQ(U32(uint32(f.panelBytes256())), panel)
	DECQ(n)
	JNZ(LabelRef("one"))
	s.store(simd.Arg("c"), simd.Arg("ldc"))
	VZEROUPPER()
	RET()
}

// sums256 are the accumulators of a tile of rows x 16 outputs, each 16 being two
// registers.
type sums256 struct {
	format
	constants256
	rows                int
	acc                 [][2]VecVirtual // nil if they are on the stack
	frame               Mem
	q, d, e             GPVirtual // activations: quants, scales, and biases or scaled sums
	qStep, dStep, eStep GPVirtual // from block to block
}

func newSums256(c constants256, f format, rows int, spill bool) *sums256 {
	s := &sums256{format: f, constants256: c, rows: rows}
	if spill {
		s.frame = AllocLocal(64 * rows)
	} else {
		for range rows {
			s.acc = append(s.acc, [2]VecVirtual{YMM(), YMM()})
		}
	}
	s.activations()
	s.qStep, s.dStep = simd.Arg("step"), GP64()
	MOVQ(s.qStep, s.dStep)
	SHLQ(U8(5), s.qStep)
	SHLQ(U8(2), s.dStep)
	s.eStep = s.dStep
	if s.chain == twoScales {
		s.eStep = GP64()
		LEAQ(Mem{Base: s.dStep, Index: s.dStep, Scale: 1}, s.eStep)
	}
	return s
}

// activations points s to the first block of the tile.
func (s *sums256) activations() {
	s.q, s.d = simd.Arg("q"), simd.Arg("d")
	if s.chain == scaleAndMin {
		s.e = simd.Arg("s")
	} else {
		s.e = simd.Arg("bias")
	}
}

func (s *sums256) advance() {
	ADDQ(s.qStep, s.q)
	ADDQ(s.dStep, s.d)
	ADDQ(s.eStep, s.e)
}

func (s *sums256) zero() {
	if s.acc == nil {
		z := YMM()
		VPXOR(z, z, z)
		for i := range 2 * s.rows {
			VMOVUPS(z, s.frame.Offset(32*i))
		}
		return
	}
	for _, a := range s.acc {
		VPXOR(a[0], a[0], a[0])
		VPXOR(a[1], a[1], a[1])
	}
}

// panel adds a block of a panel.
func (s *sums256) panel(p GPVirtual) {
	halves := 1
	if s.chain == twoScales {
		halves = 2
	}
	for half := range halves {
		dot := make([][2]VecVirtual, s.rows)
		s.dots(p, 8/halves*half, 8/halves, dot)
		for r := range dot {
			s.end(p, half, r, dot[r])
		}
	}
}

// dots adds up the products of n dwords of quants from the first on.
func (s *sums256) dots(p GPVirtual, first, n int, dot [][2]VecVirtual) {
	depth := s.depth256()
	words := make([][2]VecVirtual, s.rows)
	for j := range n {
		var w, negative [2]VecVirtual
		for h := range w {
			w[h] = YMM()
			VMOVDQU(simd.At(p, s.panelQuants256()+64*(first+j)+32*h), w[h])
			if s.bits == 8 {
				negative[h] = YMM()
				VPXOR(negative[h], negative[h], negative[h])
				VPCMPGTB(w[h], negative[h], negative[h])
				VPABSB(w[h], w[h])
			}
		}
		for r := range s.rows {
			x := YMM()
			VPBROADCASTD(simd.At(s.q, elems*r+4*(first+j)), x)
			for h := range w {
				t := YMM()
				if s.bits == 8 {
					// The first factor is unsigned, so the sign moves to the second:
					// -x is ^x + 1, and the ones come with the sum of the negative
					// weights. VPSIGNB would keep the multipliers from their work.
					VPXOR(x, negative[h], t)
					VPMADDUBSW(t, w[h], t)
				} else {
					VPMADDUBSW(x, w[h], t)
				}
				if j%depth == 0 {
					words[r][h] = t
				} else {
					VPADDW(t, words[r][h], words[r][h])
				}
				if j%depth == depth-1 {
					s.widen(words[r][h], &dot[r][h])
				}
			}
		}
	}
}

// widen adds pairs of 16-bit sums to 32-bit ones, which it makes if need be.
func (s *sums256) widen(words VecVirtual, dot *VecVirtual) {
	VPMADDWD(s.ones, words, words)
	if *dot == nil {
		*dot = words
	} else {
		VPADDD(words, *dot, *dot)
	}
}

// end adds a finished block, or half of one with two scales, to the float32
// sums of row r.
func (s *sums256) end(p GPVirtual, half, r int, dot [2]VecVirtual) {
	x := YMM()
	if s.biased() {
		off := 4 * r
		if s.chain == twoScales {
			off = 8*r + 4*half
		}
		VPBROADCASTD(simd.At(s.e, off), x)
		if s.shift > 0 {
			VPSLLD(U8(uint8(s.shift)), x, x)
		}
		for _, z := range dot {
			VPADDD(x, z, z)
		}
	}
	if s.bits == 8 {
		for h, z := range dot {
			VPSUBD(simd.At(p, 64+32*h), z, z)
		}
	}
	d, m := YMM(), YMM()
	VBROADCASTSS(simd.At(s.d, 4*r), d)
	if s.chain == scaleAndMin {
		VBROADCASTSS(simd.At(s.e, 4*r), m)
	}
	for h, z := range dot {
		t := YMM()
		VMULPS(simd.At(p, 64*half+32*h), d, t)
		VCVTDQ2PS(z, z)
		at := s.frame.Offset(64*r + 32*h)
		var acc VecVirtual
		if s.acc != nil {
			acc = s.acc[r][h]
		} else {
			acc = YMM()
			VMOVUPS(at, acc)
		}
		VFMADD231PS(t, z, acc)
		if s.chain == scaleAndMin {
			VFMADD231PS(simd.At(p, 64+32*h), m, acc)
		}
		if s.acc == nil {
			VMOVUPS(acc, at)
		}
	}
}

// biased reports whether the quants in a panel are too large; those of 8 bits
// are kept with their signs.
func (f format) biased() bool { return f.chain != scaleAndMin && f.bits != 8 }

func (s *sums256) store(c, ldc GPVirtual) {
	for r := range s.rows {
		if r > 0 {
			ADDQ(ldc, c)
		}
		for h := range 2 {
			var t VecVirtual
			if s.acc != nil {
				t = s.acc[r][h]
			} else {
				t = YMM()
				VMOVUPS(s.frame.Offset(64*r+32*h), t)
			}
			VMOVUPS(t, simd.At(c, 32*h))
		}
	}
}
