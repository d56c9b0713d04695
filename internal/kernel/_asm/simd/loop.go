package simd

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

var loops int // so far, to tell their labels apart

// Part is one turn of a loop: the numbers that are there.
type Part struct {
	Mask
	t    Tier
	half int // 1 and 2 of Halves; 0 is both
}

// Loop emits body over n numbers, 16 at a time and the rest under a mask, so that
// no byte past the end is touched; it takes over n and the pointers, which move
// on with each turn. The body appears twice, in full and under the mask.
func (t Tier) Loop(n GPVirtual, pointers []GPVirtual, body func(p Part)) {
	loops++
	whole, rest, done := fmt.Sprint("whole", loops), fmt.Sprint("rest", loops), fmt.Sprint("done", loops)
	SUBQ(U8(Lanes), n)
	JL(LabelRef(rest))
	Label(whole)
	body(Part{t: t})
	for _, p := range pointers {
		ADDQ(U8(4*Lanes), p)
	}
	SUBQ(U8(Lanes), n)
	JGE(LabelRef(whole))
	Label(rest)
	ADDQ(U8(Lanes), n)
	JZ(LabelRef(done))
	body(Part{Mask: t.FirstLanes(n), t: t})
	Label(done)
}

// Whole tells whether all 16 are there.
func (p Part) Whole() bool { return p.all() }

// Halves emits body for each register of the part, so that work on one number at
// a time has all 16 registers of AVX2 for 8 lanes. body gets its temporaries from
// [F32x16.Like].
func (p Part) Halves(body func(h Part)) {
	if p.t == AVX512 {
		body(p)
		return
	}
	for i := range 2 {
		h := Part{t: p.t, half: 1 + i}
		if !p.all() {
			h.v = p.v[i : i+1]
		}
		body(h)
	}
}

// at returns where the part is, behind a pointer to the turn's 16 numbers.
func (p Part) at(base GPVirtual) Mem {
	if p.half == 2 {
		return At(base, 32)
	}
	return At(base, 0)
}

// Load reads 16 numbers; those that are not there read as zero.
func (p Part) Load(from GPVirtual) F32x16 {
	v := p.t.New()
	if p.half > 0 {
		v = v[:1]
	}
	p.read(p.at(from), v)
	return v
}

// Store writes the numbers that are there.
func (p Part) Store(v F32x16, to GPVirtual) { p.Mask.Store(v, p.at(to)) }

// ReturnLane returns lane 0 of x and ends the function.
func ReturnLane(x Register) {
	Store(x, ReturnIndex(0))
	End()
}

// End ends a function that returns nothing.
func End() {
	VZEROUPPER()
	RET()
}
