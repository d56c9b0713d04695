package gemm

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/f32"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/tensor"
)

// job makes a product of one kind with everything it reads and writes.
func job(t testing.TB, r *rand.Rand, kind kind, d tensor.DType, m, n, k int, acc bool, share float64) product {
	g := product{kind: kind, m: m, n: n, k: k, acc: acc, a: awkward(m*k, r, share), c: awkward(m*n, r, share)}
	switch kind {
	case mulT:
		g.w = storageOf(t, d, n, k, bytesFor(d, n, k, r, share))
	case mul:
		g.w = storageOf(t, d, k, n, bytesFor(d, k, n, r, share))
	case mulAT:
		g.x = awkward(k*n, r, share)
	}
	return g
}

// on runs a copy of g and returns its c.
func (g product) on(p *par.Pool, s *Scratch, tier cpu.Tier) []float32 {
	g.c, g.tier = slices.Clone(g.c), tier
	s.run(p, g)
	return g.c
}

func (g product) String() string {
	d := tensor.F32
	if g.w != nil {
		d = g.w.DType
	}
	return fmt.Sprintf("kind %d %v m %d n %d k %d acc %v", g.kind, d, g.m, g.n, g.k, g.acc)
}

// b returns factor (l, j) of the right side, as the product sees it.
func (g product) b(t testing.TB) func(l, j int) float32 {
	if g.kind == mulAT {
		return func(l, j int) float32 { return g.x[l*g.n+j] }
	}
	all := make([]float32, g.w.Rows*g.w.Cols)
	for i := range g.w.Rows {
		if err := g.w.DequantRow(i, all[i*g.w.Cols:(i+1)*g.w.Cols]); err != nil {
			t.Fatal(err)
		}
	}
	if g.kind == mulT {
		return func(l, j int) float32 { return all[j*g.k+l] }
	}
	return func(l, j int) float32 { return all[l*g.n+j] }
}

// left returns factor (i, l) of the left side.
func (g product) left(i, l int) float32 {
	if g.kind == mulAT {
		return g.a[l*g.m+i]
	}
	return g.a[i*g.k+l]
}

var kinds = []kind{mulT, mul, mulAT}

// checkFloat64 compares c with the sum in float64. A term is rounded once for each
// one that its chain takes and each chain that is added, and is off by at most as
// many half units of the sum of the magnitudes.
func checkFloat64(t *testing.T, g product, c []float32) {
	t.Helper()
	b := g.b(t)
	rounded := float64(min(g.k, Segment) + g.k/Segment + 1)
	for i := range g.m {
		for j := range g.n {
			sum, size := 0.0, 0.0
			if g.acc {
				sum = float64(g.c[i*g.n+j])
				size = math.Abs(sum)
			}
			for l := range g.k {
				x := float64(g.left(i, l)) * float64(b(l, j))
				sum += x
				size += math.Abs(x)
			}
			if e := math.Abs(float64(c[i*g.n+j]) - sum); !(e <= size*rounded*0x1p-24) {
				t.Fatalf("%v: c[%d,%d] is %v, want %v", g, i, j, c[i*g.n+j], sum)
			}
		}
	}
}

// depths crosses the edges of a panel's depth.
func depths(d tensor.DType) []int {
	if elems, _ := d.Block(); elems > 1 {
		return []int{elems, 3 * elems, 544 / elems * elems, 1024 + elems}
	}
	return []int{1, 3, 9, 64, 513, 1030}
}

