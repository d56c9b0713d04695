package gemm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/tensor"
)

// The tests of each assembly function, by pattern of its name; kerneltest checks
// that none is missing.
var (
	twinTests = map[string]func(*testing.T){
		"tileF32_*": testTileTwin,
		"tileF16_*": testTileTwin,
		"packT*":    testPackTwin,
		"packN*":    testPackTwin,
		"quarter*":  testPackTwin,
		"few*":      testFewTwin,
		"gemv*":     testGemvTwin,
	}
	guardTests = map[string]func(*testing.T){
		"tileF32_*": testTileGuard,
		"tileF16_*": testTileGuard,
		"packT*":    testPackGuard,
		"packN*":    testPackGuard,
		"quarter*":  testPackGuard,
		"few*":      testFewGuard,
		"gemv*":     testGemvGuard,
	}
)

func TestTwin(t *testing.T)  { runTable(t, twinTests) }
func TestGuard(t *testing.T) { runTable(t, guardTests) }

func runTable(t *testing.T, table map[string]func(*testing.T)) {
	for name, f := range table {
		t.Run(name, f)
	}
}

// shares of awkward numbers: none, so that long chains stay finite, and some.
var shares = []float64{0, 0.02, 0.3}

func testTileTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for m := 1; m <= 13; m++ {
		for _, n := range []int{1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 100, 128} {
			for _, k := range []int{0, 1, 2, 7, 64, 130} {
				for _, to := range []into{set, add, chain} {
					compareTile(t, r, m, n, k, to, m%2 == 0, shares[r.IntN(len(shares))])
				}
			}
		}
	}
}

func compareTile(t *testing.T, r *rand.Rand, m, n, k int, to into, transposed bool, share float64) {
	t.Helper()
	ldp, ldc := Pad(n)+r.IntN(3), n+r.IntN(4)
	ars, aks := k+r.IntN(3), 1
	if transposed {
		ars, aks = 1, m+r.IntN(3)
	}
	offset := r.IntN(3)
	a := awkward(offset+m*ars+k*aks+1, r, share)[offset:]
	p := awkward(offset+k*ldp+Pad(n), r, share)[offset:]
	h := halves(p)
	c := awkward(m*ldc, r, share)
	for _, tier := range cpu.Tiers() {
		got, want := slices.Clone(c), slices.Clone(c)
		tileF32(tier, m, n, k, a, ars, aks, p, ldp, got, ldc, to)
		tileGo(m, n, k, a, ars, aks, p, ldp, want, ldc, to)
		kerneltest.CheckBits(t, fmt.Sprintf("%v f32 m %d n %d k %d into %v transposed %v", tier, m, n, k, to, transposed), got, want)

		got, want = slices.Clone(c), slices.Clone(c)
		tileF16(tier, m, n, k, a, ars, aks, h, ldp, got, ldc, to)
		tileF16Go(m, n, k, a, ars, aks, h, ldp, want, ldc, to)
		kerneltest.CheckBits(t, fmt.Sprintf("%v f16 m %d n %d k %d into %v transposed %v", tier, m, n, k, to, transposed), got, want)
	}
}

func testTileGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		for m := 1; m <= 6; m++ {
			for _, n := range []int{1, 16, 17, 32, 40, 48, 50, 63, 64} {
				for _, k := range []int{1, 2, 5} {
					for _, transposed := range []bool{false, true} {
						ldp, ars, aks := Pad(n), k, 1
						if transposed {
							ars, aks = 1, m
						}
						a := kerneltest.GuardedOf[float32](t, m*k, edge)
						p := kerneltest.GuardedOf[float32](t, k*ldp, edge)
						h := kerneltest.GuardedOf[uint16](t, k*ldp, edge)
						c := kerneltest.GuardedOf[float32](t, m*n, edge)
						for _, acc := range []bool{false, true} {
							for _, tier := range cpu.Tiers() {
								Tile(tier, m, n, k, a, ars, aks, p, ldp, c, n, acc)
								TileF16(tier, m, n, k, a, ars, aks, h, ldp, c, n, acc)
								Extend(tier, m, n, k, a, ars, aks, p, ldp, c, n)
							}
						}
					}
				}
			}
		}
	}
}

func testPackTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, d := range readAll {
		elems, _ := d.Block()
		for _, cols := range widths(d) {
			for _, rows := range []int{1, 5, 16, 17, 32, 48, 63, 64} {
				for _, share := range shares {
					w := storageOf(t, d, rows+3, cols, bytesFor(d, rows+3, cols, r, share))
					from := r.IntN(cols/elems) * elems
					row := r.IntN(4)
					for _, tier := range cpu.Tiers() {
						comparePack(t, tier, w, row, rows, from, cols-from)
					}
				}
			}
		}
	}
}

