package act

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/f32"
	"github.com/micaml/mica/internal/kerneltest"
)

// A call runs one kernel of a tier on n numbers of each of three inputs, and
// returns what it wrote and what it returned.
type call func(k *kernels, dst, x, y, z []float32, s float32) float32

// twinTests and guardTests name every assembly function, for the test in
// kerneltest that looks for uncovered ones.
var twinTests = map[string]call{
	"add*":      func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.add(dst, x, y); return 0 },
	"mul*":      func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.mul(dst, x, y); return 0 },
	"scale*":    func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.scale(dst, x, s); return 0 },
	"divide*":   func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.divide(dst, x, s); return 0 },
	"axpy*":     func(k *kernels, dst, x, y, z []float32, s float32) float32 { copy(dst, y); k.axpy(dst, s, x); return 0 },
	"relu*":     func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.relu(dst, x); return 0 },
	"sigmoid*":  func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.sigmoid(dst, x); return 0 },
	"tanh*":     func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.tanh(dst, x); return 0 },
	"gelu*":     func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.gelu(dst, x); return 0 },
	"geluTanh*": func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.geluTanh(dst, x); return 0 },
	"reluBackward*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.reluBackward(dst, y, x)
		return 0
	},
	"reluGradient*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.reluGradient(dst, y, x)
		return 0
	},
	"sigmoidBackward*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.sigmoidBackward(dst, y, x)
		return 0
	},
	"tanhBackward*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.tanhBackward(dst, y, x)
		return 0
	},
	"geluBackward*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.geluBackward(dst, y, x)
		return 0
	},
	"geluTanhBackward*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.geluTanhBackward(dst, y, x)
		return 0
	},
	"sumExp*": func(k *kernels, dst, x, y, z []float32, s float32) float32 { return k.sumExp(x, s) },
	"expAXPY*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.expAXPY(dst, s, x, y[0])
		return 0
	},
	"silu*": func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.silu(dst, x); return 0 },
	"siluBackward*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.siluBackward(dst, y, x)
		return 0
	},
	"swigluBackward*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		du := slices.Clone(z)
		copy(dst, z)
		k.swigluBackward(dst, du, z, x, y)
		if s > 0 { // one or the other, as it happens
			copy(dst, du)
		}
		return 0
	},
	"swiglu*": func(k *kernels, dst, x, y, z []float32, s float32) float32 { k.swiglu(dst, x, y); return 0 },
	"mulAdd*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.mulAdd(dst, x, y)
		return 0
	},
	"softmaxBackward*": func(k *kernels, dst, x, y, z []float32, s float32) float32 {
		copy(dst, z)
		k.softmaxBackward(dst, x, y, s)
		return 0
	},
	"sum*":    func(k *kernels, dst, x, y, z []float32, s float32) float32 { return k.sum(x) },
	"dot*":    func(k *kernels, dst, x, y, z []float32, s float32) float32 { return k.dot(x, y) },
	"max*":    func(k *kernels, dst, x, y, z []float32, s float32) float32 { return k.largest(x) },
	"expSum*": func(k *kernels, dst, x, y, z []float32, s float32) float32 { return k.expSum(dst, x, s) },
}

var guardTests = map[string]func(t *testing.T){
	"*": guard, // of all that are in twinTests
}

func TestTwin(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(1, 2))
		for name, f := range twinTests {
			for n := 1; n < 70; n++ {
				for _, share := range []float64{0, 0.05, 0.6} {
					s := [4][]float32{}
					for i := range s {
						s[i] = make([]float32, n)
						kerneltest.Awkward(s[i], r.Uint64, share)
						for j := range s[i] {
							s[i][j] *= 20 // where the exponential bends
						}
					}
					scalar := s[3][0]
					got, want := make([]float32, n), make([]float32, n)
					g := f(tier(tr), got, s[0], s[1], s[2], scalar)
					w := f(&plain, want, s[0], s[1], s[2], scalar)
					kerneltest.CheckBits(t, fmt.Sprintf("%s of %d", name, n), got, want)
					kerneltest.CheckBits(t, fmt.Sprintf("result of %s of %d", name, n), []float32{g}, []float32{w})
				}
			}
		}
	})
}

