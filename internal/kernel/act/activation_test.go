package act

import (
	"fmt"
	"math"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
)

func phi(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// u is the argument of the logistic function in GELU's tanh approximation.
func u(x float64) float64 { return 2 * math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x) }

// ulp is the distance from |y| to the next larger float32.
func ulp(y float64) float64 {
	_, e := math.Frexp(y)
	return math.Ldexp(1, max(e-24, -149))
}

// The functions over a stride of all bit patterns against float64. bound is in
// float64 and says what the public comments say.
func TestActivationsOfAllKinds(t *testing.T) {
	cases := []struct {
		name  string
		of    func(k *kernels) func(dst, x []float32)
		want  func(x float64) float64
		bound func(x, y float64) float64
	}{
		{"ReLU", func(k *kernels) func(dst, x []float32) { return k.relu }, func(x float64) float64 { return max(x, 0) },
			func(x, y float64) float64 { return 0 }},
		{"Sigmoid", func(k *kernels) func(dst, x []float32) { return k.sigmoid }, expit,
			func(x, y float64) float64 { return 4*ulp(y) + 0x1p-126 }},
		{"Tanh", func(k *kernels) func(dst, x []float32) { return k.tanh }, math.Tanh,
			func(x, y float64) float64 { return 3 * ulp(y) }},
		{"GELU", func(k *kernels) func(dst, x []float32) { return k.gelu }, func(x float64) float64 { return x * phi(x) },
			func(x, y float64) float64 {
				if x < 0 {
					return min(2e-7*-x, 1e-4*math.Abs(y)) + 0x1p-120
				}
				return 2e-7*x + 0x1p-126
			}},
		{"GELUTanh", func(k *kernels) func(dst, x []float32) { return k.geluTanh }, func(x float64) float64 { return x * expit(u(x)) },
			func(x, y float64) float64 { return min(2e-7*math.Abs(x), 2e-5*math.Abs(y)) + 0x1p-120 }},
	}
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		const stride = 16411 // to all exponents, with ever other digits
		x, got := make([]float32, 4096), make([]float32, 4096)
		for _, c := range cases {
			f, worst := c.of(tier(tr)), 0.0
			for v := uint64(0); v < 1<<32; {
				for i := range x {
					x[i] = math.Float32frombits(uint32(v))
					v += stride
				}
				f(got, x)
				for i, x := range x {
					y := c.want(float64(x))
					e := math.Abs(float64(got[i]) - y)
					switch {
					case x != x || math.IsInf(float64(x), -1) && y != y:
						if got[i] == got[i] {
							t.Fatalf("%s(%v) = %v, want NaN", c.name, x, got[i])
						}
					case float64(got[i]) == y:
					case !(e <= c.bound(float64(x), y)):
						t.Fatalf("%s(%v) = %v, want %v within %.3g", c.name, x, got[i], y, c.bound(float64(x), y))
					default:
						worst = max(worst, e/c.bound(float64(x), y))
					}
				}
			}
			t.Logf("%s: at most %.2f of its bound", c.name, worst)
		}
		inf := float32(math.Inf(1))
		for what, c := range map[string]struct{ f, want float32 }{
			"tanh": {one(tier(tr).tanh, float32(math.Copysign(0, -1))), float32(math.Copysign(0, -1))},
			"gelu": {one(tier(tr).gelu, inf), inf}, "geluTanh": {one(tier(tr).geluTanh, inf), inf},
			"sigmoid": {one(tier(tr).sigmoid, -inf), 0},
		} {
			kerneltest.CheckBits(t, what, []float32{c.f}, []float32{c.want})
		}
	})
}

func one(f func(dst, x []float32), x float32) float32 {
	d := []float32{0}
	f(d, []float32{x})
	return d[0]
}