func TestProducts(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	pool := par.New(3)
	defer pool.Close()
	var s, alone Scratch
	for _, kind := range kinds {
		for _, d := range readAll {
			if kind == mulAT && d != tensor.F32 {
				continue
			}
			for _, x := range depths(d) {
				for _, mn := range [][2]int{{1, 1}, {1, 50}, {1, 96}, {2, 130}, {6, 64}, {7, 33}, {40, 70}} {
					m, n, k := mn[0], mn[1], x
					if elems, _ := d.Block(); kind == mul && elems > 1 {
						n = (n + elems - 1) / elems * elems
					}
					for _, acc := range []bool{false, true} {
						g := job(t, r, kind, d, m, n, k, acc, 0)
						want := g.on(nil, &alone, cpu.Go)
						checkFloat64(t, g, want)
						for _, tier := range cpu.Tiers() {
							kerneltest.CheckBits(t, fmt.Sprintf("%v %v", g, tier), g.on(pool, &s, tier), want)
						}
					}
				}
			}
		}
	}
}

// checkOrder compares c with the package comment, taken at its word.
func checkOrder(t *testing.T, g product, c []float32) {
	t.Helper()
	b := g.b(t)
	want := slices.Clone(g.c)
	for i := range g.m {
		for j := range g.n {
			out := &want[i*g.n+j]
			for from := 0; from < g.k; from += 128 {
				sum := float32(0)
				for l := from; l < min(from+128, g.k); l++ {
					// The product is exact and the sum rounds once.
					x := new(big.Float).SetMode(big.ToNearestEven).SetPrec(400)
					x.Mul(big.NewFloat(float64(g.left(i, l))), big.NewFloat(float64(b(l, j))))
					x.Add(x, big.NewFloat(float64(sum)))
					sum, _ = x.Float32()
				}
				if from == 0 && !g.acc {
					*out = sum
				} else {
					*out += sum
				}
			}
		}
	}
	kerneltest.CheckBits(t, g.String(), c, want)
}

func TestOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	var s Scratch
	for _, kind := range kinds {
		for _, d := range []tensor.DType{tensor.F32, tensor.Q4_1, tensor.Q4_K} {
			if kind == mulAT && d != tensor.F32 {
				continue
			}
			elems, _ := d.Block()
			for _, k := range []int{96, 128, 320, 1344} {
				for _, m := range []int{1, 2} {
					k, n := (k+elems-1)/elems*elems, 17
					if kind == mul {
						n = (n + elems - 1) / elems * elems
					}
					for _, acc := range []bool{false, true} {
						g := job(t, r, kind, d, m, n, k, acc, 0)
						for _, tier := range cpu.Tiers() {
							checkOrder(t, g, g.on(nil, &s, tier))
						}
					}
				}
			}
		}
	}
}

// However its terms are cut into calls, Extend makes one chain.
func TestExtend(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	const m, n, k = 7, 50, 300
	a, p, c := awkward(m*k, r, 0), awkward(k*Pad(n), r, 0), awkward(m*n, r, 0)
	want := slices.Clone(c)
	for l := range k {
		for i := range m {
			for j := range n {
				want[i*n+j] = f32.FMA(a[i*k+l], p[l*Pad(n)+j], want[i*n+j])
			}
		}
	}
	for _, tier := range cpu.Tiers() {
		for _, step := range []int{1, 24, 128, 299, 300} {
			got := slices.Clone(c)
			for l := 0; l < k; l += step {
				Extend(tier, m, n, min(step, k-l), a[l:], k, 1, p[l*Pad(n):], Pad(n), got, n)
			}
			kerneltest.CheckBits(t, fmt.Sprintf("%v, %d at a time", tier, step), got, want)
		}
	}
}

// Sums of nothing but -0 are -0, for one row and for several, at the end of a
// segment and in the middle of one.
func TestNegativeZero(t *testing.T) {
	zero := float32(math.Copysign(0, -1))
	var s Scratch
	for _, k := range []int{1, 100, 128, 130, 256} {
		for _, m := range []int{1, 2} {
			for _, acc := range []bool{false, true} {
				g := job(t, rand.New(rand.NewPCG(1, 2)), mulT, tensor.F32, m, 32, k, acc, 0)
				for i := range g.a {
					g.a[i] = 1e-30
				}
				w := g.w.Bytes()
				for i := 0; i < len(w); i += 4 {
					binary.LittleEndian.PutUint32(w[i:], math.Float32bits(-1e-30))
				}
				for i := range g.c {
					g.c[i] = zero
				}
				for _, tier := range cpu.Tiers() {
					kerneltest.CheckBits(t, fmt.Sprintf("%v %v", g, tier), g.on(nil, &s, tier), g.c)
				}
			}
		}
	}
}

