package gemm

import (
	"math"
	"unsafe"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/tensor"
)

//go:generate go run -C ../_asm ./gemm -out ../gemm/gemm_amd64.s -stubs ../gemm/stubs_amd64.go -pkg gemm

const (
	tileRows = 6
	tileCols = 4 * Lanes
)

type tileFunc = func(k int, a *float32, ars, aks int, p *byte, ldp int, c *float32, ldc int, mask uint16, to into)

// The tile shapes, [rows-1][columns/16-1].
var (
	tilesF32 = [tileRows][tileCols / Lanes]tileFunc{
		{tileF32_1x1, tileF32_1x2, tileF32_1x3, tileF32_1x4},
		{tileF32_2x1, tileF32_2x2, tileF32_2x3, tileF32_2x4},
		{tileF32_3x1, tileF32_3x2, tileF32_3x3, tileF32_3x4},
		{tileF32_4x1, tileF32_4x2, tileF32_4x3, tileF32_4x4},
		{tileF32_5x1, tileF32_5x2, tileF32_5x3, tileF32_5x4},
		{tileF32_6x1, tileF32_6x2, tileF32_6x3, tileF32_6x4},
	}
	tilesF16 = [tileRows][tileCols / Lanes]tileFunc{
		{tileF16_1x1, tileF16_1x2, tileF16_1x3, tileF16_1x4},
		{tileF16_2x1, tileF16_2x2, tileF16_2x3, tileF16_2x4},
		{tileF16_3x1, tileF16_3x2, tileF16_3x3, tileF16_3x4},
		{tileF16_4x1, tileF16_4x2, tileF16_4x3, tileF16_4x4},
		{tileF16_5x1, tileF16_5x2, tileF16_5x3, tileF16_5x4},
		{tileF16_6x1, tileF16_6x2, tileF16_6x3, tileF16_6x4},
	}
)

func tileF32(t cpu.Tier, m, n, k int, a []float32, ars, aks int, p []float32, ldp int, c []float32, ldc int, to into) {
	if t < cpu.AVX512 {
		tileGo(m, n, k, a, ars, aks, p, ldp, c, ldc, to)
		return
	}
	tiles(&tilesF32, m, n, k, unsafe.SliceData(a), ars, aks, (*byte)(unsafe.Pointer(unsafe.SliceData(p))), ldp, 4, unsafe.SliceData(c), ldc, to)
}

func tileF16(t cpu.Tier, m, n, k int, a []float32, ars, aks int, p []uint16, ldp int, c []float32, ldc int, to into) {
	if t < cpu.AVX512 {
		tileF16Go(m, n, k, a, ars, aks, p, ldp, c, ldc, to)
		return
	}
	tiles(&tilesF16, m, n, k, unsafe.SliceData(a), ars, aks, (*byte)(unsafe.Pointer(unsafe.SliceData(p))), ldp, 2, unsafe.SliceData(c), ldc, to)
}

// tiles covers any shape with register tiles. Rows are dealt out evenly: 8 rows
// as 4 and 4, for tiles of few rows leave the multiplier idle.
func tiles(shapes *[tileRows][tileCols / Lanes]tileFunc, m, n, k int, a *float32, ars, aks int, p *byte, ldp, elem int, c *float32, ldc int, to into) {
	for j := 0; j < n; j += tileCols {
		w := min(n-j, tileCols)
		cols := (w + Lanes - 1) / Lanes
		mask := tailMask(w)
		for i := 0; i < m; {
			left := (m - i + tileRows - 1) / tileRows
			rows := (m - i + left - 1) / left
			shapes[rows-1][cols-1](k, off(a, i*ars), 4*ars, 4*aks,
				(*byte)(unsafe.Add(unsafe.Pointer(p), elem*j)), elem*ldp, off(c, i*ldc+j), 4*ldc, mask, to)
			i += rows
		}
	}
}

// tailMask selects the columns that are there in the last 16 of n.
func tailMask(n int) uint16 { return math.MaxUint16 >> (Pad(n) - n) }

func off(p *float32, n int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*n)) }

// readers is the assembly that reads one dtype.
type readers struct {
	step   int // the least k of packT and gemv
	packT  func(dst *float32, ldp int, w *byte, stride, k int)
	packN  func(dst *float32, ldp int, w *byte, stride, rows, cols int, mask uint16)
	gemv16 func(y, x *float32, w *byte, stride, k int, acc bool)
	gemv32 func(y, x *float32, w *byte, stride, k int, acc bool)
}