// The derivatives against those of float64, from -20 to 20.
func TestActivationGradients(t *testing.T) {
	x, y, dx, dy := make([]float32, 4001), make([]float32, 4001), make([]float32, 4001), make([]float32, 4001)
	for i := range x {
		x[i], dy[i] = float32(i-2000)/100, -1.5
	}
	density := func(x float64) float64 { return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) }
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		k := tier(tr)
		for _, c := range []struct {
			name string
			f    func(dx, dy, x []float32)
			of   func(dst, x []float32) // what makes the argument of f from x, if it is not x
			want func(x float64) float64
		}{
			{"ReLU", k.reluBackward, nil, func(x float64) float64 {
				if x > 0 {
					return 1
				}
				return 0
			}},
			{"Sigmoid", k.sigmoidBackward, k.sigmoid, func(x float64) float64 { return expit(x) * expit(-x) }},
			{"Tanh", k.tanhBackward, k.tanh, func(x float64) float64 { return 1 / (math.Cosh(x) * math.Cosh(x)) }},
			{"SiLU", k.siluBackward, nil, func(x float64) float64 { return expit(x) * (1 + x*expit(-x)) }},
			{"GELU", k.geluBackward, nil, func(x float64) float64 { return phi(x) + x*density(x) }},
			{"GELUTanh", k.geluTanhBackward, nil, func(x float64) float64 {
				du := 2 * math.Sqrt(2/math.Pi) * (1 + 3*0.044715*x*x)
				return expit(u(x)) * (1 + x*du*expit(-u(x)))
			}},
		} {
			arg := x
			if c.of != nil {
				c.of(y, x)
				arg = y
			}
			for i := range dx {
				dx[i] = 0.25
			}
			c.f(dx, dy, arg)
			for i := range x {
				if e := math.Abs(float64(dx[i]) - (0.25 - 1.5*c.want(float64(x[i])))); !(e < 1e-6) {
					t.Fatalf("%s at %v: %v, want %v", c.name, x[i], dx[i], 0.25-1.5*c.want(float64(x[i])))
				}
			}
		}
	})
}

func TestCrossEntropyRow(t *testing.T) {
	x := []float32{1, -2, 3, 0.5, 30, -100}
	dx := []float32{1, 1, 1, 1, 1, 1}
	top, sum := LogSumExp(x)
	total := 0.0
	for _, v := range x {
		total += math.Exp(float64(v) - 30)
	}
	if got := math.Log(float64(sum)) + float64(top); math.Abs(got-(math.Log(total)+30)) > 1e-6 || top != 30 {
		t.Errorf("log of the sum %v, top %v, want %v, 30", got, top, math.Log(total)+30)
	}
	CrossEntropyBackward(dx, x, 2, top, sum, 0.5)
	for i, v := range x {
		want := 1 + 0.5*math.Exp(float64(v)-30)/total
		if i == 2 {
			want -= 0.5
		}
		if math.Abs(float64(dx[i])-want) > 2e-7 {
			t.Errorf("gradient %d is %v, want %v", i, dx[i], want)
		}
	}
	p, dy, g := []float32{0.25, 0.75}, []float32{2, 4}, []float32{10, 20}
	SoftmaxBackward(g, dy, p)
	kerneltest.CheckBits(t, "SoftmaxBackward", g, []float32{10 - 0.375, 20 + 0.375})
	if top, sum := LogSumExp(nil); !math.IsInf(float64(top), -1) || sum != 0 {
		t.Error("LogSumExp of nothing: ", top, sum)
	}
}

func BenchmarkActivations(b *testing.B) {
	x, y, z := make([]float32, 1536), make([]float32, 1536), make([]float32, 1536)
	for i := range x {
		x[i] = float32(i)/200 - 4
	}
	for _, tr := range cpu.Tiers() {
		k := tier(tr)
		for _, c := range []struct {
			name string
			f    func()
		}{
			{"ReLU", func() { k.relu(z, x) }}, {"Sigmoid", func() { k.sigmoid(z, x) }}, {"Tanh", func() { k.tanh(z, x) }},
			{"GELU", func() { k.gelu(z, x) }}, {"GELUTanh", func() { k.geluTanh(z, x) }}, {"SwiGLU", func() { k.swiglu(z, x, y) }},
			{"GELUBackward", func() { k.geluBackward(z, y, x) }}, {"sumExp", func() { k.sumExp(x, 4) }}, {"Add", func() { k.add(z, x, y) }},
			{"Dot", func() { k.dot(x, y) }}, {"expSum", func() { k.expSum(z, x, 4) }},
		} {
			b.Run(fmt.Sprint(c.name, "/", tr), func(b *testing.B) {
				for b.Loop() {
					c.f()
				}
				b.ReportMetric(float64(len(x))*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gn/s")
			})
		}
	}
}
