package main

import (
	"math/rand/v2"

	"github.com/micaml/mica/bench/step"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/train"
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

// classify is the step of a network on one batch of random pictures of 10 classes.
func classify(n interface {
	pass.Net
	nn.Module
}, err error, width, batch int) (func() error, func(), error) {
	if err != nil {
		return nil, nil, err
	}
	eng := pass.NewEngine(n, pass.Options{Mode: op.Exact, Threads: 2})
	task := &train.Classifier{Engine: eng, Trained: nn.Train(n)}
	c := task.NewCtx()
	o, err := optim.New(eng.Pool(), optim.AdamW{Decay: 0.01}, task.Trained)
	if err != nil {
		return nil, nil, err
	}
	data, rng := &dataset.Batch{X: numbers(batch * width)}, random()
	for i := range batch {
		data.Index, data.Labels = append(data.Index, i), append(data.Labels, rng.Int32N(10))
	}
	return func() error {
		o.Zero()
		tape := grad.Start(c)
		defer tape.End()
		terms, err := task.Loss(c, data, train.Step{})
		if err != nil {
			return err
		}
		if err := tape.Backward(terms[0].Val); err != nil {
			return err
		}
		o.Step(1e-3)
		return nil
	}, eng.Close, nil
}

// random makes the weights and the targets of a network.
func random() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

// trainMLP is 784-512-512-10 with ReLU, batch 128.
func trainMLP(*bench) (func() error, func(), error) {
	n, err := vision.NewMLP(random(), vision.MLP{Inputs: 784, Hidden: []int{512, 512}, Classes: 10})
	return classify(n, err, 784, 128)
}

// trainCNN is three 3x3 convolutions with batch norm and ReLU on 128 pictures of 28x28.
func trainCNN(*bench) (func() error, func(), error) {
	n, err := vision.NewCNN(random(), vision.CNN{Height: 28, Width: 28, Channels: 1, Classes: 10,
		Blocks: []vision.Block{{Channels: 16}, {Channels: 32, Stride: 2}, {Channels: 64, Stride: 2}}})
	return classify(n, err, 28*28, 128)
}

// trainViT is a step of ViT-tiny on 64 pictures of 32x32 in 3 colours.
func trainViT(*bench) (func() error, func(), error) {
	n, err := vision.NewViT(random(), vision.ViT{Height: 32, Width: 32, Channels: 3, Patch: 4, Layers: 12, Dim: 192, Heads: 3, MLP: 768, Classes: 10})
	return classify(n, err, 32*32*3, 64)
}
