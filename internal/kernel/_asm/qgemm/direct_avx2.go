package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// direct256 multiplies one row of activations straight from the stored blocks.
// The registers hold no more rows beside a block being unpacked, so those go
// through a panel.
func direct256(c constants256, f format) {
	simd.Func("direct"+f.name+"x1_256", "func("+weightArgs+", groups int, q *int8, d, s *float32, bias *int32, c *float32)",
		"multiplies an activation row by groups of 16 rows of stored "+f.name+" blocks.")
	rows := simd.NewRows16(simd.Arg("w"), simd.Arg("stride"))
	ahead := newPrefetcher(rows)
	cp, groups := simd.Arg("c"), simd.Arg("groups")

	Label("group")
	s := &sums256{format: f, constants256: c, rows: 1, acc: [][2]VecVirtual{{YMM(), YMM()}}}
	s.activations()
	n := simd.Arg("blocks")
	s.zero()
	Label("one")
	ahead.fetch(f.bytes * lanes)
	for half := range 2 {
		u := &unpacker256{format: f, constants256: c, rows: rows, half: half}
		s.stored(u)
	}
	rows.Advance(f.bytes)
	ADDQ(U8(elems), s.q)
	ADDQ(U8(4), s.d)
	ADDQ(U8(4), s.e)
	DECQ(n)
	JNZ(LabelRef("one"))
	s.store(cp, nil)
	ADDQ(U8(64), cp)
	nextGroup(rows)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// stored adds a stored block of 8 rows.
func (s *sums256) stored(u *unpacker256) {
	d, m := u.head(0)
	var words, dot VecVirtual
	depth, n := s.depth256(), 0
	u.block(0, func(j int, w VecVirtual) {
		x := YMM()
		VPBROADCASTD(simd.At(s.q, 4*j), x)
		if s.bits == 8 {
			VPSIGNB(w, x, x) // there is time, and no sum of the negative weights
			VPABSB(w, w)
		}
		VPMADDUBSW(x, w, x)
		if n%depth == 0 {
			words = x
		} else {
			VPADDW(x, words, words)
		}
		if n++; n%depth == 0 {
			s.widen(words, &dot)
		}
	})
	t := YMM()
	if s.biased() {
		VPBROADCASTD(simd.At(s.e, 0), t)
		if s.shift > 0 {
			VPSLLD(U8(uint8(s.shift)), t, t)
		}
		VPADDD(t, dot, dot)
	}
	VBROADCASTSS(simd.At(s.d, 0), t)
	VMULPS(t, d, d)
	VCVTDQ2PS(dot, dot)
	acc := s.acc[0][u.half]
	VFMADD231PS(d, dot, acc)
	if s.chain == scaleAndMin {
		VBROADCASTSS(simd.At(s.e, 0), t)
		VFMADD231PS(t, m, acc)
	}
}
