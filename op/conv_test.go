package op_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func convWeight(r *rand.Rand, rows, cols int) *op.Weight {
	return op.NewWeight("w", tensor.FromFloat32(rows, cols, normals(r, rows*cols)))
}

// A kernel of one pixel is Linear, bit by bit, forward and backward.
func TestConvOfOnePixelIsLinear(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, width := range []int{3, 130, 300} {
		x, w := normals(r, 2*9*20*width), convWeight(r, 37, width)
		var y, dx [2][]float32
		for i := range y {
			c := op.NewCtx(op.Exact, nil)
			tape := grad.Start(c)
			v := c.From(x, 2*9*20, width)
			c.Want(v)
			o := op.Linear(c, v, w)
			if i == 1 {
				o = op.Conv(c, v, w, &op.ConvSpec{Window: op.Window{H: 9, W: 20}})
			}
			y[i] = c.Data(o)
			if err := tape.BackwardFrom(grad.Seed{Val: o, Grad: normals(rand.New(rand.NewPCG(2, 2)), len(y[i]))}); err != nil {
				t.Fatal(err)
			}
			dx[i] = tape.Into(v)
		}
		kerneltest.CheckBits(t, "y", y[1], y[0])
		kerneltest.CheckBits(t, "dx", dx[1], dx[0])
	}
}

// <conv(x), y> = <x, transposed(y)> with one weight.
func TestTransposedIsAdjoint(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		in := &inputs{rng: r}
		win, groups := in.window(), in.dim(3)
		cx, cy := groups*in.dim(9), groups*in.dim(20)
		c := op.NewCtx(op.Exact, nil)
		w := convWeight(r, cy, win.KernelH*win.KernelW*cx/groups)
		x := c.From(normals(r, 2*win.H*win.W*cx), 2*win.H*win.W, cx)
		y := op.Conv(c, x, w, &op.ConvSpec{Window: win, Groups: groups})
		// The transposed one begins at y's pixels and must end at x's.
		back := win
		back.H = (win.H+win.Top+win.Bottom-win.DilationH*(win.KernelH-1)-1)/win.StrideH + 1
		back.W = (win.W+win.Left+win.Right-win.DilationW*(win.KernelW-1)-1)/win.StrideW + 1
		back.Bottom = (back.H-1)*win.StrideH + win.DilationH*(win.KernelH-1) + 1 - win.Top - win.H
		back.Right = (back.W-1)*win.StrideW + win.DilationW*(win.KernelW-1) + 1 - win.Left - win.W
		u := c.From(normals(r, c.Shape(y).Len()), c.Shape(y).Rows(), cy)
		v := op.Conv(c, u, w, &op.ConvSpec{Window: back, Groups: groups, Transposed: true})
		if err := c.Err(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		dot := func(a, b op.Val) (sum float64) {
			for i, f := range c.Data(a) {
				sum += float64(f) * float64(c.Data(b)[i])
			}
			return sum
		}
		if a, b := dot(y, u), dot(x, v); math.Abs(a-b) > 1e-5*(10+math.Abs(a)) {
			t.Errorf("seed %d: %v and %v", seed, a, b)
		}
	}
}

// A causal result does not see what comes after it, and threads change no bit.
func TestCausalConv(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	const n, width = 40, 24
	x := normals(r, n*width)
	for _, groups := range []int{1, width} {
		w := convWeight(r, width, 3*width/groups)
		spec := &op.ConvSpec{Window: op.Causal(n, 3, 2), Groups: groups}
		run := func(x []float32, threads int) []float32 {
			p := par.New(threads)
			defer p.Close()
			c := op.NewCtx(op.Exact, p)
			y := op.Conv(c, c.From(x, n, width), w, spec)
			if err := c.Err(); err != nil {
				t.Fatal(err)
			}
			return c.Data(y)
		}
		want := run(x, 1)
		for threads := 2; threads <= 3; threads++ {
			kerneltest.CheckBits(t, "threads", run(x, threads), want)
		}
		changed := append([]float32(nil), x...)
		for i := 20 * width; i < len(changed); i++ {
			changed[i] = 7
		}
		kerneltest.CheckBits(t, "the first 20", run(changed, 1)[:20*width], want[:20*width])
	}
}

func TestConvRefusesShapes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, tc := range []struct {
		spec       op.ConvSpec
		rows, cols int
		want       string
	}{
		{op.ConvSpec{Window: op.Square(4, 5, 3, 1, 1)}, 4, 27, "no images"},
		{op.ConvSpec{Window: op.Square(4, 4, 3, 1, 1)}, 4, 26, "want 4 x 27"},
		{op.ConvSpec{Window: op.Square(4, 4, 3, 1, 1), Groups: 2}, 4, 27, "don't divide"},
		{op.ConvSpec{Window: op.Square(4, 4, 5, 1, 0)}, 4, 75, "doesn't fit"},
		{op.ConvSpec{Window: op.Square(4, 4, 3, -1, 1)}, 4, 27, "strides -1"},
		{op.ConvSpec{Window: op.Square(-4, 4, 3, 1, 1)}, 4, 27, "no images"},
		{op.ConvSpec{Window: op.Square(4, 4, 3, 1, -1)}, 4, 27, "negative padding"},
		{op.ConvSpec{Window: op.Square(4, 4, 3, 1, 1), Groups: -1}, 4, 27, "at least 1"},
		{op.ConvSpec{Window: op.Square(4, 4, 3, 1, 9), Transposed: true}, 3, 27, "at least 1"},
	} {
		c := op.NewCtx(op.Exact, nil)
		op.Conv(c, c.From(normals(r, 2*16*3), 32, 3), convWeight(r, tc.rows, tc.cols), &tc.spec)
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.spec, err, tc.want)
		}
	}
}
