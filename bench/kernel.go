package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/internal/kernel/qgemm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// request is a kernel row as the peers' servers read it.
type request map[string]any

// A setup makes the inputs of a kernel row and returns the call that is timed, and
// what ends it if that isn't nil.
type setup func(b *bench) (call func() error, end func(), err error)

// kernel is mica's series of a kernel row, in this process.
func kernel(make setup) series {
	return series{"mica", func(ctx context.Context, b *bench) (sample, error) {
		call, end, err := make(b)
		if err != nil {
			return sample{}, err
		}
		if end != nil {
			defer end()
		}
		seconds, err := repeat(call)
		return sample{seconds: seconds}, err
	}}
}

// repeat returns the seconds of one call, as the peers' servers do: the mean of as many
// as fit in 0.2 seconds, after a warm-up.
func repeat(call func() error) (float64, error) {
	if err := call(); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := call(); err != nil {
		return 0, err
	}
	n := 1 + int(0.2/max(time.Since(start).Seconds(), 1e-7))
	start = time.Now()
	for range n {
		if err := call(); err != nil {
			return 0, err
		}
	}
	return time.Since(start).Seconds() / float64(n), nil
}

// python is a peer's series of a kernel row.
func python(peer string, r request) series { return pythonAs(peer, peer, r) }

// pythonAs is python under another name, for a peer with settings.
func pythonAs(name, peer string, r request) series {
	return series{name, func(ctx context.Context, b *bench) (sample, error) {
		argv := []string{b.python(), filepath.Join(b.dir, "peers", "python", "server.py"), peer, "2"}
		return b.askKernel(ctx, peer, argv, r)
	}}
}

// gomlx is the Go peer, in its default build or with the compiler's SIMD package.
func gomlx(build string, r request) series {
	return series{build, func(ctx context.Context, b *bench) (sample, error) {
		return b.askKernel(ctx, build, []string{filepath.Join(b.cache, build)}, r)
	}}
}

func (b *bench) askKernel(ctx context.Context, key string, argv []string, r request) (sample, error) {
	var reply struct {
		Seconds float64 `json:"seconds"`
	}
	err := b.servers.ask(ctx, key, argv, nil, r, &reply)
	if err == nil && reply.Seconds <= 0 {
		err = fmt.Errorf("%s: no time in the answer", key)
	}
	return sample{seconds: reply.Seconds}, err
}

// numbers are n random numbers in [-1, 1).
func numbers(n int) []float32 {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = 2*rng.Float32() - 1
	}
	return x
}

// linear times y = x w^T on m rows, w [n, k] of type dt; backward, then also the
// gradients of both.
func linear(m, n, k int, dt tensor.DType, backward bool) setup {
	return func(b *bench) (func() error, func(), error) {
		w, err := tensor.Quantize(dt, n, k, numbers(n*k))
		if err != nil {
			return nil, nil, err
		}
		x, y, p := numbers(m*k), make([]float32, m*n), b.pools.of(2)
		if qgemm.Supports(dt) {
			var a qgemm.Acts
			return func() error {
				a.Quantize(p, x, m, k)
				qgemm.MulT(p, y, m, n, &a, w)
				return nil
			}, nil, nil
		}
		var s gemm.Scratch
		dy, dx, dw := numbers(m*n), make([]float32, m*k), make([]float32, n*k)
		return func() error {
			gemm.MulT(p, &s, y, m, n, k, x, w, false)
			if backward {
				gemm.Mul(p, &s, dx, m, k, n, dy, w, false)
				gemm.MulAT(p, &s, dw, n, k, m, dy, x, false)
			}
			return nil
		}, nil, nil
	}
}

// A graph builds a value from its inputs in a context, as networks do.
type graph func(c *op.Ctx, x []op.Val) op.Val

// viaOps times a graph on inputs of these shapes, and with backward its gradients with respect
// to all of them, in float32.
func viaOps(shapes [][]int, backward bool, f graph) setup {
	return func(b *bench) (func() error, func(), error) {
		c := op.NewCtx(op.Exact, b.pools.of(2))
		data := make([][]float32, len(shapes))
		for i, dims := range shapes {
			n := 1
			for _, d := range dims {
				n *= d
			}
			data[i] = numbers(n)
		}
		x := make([]op.Val, len(shapes))
		var seed []float32
		return func() error {
			scope := c.Open()
			defer c.Close(scope)
			for i, dims := range shapes {
				x[i] = c.View(data[i], dims...)
			}
			if !backward {
				f(c, x)
				return c.Err()
			}
			tape := grad.Start(c)
			defer tape.End()
			for _, v := range x {
				c.Want(v)
			}
			y := f(c, x)
			if seed == nil {
				seed = numbers(len(c.Data(y)))
			}
			if err := c.Err(); err != nil {
				return err
			}
			return tape.BackwardFrom(grad.Seed{Val: y, Grad: seed})
		}, nil, nil
	}
}

// gain is the weight of a norm, with a gradient.
func gain(width int) *op.Weight {
	w := op.NewWeight("gain", tensor.FromFloat32(1, width, numbers(width)))
	w.Train()
	return w
}