var read = [...]readers{
	tensor.F32:  {4, packTF32, packNF32, gemvF32_16, gemvF32_32},
	tensor.F16:  {8, packTF16, packNF16, gemvF16_16, gemvF16_32},
	tensor.BF16: {8, packTBF16, packNBF16, gemvBF16_16, gemvBF16_32},
	tensor.Q8_0: {32, packTQ8_0, packNQ8_0, gemvQ8_0_16, gemvQ8_0_32},
	tensor.Q4_0: {32, packTQ4_0, packNQ4_0, gemvQ4_0_16, gemvQ4_0_32},
	tensor.Q4_1: {32, packTQ4_1, packNQ4_1, gemvQ4_1_16, gemvQ4_1_32},
}

// reader returns the assembly for w, nil if there is none. Offsets of 16 rows
// must fit the gather's 32 bits.
func reader(t cpu.Tier, w *tensor.Storage) *readers {
	if d := int(w.DType); t >= cpu.AVX512 && d < len(read) && read[d].packT != nil && w.RowBytes() <= math.MaxInt32/Lanes {
		return &read[d]
	}
	return nil
}

// at returns the address of the number (row, col) of w and the stride of its rows.
func at(w *tensor.Storage, row, col int) (*byte, int) {
	elems, size := w.DType.Block()
	return &w.Bytes()[row*w.RowBytes()+col/elems*size], w.RowBytes()
}

func packT(t cpu.Tier, w *tensor.Storage, row, rows, from, k int, dst []float32, ldp int, buf []float32) {
	done := 0
	if r := reader(t, w); r != nil && k >= r.step {
		for ; done+Lanes <= rows; done += Lanes {
			b, stride := at(w, row+done, from)
			r.packT(&dst[done], 4*ldp, b, stride, k)
		}
	}
	if done < rows { // fewer rows than lanes, once in a matrix
		packTGo(w, row+done, rows-done, from, k, dst[done:], ldp, buf)
	}
}

func packN(t cpu.Tier, w *tensor.Storage, row, rows, from, cols int, dst []float32, ldp int, buf []float32) {
	r := reader(t, w)
	if r == nil {
		packNGo(w, row, rows, from, cols, dst, ldp, buf)
		return
	}
	b, stride := at(w, row, from)
	r.packN(&dst[0], 4*ldp, b, stride, rows, cols, tailMask(cols))
}

func packF32(t cpu.Tier, x []float32, ldx, rows, cols int, dst []float32, ldp int) {
	if t < cpu.AVX512 {
		packF32Go(x, ldx, rows, cols, dst, ldp)
		return
	}
	packNF32(&dst[0], 4*ldp, (*byte)(unsafe.Pointer(&x[0])), 4*ldx, rows, cols, tailMask(cols))
}

func transpose(t cpu.Tier, dst []float32, ldd int, src []float32, lds, rows, cols int) {
	done := 0
	if t >= cpu.AVX512 && cols >= read[tensor.F32].step {
		for ; done+Lanes <= rows; done += Lanes {
			packTF32(&dst[done], 4*ldd, (*byte)(unsafe.Pointer(&src[done*lds])), 4*lds, cols)
		}
	}
	if done < rows {
		transposeGo(dst[done:], ldd, src[done*lds:], lds, rows-done, cols)
	}
}

// hasGemv reports whether one row is faster without a panel.
func hasGemv(t cpu.Tier, w *tensor.Storage) bool { return t < cpu.AVX512 || reader(t, w) != nil }

func gemv(t cpu.Tier, w *tensor.Storage, row int, x, y []float32, acc bool, buf []float32) {
	r := reader(t, w)
	if r == nil || len(x) < r.step || len(y) < Lanes {
		gemvGo(w, row, x, y, acc, buf)
		return
	}
	i := 0
	for ; i+2*Lanes <= len(y); i += 2 * Lanes {
		b, stride := at(w, row+i, 0)
		r.gemv32(&y[i], &x[0], b, stride, len(x), acc)
	}
	for ; i+Lanes <= len(y); i += Lanes {
		b, stride := at(w, row+i, 0)
		r.gemv16(&y[i], &x[0], b, stride, len(x), acc)
	}
	if rest := len(y) - i; rest > 0 { // the last 16 rows once more, for those that are new
		last := buf[:Lanes] // the worker's: an array here would escape to the heap
		copy(last[Lanes-rest:], y[i:])
		b, stride := at(w, row+len(y)-Lanes, 0)
		r.gemv16(&last[0], &x[0], b, stride, len(x), acc)
		copy(y[i:], last[Lanes-rest:])
	}
}
