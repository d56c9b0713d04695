package qgemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/tensor"
)

var dtypes = []tensor.DType{
	tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K,
}

// guardTests and twinTests name every assembly function, for the test in
// kerneltest that looks for uncovered ones.
var guardTests = map[string]func(t *testing.T, tier cpu.Tier){
	"direct*":      func(t *testing.T, tier cpu.Tier) { guardProducts(t, tier, 1, tile) },
	"pack*":        func(t *testing.T, tier cpu.Tier) { guardProducts(t, tier, tile+1, 2*tile+1) },
	"quantizeRow*": guardQuantize,
}

var twinTests = map[string]func(t *testing.T, tier cpu.Tier){
	"direct*":      func(t *testing.T, tier cpu.Tier) { compareProducts(t, tier, 1, tile) },
	"pack*":        func(t *testing.T, tier cpu.Tier) { compareProducts(t, tier, tile+1, 2*tile+1) },
	"quantizeRow*": compareQuantize,
}

func TestGuardPages(t *testing.T) { runTable(t, guardTests) }
func TestTwin(t *testing.T)       { runTable(t, twinTests) }

func runTable(t *testing.T, table map[string]func(t *testing.T, tier cpu.Tier)) {
	for name, f := range table {
		t.Run(name, func(t *testing.T) { kerneltest.ForEachTier(t, f) })
	}
}

// Columns of one 16-row group, less, more, and several; blocks that the loops of
// two, four and eight take, leave over, and both.
var (
	columns = []int{1, 15, 16, 17, 48, 50}
	lengths = []int{32, 96, 128, 160, 544}
)

// lengthsOf returns those of the lengths that rows of the dtype can have, for
// K-quants others.
func lengthsOf(dt tensor.DType) []int {
	if size, _ := dt.Block(); size > elems {
		return []int{size, 3 * size}
	}
	return lengths
}

