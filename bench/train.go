package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/bench/step"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// The networks of the training rows; peers/python/nets_torch.py has the same. A step
// is forward, backward and AdamW on one batch of random data.

// trainLM is a step of the language model.
func trainLM(b *bench) (func() error, func(), error) {
	m, err := step.NewLM(2, nil)
	if err != nil {
		return nil, nil, err
	}
	o, err := optim.New(b.pools.of(2), optim.AdamW{Decay: 0.01}, m.Weights())
	if err != nil {
		return nil, nil, err
	}
	return func() error {
		o.Zero()
		if _, err := m.Gradients(); err != nil {
			return err
		}
		o.Step(1e-3)
		return nil
	}, m.Close, nil
}

// lmGradients is its batch, forward and backward.
func lmGradients(b *bench) (func() error, func(), error) {
	m, err := step.NewLM(2, nil)
	if err != nil {
		return nil, nil, err
	}
	return func() error {
		_, err := m.Gradients()
		return err
	}, m.Close, nil
}

// adamW is a step of AdamW on one weight of count numbers.
func adamW(count int) setup {
	return func(b *bench) (func() error, func(), error) {
		w := op.NewWeight("w", tensor.FromFloat32(1, count, numbers(count)))
		w.Train()
		copy(w.Grad, numbers(count))
		o, err := optim.New(b.pools.of(2), optim.AdamW{Decay: 0.01}, []*op.Weight{w})
		if err != nil {
			return nil, nil, err
		}
		return func() error {
			o.Step(1e-4)
			return nil
		}, nil, nil
	}
}

// builder makes the weights of a network.
type builder struct {
	rng     *rand.Rand
	weights []*op.Weight
}

func (n *builder) weight(rows, cols int, scale float64) *op.Weight {
	x := make([]float32, rows*cols)
	for i := range x {
		x[i] = float32(n.rng.NormFloat64() * scale)
	}
	w := op.NewWeight(fmt.Sprintf("w%d", len(n.weights)), tensor.FromFloat32(rows, cols, x))
	w.Train()
	n.weights = append(n.weights, w)
	return w
}

// affine is y = x w^T + b.
type affine struct{ w, b *op.Weight }

func (n *builder) affine(in, out int) affine {
	return affine{n.weight(out, in, 1/math.Sqrt(float64(in))), n.weight(1, out, 0.01)}
}

func (a affine) apply(c *op.Ctx, x op.Val) op.Val { return op.Bias(c, op.Linear(c, x, a.w), a.b) }

// layerNorm has gain and bias.
type layerNorm struct{ w, b *op.Weight }

func (n *builder) norm(width int) layerNorm {
	return layerNorm{n.weight(1, width, 1), n.weight(1, width, 0.01)}
}

func (l layerNorm) apply(c *op.Ctx, x op.Val) op.Val { return op.LayerNorm(c, x, l.w, l.b, 1e-5) }

// classify is the step of a network that puts pictures, [rows, width], into 10 classes.
func classify(p *par.Pool, n *builder, rows, width, batch int, f func(c *op.Ctx, x op.Val) op.Val) (func() error, func(), error) {
	o, err := optim.New(p, optim.AdamW{Decay: 0.01}, n.weights)
	if err != nil {
		return nil, nil, err
	}
	c, x := op.NewCtx(op.Exact, p), numbers(rows*width)
	targets := make([]int32, batch)
	for i := range targets {
		targets[i] = n.rng.Int32N(10)
	}
	return func() error {
		o.Zero()
		tape := grad.Start(c)
		defer tape.End()
		loss := op.CrossEntropy(c, f(c, c.View(x, rows, width)), targets)
		if err := c.Err(); err != nil {
			return err
		}
		if err := tape.Backward(loss); err != nil {
			return err
		}
		o.Step(1e-3)
		return nil
	}, nil, nil
}

// trainMLP is 784-512-512-10 with ReLU, batch 128.
func trainMLP(b *bench) (func() error, func(), error) {
	n := &builder{rng: rand.New(rand.NewPCG(1, 1))}
	in, mid, out := n.affine(784, 512), n.affine(512, 512), n.affine(512, 10)
	return classify(b.pools.of(2), n, 128, 784, 128, func(c *op.Ctx, x op.Val) op.Val {
		x = op.ReLU(c, in.apply(c, x))
		x = op.ReLU(c, mid.apply(c, x))
		return out.apply(c, x)
	})
}

