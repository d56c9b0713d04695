// Package attn is scaled dot-product attention of query rows over a cache of
// keys and values in blocks, forward and backward.
//
// Blocks hold 64 entries and are anchored at entry 0. A row meets the blocks in
// ascending order and carries its maximum m, its sum l and its output acc:
//
//	s[j] = sum over d of q[d] k[j,d], in gemm's order, times scale
//	m'   = max(m, s[0], ... s[63])
//	corr = exp(m - m'), 0 for the first block
//	p[j] = exp(s[j] - m'), 0 where the row may not look
//	l    = fma(l, corr, sum of p), the sum in 16 lanes and then halved: 8, 4, 2, 1
//	acc  = acc*corr + a chain of fma from +0, over j ascending, of p[j] v[j]
//	out  = acc / l, at the end
//
// Every 1,024 entries, a span, it begins anew, and the spans' m, l and acc are
// joined in ascending order: so cores can share the entries of one row.
//
// So a row's result depends on its own query, entries and bounds alone: not on
// the rows that share a call, on how a prompt was cut, or on what later entries
// of a block hold, for those never enter a sum. The tiers share every bit.
//
// The ladder, on one core of an AMD EPYC 9004 (AVX-512 at 118 GFLOP/s), head
// dimension 64, three heads, counting the entries that a row looks at:
//
//  1. Plain Go, the twin.
//  2. gemm.Tile for q k and p v; the keys of a block are a panel already, lane =
//     entry.
//  3. Softmax in registers: four hold a row of a block, and e^x is f32.Exp's
//     polynomial in 16 lanes. 73 GFLOP/s for a prompt of 512, 83 for 64 positions
//     after 4000, 70 for one position after 511; Backward 67.
//  4. Softmax for the rows of a tile at once, in three loops: maxima, the
//     corrections of 16 rows in one exponential, probabilities. A row's maximum
//     and its sum are chains that the processor now overlaps with the next row's.
//     77, 88 and 72.
//  5. The last division by act, and in the last block no scores that no row looks
//     at. 84, 89 and 73; after 4000 tiles, at 92 % of the limit, take 82 % of the
//     time and softmax 13.
//  6. Backward in tiles of 48 rows, for it transposes each block, and with rows of
//     equal bounds together: 90 for 512 positions; 58 for 65 rows of dimension 32,
//     which had 35.
//  7. For caches that lose an entry with each that comes: scores that a pass kept
//     for the sums of its columns instead of a second product, and panels moved a
//     whole row at a time. Of a token after 1,024 entries both together had taken
//     39 % of the time, and take 10.
//
// A float16 cache is 2 % slower than float32 and half the size. One position after
// 7999, all from memory: 20 GB/s of cache, where the core reads 26. AVX2 runs the
// same steps: 63 GFLOP/s for a prompt of 512, 67 for one position, Backward 62.
//
// A cache of 8 bits is widened to float32 a block at a time, for each tile of rows
// anew: see q8.go. After 4000 entries attention of one position takes a third longer
// than from float16, in 0.53 of the memory; a kernel that widens in registers has
// not been tried.
//
// Matrices T x T exist nowhere: what needs probabilities (Probs, ColumnSums,
// Backward) makes them again, a block at a time, from the stored m and l.
package attn

import (
	"fmt"
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/gemm"
)

// Rows is a stack of query rows that look at one kv head: the rows of Heads
// heads (those that share the kv head) for each position, in order of position.
// Row r is head r % Heads of position r / Heads and lies at
//
//	r/Heads*PosStride + r%Heads*HeadStride
//
// of Q and Out, Dim numbers long.
type Rows struct {
	Heads                 int
	PosStride, HeadStride int
	Q, Out                []float32
	Scale                 float32

	// N[r] is how many entries row r may look at: entries 0 to N[r]-1. From,
	// if not nil, is the first one (a sliding window). Both ascend with r. A
	// row without entries gets zeros.
	N, From []int

	// M and L, if not nil, take each row's maximum and sum, which Probs,
	// ColumnSums and Backward need.
	M, L []float32

	// Scores, if not nil, takes each row's scores, not yet scaled, for AddProbs:
	// that of entry j for row r at r*Stride + j.
	Scores []float32
	Stride int
}

// at returns where row r lies in Q and Out.
func (q *Rows) at(r int) int { return r/q.Heads*q.PosStride + r%q.Heads*q.HeadStride }

