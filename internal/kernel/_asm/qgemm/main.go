// Command qgemm generates the AVX-512 VNNI kernels of package qgemm.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

const (
	tileRows = 8  // rows of activations at a time, at most
	elems    = 32 // numbers in a block
	lanes    = 16 // rows of weights at a time
)

// format is a block type: a scale (and a minimum) as binary16, then quants.
type format struct {
	name   string
	bytes  int  // of a block
	quants int  // offset of the first quant
	wide   bool // 8 bits a quant, not 4
	min    bool
}

var formats = []format{
	{name: "Q8_0", bytes: 34, quants: 2, wide: true},
	{name: "Q4_0", bytes: 18, quants: 2},
	{name: "Q4_1", bytes: 20, quants: 4, min: true},
}

// panelBytes is what 16 rows of one block take unpacked: 16 scales, 16 minima,
// and eight registers of four quants for each of 16 rows.
func (f format) panelBytes() int {
	if f.min {
		return 64 + 64 + 512
	}
	return 64 + 512
}

func (f format) panelQuants() int { return f.panelBytes() - 512 }

// What the kernels take. The weights w are 16 rows of stored blocks, stride bytes
// apart; the activations are quants q, scales d, scaled sums s and biases of a
// tile; c is the first output and ldc the bytes between rows of outputs; mask
// says which of the last 16 columns exist.
const (
	weightArgs = "w *byte, stride, blocks int"
	tileArgs   = "q *int8, d, s *float32, bias *int32, c *float32, ldc int, mask uint16"
)

func main() {
	c := newConstants()
	for _, f := range formats {
		for rows := 1; rows <= tileRows; rows++ {
			direct(c, f, rows)
		}
		pack(c, f)
		for rows := 1; rows <= tileRows; rows++ {
			packed(f, rows)
		}
	}
	quantize()
	simd.Emit("qgemm")
}

// constants are tables in read-only memory.
type constants struct{ words, nibble, sign Mem }

func newConstants() constants {
	var c constants
	// The even 16-bit words, then the odd ones: splits pairs of binary16.
	c.words = GLOBL("evenOdd", NOPTR|RODATA)
	for i := range 32 {
		DATA(2*i, U16(2*(i%16)+i/16))
	}
	c.nibble = GLOBL("nibble", NOPTR|RODATA)
	DATA(0, U32(0x0f0f0f0f))
	c.sign = GLOBL("sign", NOPTR|RODATA)
	DATA(0, U32(0x80808080))
	return c
}

// unpacker turns stored blocks of 16 rows into registers whose lanes are rows.
type unpacker struct {
	format
	rows         simd.Rows16
	lanes        [3]OpmaskVirtual // 128-bit lanes 1, 2, 3
	dwords       [3]OpmaskVirtual // dwords 1, 2, 3 of each lane
	words, fixup VecVirtual       // for f16 pairs; the nibble mask or the sign bits
}

func newUnpacker(c constants, f format, rows simd.Rows16) *unpacker {
	u := &unpacker{format: f, rows: rows, lanes: simd.LaneMasks(), words: ZMM(), fixup: ZMM()}
	t := GP32()
	for i := range u.dwords {
		u.dwords[i] = K()
		MOVL(U32(uint32(0x2222)<<i), t)
		KMOVW(t, u.dwords[i])
	}
	VMOVDQU16(c.words, u.words)
	if f.wide {
		VPBROADCASTD(c.sign, u.fixup)
	} else {
		VPBROADCASTD(c.nibble, u.fixup)
	}
	return u
}

// quads loads 16 bytes at off from each row and transposes them: lane r of
// register t is dword t of row r. All of a register is written first: to avo an
// XMM load keeps the rest of the register alive, through the whole loop.
func (u *unpacker) quads(off int) [4]VecVirtual {
	var z [4]VecVirtual
	for i := range z {
		z[i] = ZMM()
		y := YMM()
		VBROADCASTI32X4(u.rows.Row(i, off), z[i])
		VINSERTI32X4(U8(1), u.rows.Row(i+4, off), z[i].AsY(), z[i].AsY())
		VBROADCASTI32X4(u.rows.Row(i+8, off), y)
		VINSERTI32X4(U8(1), u.rows.Row(i+12, off), y, y)
		VINSERTI64X4(U8(1), y, z[i], z[i])
	}
	return simd.Transpose4x4(z)
}

// heads gathers the first dword of the block at off, which holds the scale.
func (u *unpacker) heads(off int) VecVirtual {
	var z [4]VecVirtual
	for i := range z {
		z[i] = ZMM()
		VPBROADCASTD(u.rows.Row(i, off), z[i])
		for lane := 1; lane < 4; lane++ {
			VPBROADCASTD(u.rows.Row(i+4*lane, off), u.lanes[lane-1], z[i])
		}
		if i > 0 {
			VMOVDQA32(z[i], u.dwords[i-1], z[0])
		}
	}
	return z[0]
}

