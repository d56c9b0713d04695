package op_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
)

// Ops that work by number or by row give the same bits on any number of cores,
// forward and backward, and allocate nothing once they have run.
func TestRowsAcrossCores(t *testing.T) {
	const rows, width = 300, 257 // several claims of the pool
	r := rand.New(rand.NewPCG(1, 2))
	xs, ys := make([]float32, rows*width), make([]float32, rows*width)
	for i := range xs {
		xs[i], ys[i] = float32(3*r.NormFloat64()), float32(r.NormFloat64())
	}
	targets := indices(r, rows, width)
	targets[7] = op.Ignore
	for name, f := range map[string]func(c *op.Ctx, x, y op.Val) op.Val{
		"relu":          func(c *op.Ctx, x, _ op.Val) op.Val { return op.ReLU(c, x) },
		"sigmoid":       func(c *op.Ctx, x, _ op.Val) op.Val { return op.Sigmoid(c, x) },
		"tanh":          func(c *op.Ctx, x, _ op.Val) op.Val { return op.Tanh(c, x) },
		"silu":          func(c *op.Ctx, x, _ op.Val) op.Val { return op.SiLU(c, x) },
		"gelu":          func(c *op.Ctx, x, _ op.Val) op.Val { return op.GELU(c, x) },
		"gelu-tanh":     func(c *op.Ctx, x, _ op.Val) op.Val { return op.GELUTanh(c, x) },
		"scale":         func(c *op.Ctx, x, _ op.Val) op.Val { return op.Scale(c, x, -0.3) },
		"softmax":       func(c *op.Ctx, x, _ op.Val) op.Val { return op.Softmax(c, x) },
		"exp":           func(c *op.Ctx, x, _ op.Val) op.Val { return op.Exp(c, x) },
		"clamp":         func(c *op.Ctx, x, _ op.Val) op.Val { return op.Clamp(c, x, -1, 1) },
		"log-softmax":   func(c *op.Ctx, x, _ op.Val) op.Val { return op.LogSoftmax(c, x) },
		"sum":           func(c *op.Ctx, x, _ op.Val) op.Val { return op.Sum(c, x, op.All) },
		"columns":       func(c *op.Ctx, x, _ op.Val) op.Val { return op.Columns(c, x, targets[:7]) },
		"kl":            op.KL,
		"mul":           op.Mul,
		"div by column": func(c *op.Ctx, x, y op.Val) op.Val { return op.Div(c, x, op.Norm(c, y)) },
		"sub row":       func(c *op.Ctx, x, y op.Val) op.Val { return op.Sub(c, x, op.Sum(c, y, op.EachColumn)) },
		"dropout":       func(c *op.Ctx, x, _ op.Val) op.Val { return op.Dropout(c, x, 0.5, op.Draw{}) },
		"swiglu":        op.SwiGLU,
		"cross-entropy": func(c *op.Ctx, x, _ op.Val) op.Val { return op.CrossEntropy(c, x, targets) },
	} {
		var want [3][]float32
		for _, threads := range []int{1, 2, 5} {
			p := par.New(threads)
			c := op.NewCtx(op.Exact, p)
			x, y := c.From(xs, rows, width), c.From(ys, rows, width)
			forward := func() {
				s := c.Open()
				f(c, x, y)
				c.Close(s)
			}
			forward()
			if n := testing.AllocsPerRun(5, forward); n > 0 {
				t.Errorf("%s on %d cores: %v allocations", name, threads, n)
			}
			c.Want(x)
			c.Want(y)
			tape := grad.Start(c)
			z := f(c, x, y)
			got := [3][]float32{c.Data(z), nil, nil}
			if err := tape.BackwardFrom(grad.Seed{Val: z, Grad: ys[:len(got[0])]}); err != nil {
				t.Fatal(err)
			}
			got[1], got[2] = tape.Into(x), tape.Into(y)
			for i := range got {
				if want[i] == nil {
					want[i] = slices.Clone(got[i])
				}
				kerneltest.CheckBits(t, fmt.Sprintf("%s on %d cores, part %d", name, threads, i), got[i], want[i])
			}
			p.Close()
		}
	}
}

// A gradient that nobody wants doesn't change the other one.
func TestSwiGLUOneGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	gs, us := make([]float32, 60), make([]float32, 60)
	for i := range gs {
		gs[i], us[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	var want [2][]float32
	for _, wanted := range [][2]bool{{true, true}, {true, false}, {false, true}} {
		c := op.NewCtx(op.Exact, nil)
		v := [2]op.Val{c.From(gs, 4, 15), c.From(us, 4, 15)}
		for i, w := range wanted {
			if w {
				c.Want(v[i])
			}
		}
		tape := grad.Start(c)
		y := op.SwiGLU(c, v[0], v[1])
		if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: us}); err != nil {
			t.Fatal(err)
		}
		for i, w := range wanted {
			if !w {
				continue
			}
			got := tape.Into(v[i])
			if want[i] == nil {
				want[i] = slices.Clone(got)
			}
			kerneltest.CheckBits(t, fmt.Sprint("gradient ", i, " of ", wanted), got, want[i])
		}
	}
}
