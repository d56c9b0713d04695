// Package gemm is the float32 matrix product, over stored weights of any dtype,
// forward and backward.
//
// Every element of a result is a sum of chains, one for each Segment of the
// summed index. A chain is multiply-adds, each rounded once, and the chains are
// added; both in ascending order:
//
//	chain(s) = +0; for k = 128 s, ... 128 s + 127: chain(s) = fma(a[k], b[k], chain(s))
//	c        = chain(0), or what c held + chain(0)
//	c        = c + chain(1), c + chain(2), ...
//
// The order does not know how many rows share a call, how the work was cut or
// which tier runs, so neither do the bits. Lanes hold different elements, never
// parts of one.
//
// The ladder, on one core of an AMD EPYC 9004 (AVX-512 at 118 GFLOP/s, reading
// 26 to 30 GB/s):
//
//  1. Plain Go, the twin. 1.5 GFLOP/s: rounding once costs a sum in float64
//     and a test.
//
//  2. Register tile of 6 x 64: 24 accumulators, one broadcast for each four. 117
//     GFLOP/s over 576 terms; 80 for one row.
//
//  3. Panels packed from storage: rows become lanes by a 4x4 transpose inside
//     128-bit lanes, decoding on the way, and 256 KiB of panel stay in the
//     second-level cache. 114 GFLOP/s for [512,576] times [1536,576]^T, from F32
//     and from Q4_1 alike.
//
//  4. One row: the same transpose feeds the multiply-add and nothing is stored.
//     10 to 15 GB/s of weights: the processor's prefetchers do not follow 32
//     rows at a time.
//
//  5. Step 4 asks for the next 32 rows in one linear run. 25 GB/s of F32, 27 of
//     BF16, 20 of F16 (bound by its conversion), 12 of Q8_0 and 8 of Q4_1 (bound
//     by decoding). Asking for them in the first-level cache instead of the
//     second loses a third.
//
//  6. Segments; until here every element was one chain over all of k, which
//     rounds a sum that has grown so far at each step. Now a term meets at most
//     128 + k/128 roundings instead of k, and the logits of a network of 30
//     layers, width 576, are at worst 1.6 times as far from float64 as PyTorch's
//     instead of 3.3. A tile reads and writes c once in a segment: 3 % of a
//     product, 113 and 109 GFLOP/s where steps 2 and 3 have 117 and 114. One row
//     keeps its totals in registers and costs the same.
//
//  7. 2 to 16 rows: step 5 with a multiply-add for each row, 8 at a time, instead of
//     a panel that few rows use. 8 rows of [576] times [1536,576]^T: 90 GFLOP/s from
//     F32, 78 from F16, 108 from BF16, 85 from Q8_0; by panels 66, 67 and 78 from the first
//     three. In the caches 8 rows take 2.1 to 2.5 times as long as one.
//
//  8. Q5 and K-quants. Their rows are decoded as rows, 64 numbers of 16 at a time,
//     into the first-level cache, and go on as F32. 106 to 110 GFLOP/s for 512 rows;
//     for one row 6 numbers a nanosecond of Q5_0 and Q4_K, 4 of Q6_K, which is 3 to
//     4 GB/s.
//
//  9. AVX2: a tile of 6 x 16 in 12 of 16 registers, and step 8 for every dtype but
//     F32. Tiles 82 GFLOP/s, for masked stores are slow there; 111 with those only
//     at the edge. 97 from F32 and 94 from F16 for 512 rows; for 8 rows 64 and 61.
//     One row reads 20 GB/s of F32 and 16 of F16 and BF16.
//
//  10. Floats by whole lines of the cache: 64 bytes of each of 16 rows at once, where
//     steps 3 to 7 come back to a line four times. Rows 4096 bytes apart share 8
//     places of the first-level cache, and each visit missed; rows of x at such
//     distances are moved apart too. 8 rows of [1024] times [4096,1024]^T: 85 GFLOP/s
//     for 23, 16 rows: 86 for 23. Where nothing is shared, 93 from F32, 90 from F16
//     and 102 from BF16, whose share of shuffles is larger than in step 7. One row
//     from the caches reads 55 GB/s of F32 for 47, 23 of F16 for 21, 28 of BF16.
//     From memory, when a loop that only reads had 17 GB/s: F16 15 to 16 for 13,
//     BF16 18 for 16, F32 of 4096 bytes a row 17 for 13.
//
//  11. Two cores on one row: each reads a run of rows of its own (package par). When
//     they took 32 rows in turn, step 5 asked for those of the other core: 12 GB/s
//     of F16 from memory where one core had 17. Now 26 where one has 15.
//
// Tile is step 2, in AVX2 9. MulT, Mul and MulAT are 2 and 3, MulT of one row is 5
// and of up to 16 rows 7; the floats of these are read by step 10; dtypes without a
// transposing reader are 8; all add by step 6. Steps 7 to 11 were timed as the best
// of many short runs on a busy machine.
//
// Tried and left: 9 to 16 rows of F32 in one pass, by half lines, for 24 registers
// are taken: 104 GFLOP/s for 94, but no more where rows share places. Half
// lines of two groups in turn, so that their chains overlap: 24 GB/s of F16 from the
// caches for 23, a tenth less from memory. Prefetches into the first-level cache, or
// loads for them: a third less; none: half.
package gemm

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
)