// anyWeights makes blocks of random bytes: scales of every kind, NaN and
// infinities among them.
func anyWeights(t testing.TB, r *rand.Rand, dt tensor.DType, n, k int, edge kerneltest.Edge) *tensor.Storage {
	t.Helper()
	rowBytes, err := dt.RowBytes(k)
	if err != nil {
		t.Fatal(err)
	}
	b := kerneltest.Guarded(t, n*rowBytes, edge)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	w, err := tensor.NewStorage(dt, n, k, b)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// product quantises x and multiplies it, all by one tier.
func product(tier cpu.Tier, p *par.Pool, a *Acts, x []float32, m int, w *tensor.Storage) []float32 {
	c := make([]float32, m*w.Rows)
	a.quantize(tier, p, x, m, w.Cols)
	mulT(tier, p, c, m, w.Rows, a, w)
	return c
}

func compareProducts(t *testing.T, tier cpu.Tier, from, to int) {
	r := rand.New(rand.NewPCG(1, uint64(from)))
	var a, b Acts
	for _, dt := range dtypes {
		for _, share := range []float64{0, 0.002} {
			for m := from; m <= to; m++ {
				for _, n := range columns {
					for _, k := range lengthsOf(dt) {
						w := anyWeights(t, r, dt, n, k, kerneltest.High)
						if r.IntN(2) == 0 {
							w = randomWeights(r, dt, n, k)
						}
						x := make([]float32, m*k)
						kerneltest.Awkward(x, r.Uint64, share)
						want := product(cpu.Go, nil, &a, x, m, w)
						got := product(tier, nil, &b, x, m, w)
						kerneltest.CheckBits(t, fmt.Sprintf("%v [%d,%d] x [%d,%d]^T", dt, m, k, n, k), got, want)
					}
				}
			}
		}
	}
}

// guardProducts lets every operand end, and then begin, at an unreadable page.
func guardProducts(t *testing.T, tier cpu.Tier, from, to int) {
	r := rand.New(rand.NewPCG(2, uint64(from)))
	for _, edge := range kerneltest.Edges {
		for _, dt := range dtypes {
			for m := from; m <= to; m++ {
				for _, n := range []int{15, 16, 33} {
					for _, k := range lengthsOf(dt) {
						blocks := m * k / elems
						a := Acts{
							q: kerneltest.GuardedOf[int8](t, m*k, edge),
							d: kerneltest.GuardedOf[float32](t, blocks, edge), s: kerneltest.GuardedOf[float32](t, blocks, edge),
							bias: kerneltest.GuardedOf[int32](t, blocks, edge), halves: kerneltest.GuardedOf[int32](t, 2*blocks, edge),
						}
						w := anyWeights(t, r, dt, n, k, edge)
						a.work = []scratch{{
							panel: kerneltest.Guarded(t, k/elems*maxPanel, edge),
							edge:  kerneltest.Guarded(t, lanes*w.RowBytes(), edge),
						}}
						x := kerneltest.GuardedOf[float32](t, m*k, edge)
						kerneltest.Awkward(x, r.Uint64, 0.01)
						c := kerneltest.GuardedOf[float32](t, m*n, edge)
						a.quantize(tier, nil, x, m, k)
						mulT(tier, nil, c, m, n, &a, w)
					}
				}
			}
		}
	}
}

func compareQuantize(t *testing.T, tier cpu.Tier) {
	r := rand.New(rand.NewPCG(3, 4))
	var a, b Acts
	for _, m := range []int{1, 3, 8, 9, 23} {
		for _, k := range lengths {
			for _, share := range []float64{0, 0.01, 1} {
				for _, scale := range []float32{1, 1e-36, 3e-38, 1e38} {
					x := make([]float32, m*k)
					kerneltest.Awkward(x, r.Uint64, share)
					for i := range x {
						x[i] *= scale
					}
					a.quantize(cpu.Go, nil, x, m, k)
					b.quantize(tier, nil, x, m, k)
					kerneltest.CheckBits(t, "scales", b.d, a.d)
					kerneltest.CheckBits(t, "sums", b.s, a.s)
					for i := range a.q {
						if a.q[i] != b.q[i] {
							t.Fatalf("[%d,%d] quant %d is %d, want %d", m, k, i, b.q[i], a.q[i])
						}
					}
					if !slices.Equal(a.halves, b.halves) {
						t.Fatalf("[%d,%d] sums of halves are %d, want %d", m, k, b.halves, a.halves)
					}
					for i := range a.bias {
						if a.bias[i] != b.bias[i] {
							t.Fatalf("[%d,%d] bias %d is %d, want %d", m, k, i, b.bias[i], a.bias[i])
						}
					}
				}
			}
		}
	}
}

func guardQuantize(t *testing.T, tier cpu.Tier) { guardProducts(t, tier, 1, 1) }

// quant returns number j of row i of a as it will be multiplied.
func (a *Acts) quant(i, j int) float64 {
	first, step := a.row(i)
	at := first + j/elems*step
	return float64(a.d[at]) * float64(a.q[at*elems+j%elems])
}

// The rounding is to the nearest of 255 steps, and the products are those of
// the dequantised numbers, in float64, within the rounding of the float32 chain.
func TestAgainstFloat64(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tier cpu.Tier) {
		r := rand.New(rand.NewPCG(5, 6))
		var a Acts
		worst := 0.0
		for _, dt := range dtypes {
			for _, m := range []int{1, 7, 8, 19} {
				n, k := 35, 768
				w := randomWeights(r, dt, n, k)
				x := make([]float32, m*k)
				for i := range x {
					x[i] = float32(r.NormFloat64() * math.Exp(3*r.NormFloat64()))
				}
				c := product(tier, nil, &a, x, m, w)
				for i := range x {
					amax := 0.0
					for _, v := range x[i/elems*elems:][:elems] {
						amax = max(amax, math.Abs(float64(v)))
					}
					if e := math.Abs(a.quant(i/k, i%k) - float64(x[i])); e > amax/127*0.500001 {
						t.Fatalf("%v was rounded to %v in a block up to %v", x[i], a.quant(i/k, i%k), amax)
					}
				}
				row := make([]float32, k)
				for j := range n {
					if err := w.DequantRow(j, row); err != nil {
						t.Fatal(err)
					}
					for i := range m {
						want, size := 0.0, 0.0
						for l := range row {
							p := a.quant(i, l) * float64(row[l])
							want += p
							size += math.Abs(p)
						}
						e := math.Abs(float64(c[i*n+j])-want) / size
						worst = max(worst, e)
						// Each of the additions, two for each of 24 blocks at most,
						// and each of the weights rounds to 2^-24.
						if e > 52*0x1p-24 {
							t.Fatalf("%v: output %d of row %d is %v, want %v", dt, j, i, c[i*n+j], want)
						}
					}
				}
			}
		}
		t.Logf("worst error %.2g of the sum of magnitudes", worst)
	})
}

// A row gives the same bits whatever is computed beside it, on any pool.
func TestRowsAndWorkersDoNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	kerneltest.ForEachTier(t, func(t *testing.T, tier cpu.Tier) {
		for _, dt := range dtypes {
			for _, m := range []int{1, 5, 8, 9, 300} {
				n, k := 100, lengthsOf(dt)[1]
				w := randomWeights(r, dt, n, k)
				x := make([]float32, m*k)
				kerneltest.Awkward(x, r.Uint64, 0)
				var a Acts
				want := product(tier, nil, &a, x, m, w)
				for _, workers := range []int{2, 5} {
					p := par.New(workers)
					kerneltest.CheckBits(t, fmt.Sprintf("%v, %d rows, %d workers", dt, m, workers), product(tier, p, &a, x, m, w), want)
					p.Close()
				}
				for i := range m {
					got := product(tier, nil, &a, x[i*k:(i+1)*k], 1, w)
					kerneltest.CheckBits(t, fmt.Sprintf("%v, row %d of %d", dt, i, m), got, want[i*n:(i+1)*n])
				}
			}
		}
	})
}