// trainCNN is three 3x3 convolutions with batch norm and ReLU on 128 pictures of 28x28.
func trainCNN(b *bench) (func() error, func(), error) {
	n := &builder{rng: rand.New(rand.NewPCG(1, 1))}
	type layer struct {
		spec *op.ConvSpec
		w    *op.Weight
		norm layerNorm // the same two rows of numbers
		run  *op.Running
	}
	var layers []layer
	side, channels := 28, 1
	for _, s := range []struct{ out, stride int }{{16, 1}, {32, 2}, {64, 2}} {
		layers = append(layers, layer{&op.ConvSpec{Window: op.Square(side, side, 3, s.stride, 1)},
			n.weight(s.out, 9*channels, 1/math.Sqrt(float64(9*channels))), n.norm(s.out), op.NewRunning(s.out)})
		side, channels = side/s.stride, s.out
	}
	head, pixels := n.affine(channels, 10), side*side
	return classify(b.pools.of(2), n, 128*28*28, 1, 128, func(c *op.Ctx, x op.Val) op.Val {
		for _, l := range layers {
			x = op.Conv(c, x, l.w, l.spec)
			x = op.ReLU(c, op.BatchNorm(c, x, l.norm.w, l.norm.b, l.run, 1e-5, true))
		}
		return head.apply(c, op.GlobalAvgPool(c, x, pixels))
	})
}

// ViT-tiny.
const (
	vitBatch   = 64
	vitPatches = 64 // of 4x4 pixels and 3 channels
	vitTokens  = vitPatches + 1
	vitWidth   = 192
	vitLayers  = 12
)

var vitHeads = op.Heads{Query: 3, KV: 3, Dim: 64}

type vitBlock struct {
	norm1, norm2             layerNorm
	q, k, v, out, up, narrow affine
}

// trainViT is a step of ViT-tiny on 64 pictures of 32x32. The pictures come as patches.
func trainViT(b *bench) (func() error, func(), error) {
	n := &builder{rng: rand.New(rand.NewPCG(1, 1))}
	patches, class := n.affine(48, vitWidth), n.weight(1, vitWidth, 0.02)
	position := n.weight(vitTokens, vitWidth, 0.02)
	var blocks [vitLayers]vitBlock
	for i := range blocks {
		d := vitWidth
		blocks[i] = vitBlock{n.norm(d), n.norm(d), n.affine(d, d), n.affine(d, d), n.affine(d, d), n.affine(d, d), n.affine(d, 4*d), n.affine(4*d, d)}
	}
	last, head := n.norm(vitWidth), n.affine(vitWidth, 10)

	const rows = vitBatch * vitTokens
	places, classes, first := make([]int32, rows), make([]int32, rows), make([]int32, vitBatch)
	inside := make([]int32, 0, vitBatch*vitPatches)
	for i := range places {
		places[i] = int32(i % vitTokens)
		if places[i] != 0 {
			inside = append(inside, int32(i))
		}
	}
	for i := range first {
		first[i] = int32(i * vitTokens)
	}
	return classify(b.pools.of(2), n, vitBatch*vitPatches, 48, vitBatch, func(c *op.Ctx, x op.Val) op.Val {
		x = op.Put(c, op.Embedding(c, class, classes), patches.apply(c, x), inside)
		x = op.Add(c, x, op.Embedding(c, position, places))
		for i := range blocks {
			x = blocks[i].apply(c, x)
		}
		return head.apply(c, last.apply(c, op.Rows(c, x, first)))
	})
}

func (l *vitBlock) apply(c *op.Ctx, x op.Val) op.Val {
	h := l.norm1.apply(c, x)
	spec := &op.AttentionSpec{Heads: vitHeads, Runs: make([]op.Run, vitBatch)}
	for i := range spec.Runs {
		spec.Runs[i] = op.Run{Queries: vitTokens, Keys: vitTokens, KeyFrom: i * vitTokens}
	}
	h = op.Attention(c, l.q.apply(c, h), l.k.apply(c, h), l.v.apply(c, h), spec)
	x = op.Add(c, x, l.out.apply(c, h))
	h = op.GELU(c, l.up.apply(c, l.norm2.apply(c, x)))
	return op.Add(c, x, l.narrow.apply(c, h))
}
