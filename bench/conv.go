package main

import "github.com/micaml/mica/internal/kernel/conv"

// convMica is mica's series of a convolution of 64x64 pictures of 32 channels, padded to keep their
// size: y, and with backward the gradients with respect to x and the weights.
func convMica(batch, size, groups int, backward bool) []series {
	return []series{kernel(func(b *bench) (func() error, func(), error) {
		sh := &conv.Shape{N: batch, H: 64, W: 64, In: 32, Out: 32, Groups: groups, KH: size, KW: size, StrideH: 1, StrideW: 1,
			DilationH: 1, DilationW: 1, Top: size / 2, Left: size / 2, Bottom: size / 2, Right: size / 2}
		if err := sh.Complete(); err != nil {
			return nil, nil, err
		}
		pixels, weights := batch*64*64*32, 32*sh.Terms()
		x, w, y, p := numbers(pixels), numbers(weights), make([]float32, pixels), b.pools.of(2)
		dy, dx, dw := numbers(pixels), make([]float32, pixels), make([]float32, weights)
		var s conv.Scratch
		return func() error {
			conv.Forward(p, &s, sh, y, x, w, false)
			if backward {
				conv.Adjoint(p, &s, sh, dx, dy, w, false)
				conv.Gradient(p, &s, sh, dw, dy, x)
			}
			return nil
		}, nil, nil
	})}
}
