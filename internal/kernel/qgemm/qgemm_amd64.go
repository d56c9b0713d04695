package qgemm

import "github.com/micaml/mica/internal/cpu"

type (
	directFunc func(w *byte, stride, blocks, groups int, q *int8, d, s *float32, bias *int32, c *float32, ldc int, mask uint16)
	packFunc   func(w *byte, stride, blocks int, panel *byte)
	packedFunc func(panel *byte, blocks, tiles int, q *int8, d, s *float32, bias *int32, c *float32, ldc int, mask uint16)
)

// kernels are those of each of the formats, by rows of activations less one.
var kernels = [len(formats)]struct {
	direct [tile]directFunc
	pack   packFunc
	packed [tile]packedFunc
}{
	{
		[tile]directFunc{directQ8_0x1, directQ8_0x2, directQ8_0x3, directQ8_0x4, directQ8_0x5, directQ8_0x6, directQ8_0x7, directQ8_0x8},
		packQ8_0,
		[tile]packedFunc{packedQ8_0x1, packedQ8_0x2, packedQ8_0x3, packedQ8_0x4, packedQ8_0x5, packedQ8_0x6, packedQ8_0x7, packedQ8_0x8},
	},
	{
		[tile]directFunc{directQ4_0x1, directQ4_0x2, directQ4_0x3, directQ4_0x4, directQ4_0x5, directQ4_0x6, directQ4_0x7, directQ4_0x8},
		packQ4_0,
		[tile]packedFunc{packedQ4_0x1, packedQ4_0x2, packedQ4_0x3, packedQ4_0x4, packedQ4_0x5, packedQ4_0x6, packedQ4_0x7, packedQ4_0x8},
	},
	{
		[tile]directFunc{directQ4_1x1, directQ4_1x2, directQ4_1x3, directQ4_1x4, directQ4_1x5, directQ4_1x6, directQ4_1x7, directQ4_1x8},
		packQ4_1,
		[tile]packedFunc{packedQ4_1x1, packedQ4_1x2, packedQ4_1x3, packedQ4_1x4, packedQ4_1x5, packedQ4_1x6, packedQ4_1x7, packedQ4_1x8},
	},
}

// quantizeRowTo has the arguments of quantizeGo.
func quantizeRowTo(tier cpu.Tier, x []float32, step int, q []int8, d, s []float32, bias []int32) {
	if tier != cpu.AVX512 {
		quantizeGo(x, step, q, d, s, bias)
		return
	}
	blocks := len(x) / elems
	last := (blocks - 1) * step
	_, _, _, _ = q[last*elems+elems-1], d[last], s[last], bias[last]
	quantizeRow(&x[0], blocks, step, &q[0], &d[0], &s[0], &bias[0])
}

// units runs units [lo, hi).
func (t *mulTask) units(work *scratch, lo, hi int) {
	switch {
	case t.tier != cpu.AVX512:
		t.unitsGo(work, lo, hi)
	case t.a.m <= tile:
		t.directAVX512(work, lo, hi)
	default:
		t.packedAVX512(work, lo, hi)
	}
}

// weights returns the 16 rows of weights from row col on and the mask of those
// that exist. The last rows of a matrix are copied to where 16 can be read.
func (t *mulTask) weights(work *scratch, col, cols int) (w *byte, mask uint16) {
	if cols == lanes {
		return &t.w.Row(col)[0], 1<<lanes - 1
	}
	stored := t.w.Bytes()[col*t.w.RowBytes():]
	clear(work.edge[copy(work.edge, stored):])
	return &work.edge[0], 1<<cols - 1
}

// directAVX512 runs units [lo, hi) of a product with at most one tile of rows.
func (t *mulTask) directAVX512(work *scratch, lo, hi int) {
	a := t.a
	n, stride, blocks := t.w.Rows, t.w.RowBytes(), a.k/elems
	kernel := kernels[t.format].direct[a.m-1]
	if full := min(hi, n/lanes) - lo; full > 0 {
		kernel(&t.w.Row(lo * lanes)[0], stride, blocks, full,
			&a.q[0], &a.d[0], &a.s[0], &a.bias[0], &t.c[lo*lanes], 4*n, 1<<lanes-1)
	}
	if hi*lanes > n {
		col, cols, _, _ := t.unit(hi - 1)
		w, mask := t.weights(work, col, cols)
		kernel(w, stride, blocks, 1, &a.q[0], &a.d[0], &a.s[0], &a.bias[0], &t.c[col], 4*n, mask)
	}
}

// packedAVX512 runs units [lo, hi), unpacking the weights once for each.
func (t *mulTask) packedAVX512(work *scratch, lo, hi int) {
	a, k := t.a, &kernels[t.format]
	n, blocks := t.w.Rows, a.k/elems
	panel := &work.panel[0]
	packed := -1
	for u := lo; u < hi; u++ {
		col, cols, row, rows := t.unit(u)
		w, mask := t.weights(work, col, cols)
		if col != packed {
			k.pack(w, t.w.RowBytes(), blocks, panel)
			packed = col
		}
		if full := rows / tile; full > 0 {
			at, _ := a.row(row)
			k.packed[tile-1](panel, blocks, full, &a.q[at*elems], &a.d[at], &a.s[at], &a.bias[at], &t.c[row*n+col], 4*n, mask)
		}
		if rest := rows % tile; rest > 0 {
			row += rows - rest
			at, _ := a.row(row)
			k.packed[rest-1](panel, blocks, 1, &a.q[at*elems], &a.d[at], &a.s[at], &a.bias[at], &t.c[row*n+col], 4*n, mask)
		}
	}
}