func TestGuardPages(t *testing.T) {
	for name, f := range guardTests {
		t.Run(name, f)
	}
}

func guard(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		for _, edge := range kerneltest.Edges {
			for n := 1; n <= 35; n++ {
				var s [4][]float32
				for i := range s {
					s[i] = kerneltest.GuardedOf[float32](t, n, edge)
				}
				for _, f := range twinTests {
					f(tier(tr), s[0], s[1], s[2], s[3], 1)
				}
			}
		}
	})
}

// In every tier the exponential of the kernels is f32.Exp, over a stride of all
// bit patterns; f32's own test says how far that is from e^x.
func TestExpOfAllKinds(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		const stride = 65537 // to all exponents, with ever other digits
		x, got, want := make([]float32, 4096), make([]float32, 4096), make([]float32, 4096)
		for u := uint64(0); u < 1<<32; {
			for i := range x {
				x[i] = math.Float32frombits(uint32(u))
				want[i] = f32.Exp(x[i])
				u += stride
			}
			tier(tr).expSum(got, x, 0)
			kerneltest.CheckBits(t, "exp", got, want)
		}
	})
}

// The kernels against float64, whose order and roundings are not theirs. The
// bounds count roundings of 2^-24: 2 for each unit in the last place of exp.
func TestAgainstFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const n, eps = 1000, 0x1p-24
	x, y, dst := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i], y[i] = float32(4*r.NormFloat64()), float32(r.NormFloat64())
	}
	check := func(what string, i int, got float32, want, bound float64) {
		t.Helper()
		if e := math.Abs(float64(got) - want); !(e <= bound) {
			t.Errorf("%s: number %d is %v, want %v within %.2g", what, i, got, want, bound)
		}
	}
	sigmoid := func(v float32) float64 { return 1 / (1 + math.Exp(-float64(v))) }
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		k := tier(tr)
		k.silu(dst, x)
		for i, v := range x {
			want := float64(v) * sigmoid(v)
			check("SiLU", i, dst[i], want, 7*eps*math.Abs(want))
		}
		k.swiglu(dst, x, y)
		for i, v := range x {
			want := float64(v) * sigmoid(v) * float64(y[i])
			check("SwiGLU", i, dst[i], want, 8*eps*math.Abs(want))
		}
		clear(dst)
		k.siluBackward(dst, y, x)
		for i, v := range x {
			s := sigmoid(v)
			check("SiLUBackward", i, dst[i], float64(y[i])*s*(1+float64(v)*(1-s)), 16*eps*math.Abs(float64(y[i]))*(1+math.Abs(float64(v))))
		}
		top, sum := softmax(tr, dst, x)
		total := 0.0
		for _, v := range x {
			total += math.Exp(float64(v) - float64(top))
		}
		check("sum of Softmax", 0, sum, total, 70*eps*total)
		for i, v := range x {
			want := math.Exp(float64(v)-float64(top)) / total
			check("Softmax", i, dst[i], want, (80+math.Abs(float64(v-top)))*eps*want)
		}
		dot, size, plus, plusSize := 0.0, 0.0, 0.0, 0.0
		for i, v := range x {
			dot += float64(v) * float64(y[i])
			size += math.Abs(float64(v) * float64(y[i]))
			plus += float64(v)
			plusSize += math.Abs(float64(v))
		}
		check("Dot", 0, k.dot(x, y), dot, 70*eps*size)
		check("Sum", 0, k.sum(x), plus, 70*eps*plusSize)
	})
}

func TestSoftmaxSpecials(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		for _, c := range []struct{ x, want []float32 }{
			{[]float32{5}, []float32{1}},
			{[]float32{-inf, 2, -inf, 2}, []float32{0, 0.5, 0, 0.5}},
			{[]float32{-inf, -inf}, []float32{nan, nan}},
			{[]float32{1, nan, 3}, []float32{nan, nan, nan}},
			{[]float32{1000, 0}, []float32{1, 0}},
			{nil, nil},
		} {
			got := make([]float32, len(c.x))
			softmax(tr, got, c.x)
			kerneltest.CheckBits(t, fmt.Sprint("softmax of ", c.x), got, c.want)
			softmax(tr, c.x, c.x)
			kerneltest.CheckBits(t, "softmax in place", c.x, c.want)
		}
	})
}