// With NaN, Inf, zeros and subnormals there is no bound to check, but the tiers
// still agree.
func TestProductsOfAwkwardNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var s Scratch
	for _, kind := range kinds {
		for _, d := range readAll {
			if kind == mulAT && d != tensor.F32 {
				continue
			}
			for _, share := range []float64{0.002, 0.3} {
				for _, m := range []int{1, 5} {
					elems, _ := d.Block()
					g := job(t, r, kind, d, m, max(64+32, elems), max(96, elems), true, share)
					want := g.on(nil, &s, cpu.Go)
					for _, tier := range cpu.Tiers() {
						kerneltest.CheckBits(t, fmt.Sprintf("%v share %v %v", g, share, tier), g.on(nil, &s, tier), want)
					}
				}
			}
		}
	}
}

// A row of c must not depend on the number of rows in the call, nor c on the
// number of workers or how they cut the work.
func TestRowsAndWorkersDoNotShow(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, d := range readAll {
		elems, _ := d.Block()
		g := job(t, r, mulT, d, 203, 160, (576+elems-1)/elems*elems, false, 0)
		var s Scratch
		want := g.on(nil, &s, cpu.Kernels())
		for _, workers := range []int{1, 2, 3, 8} {
			pool := par.New(workers)
			kerneltest.CheckBits(t, fmt.Sprintf("%v, %d workers", g, workers), g.on(pool, new(Scratch), cpu.Kernels()), want)
			pool.Close()
		}
		for _, rows := range []int{1, 2, 3, 5, 6, 7, 8, 12, 50, 200} {
			part := g
			part.m = rows
			for lo := 0; lo+rows <= g.m; lo += 67 {
				part.a, part.c = g.a[lo*g.k:(lo+rows)*g.k], g.c[lo*g.n:(lo+rows)*g.n]
				kerneltest.CheckBits(t, fmt.Sprintf("%v, rows [%d,+%d)", g, lo, rows), part.on(nil, &s, cpu.Kernels()), want[lo*g.n:(lo+rows)*g.n])
			}
		}
	}
	for _, kind := range []kind{mul, mulAT} {
		g := job(t, r, kind, tensor.F32, 203, 160, 576, true, 0)
		want := g.on(nil, new(Scratch), cpu.Kernels())
		pool := par.New(5)
		kerneltest.CheckBits(t, fmt.Sprintf("%v, 5 workers", g), g.on(pool, new(Scratch), cpu.Kernels()), want)
		pool.Close()
	}
}

func TestZeroSizes(t *testing.T) {
	var s Scratch
	w := storage(t, tensor.F32, 4, 4)
	MulT(nil, &s, nil, 0, 4, 4, nil, w, false)
	Mul(nil, &s, nil, 0, 4, 4, nil, w, false)
	c := []float32{1, 2, 3, 4}
	MulAT(nil, &s, c, 2, 2, 0, nil, nil, true)
	kerneltest.CheckBits(t, "added to", c, []float32{1, 2, 3, 4})
	MulAT(nil, &s, c, 2, 2, 0, nil, nil, false)
	kerneltest.CheckBits(t, "set", c, []float32{0, 0, 0, 0})
	Tile(cpu.Kernels(), 2, 2, 0, nil, 1, 1, nil, 16, []float32{1, 2, 3, 4}, 2, false)
}

