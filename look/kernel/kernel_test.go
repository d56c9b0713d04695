package kernel_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/micaml/mica/look/kernel"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
	"gonum.org/v1/gonum/mat"
)

type array struct {
	Shape []int  `json:"shape"`
	F32   []byte `json:"f32"`
	F64   []byte `json:"f64"`
}

func (a array) float32() []float32 {
	x := make([]float32, len(a.F32)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.F32[4*i:]))
	}
	return x
}

func (a array) float64() []float64 {
	x := make([]float64, len(a.F64)/8)
	for i := range x {
		x[i] = math.Float64frombits(binary.LittleEndian.Uint64(a.F64[8*i:]))
	}
	return x
}

func (a array) weight(name string) *op.Weight {
	return op.NewWeight(name, tensor.FromFloat32(a.Shape[0], a.Shape[1], a.float32()))
}

// fixture is what tools/oracle/kernel.py computes.
type fixture struct {
	Kernels struct {
		X, Y               array
		Alignment, Centred float64
	}
	Spectrum struct {
		W, Values                              array
		Radius, Entropy, Participation, Stable float64
	}
	Tangent struct{ X, Wx, Wh, Wo, Jacobian, Kernel array }
}

func load(t *testing.T) (f fixture) {
	t.Helper()
	b, err := os.ReadFile("testdata/kernel.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func near(t *testing.T, what string, got, want, off float64) {
	t.Helper()
	if !(math.Abs(got-want) <= off) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func gram(t *testing.T, x []float32, n int) *mat.SymDense {
	t.Helper()
	k, err := kernel.Gram(op.NewCtx(op.Exact, nil), x, n)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAlignmentIsNumPys(t *testing.T) {
	f := load(t).Kernels
	a, b := gram(t, f.X.float32(), 6), gram(t, f.Y.float32(), 6)
	got, err := kernel.Alignment(a, b)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "alignment", got, f.Alignment, 1e-6)
	if got, err = kernel.CentredAlignment(a, b); err != nil {
		t.Fatal(err)
	}
	near(t, "centred alignment", got, f.Centred, 1e-6)
}

// A kernel is aligned with itself at any positive scale, even one whose squares leave the
// range of float64, and kernels that have no negative eigenvalues are from 0 to 1.
func TestAlignment(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		n := 2 + rng.IntN(9)
		draw := func() []float32 {
			x := make([]float32, n*(1+rng.IntN(5)))
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			return x
		}
		a, b := gram(t, draw(), n), gram(t, draw(), n)
		want, err := kernel.Alignment(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if want < 0 || want > 1 {
			t.Errorf("alignment %v of kernels without negative eigenvalues", want)
		}
		for _, scale := range []float64{1, 3, 1e-200, 1e200} {
			var s mat.SymDense
			s.ScaleSym(scale, a)
			got, err := kernel.Alignment(&s, b)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "scaled", got, want, 1e-12)
			if got, err = kernel.Alignment(a, &s); err != nil {
				t.Fatal(err)
			}
			near(t, "with itself", got, 1, 1e-12)
		}
	}
	// Without common directions it is 0.
	got, err := kernel.Alignment(mat.NewSymDense(2, []float64{1, 0, 0, 0}), mat.NewSymDense(2, []float64{0, 0, 0, 2}))
	if got != 0 || err != nil {
		t.Errorf("%v %v", got, err)
	}
	// A mean that all examples share counts only without centring.
	x := []float32{100, 1, 100, -1, 100, 0}
	y := []float32{100, 1, 100, 1, 100, -2}
	plain, _ := kernel.Alignment(gram(t, x, 3), gram(t, y, 3))
	centred, err := kernel.CentredAlignment(gram(t, x, 3), gram(t, y, 3))
	if err != nil || plain < 0.999 || math.Abs(centred) > 1e-6 {
		t.Errorf("plain %v, centred %v, %v", plain, centred, err)
	}
}

func TestSameSign(t *testing.T) {
	got, err := kernel.SameSign([]float32{0, 1, 2, -1}, []float32{3, 1, 0, 0})
	if got != 0.5 || err != nil {
		t.Errorf("%v %v", got, err)
	}
}

func TestSpectrum(t *testing.T) {
	f := load(t).Spectrum
	w := mat.NewDense(5, 5, f.W.float64())
	s, err := kernel.SpectrumOf(w)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range f.Values.float64() {
		near(t, "singular value", s.Values[i], want, 1e-12)
	}
	near(t, "radius", s.Radius, f.Radius, 1e-12)
	near(t, "entropy", s.Entropy(), f.Entropy, 1e-12)
	near(t, "participation", s.Participation(), f.Participation, 1e-12)
	near(t, "stable", s.Stable(), f.Stable, 1e-12)

	outer := mat.NewDense(4, 3, nil)
	outer.Outer(1, mat.NewVecDense(4, []float64{1, 2, -1, 3}), mat.NewVecDense(3, []float64{2, 0, 1}))
	identity := mat.NewDense(6, 6, nil)
	for i := range 6 {
		identity.Set(i, i, 1)
	}
	for _, scale := range []float64{1, 1e-90, 1e90} {
		for _, c := range []struct {
			w    *mat.Dense
			rank float64
		}{{outer, 1}, {identity, 6}} {
			var scaled mat.Dense
			scaled.Scale(scale, c.w)
			s, err := kernel.SpectrumOf(&scaled)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "entropy", s.Entropy(), c.rank, 1e-9)
			near(t, "participation", s.Participation(), c.rank, 1e-9)
			near(t, "stable", s.Stable(), c.rank, 1e-9)
		}
	}
	if s, err := kernel.SpectrumOf(outer); err != nil || !math.IsNaN(s.Radius) {
		t.Errorf("a matrix that isn't square has the radius %v, %v", s.Radius, err)
	}
}

