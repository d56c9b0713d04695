package qgemm

type (
	directFuncAVX2 func(w *byte, stride, blocks, groups int, q *int8, d, s *float32, bias *int32, c *float32)
	packedFuncAVX2 func(panel *byte, blocks, step int, q *int8, d, s *float32, bias *int32, c *float32, ldc int)
)

// kernelsAVX2 are those of each of the formats. The direct ones, where there are
// any, take one row of activations; packed ones are by rows less one, as many as
// the registers hold. All write 16 columns.
var kernelsAVX2 = [len(formats)]struct {
	direct directFuncAVX2
	pack   packFunc
	packed []packedFuncAVX2
}{
	{directQ8_0x1_256, packQ8_0_256, []packedFuncAVX2{packedQ8_0x1_256, packedQ8_0x2_256, packedQ8_0x3_256, packedQ8_0x4_256}},
	{directQ4_0x1_256, packQ4_0_256, []packedFuncAVX2{packedQ4_0x1_256, packedQ4_0x2_256, packedQ4_0x3_256}},
	{directQ4_1x1_256, packQ4_1_256, []packedFuncAVX2{packedQ4_1x1_256, packedQ4_1x2_256, packedQ4_1x3_256}},
	{directQ5_0x1_256, packQ5_0_256, []packedFuncAVX2{packedQ5_0x1_256, packedQ5_0x2_256}},
	{directQ5_1x1_256, packQ5_1_256, []packedFuncAVX2{packedQ5_1x1_256, packedQ5_1x2_256}},
	{nil, packQ4_K_256, []packedFuncAVX2{packedQ4_1x1_256, packedQ4_1x2_256, packedQ4_1x3_256}},
	{nil, packQ5_K_256, []packedFuncAVX2{packedQ5_1x1_256, packedQ5_1x2_256}},
	{nil, packQ6_K_256, []packedFuncAVX2{packedQ6_Kx1_256, packedQ6_Kx2_256}},
}

// unitsAVX2 runs units [lo, hi).
func (t *mulTask) unitsAVX2(work *scratch, lo, hi int) {
	if t.a.m == 1 && kernelsAVX2[t.format].direct != nil {
		t.directAVX2(work, lo, hi)
	} else {
		t.packedAVX2(work, lo, hi)
	}
}

// directAVX2 runs units [lo, hi) of a product with one row.
func (t *mulTask) directAVX2(work *scratch, lo, hi int) {
	a, kernel := t.a, kernelsAVX2[t.format].direct
	n, stride, blocks := t.w.Rows, t.w.RowBytes(), t.a.k/elems
	if full := min(hi, n/lanes) - lo; full > 0 {
		kernel(&t.w.Row(lo * lanes)[0], stride, blocks, full, &a.q[0], &a.d[0], &a.s[0], &a.bias[0], &t.c[lo*lanes])
	}
	if hi*lanes > n {
		col, cols, _, _ := t.unit(hi - 1)
		w, _ := t.weights(work, col, cols)
		kernel(w, stride, blocks, 1, &a.q[0], &a.d[0], &a.s[0], &a.bias[0], &work.tile[0])
		copy(t.c[col:], work.tile[:cols])
	}
}

// packedAVX2 runs units [lo, hi), unpacking the weights once for each.
func (t *mulTask) packedAVX2(work *scratch, lo, hi int) {
	n, blocks := t.w.Rows, t.a.k/elems
	panel := &work.panel[0]
	packed := -1
	for u := lo; u < hi; u++ {
		col, cols, row, rows := t.unit(u)
		if col != packed {
			w, _ := t.weights(work, col, cols)
			kernelsAVX2[t.format].pack(w, t.w.RowBytes(), blocks, panel)
			packed = col
		}
		for i := row; i < row+rows; i += tile {
			height := min(tile, row+rows-i)
			if cols == lanes {
				t.tileAVX2(panel, i, height, t.c[i*n+col:], n)
				continue
			}
			t.tileAVX2(panel, i, height, work.tile[:], lanes)
			for r := range height {
				copy(t.c[(i+r)*n+col:][:cols], work.tile[r*lanes:])
			}
		}
	}
}

// tileAVX2 multiplies the tile of rows from row i on by a panel, into c of ldc
// columns.
func (t *mulTask) tileAVX2(panel *byte, i, rows int, c []float32, ldc int) {
	a, kernels := t.a, kernelsAVX2[t.format].packed
	for r := 0; r < rows; {
		n := min(rows-r, len(kernels))
		at, step := a.row(i + r)
		kernels[n-1](panel, a.k/elems, step, &a.q[at*elems], &a.d[at], &a.s[at], t.bias(at), &c[r*ldc], 4*ldc)
		r += n
	}
}