// Lanes is the number of columns that panels are padded to.
const Lanes = 16

// Segment is the number of terms in a chain; see the package comment.
const Segment = 128

// Pad rounds n up to a multiple of Lanes.
func Pad(n int) int { return (n + Lanes - 1) &^ (Lanes - 1) }

// Tile computes c[i,j] = sum over k of a[i,k] p[k,j] for i < m, j < n:
//
//	c[i*ldc + j] = sum over k of a[i*ars + k*aks] * p[k*ldp + j]
//
// in the order of the package, added to c if acc is set. With the strides of a
// swapped it is the product with a transposed. p is a panel: the n columns of
// each of its k rows are followed, up to Pad(n), by numbers that are read and
// have no effect. Slices too short for the shape are a programming error and
// panic.
func Tile(t cpu.Tier, m, n, k int, a []float32, ars, aks int, p []float32, ldp int, c []float32, ldc int, acc bool) {
	checkTile(m, n, k, len(a), ars, aks, len(p), ldp, len(c), ldc)
	segments(tileF32, t, m, n, k, a, ars, aks, p, ldp, c, ldc, acc)
}

// TileF16 is Tile with a panel of float16.
func TileF16(t cpu.Tier, m, n, k int, a []float32, ars, aks int, p []uint16, ldp int, c []float32, ldc int, acc bool) {
	checkTile(m, n, k, len(a), ars, aks, len(p), ldp, len(c), ldc)
	segments(tileF16, t, m, n, k, a, ars, aks, p, ldp, c, ldc, acc)
}

// Extend is Tile with each element one chain, whatever k, that begins at what c
// holds. Calls in sequence make one chain, however its terms are cut into calls.
func Extend(t cpu.Tier, m, n, k int, a []float32, ars, aks int, p []float32, ldp int, c []float32, ldc int) {
	checkTile(m, n, k, len(a), ars, aks, len(p), ldp, len(c), ldc)
	tileF32(t, m, n, k, a, ars, aks, p, ldp, c, ldc, chain)
}

// into says what a tile of one chain does with what c holds. The generator has
// the same constants.
type into = uint8

const (
	set   into = iota // nothing
	add               // adds the chain, which begins at +0
	chain             // begins the chain there
)

// segments is the sum over k by tiles of one chain.
func segments[E any](tile func(t cpu.Tier, m, n, k int, a []float32, ars, aks int, p []E, ldp int, c []float32, ldc int, to into),
	t cpu.Tier, m, n, k int, a []float32, ars, aks int, p []E, ldp int, c []float32, ldc int, acc bool) {
	if m == 0 || n == 0 || k == 0 && acc {
		return
	}
	to := set
	if acc {
		to = add
	}
	for from := 0; from < k || to == set; from += Segment {
		tile(t, m, n, min(Segment, k-from), a[from*aks:], ars, aks, p[from*ldp:], ldp, c, ldc, to)
		to = add
	}
}

// Transpose sets dst[j*ldd + i] = src[i*lds + j] for i < rows, j < cols, and the
// numbers after the rows, up to Pad(rows), to 0: it makes a panel of rows.
func Transpose(t cpu.Tier, dst []float32, ldd int, src []float32, lds, rows, cols int) {
	if min(rows, cols, ldd, lds) < 0 {
		panic(fmt.Sprintf("gemm: negative in %d rows, %d columns, strides %d %d", rows, cols, ldd, lds))
	}
	if rows == 0 || cols == 0 {
		return
	}
	need("dst", len(dst), (cols-1)*ldd+Pad(rows))
	need("src", len(src), (rows-1)*lds+cols)
	transpose(t, dst, ldd, src, lds, rows, cols)
}

// checkTile keeps wrong shapes from the assembly, which checks nothing.
func checkTile(m, n, k, a, ars, aks, p, ldp, c, ldc int) {
	if min(m, n, k, ars, aks, ldp, ldc) < 0 {
		panic(fmt.Sprintf("gemm: negative in m %d, n %d, k %d, strides %d %d %d %d", m, n, k, ars, aks, ldp, ldc))
	}
	if m == 0 || n == 0 {
		return
	}
	need("c", c, (m-1)*ldc+n)
	if k > 0 {
		need("a", a, (m-1)*ars+(k-1)*aks+1)
		need("panel", p, (k-1)*ldp+Pad(n))
	}
}

func need(what string, have, want int) {
	if have < want {
		panic(fmt.Sprintf("gemm: %s holds %d numbers, needs %d", what, have, want))
	}
}
