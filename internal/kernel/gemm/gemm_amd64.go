package gemm

import (
	"math"
	"unsafe"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/tensor"
)

//go:generate go run -C ../_asm ./gemm -out ../gemm/gemm_amd64.s -stubs ../gemm/stubs_amd64.go -pkg gemm

// tileFunc is one register tile: strides in bytes, mask for the last 16 columns.
type tileFunc = func(k int, a *float32, ars, aks int, p *byte, ldp int, c *float32, ldc int, mask uint16, to into)

const (
	tileRows = 6
	tileCols = 4 // of Lanes
)

// shapes are the register tiles of a tier, [rows-1][columns/16-1].
type shapes [tileRows][tileCols]tileFunc

// cols returns how many times 16 columns tiles of so many rows have at most.
func (s *shapes) cols(rows int) int {
	n := tileCols
	for s[rows-1][n-1] == nil {
		n--
	}
	return n
}

// maxFew is the most rows of x that one pass over the weights serves.
const maxFew = 8

type fewFunc = func(y *float32, ldy int, x *float32, ldx int, w *byte, stride, k int, acc bool)

// readers is the assembly that reads one dtype. Those without packT or gemv go by
// way of packN, or quarter, and float32.
type readers struct {
	step    int // the least k of packT and gemv
	packT   func(dst *float32, ldp int, w *byte, stride, k int)
	gemv16  func(y, x *float32, w *byte, stride, k int, acc bool)
	gemv32  func(y, x *float32, w *byte, stride, k int, acc bool)
	few     [maxFew - 1]fewFunc // of 2 rows of x, 3, ...
	packN   func(dst *float32, ldp int, w *byte, stride, rows, cols int, mask uint16)
	masked  bool // packN takes any cols, not just whole lanes or blocks
	quarter func(dst *float32, ldp int, w *byte, stride, rows, number int)
}

// kernels is the assembly of one tier.
type kernels struct {
	tilesF32, tilesF16 shapes
	read               [tensor.Q6_K + 1]readers
}

// assembly returns a tier's kernels, nil if they are the twins.
func assembly(t cpu.Tier) *kernels {
	switch t {
	case cpu.AVX512:
		return &avx512
	case cpu.AVX2:
		return &avx2
	}
	return nil
}

func tileF32(t cpu.Tier, m, n, k int, a []float32, ars, aks int, p []float32, ldp int, c []float32, ldc int, to into) {
	ks := assembly(t)
	if ks == nil {
		tileGo(m, n, k, a, ars, aks, p, ldp, c, ldc, to)
		return
	}
	tiles(&ks.tilesF32, m, n, k, unsafe.SliceData(a), ars, aks, (*byte)(unsafe.Pointer(unsafe.SliceData(p))), ldp, 4, unsafe.SliceData(c), ldc, to)
}

func tileF16(t cpu.Tier, m, n, k int, a []float32, ars, aks int, p []uint16, ldp int, c []float32, ldc int, to into) {
	ks := assembly(t)
	if ks == nil {
		tileF16Go(m, n, k, a, ars, aks, p, ldp, c, ldc, to)
		return
	}
	tiles(&ks.tilesF16, m, n, k, unsafe.SliceData(a), ars, aks, (*byte)(unsafe.Pointer(unsafe.SliceData(p))), ldp, 2, unsafe.SliceData(c), ldc, to)
}

// tiles covers any shape with register tiles. Rows are dealt out evenly: 8 rows
// as 4 and 4, for tiles of few rows leave the multiplier idle.
func tiles(s *shapes, m, n, k int, a *float32, ars, aks int, p *byte, ldp, elem int, c *float32, ldc int, to into) {
	width := Lanes * s.cols(min(m, tileRows))
	for j := 0; j < n; j += width {
		w := min(n-j, width)
		cols := (w + Lanes - 1) / Lanes
		mask := tailMask(w)
		for i := 0; i < m; {
			left := (m - i + tileRows - 1) / tileRows
			rows := (m - i + left - 1) / left
			s[rows-1][cols-1](k, off(a, i*ars), 4*ars, 4*aks,
				(*byte)(unsafe.Add(unsafe.Pointer(p), elem*j)), elem*ldp, off(c, i*ldc+j), 4*ldc, mask, to)
			i += rows
		}
	}
}

// tailMask selects the columns that are there in the last 16 of n.
func tailMask(n int) uint16 { return math.MaxUint16 >> (Pad(n) - n) }

func off(p *float32, n int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*n)) }

// at returns the address of the block that holds number (row, col) of w and the
// stride of its rows.
func at(w *tensor.Storage, row, col int) (*byte, int) {
	elems, size := w.DType.Block()
	return &w.Bytes()[row*w.RowBytes()+col/elems*size], w.RowBytes()
}

// spans tells whether offsets of 16 rows fit the 32 bits of a gather.
func spans(w *tensor.Storage) bool { return w.RowBytes() <= math.MaxInt32/Lanes }

func packT(t cpu.Tier, w *tensor.Storage, row, rows, from, k int, dst []float32, ldp int, buf []float32) {
	ks := assembly(t)
	if ks == nil {
		packTGo(w, row, rows, from, k, dst, ldp, buf)
		return
	}
	r := &ks.read[w.DType]
	direct := r.packT != nil && k >= r.step && spans(w)
	for done := 0; done < rows; done += Lanes {
		if direct && rows-done >= Lanes {
			b, stride := at(w, row+done, from)
			r.packT(&dst[done], 4*ldp, b, stride, k)
		} else {
			ks.packTVia(t, w, row+done, min(Lanes, rows-done), from, k, dst[done:], ldp, buf)
		}
	}
}

