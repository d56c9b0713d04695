package simd

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Lines loads 64 bytes of each of 16 rows, transposes them and calls use for each
// of the 16 dwords in ascending order, with lane r the dword of row r.
//
// It takes all 64 bytes at once, for they are mostly one line of the cache, and rows
// that lie a multiple of 4096 bytes apart share the 8 places that the first-level
// cache has for such lines: with the four visits of [Quads] each would miss. Rows i
// and i+4 are put together while they load, 32 bytes at a time, which spares one of
// four levels of shuffles; a 16x16 transpose of whole lines takes 64, this one 48.
func Lines(r Rows16, use func(t int, z VecVirtual)) {
	var z [2][8]VecVirtual
	for i := range 8 {
		row := i%4 + i/4*8
		for h := range z {
			z[h][i] = ZMM()
			VBROADCASTF32X8(r.Row(row, 32*h), z[h][i]) // avo would take a load of 256 bits to keep the others alive
			VINSERTF32X8(U8(1), r.Row(row+4, 32*h), z[h][i], z[h][i])
		}
	}
	for h := range z {
		// Lanes of a: rows 0 to 3 of dword i, of dword i+4, rows 4 to 7 of each;
		// of b rows 8 to 15.
		a := Transpose4x4([4]VecVirtual(z[h][:4]))
		b := Transpose4x4([4]VecVirtual(z[h][4:]))
		var out [8]VecVirtual
		for i := range 4 {
			out[i], out[i+4] = ZMM(), ZMM()
			VSHUFF32X4(U8(0b10_00_10_00), b[i], a[i], out[i])
			VSHUFF32X4(U8(0b11_01_11_01), b[i], a[i], out[i+4])
		}
		for i, o := range out {
			use(8*h+i, o)
		}
	}
}