func TestShortSlicesPanic(t *testing.T) {
	w := storage(t, tensor.F32, 4, 8)
	f := func(n int) []float32 { return make([]float32, n) }
	for name, call := range map[string]func(){
		"c":       func() { MulT(nil, new(Scratch), f(7), 2, 4, 8, f(16), w, false) },
		"a":       func() { MulT(nil, new(Scratch), f(8), 2, 4, 8, f(15), w, false) },
		"weights": func() { MulT(nil, new(Scratch), f(100), 2, 5, 8, f(100), w, false) },
		"x":       func() { MulAT(nil, new(Scratch), f(100), 2, 4, 8, f(100), f(31), false) },
		"panel":   func() { Tile(cpu.Kernels(), 1, 1, 2, f(2), 1, 1, f(31), 16, f(1), 1, false) },
		"tile c":  func() { Tile(cpu.Kernels(), 2, 3, 2, f(4), 2, 1, f(32), 16, f(5), 3, false) },
		"dst":     func() { Transpose(cpu.Kernels(), f(31), 16, f(6), 2, 3, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}

func TestTranspose(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tier cpu.Tier) {
		for _, rows := range []int{1, 15, 16, 17, 64, 70} {
			for _, cols := range []int{1, 3, 4, 5, 16, 30, 64} {
				src := kerneltest.GuardedCopy(t, random(rows*cols), kerneltest.High)
				dst := kerneltest.GuardedOf[float32](t, cols*Pad(rows), kerneltest.High)
				want := make([]float32, len(dst))
				for i := range rows {
					for j := range cols {
						want[j*Pad(rows)+i] = src[i*cols+j]
					}
				}
				for i := range dst {
					dst[i] = 9
				}
				Transpose(tier, dst, Pad(rows), src, cols, rows, cols)
				kerneltest.CheckBits(t, fmt.Sprintf("%d x %d", rows, cols), dst, want)
			}
		}
	})
}

func TestNoAllocation(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	pool := par.New(2)
	defer pool.Close()
	for _, m := range []int{1, 3, 200} {
		for _, d := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q4_1, tensor.Q5_0, tensor.Q6_K} {
			var s Scratch
			g := job(t, r, mulT, d, m, 512, 512, false, 0)
			h := job(t, r, mulAT, d, m, 512, 512, false, 0)
			run := func() {
				MulT(pool, &s, g.c, m, 512, 512, g.a, g.w, false)
				Mul(pool, &s, g.c, m, 512, 512, g.a, g.w, false)
				MulAT(pool, &s, h.c, m, 512, 512, h.a, h.x, false)
			}
			run()
			if n := testing.AllocsPerRun(10, run); n != 0 {
				t.Errorf("%v m %d: %v allocations", d, m, n)
			}
		}
	}
}

// FuzzTiers looks for shapes in which the tiers differ.
func FuzzTiers(f *testing.F) {
	f.Add(uint64(1), uint8(0), uint8(0), uint16(6), uint16(64), uint16(64), false, uint8(0))
	f.Add(uint64(2), uint8(1), uint8(5), uint16(1), uint16(33), uint16(96), true, uint8(40))
	f.Add(uint64(3), uint8(2), uint8(1), uint16(13), uint16(17), uint16(517), true, uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, kd, dt uint8, m, n, k uint16, acc bool, share uint8) {
		all := readAll
		d, kind := all[int(dt)%len(all)], kinds[int(kd)%len(kinds)]
		m, n, k = m%40+1, n%300+1, k%700+1
		if elems, _ := d.Block(); elems > 1 {
			e := uint16(elems)
			n, k = (n+e-1)/e*e, (k+e-1)/e*e
		}
		if int(m)*int(n)*int(k) > 1<<20 {
			m = 1
		}
		r := rand.New(rand.NewPCG(seed, 0))
		g := job(t, r, kind, d, int(m), int(n), int(k), acc, float64(share)/512)
		var s Scratch
		want := g.on(nil, &s, cpu.Go)
		for _, tier := range cpu.Tiers() {
			kerneltest.CheckBits(t, fmt.Sprintf("%v %v", g, tier), g.on(nil, &s, tier), want)
		}
		compareTile(t, r, int(m), int(n), int(k%200), into(seed%3), seed&1 == 1, float64(share)/512)
	})
}