// A NaN or an infinity in a row must reach every output of the row, and no other.
func TestNonFiniteRows(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	kerneltest.ForEachTier(t, func(t *testing.T, tier cpu.Tier) {
		for _, dt := range dtypes {
			for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
				m, n, k := 3, 33, 256
				w := randomWeights(r, dt, n, k)
				x := make([]float32, m*k)
				kerneltest.Awkward(x, r.Uint64, 0)
				x[k+70] = bad
				var a Acts
				for i, v := range product(tier, nil, &a, x, m, w) {
					finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
					if finite == (i/n == 1) {
						t.Fatalf("%v with a %v in row 1: output %d of row %d is %v", dt, bad, i%n, i/n, v)
					}
				}
			}
		}
	})
}

func TestNoAllocation(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	p := par.New(2)
	defer p.Close()
	w := randomWeights(r, tensor.Q4_1, 200, 64)
	var a Acts
	for _, m := range []int{1, 20} {
		x, c := make([]float32, m*64), make([]float32, m*200)
		if n := testing.AllocsPerRun(50, func() {
			a.Quantize(p, x, m, 64)
			MulT(p, c, m, 200, &a, w)
		}); n != 0 {
			t.Errorf("%d rows: %v allocations", m, n)
		}
	}
}

func TestSizesThatDoNotFit(t *testing.T) {
	w := randomWeights(rand.New(rand.NewPCG(13, 14)), tensor.Q8_0, 4, 64)
	var a Acts
	a.Quantize(nil, make([]float32, 128), 2, 64)
	f32 := tensor.FromFloat32(4, 64, make([]float32, 256))
	for name, f := range map[string]func(){
		"short x":       func() { new(Acts).Quantize(nil, make([]float32, 63), 1, 64) },
		"odd k":         func() { new(Acts).Quantize(nil, make([]float32, 33), 1, 33) },
		"short c":       func() { MulT(nil, make([]float32, 7), 2, 4, &a, w) },
		"rows":          func() { MulT(nil, make([]float32, 4), 1, 4, &a, w) },
		"columns":       func() { MulT(nil, make([]float32, 6), 2, 3, &a, w) },
		"not quantised": func() { MulT(nil, make([]float32, 8), 2, 4, &a, f32) },
		"another length": func() {
			MulT(nil, make([]float32, 8), 2, 4, &a, randomWeights(rand.New(rand.NewPCG(1, 1)), tensor.Q8_0, 4, 32))
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
	a.Quantize(nil, nil, 0, 64)
	MulT(nil, nil, 0, 4, &a, w) // nothing to do
}

// FuzzProduct compares every tier with the plain-Go twin on arbitrary shapes,
// weights and activations.
func FuzzProduct(f *testing.F) {
	f.Add(uint8(0), uint8(1), uint8(1), uint8(1), []byte{1, 2, 3})
	f.Add(uint8(2), uint8(8), uint8(17), uint8(5), []byte{0xff, 0x7f, 0, 0x7e, 0x80, 0xff})
	f.Add(uint8(1), uint8(9), uint8(16), uint8(4), []byte{0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff})
	f.Fuzz(func(t *testing.T, format, rows, cols, blocks uint8, data []byte) {
		if len(data) == 0 {
			return
		}
		dt := dtypes[int(format)%len(dtypes)]
		size, _ := dt.Block()
		m, n, k := int(rows)%20+1, int(cols)%40+1, (int(blocks)%9+1)*size
		rowBytes, err := dt.RowBytes(k)
		if err != nil {
			t.Fatal(err)
		}
		next := 0
		take := func() byte {
			b := data[next%len(data)] + byte(next/len(data))
			next++
			return b
		}
		raw := make([]byte, n*rowBytes)
		for i := range raw {
			raw[i] = take()
		}
		w, err := tensor.NewStorage(dt, n, k, raw)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float32, m*k)
		for i := range x {
			x[i] = math.Float32frombits(uint32(take()) | uint32(take())<<8 | uint32(take())<<16 | uint32(take())<<24)
		}
		var a, b Acts
		want := product(cpu.Go, nil, &a, x, m, w)
		for _, tier := range cpu.Tiers() {
			kerneltest.CheckBits(t, fmt.Sprintf("%v [%d,%d] x [%d,%d]^T by %v", dt, m, k, n, k, tier), product(tier, nil, &b, x, m, w), want)
		}
	})
}