// rnn is h' = ReLU(Wx x + Wh h), y = Wo h, of single trials.
func rnn(wx, wh, wo *op.Weight, x []float32, steps int) func(*op.Ctx, int) op.Val {
	each := steps * wx.Cols
	layer, out := &nn.RNN{X: &nn.Linear{W: wx}, W: wh, ReLU: true}, &nn.Linear{W: wo}
	return func(c *op.Ctx, i int) op.Val {
		state := [][]float32{make([]float32, wh.Cols)}
		return out.Apply(c, layer.Apply(c, c.View(x[i*each:(i+1)*each], steps, wx.Cols), []int32{int32(steps)}, state))
	}
}

// The Jacobian through time is PyTorch's, and its rows of the first step are 0: h begins
// at 0, so that Wh has no say there.
func TestTangentIsPyTorchs(t *testing.T) {
	f := load(t).Tangent
	wx, wh, wo := f.Wx.weight("wx"), f.Wh.weight("wh"), f.Wo.weight("wo")
	trials, steps := f.X.Shape[0], f.X.Shape[1]
	c := op.NewCtx(op.Exact, nil)
	j, err := kernel.NewJacobian(c, wh, trials, 0, rnn(wx, wh, wo, f.X.float32(), steps))
	if err != nil {
		t.Fatal(err)
	}
	want, largest := f.Jacobian.float64(), 0.0
	if j.Rows != f.Jacobian.Shape[0] || j.Cols != f.Jacobian.Shape[1] || len(j.Data) != len(want) {
		t.Fatalf("%d x %d, want %v", j.Rows, j.Cols, f.Jacobian.Shape)
	}
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	moving := 0
	for i, v := range j.Data {
		near(t, "d y/d Wh", float64(v), want[i], 2e-6*largest)
		step := i / j.Cols / wo.Rows % steps
		if step == 0 && v != 0 {
			t.Errorf("row %d of the first step has %v", i/j.Cols, v)
		}
		if v != 0 {
			moving++
		}
	}
	if moving == 0 {
		t.Error("all gradients are 0")
	}
	k, err := j.Kernel(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range f.Kernel.float64() {
		near(t, "kernel", k.At(i/j.Rows, i%j.Rows), v, 1e-5*largest*largest*float64(j.Cols))
	}
	if wh.Grad != nil {
		t.Error("the weight is left with a gradient")
	}
}

// The same by finite differences, for every matrix.
func TestTangentOfEveryWeight(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	wx, wh, wo := nn.Normal(rng, "wx", 6, 3, 0.7), nn.Normal(rng, "wh", 6, 6, 0.5), nn.Normal(rng, "wo", 2, 6, 0.6)
	x := make([]float32, 2*4*3)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	f := rnn(wx, wh, wo, x, 4)
	c := op.NewCtx(op.Exact, nil)
	for _, w := range []*op.Weight{wx, wh, wo} {
		w.Train()
		w.Grad[0] = 7
		j, err := kernel.NewJacobian(c, w, 2, 0, f)
		if err != nil {
			t.Fatal(err)
		}
		if w.Grad[0] != 7 {
			t.Errorf("%s: its own gradient has become %v", w.Name, w.Grad[0])
		}
		w.Grad = nil
		data, _ := w.F32()
		outputs := func() (y []float32) {
			for i := range 2 {
				y = append(y, c.Data(f(c, i))...)
			}
			c.Reset()
			return y
		}
		const h = 1e-3
		for p, was := range data {
			data[p] = was + h
			up := outputs()
			data[p] = was - h
			down := outputs()
			data[p] = was
			for k := range up {
				near(t, w.Name, float64(j.Data[k*j.Cols+p]), float64(up[k]-down[k])/(2*h), 4e-3)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	one := mat.NewSymDense(2, []float64{1, 0, 0, 1})
	w := nn.Constant("w", 2, 2, 1)
	f := func(c *op.Ctx, i int) op.Val { return op.Linear(c, c.From([]float32{1, 2}, 1, 2), w) }
	for _, k := range []struct {
		name, want string
		f          func() error
	}{
		{"no rows", "kernel: 4 numbers are not 0 rows", func() error { _, err := kernel.Gram(c, make([]float32, 4), 0); return err }},
		{"half a row", "kernel: 5 numbers are not 2 rows", func() error { _, err := kernel.Gram(c, make([]float32, 5), 2); return err }},
		{"nil", "kernel: an empty kernel", func() error { _, err := kernel.Alignment(nil, one); return err }},
		{"nil, centred", "kernel: an empty kernel", func() error { _, err := kernel.CentredAlignment(one, &mat.SymDense{}); return err }},
		{"sizes", "kernel: kernels of 2 and of 3 examples", func() error { _, err := kernel.Alignment(one, mat.NewSymDense(3, nil)); return err }},
		{"zeros", "kernel: a kernel is 0 everywhere or not finite", func() error { _, err := kernel.Alignment(one, mat.NewSymDense(2, nil)); return err }},
		{"NaN", "kernel: a kernel is 0 everywhere or not finite", func() error {
			_, err := kernel.Alignment(one, mat.NewSymDense(2, []float64{math.NaN(), 0, 0, 1}))
			return err
		}},
		{"signs", "kernel: 2 numbers before and 1 after", func() error {
			_, err := kernel.SameSign(make([]float32, 2), make([]float32, 1))
			return err
		}},
		{"spectrum of NaN", "kernel: entry [0][1] of the matrix is NaN", func() error {
			_, err := kernel.SpectrumOf(mat.NewDense(1, 2, []float64{0, math.NaN()}))
			return err
		}},
		{"spectrum of zeros", "kernel: a matrix of zeros has no rank", func() error { _, err := kernel.SpectrumOf(mat.NewDense(2, 2, nil)); return err }},
		{"spectrum of nothing", "kernel: no singular values of a matrix of 0 x 0", func() error { _, err := kernel.SpectrumOf(&mat.Dense{}); return err }},
		{"no examples", "kernel: 0 examples", func() error { _, err := kernel.Tangent(c, w, 0, 0, f); return err }},
		{"memory", "kernel: 3 examples of 2 outputs and 4 weights take more than 80 bytes: fewer examples, or a higher limit", func() error {
			_, err := kernel.Tangent(c, w, 3, 80, f)
			return err
		}},
		{"examples differ", "kernel: example 1 has 4 outputs, and the first has 2", func() error {
			_, err := kernel.Tangent(c, w, 2, 0, func(c *op.Ctx, i int) op.Val { return op.Linear(c, c.From(make([]float32, 2*(i+1)), i+1, 2), w) })
			return err
		}},
		{"a failed op", "kernel: output 0 of example 0: op: linear: w is 2 x 2 and the rows are 3 wide", func() error {
			defer c.ClearErr()
			_, err := kernel.Tangent(c, w, 1, 0, func(c *op.Ctx, _ int) op.Val { return op.Linear(c, c.From(make([]float32, 3), 1, 3), w) })
			return err
		}},
		{"overflow", "kernel: the gradient of output 0 is not finite", func() error {
			_, err := kernel.Tangent(c, w, 1, 0, func(c *op.Ctx, _ int) op.Val {
				return op.Linear(c, c.From([]float32{float32(math.Inf(1)), 0}, 1, 2), w)
			})
			return err
		}},
	} {
		if err := k.f(); err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v, want %s", k.name, err, k.want)
		}
	}
	// The limit is exact: 3 examples, 2 outputs, 4 weights of 4 bytes.
	if _, err := kernel.Tangent(c, w, 3, 96, f); err != nil {
		t.Error(err)
	}
}
