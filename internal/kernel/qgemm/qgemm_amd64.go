package qgemm

import "github.com/micaml/mica/internal/cpu"

type (
	directFunc func(w *byte, stride, blocks, groups int, panel *byte, q *int8, d, s *float32, bias *int32, c *float32, ldc int, mask uint16)
	packFunc   func(w *byte, stride, blocks int, panel *byte)
	packedFunc func(panel *byte, blocks, tiles int, q *int8, d, s *float32, bias *int32, c *float32, ldc int, mask uint16)
)

// kernels are those of each of the formats, by rows of activations less one.
// Formats whose panels are the same share the packed ones.
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
	{
		[tile]directFunc{directQ5_0x1, directQ5_0x2, directQ5_0x3, directQ5_0x4, directQ5_0x5, directQ5_0x6, directQ5_0x7, directQ5_0x8},
		packQ5_0,
		[tile]packedFunc{packedQ5_0x1, packedQ5_0x2, packedQ5_0x3, packedQ5_0x4, packedQ5_0x5, packedQ5_0x6, packedQ5_0x7, packedQ5_0x8},
	},
	{
		[tile]directFunc{directQ5_1x1, directQ5_1x2, directQ5_1x3, directQ5_1x4, directQ5_1x5, directQ5_1x6, directQ5_1x7, directQ5_1x8},
		packQ5_1,
		[tile]packedFunc{packedQ4_1x1, packedQ4_1x2, packedQ4_1x3, packedQ4_1x4, packedQ4_1x5, packedQ4_1x6, packedQ4_1x7, packedQ4_1x8},
	},
	{
		[tile]directFunc{directQ4_Kx1, directQ4_Kx2, directQ4_Kx3, directQ4_Kx4, directQ4_Kx5, directQ4_Kx6, directQ4_Kx7, directQ4_Kx8},
		packQ4_K,
		[tile]packedFunc{packedQ4_1x1, packedQ4_1x2, packedQ4_1x3, packedQ4_1x4, packedQ4_1x5, packedQ4_1x6, packedQ4_1x7, packedQ4_1x8},
	},
	{
		[tile]directFunc{directQ5_Kx1, directQ5_Kx2, directQ5_Kx3, directQ5_Kx4, directQ5_Kx5, directQ5_Kx6, directQ5_Kx7, directQ5_Kx8},
		packQ5_K,
		[tile]packedFunc{packedQ4_1x1, packedQ4_1x2, packedQ4_1x3, packedQ4_1x4, packedQ4_1x5, packedQ4_1x6, packedQ4_1x7, packedQ4_1x8},
	},
	{
		[tile]directFunc{directQ6_Kx1, directQ6_Kx2, directQ6_Kx3, directQ6_Kx4, directQ6_Kx5, directQ6_Kx6, directQ6_Kx7, directQ6_Kx8},
		packQ6_K,
		[tile]packedFunc{packedQ6_Kx1, packedQ6_Kx2, packedQ6_Kx3, packedQ6_Kx4, packedQ6_Kx5, packedQ6_Kx6, packedQ6_Kx7, packedQ6_Kx8},
	},
}

// quantizeRowTo has the arguments of quantizeGo.
func quantizeRowTo(tier cpu.Tier, x []float32, step int, q []int8, d, s []float32, bias, halves []int32) {
	if tier == cpu.Go {
		quantizeGo(x, step, q, d, s, bias, halves)
		return
	}
	blocks := len(x) / elems
	last := (blocks - 1) * step
	_, _, _, _, _ = q[last*elems+elems-1], d[last], s[last], bias[last], halves[2*last+1]
	if tier == cpu.AVX2 {
		quantizeRow_256(&x[0], blocks, step, &q[0], &d[0], &s[0], &bias[0], &halves[0])
		return
	}
	quantizeRow(&x[0], blocks, step, &q[0], &d[0], &s[0], &bias[0], &halves[0])
}

// units runs units [lo, hi).
func (t *mulTask) units(work *scratch, lo, hi int) {
	switch {
	case t.tier == cpu.Go:
		t.unitsGo(work, lo, hi)
	case t.tier == cpu.AVX2:
		t.unitsAVX2(work, lo, hi)
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

// bias points to what a block of activations starts its integer sums at, in the
// units of the format.
func (t *mulTask) bias(at int) *int32 {
	if formats[t.format].chain == twoScales {
		return &t.a.halves[2*at]
	}
	return &t.a.bias[at]
}

// directAVX512 runs units [lo, hi) of a product with at most one tile of rows.
func (t *mulTask) directAVX512(work *scratch, lo, hi int) {
	a := t.a
	n, stride, blocks := t.w.Rows, t.w.RowBytes(), a.k/elems
	kernel, panel := kernels[t.format].direct[a.m-1], &work.panel[0]
	if full := min(hi, n/lanes) - lo; full > 0 {
		kernel(&t.w.Row(lo * lanes)[0], stride, blocks, full, panel,
			&a.q[0], &a.d[0], &a.s[0], t.bias(0), &t.c[lo*lanes], 4*n, 1<<lanes-1)
	}
	if hi*lanes > n {
		col, cols, _, _ := t.unit(hi - 1)
		w, mask := t.weights(work, col, cols)
		kernel(w, stride, blocks, 1, panel, &a.q[0], &a.d[0], &a.s[0], t.bias(0), &t.c[col], 4*n, mask)
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
			k.packed[tile-1](panel, blocks, full, &a.q[at*elems], &a.d[at], &a.s[at], t.bias(at), &t.c[row*n+col], 4*n, mask)
		}
		if rest := rows % tile; rest > 0 {
			row += rows - rest
			at, _ := a.row(row)
			k.packed[rest-1](panel, blocks, 1, &a.q[at*elems], &a.d[at], &a.s[at], t.bias(at), &t.c[row*n+col], 4*n, mask)
		}
	}
}