// comparePack compares both packers with numbers taken one at a time from
// tensor.DequantRow.
func comparePack(t *testing.T, tier cpu.Tier, w *tensor.Storage, row, rows, from, n int) {
	t.Helper()
	buf := make([]float32, n+scratch)
	one := make([]float32, w.Cols)
	ldT, ldN := Pad(rows)+1, Pad(n)+2
	gotT, wantT := make([]float32, n*ldT), make([]float32, n*ldT)
	gotN, wantN := make([]float32, rows*ldN), make([]float32, rows*ldN)
	for r := range rows {
		if err := w.DequantRow(row+r, one); err != nil {
			t.Fatal(err)
		}
		for k, v := range one[from : from+n] {
			wantT[k*ldT+r] = v
			wantN[r*ldN+k] = v
		}
	}
	what := fmt.Sprintf("%v %v rows [%d,+%d) columns [%d,+%d) of %d", tier, w.DType, row, rows, from, n, w.Cols)
	packT(tier, w, row, rows, from, n, gotT, ldT, buf)
	kerneltest.CheckBits(t, "packT "+what, gotT, wantT)
	packN(tier, w, row, rows, from, n, gotN, ldN, buf)
	kerneltest.CheckBits(t, "packN "+what, gotN, wantN)
}

func testPackGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		for _, d := range readAll {
			for _, cols := range widths(d) {
				for _, rows := range []int{1, 15, 16, 17, 32, 64} {
					size, err := d.RowBytes(cols)
					if err != nil {
						t.Fatal(err)
					}
					w := storageOf(t, d, rows, cols, kerneltest.Guarded(t, rows*size, edge))
					buf := make([]float32, cols+scratch)
					kerneltest.ForEachTier(t, func(t *testing.T, tier cpu.Tier) {
						packT(tier, w, 0, rows, 0, cols, kerneltest.GuardedOf[float32](t, cols*Pad(rows), edge), Pad(rows), buf)
						packN(tier, w, 0, rows, 0, cols, kerneltest.GuardedOf[float32](t, rows*Pad(cols), edge), Pad(cols), buf)
						x := kerneltest.GuardedOf[float32](t, rows*cols, edge)
						packF32(tier, x, cols, rows, cols, kerneltest.GuardedOf[float32](t, rows*Pad(cols), edge), Pad(cols))
					})
				}
			}
		}
	}
}

func testGemvTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, d := range readAll {
		for _, k := range widths(d) {
			for _, n := range []int{1, 15, 16, 17, 31, 32, 33, 48, 50, 96, 101} {
				for _, share := range shares {
					w := storageOf(t, d, n, k, bytesFor(d, n, k, r, share))
					x, y := awkward(k, r, share), awkward(n, r, share)
					buf := make([]float32, scratch)
					for _, acc := range []bool{false, true} {
						want := slices.Clone(y)
						gemvGo(w, 0, x, want, acc, buf)
						for _, tier := range cpu.Tiers() {
							got := slices.Clone(y)
							gemv(tier, w, 0, x, got, acc, buf)
							kerneltest.CheckBits(t, fmt.Sprintf("%v %v %d x %d acc %v", tier, d, n, k, acc), got, want)
						}
					}
				}
			}
		}
	}
}

func testGemvGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		for _, d := range readAll {
			for _, k := range widths(d) {
				for _, n := range []int{1, 16, 17, 32, 33, 64} {
					size, err := d.RowBytes(k)
					if err != nil {
						t.Fatal(err)
					}
					w := storageOf(t, d, n, k, kerneltest.Guarded(t, n*size, edge))
					x := kerneltest.GuardedOf[float32](t, k, edge)
					y := kerneltest.GuardedOf[float32](t, n, edge)
					buf := make([]float32, scratch)
					for _, tier := range cpu.Tiers() {
						gemv(tier, w, 0, x, y, false, buf)
						gemv(tier, w, 0, x, y, true, buf)
					}
				}
			}
		}
	}
}

func testFewTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	for _, d := range readAll {
		for _, k := range append(widths(d), 512) { // 512: rows of x are moved apart
			for m := 2; m <= fewest; m++ {
				const n = 2*Lanes + 3
				share := shares[r.IntN(len(shares))]
				g := job(t, r, mulT, d, m, n, k, m%2 == 0, share)
				want := slices.Clone(g.c)
				for i := range m {
					gemvGo(g.w, 0, g.a[i*k:][:k], want[i*n:][:n], g.acc, make([]float32, scratch))
				}
				for _, tier := range cpu.Tiers()[1:] {
					kerneltest.CheckBits(t, fmt.Sprintf("%v share %v %v", g, share, tier), g.on(nil, new(Scratch), tier), want)
				}
			}
		}
	}
}

func testFewGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		for _, d := range readAll {
			for _, k := range widths(d) {
				for m := 2; m <= 8; m++ {
					for _, tier := range cpu.Tiers() {
						size, err := d.RowBytes(k)
						if err != nil {
							t.Fatal(err)
						}
						w := storageOf(t, d, Lanes, k, kerneltest.Guarded(t, Lanes*size, edge))
						if !hasFew(tier, w, k) {
							continue
						}
						x := kerneltest.GuardedOf[float32](t, m*k, edge)
						y := kerneltest.GuardedOf[float32](t, m*Lanes, edge)
						few(tier, w, 0, m, k, x, k, y, Lanes, false)
						few(tier, w, 0, m, k, x, k, y, Lanes, true)
					}
				}
			}
		}
	}
}