// scales converts 16 heads to the scales and, where there are any, the minima.
func (u *unpacker) scales(heads VecVirtual) (d, m VecVirtual) {
	t := ZMM()
	d = ZMM()
	VPERMW(heads, u.words, t)
	VCVTPH2PS(t.AsY(), d)
	if u.min {
		m = ZMM()
		VEXTRACTI64X4(U8(1), t, t.AsY())
		VCVTPH2PS(t.AsY(), m)
	}
	return d, m
}

// nibbles splits a register of packed quants into those of the block's first
// and second half; the second half stays 16 times too large if raw.
func (u *unpacker) nibbles(t VecVirtual, raw bool) (lo, hi VecVirtual) {
	lo, hi = ZMM(), t
	VPANDD(u.fixup, t, lo)
	if raw {
		VPANDND(t, u.fixup, hi)
		return lo, hi
	}
	VPSRLD(U8(4), t, hi)
	VPANDD(u.fixup, hi, hi)
	return lo, hi
}

// block unpacks the block at off: use is called for each dword j of the quants.
func (u *unpacker) block(off int, raw bool, use func(j int, q VecVirtual)) {
	if u.wide {
		for half := range 2 {
			for i, t := range u.quads(off + u.quants + 16*half) {
				VPXORD(u.fixup, t, t)
				use(4*half+i, t)
			}
		}
		return
	}
	for i, t := range u.quads(off + u.quants) {
		lo, hi := u.nibbles(t, raw)
		use(i, lo)
		use(i+4, hi)
	}
}

// sums are the accumulators of a tile of rows x 16 outputs.
type sums struct {
	format
	acc, dot []VecVirtual
	high     VecVirtual // integer sum of the second halves, 16 times too large
	q, d, e  GPVirtual  // activations: quants, scales, and biases or scaled sums
}

func newSums(f format, rows int) *sums {
	s := &sums{format: f}
	for range rows {
		s.acc = append(s.acc, ZMM())
		s.dot = append(s.dot, ZMM())
	}
	return s
}

// raw reports whether the second halves of 4-bit blocks are summed apart, 16
// times too large: one shift of the sum is less work than four of the quants,
// if there is only one row.
func (s *sums) raw() bool { return s.high != nil }

func (s *sums) zero() {
	for _, a := range s.acc {
		VPXORD(a, a, a)
	}
}

// begin starts the integer sums of a block. The quants are unsigned where VNNI
// wants them so: 8 or 128 too large, which the bias of the row, -8*sum, undoes.
func (s *sums) begin(blk int) {
	rows := len(s.dot)
	for r, z := range s.dot {
		switch off := 4 * (blk*rows + r); {
		case s.min:
			VPXORD(z, z, z)
		case s.wide:
			VPSLLD_BCST(U8(4), simd.At(s.e, off), z)
		default:
			VPBROADCASTD(simd.At(s.e, off), z)
		}
	}
	if s.raw() {
		VPXORD(s.high, s.high, s.high)
	}
}

// add multiplies dword j of 16 rows of weights by that of every activation row.
func (s *sums) add(blk, j int, w VecVirtual) {
	rows := len(s.dot)
	for r, z := range s.dot {
		if j >= 4 && s.raw() {
			z = s.high
		}
		VPDPBUSD_BCST(simd.At(s.q, elems*(blk*rows+r)+4*j), w, z)
	}
}

// end adds a finished block to the float32 sums.
func (s *sums) end(blk int, d, m VecVirtual) {
	if s.raw() {
		VPSRAD(U8(4), s.high, s.high)
		VPADDD(s.high, s.dot[0], s.dot[0])
	}
	rows := len(s.dot)
	for r, z := range s.dot {
		off := 4 * (blk*rows + r)
		t := ZMM()
		VMULPS_BCST(simd.At(s.d, off), d, t)
		VCVTDQ2PS(z, z)
		VFMADD231PS(t, z, s.acc[r])
		if s.min {
			VFMADD231PS_BCST(simd.At(s.e, off), m, s.acc[r])
		}
	}
}

// advance moves past n blocks.
func (s *sums) advance(n int) {
	rows := len(s.dot)
	ADDQ(U32(uint32(n*rows*elems)), s.q)
	ADDQ(U32(uint32(n*rows*4)), s.d)
	ADDQ(U32(uint32(n*rows*4)), s.e)
}

func (s *sums) store(c, ldc GPVirtual, mask OpmaskVirtual) {
	p := GP64()
	MOVQ(c, p)
	for r, a := range s.acc {
		if r > 0 {
			ADDQ(ldc, p)
		}
		VMOVUPS(a, mask, simd.At(p, 0))
	}
}