// packTVia is packT for up to 16 rows by way of a buffer of decoded rows.
func (ks *kernels) packTVia(t cpu.Tier, w *tensor.Storage, row, rows, from, k int, dst []float32, ldp int, buf []float32) {
	const span = 64 // 4 KiB in all; a quarter of a superblock
	decoded := buf[:Lanes*span]
	clear(decoded[rows*span:])
	for c := 0; c < k; c += span {
		n := min(span, k-c)
		ks.packN(w, row, rows, from+c, n, decoded, span, buf[Lanes*span:])
		transpose(t, dst[c*ldp:], ldp, decoded, span, Lanes, n)
	}
}

func packN(t cpu.Tier, w *tensor.Storage, row, rows, from, cols int, dst []float32, ldp int, buf []float32) {
	ks := assembly(t)
	if ks == nil {
		packNGo(w, row, rows, from, cols, dst, ldp, buf)
		return
	}
	ks.packN(w, row, rows, from, cols, dst, ldp, buf)
}

func (ks *kernels) packN(w *tensor.Storage, row, rows, from, cols int, dst []float32, ldp int, buf []float32) {
	r := &ks.read[w.DType]
	if r.quarter != nil {
		elems, _ := w.DType.Block()
		for c := 0; c < cols; c += elems / 4 {
			b, stride := at(w, row, from+c)
			r.quarter(&dst[c], 4*ldp, b, stride, rows, (from+c)%elems/(elems/4))
		}
		return
	}
	whole := cols
	if !r.masked {
		whole -= cols % Lanes
	}
	if whole > 0 {
		b, stride := at(w, row, from)
		r.packN(&dst[0], 4*ldp, b, stride, rows, whole, tailMask(whole))
	}
	if whole < cols {
		packNGo(w, row, rows, from+whole, cols-whole, dst[whole:], ldp, buf)
	}
}

func packF32(t cpu.Tier, x []float32, ldx, rows, cols int, dst []float32, ldp int) {
	ks := assembly(t)
	if ks == nil {
		packF32Go(x, ldx, rows, cols, dst, ldp)
		return
	}
	ks.read[tensor.F32].packN(&dst[0], 4*ldp, (*byte)(unsafe.Pointer(&x[0])), 4*ldx, rows, cols, tailMask(cols))
}

func transpose(t cpu.Tier, dst []float32, ldd int, src []float32, lds, rows, cols int) {
	done := 0
	if ks := assembly(t); ks != nil && cols >= ks.read[tensor.F32].step {
		for ; done+Lanes <= rows; done += Lanes {
			ks.read[tensor.F32].packT(&dst[done], 4*ldd, (*byte)(unsafe.Pointer(&src[done*lds])), 4*lds, cols)
		}
	}
	if done < rows {
		transposeGo(dst[done:], ldd, src[done*lds:], lds, rows-done, cols)
	}
}

func gemv(t cpu.Tier, w *tensor.Storage, row int, x, y []float32, acc bool, buf []float32) {
	ks := assembly(t)
	if ks == nil {
		gemvGo(w, row, x, y, acc, buf)
		return
	}
	r := &ks.read[w.DType]
	direct := r.gemv16 != nil && len(x) >= r.step && spans(w)
	for len(y) > 0 {
		n := min(Lanes, len(y))
		switch {
		case direct && len(y) >= 2*Lanes && r.gemv32 != nil:
			b, stride := at(w, row, 0)
			r.gemv32(&y[0], &x[0], b, stride, len(x), acc)
			n = 2 * Lanes
		case direct && n == Lanes:
			b, stride := at(w, row, 0)
			r.gemv16(&y[0], &x[0], b, stride, len(x), acc)
		default:
			ks.gemvVia(w, row, x, y[:n], acc, buf)
		}
		row, y = row+n, y[n:]
	}
}

// hasFew reports whether a few rows of k numbers are faster without a panel.
func hasFew(t cpu.Tier, w *tensor.Storage, k int) bool {
	ks := assembly(t)
	return ks != nil && ks.read[w.DType].few[0] != nil && k >= ks.read[w.DType].step && spans(w)
}

// few multiplies rows [row, row+16) of w by m rows of x, 2 or more.
func few(t cpu.Tier, w *tensor.Storage, row, m, k int, x []float32, ldx int, y []float32, ldy int, acc bool) {
	r := &assembly(t).read[w.DType]
	b, stride := at(w, row, 0)
	for i := 0; i < m; {
		left := (m - i + maxFew - 1) / maxFew
		n := (m - i + left - 1) / left
		r.few[n-2](&y[i*ldy], 4*ldy, &x[i*ldx], 4*ldx, b, stride, k, acc)
		i += n
	}
}

// gemvVia is gemv for up to 16 rows by way of a buffer of decoded rows, a segment
// at a time.
func (ks *kernels) gemvVia(w *tensor.Storage, row int, x, y []float32, acc bool, buf []float32) {
	out, decoded, rest := buf[:Lanes], buf[Lanes:][:Lanes*Segment], buf[Lanes+Lanes*Segment:]
	copy(out, y)
	clear(decoded[len(y)*Segment:])
	f := &ks.read[tensor.F32]
	for s := 0; s < len(x); s += Segment {
		n := min(Segment, len(x)-s)
		ks.packN(w, row, len(y), s, n, decoded, Segment, rest)
		if n >= f.step {
			f.gemv16(&out[0], &x[s], (*byte)(unsafe.Pointer(&decoded[0])), 4*Segment, n, acc || s > 0)
		} else {
			gemvSegment(out, x[s:], decoded, acc || s > 0)
		}
	}
	copy(y, out)
}