// bounds returns the entries of the block at base that row r looks at, as
// offsets in the block; from >= to if none.
func (q *Rows) bounds(r, base int) (from, to int) {
	to = min(q.N[r]-base, Block)
	if q.From != nil {
		from = max(q.From[r]-base, 0)
	}
	return from, to
}

// mask selects lanes from to to-1.
func mask(from, to int) uint64 {
	if from >= to {
		return 0
	}
	return math.MaxUint64 >> (Block - to) &^ (1<<from - 1)
}

// rowTile is how many rows share a pass over the blocks: enough to use each
// block well, few enough that their scores and outputs stay in the first-level
// cache.
const rowTile = 24

// Scratch holds the working memory of one worker. The zero value is ready; it
// grows to the largest head dimension it meets.
type Scratch struct {
	tier cpu.Tier
	q    []float32 // [backTile][Pad(Dim)]
	acc  []float32 // [backTile][Pad(Dim)]
	s    []float32 // [backTile][Block]: scores, then probabilities
	stat []float32 // [rowTile][2]: m and l
	mask []uint64  // [backTile]: the entries of a block that a row looks at
	corr []float32 // [rowTile], rounded up to 16
	wide []float32 // [Block][Pad(Dim)]: keys or values of a block of 8 bits

	total, totals []float32 // acc and stat of the spans so far
	back          backward
}

// Grow readies the scratch for a head dimension, so that a worker that joins a
// later loop for the first time allocates nothing.
func (s *Scratch) Grow(dim int) {
	if pd := gemm.Pad(dim); len(s.acc) < backTile*pd {
		s.q = make([]float32, backTile*pd)
		s.acc = make([]float32, backTile*pd)
		s.s = make([]float32, backTile*Block)
		s.stat = make([]float32, rowTile*2)
		s.mask = make([]uint64, backTile)
		s.corr = make([]float32, gemm.Pad(rowTile))
		s.wide = make([]float32, Block*pd)
		s.total = make([]float32, rowTile*pd)
		s.totals = make([]float32, rowTile*2)
	}
}

// numbers returns how many numbers of Q and Out the rows reach over.
func (q *Rows) numbers(dim int) int {
	rows := len(q.N)
	n := q.at(rows-1) + dim
	if whole := rows / q.Heads * q.Heads; whole > 0 {
		n = max(n, q.at(whole-1)+dim) // the last position may be short of heads
	}
	return n
}

// check panics, as a programming error, if the parts do not fit together.
func (kv *KV) check(q *Rows, statistics bool) {
	rows := len(q.N)
	if rows == 0 {
		return
	}
	n := q.N[rows-1]
	have := kv.Blocks()
	switch {
	case kv.Dim <= 0 || q.Heads <= 0 || q.PosStride < 0 || q.HeadStride < 0:
		panic(fmt.Sprintf("attn: dim %d, %d heads, strides %d %d", kv.Dim, q.Heads, q.PosStride, q.HeadStride))
	case have < Blocks(n):
		panic(fmt.Sprintf("attn: %d blocks for %d entries", have, n))
	case q.From != nil && len(q.From) != rows:
		panic(fmt.Sprintf("attn: %d first entries for %d rows", len(q.From), rows))
	case (statistics || q.M != nil || q.L != nil) && min(len(q.M), len(q.L)) < rows:
		panic(fmt.Sprintf("attn: statistics for %d and %d of %d rows", len(q.M), len(q.L), rows))
	}
	for r := range rows {
		if r > 0 && (q.N[r] < q.N[r-1] || q.From != nil && q.From[r] < q.From[r-1]) || q.N[r] < 0 {
			panic(fmt.Sprintf("attn: bounds of row %d descend", r))
		}
	}
	need("queries", len(q.Q), q.numbers(kv.Dim))
	if q.Scores != nil {
		need("row of scores", q.Stride, n)
		need("scores", len(q.Scores), (rows-1)*q.Stride+n)
	}
	for b := range Blocks(n) {
		switch {
		case kv.Q8 != nil:
			need("block", len(kv.Q8[b]), Size(kv.Dim))
			need("scales", len(kv.D[b]), Scales(kv.Dim))
		case kv.F16 != nil:
			need("block", len(kv.F16[b]), Size(kv.Dim))
		default:
			need("block", len(kv.F32[b]), Size(kv.Dim))
		}
	}
}

func need(what string, have, want int) {
	if have < want {
		panic(fmt.Sprintf("attn: %s hold %d numbers, need %d", what, have, want))
	}
}