// activations points s to the first block of the tile.
func (s *sums) activations() {
	s.q, s.d = simd.Arg("q"), simd.Arg("d")
	if s.min {
		s.e = simd.Arg("s")
	} else {
		s.e = simd.Arg("bias")
	}
}

func outputMask() OpmaskVirtual {
	k, g := K(), Load(Param("mask"), GP32())
	KMOVW(g, k)
	return k
}

// direct multiplies straight from the stored blocks, each byte of which is
// read once.
func direct(c constants, f format, rows int) {
	simd.Func(fmt.Sprintf("direct%s%s", f.name, by(rows)), "func("+weightArgs+", groups int, "+tileArgs+")",
		fmt.Sprintf("multiplies %d activation row(s) by groups of 16 rows of stored %s blocks.", rows, f.name))
	mask := outputMask()
	r := simd.NewRows16(simd.Arg("w"), simd.Arg("stride"))
	u := newUnpacker(c, f, r)
	s := newSums(f, rows)
	if rows == 1 && !f.wide {
		s.high = ZMM()
	}
	cp, groups := simd.Arg("c"), simd.Arg("groups")
	// 16 rows at once defeat the hardware's prefetcher, but the next 16 follow
	// them in memory: fetch from there as much as is multiplied here.
	ahead := GP64()
	MOVQ(r.S1, ahead)
	SHLQ(U8(4), ahead)
	ADDQ(r.Base[0], ahead)
	fetch := func(blocks int) {
		for off := 0; off < lanes*f.bytes*blocks; off += 64 {
			PREFETCHT1(simd.At(ahead, off+16<<10))
		}
		ADDQ(U32(uint32(lanes*f.bytes*blocks)), ahead)
	}

	Label("group")
	s.activations()
	n := simd.Arg("blocks")
	s.zero()
	if f.min {
		SUBQ(U8(4), n)
		JL(LabelRef("rest"))
		Label("four")
		fetch(4)
		four(u, s)
		r.Advance(4 * f.bytes)
		s.advance(4)
		SUBQ(U8(4), n)
		JGE(LabelRef("four"))
		Label("rest")
		ADDQ(U8(4), n)
		JZ(LabelRef("done"))
	}
	Label("one")
	fetch(1)
	d, m := u.scales(u.heads(0))
	s.begin(0)
	u.block(0, s.raw(), func(j int, w VecVirtual) { s.add(0, j, w) })
	s.end(0, d, m)
	r.Advance(f.bytes)
	s.advance(1)
	DECQ(n)
	JNZ(LabelRef("one"))
	Label("done")
	s.store(cp, simd.Arg("ldc"), mask)
	ADDQ(U8(64), cp)
	// The pointers stand at the end of their rows, that is at the beginning of
	// the next ones: 15 rows on is the next group.
	for _, b := range r.Base {
		LEAQ(Mem{Base: b, Index: r.S3, Scale: 4}, b)
		ADDQ(r.S3, b)
	}
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// four multiplies four Q4_1 blocks. They are 20 dwords, five whole loads of 16
// bytes from each row, so the scales come out of the same transposes as the
// quants.
func four(u *unpacker, s *sums) {
	var d, m VecVirtual
	for load := range 5 {
		for i, t := range u.quads(16 * load) {
			blk, j := (4*load+i)/5, (4*load+i)%5
			if j == 0 {
				d, m = u.scales(t)
				s.begin(blk)
				continue
			}
			lo, hi := u.nibbles(t, s.raw())
			s.add(blk, j-1, lo)
			s.add(blk, j+3, hi)
			if j == 4 {
				s.end(blk, d, m)
			}
		}
	}
}

// pack unpacks 16 rows of blocks to a panel.
func pack(c constants, f format) {
	simd.Func("pack"+f.name, "func("+weightArgs+", panel *byte)",
		fmt.Sprintf("unpacks 16 rows of %s blocks to a panel.", f.name))
	r := simd.NewRows16(simd.Arg("w"), simd.Arg("stride"))
	u := newUnpacker(c, f, r)
	panel, n := simd.Arg("panel"), simd.Arg("blocks")
	Label("one")
	d, m := u.scales(u.heads(0))
	VMOVUPS(d, simd.At(panel, 0))
	if f.min {
		VMOVUPS(m, simd.At(panel, 64))
	}
	u.block(0, false, func(j int, w VecVirtual) { VMOVDQU32(w, simd.At(panel, f.panelQuants()+64*j)) })
	r.Advance(f.bytes)
	ADDQ(U32(uint32(f.panelBytes())), panel)
	DECQ(n)
	JNZ(LabelRef("one"))
	VZEROUPPER()
	RET()
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
	s.begin(0)
	for j := range 8 {
		w := ZMM()
		VMOVDQU32(simd.At(panel, f.panelQuants()+64*j), w)
		s.add(0, j, w)
	}
	d, m := ZMM(), VecVirtual(nil)
	VMOVUPS(simd.At(panel, 0), d)
	if f.min {
		m = ZMM()
		VMOVUPS(simd.At(panel, 64), m)
	}
	s.end(0, d, m)
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

func by(rows int) string { return fmt.Sprintf("x%d", rows) }

// quantize rounds one row of activations to 8 bits, block by block.
func quantize() {
	c127, abs, tiny := GLOBL("c127", NOPTR|RODATA), Mem{}, Mem{}
	DATA(0, F32(127))
	abs = GLOBL("absMask", NOPTR|RODATA)
	DATA(0, U32(0x7fffffff))
	tiny = GLOBL("tiny", NOPTR|RODATA)
	DATA(0, U32(0x00800000))
	one := GLOBL("one", NOPTR|RODATA)
	DATA(0, F32(1))
	ones := GLOBL("ones", NOPTR|RODATA)
	DATA(0, U32(0x01010101))

	simd.Func("quantizeRow", "func(x *float32, blocks, rows int, q *int8, d, s *float32, bias *int32)",
		"rounds a row of blocks of 32 to 8 bits; rows is the height of its tile.")
	x, n, rows := simd.Arg("x"), simd.Arg("blocks"), simd.Arg("rows")
	q, d, s, bias := simd.Arg("q"), simd.Arg("d"), simd.Arg("s"), simd.Arg("bias")
	qstep, step := GP64(), rows
	MOVQ(rows, qstep)
	SHLQ(U8(5), qstep)
	SHLQ(U8(2), step)
	mask, unit := ZMM(), YMM()
	VPBROADCASTD(abs, mask)
	VPBROADCASTD(ones, unit)

	Label("block")
	a, b, m, t := ZMM(), ZMM(), ZMM(), ZMM()
	VMOVUPS(simd.At(x, 0), a)
	VMOVUPS(simd.At(x, 64), b)
	VPANDD(mask, a, m)
	VPANDD(mask, b, t)
	// Magnitudes are ordered as integers, NaN last.
	VPMAXUD(t, m, m)
	VEXTRACTI32X8(U8(1), m, t.AsY())
	VPMAXUD(t.AsY(), m.AsY(), m.AsY())
	VEXTRACTI32X4(U8(1), m.AsY(), t.AsX())
	VPMAXUD(t.AsX(), m.AsX(), m.AsX())
	VPSHUFD(U8(0b01_00_11_10), m.AsX(), t.AsX())
	VPMAXUD(t.AsX(), m.AsX(), m.AsX())
	VPSHUFD(U8(0b10_11_00_01), m.AsX(), t.AsX())
	VPMAXUD(t.AsX(), m.AsX(), m.AsX())
	scale, inv := XMM(), ZMM()
	VDIVSS(c127, m.AsX(), scale)
	VMOVSS(scale, simd.At(d, 0))
	VMOVSS(one, inv.AsX())
	// A subnormal or NaN scale has the inverse 0.
	const geOQ = 0x1d
	k := K()
	VCMPSS(U8(geOQ), tiny, scale, k)
	VDIVSS_Z(scale, inv.AsX(), k, inv.AsX())
	VBROADCASTSS(inv.AsX(), inv)
	VMULPS(inv, a, a)
	VMULPS(inv, b, b)
	VCVTPS2DQ(a, a)
	VCVTPS2DQ(b, b)
	lo, hi := XMM(), XMM()
	VPMOVSDB(a, lo)
	VPMOVSDB(b, hi)
	y := YMM()
	VINSERTI128(U8(1), hi, lo.AsY(), y)
	VMOVDQU(y, simd.At(q, 0))
	sum := YMM()
	VPXOR(sum, sum, sum)
	VPDPBUSD(y, unit, sum)
	VEXTRACTI128(U8(1), sum, t.AsX())
	VPADDD(t.AsX(), sum.AsX(), sum.AsX())
	VPSHUFD(U8(0b01_00_11_10), sum.AsX(), t.AsX())
	VPADDD(t.AsX(), sum.AsX(), sum.AsX())
	VPSHUFD(U8(0b10_11_00_01), sum.AsX(), t.AsX())
	VPADDD(t.AsX(), sum.AsX(), sum.AsX())
	f := XMM()
	VCVTDQ2PS(sum.AsX(), f)
	VMULSS(scale, f, f)
	VMOVSS(f, simd.At(s, 0))
	VPSLLD(U8(3), sum.AsX(), sum.AsX())
	VPXOR(f, f, f)
	VPSUBD(sum.AsX(), f, f)
	VMOVD(f, simd.At(bias, 0))
	ADDQ(U32(128), x)
	ADDQ(qstep, q)
	ADDQ(step, d)
	ADDQ(step, s)
	ADDQ(step, bias)
	DECQ(n)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}