func TestEntryPoints(t *testing.T) {
	x, y := []float32{1, -2, 3}, []float32{4, 5, -6}
	dst := make([]float32, 3)
	check := func(what string, want ...float32) { t.Helper(); kerneltest.CheckBits(t, what, dst, want) }
	Add(dst, x, y)
	check("Add", 5, 3, -3)
	Mul(dst, x, y)
	check("Mul", 4, -10, -18)
	Scale(dst, x, -2)
	check("Scale", -2, 4, -6)
	AXPY(dst, 2, y)
	check("AXPY", 6, 14, -18)
	SiLU(dst, []float32{0, 0, 100})
	check("SiLU", 0, 0, 100)
	SwiGLU(dst, []float32{0, 100, 100}, x)
	check("SwiGLU", 0, -200, 300)
	dst = []float32{1, 1, 1}
	SiLUBackward(dst, []float32{2, 2, 2}, []float32{0, 100, -100})
	check("SiLUBackward", 2, 3, 1)
	if s, d, m := Sum(x), Dot(x, y), Max(x); s != 2 || d != -24 || m != 3 {
		t.Errorf("Sum, Dot, Max = %v, %v, %v, want 2, -24, 3", s, d, m)
	}
	if s, d, m := Sum(nil), Dot(nil, nil), Max(nil); s != 0 || d != 0 || !math.IsInf(float64(m), -1) {
		t.Errorf("Sum, Dot, Max of nothing = %v, %v, %v", s, d, m)
	}
	Add(nil, nil, nil)
	for name, f := range map[string]func(){
		"Add": func() { Add(dst, x, y[:2]) }, "Mul": func() { Mul(dst, x[:2], y) }, "Scale": func() { Scale(dst, x[:2], 1) },
		"AXPY": func() { AXPY(dst, 1, x[:2]) }, "SiLU": func() { SiLU(dst[:2], x) }, "SwiGLU": func() { SwiGLU(dst, x, y[:2]) },
		"SiLUBackward": func() { SiLUBackward(dst, x, y[:2]) }, "Dot": func() { Dot(x, y[:2]) }, "Softmax": func() { Softmax(dst[:2], x) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes slices of different lengths", name)
				}
			}()
			f()
		}()
	}
	if n := testing.AllocsPerRun(100, func() { SwiGLU(dst, x, y); Softmax(dst, x); _ = Dot(x, y) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzTwin(f *testing.F) {
	f.Add(uint8(17), []byte{0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		if len(data) == 0 || n == 0 {
			return
		}
		next := 0
		var s [3][]float32
		for i := range s {
			s[i] = make([]float32, n)
			for j := range s[i] {
				u := uint32(0)
				for range 4 {
					u = u<<8 | uint32(data[next%len(data)]+byte(next/len(data)))
					next++
				}
				s[i][j] = math.Float32frombits(u)
			}
		}
		for name, call := range twinTests {
			got, want := make([]float32, n), make([]float32, n)
			w := call(&plain, want, s[0], s[1], s[2], s[2][0])
			for _, tr := range cpu.Tiers() {
				g := call(tier(tr), got, s[0], s[1], s[2], s[2][0])
				kerneltest.CheckBits(t, name, append(got, g), append(want, w))
			}
		}
	})
}

func Benchmark(b *testing.B) {
	x, y, z, dst := make([]float32, 1536), make([]float32, 1536), make([]float32, 1536), make([]float32, 1536)
	for i := range x {
		x[i], y[i] = rand.Float32()-0.5, rand.Float32()-0.5
	}
	for name, f := range twinTests {
		for _, tr := range cpu.Tiers() {
			b.Run(name[:len(name)-3]+"/"+tr.String(), func(b *testing.B) {
				for b.Loop() {
					f(tier(tr), dst, x, y, z, 1)
				}
				b.ReportMetric(float64(len(x))*float64(b.N)/b.Elapsed().Seconds()/1e9, "G/s")
			})
		}
	}
}
