// Package conv is the convolution of images, forward and backward: dense,
// grouped, depthwise, strided, dilated, padded, and its adjoint, the transposed
// convolution. One row of pixels is a convolution of sequences.
//
// A pixel is a row and a channel is a column: x is [N*H*W, In]. Weights are
// [Out, KH*KW*In/groups], in the order (row of the kernel, column, channel), so
// that a kernel of one pixel is the product of package gemm.
//
// An element of a dense result is a sum over runs of terms, each run added up by
// gemm.Tile in gemm's order, the runs in ascending order. The geometry alone says
// what a run is: all of the kernel, if it has at most 128 terms or the result
// fewer than 16 columns of pixels; otherwise a row of the kernel, or a tap if taps
// are dilated. Taps in the padding are terms of zero. An element of a depthwise
// result is one chain of multiply-adds from +0 over the taps that are there, in
// ascending order. A gradient of weights is a sum over at most 16 parts of the
// images, cut by the geometry: in a part a dense one is gemm's sum over each tile
// of pixels, tile after tile, and a depthwise one a chain over each row of pixels,
// row after row; parts of depthwise ones are added up before dw. The gradient with respect to x, and the transposed convolution,
// are convolutions of dy, one for each remainder of a position by the stride.
//
// A kernel of 3x3 that moves pixel by pixel, ungrouped, with 8 channels or more on
// either side of it and images of at least 4 x 4 pixels, is Winograd's (Lavin and
// Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1,
// F(2x2, 3x3)): four pixels of the result are a transform of 16 sums over channels,
// runs of 64 of them in ascending order, of transformed weights and a transformed tile of 4 x 4
// pixels. That is 16 multiply-adds for 36. The transforms are additions in one
// order. So is its gradient of weights, transformed when the parts are added up. A
// NaN or an infinity in a tile reaches all four pixels.
//
// So the bits know nothing of threads, tiers, or, gradients of weights apart, how
// many images share a call.
//
// The ladder, on one core of an AMD EPYC 9004 (AVX-512 at 118 GFLOP/s) whose other
// core was at work, the least time of many calls, 64 x 64 pixels of 32 channels,
// padded by 1:
//
//  1. A tile of patches [pixels, KH*KW*In] for gemm.Tile. It copies nine numbers
//     for each one that a 3x3 kernel reads.
//
//  2. A tile of rows with the padding around them. The taps of a kernel row are
//     neighbours there, and the next pixel begins stride*In numbers on, so
//     gemm.Tile reads it as it lies, a kernel row a call. 3x3: 111 GFLOP/s forward,
//     112 with respect to x, 109 to the weights; 95 % of the time is in gemm.Tile.
//     1x1: 102, 108 and 109.
//     Kernels of few terms, as on images of one or three channels, and narrow
//     images keep patches. A pixel's patch copied after another, in Go, was a
//     quarter of the time of a small network; all pixels of a row at once, in
//     assembly: a first layer, 1 to 16 channels, 14.5 to 23 GFLOP/s forward, 16 to
//     32 channels of 28 x 28 pixels with stride 2 68 to 94.
//
//  3. Depthwise: 16 channels are lanes and four pixels share a tap's weights. It
//     reads the image itself; taps in the padding are left out, not multiplied. 49
//     GFLOP/s, where a load for each multiply-add allows 94; 21 in AVX2.
//
//  4. Depthwise, three columns and stride 1: a column of the image is read once in
//     a kernel row and serves three pixels, eight of which are in registers (four
//     in AVX2), those at the sides of the image with the others. 83 GFLOP/s, 58 in
//     AVX2; with respect to x 79 and 63. 16 pixels are no faster, 12 slower.
//     Setting a row up once for all its channels saves another 8 to 12 %.
//
//  5. Gradient of depthwise weights: nine sums stay in registers while a row of
//     pixels is walked once, four rows in a call, where a walk for each row of the
//     kernel and a call for each had 16 to 32 GFLOP/s: 59 to 75. In AVX2, with no registers
//     for nine, the rows of the kernel are walked in turn.
//
//  6. Winograd's, in strips of up to 128 tiles, which stay in the second-level cache.
//     The products are 74 % of the time, at the limit of multiply-adds; the
//     transforms 17 %. In multiply-adds of the definition 3x3 has 195 GFLOP/s
//     forward, 196 with respect to x and 180 to the weights, for 112, 112 and 109 in
//     step 2; 28 x 28 pixels of 128 channels 223, 220 and 187; 7 x 7 of 256, eight
//     images, 145, 137 and 128 for 107, 103 and 81; 8 channels of 28 x 28 54 for 36
//     to 48. AVX2 191, 197 and 162 for 109, 108 and 103.
//     Filters whose 16 numbers lie 4096 bytes apart cost ten times as much to
//     transform: nothing lies so. If there are few tiles the cores share the
//     weights, step by step.
//     Chains of 64 channels, for 128 cost 256 channels twice the error and save a
//     tenth of the time. Against float64, normal numbers, the root mean square of the
//     error is 3.3e-6 where PyTorch 2.15 has 5.1e-6 (64 x 64 pixels, 32 channels),
//     8.9e-6 and 2.0e-5 (28 x 28, 128), 1.2e-5 and 1.1e-5 (7 x 7, 256).
//
// Tried and left: F(4x4, 3x3), a quarter of the multiply-adds, whose error is 4 to
// 15 times PyTorch's (2.5e-5, 8.2e-5 and 1.6e-4 for the sizes above).
//
// Dense is 6, otherwise 2, 1 where that says so; a kernel of one pixel reads x
// itself. Depthwise is 4 and 5, 3 for other kernels.
package conv

import "fmt"

// Shape is the geometry of a convolution. Transposed ones use the shape of the
// convolution that they are the adjoint of.
type Shape struct {
	N, H, W, In              int // of x
	Out                      int // channels of y
	Groups                   int
	KH, KW                   int
	StrideH, StrideW         int
	DilationH, DilationW     int
	Top, Left, Bottom, Right int // padding
	OutH, OutW               int // of y, set by Complete
}

// Complete checks s and sets OutH and OutW.
func (s *Shape) Complete() error {
	switch {
	case min(s.N, s.H, s.W, s.In, s.Out, s.Groups, s.KH, s.KW) < 1:
		return fmt.Errorf("%d images of %d x %d, %d to %d channels in %d groups, kernel %d x %d: each must be at least 1", s.N, s.H, s.W, s.In, s.Out, s.Groups, s.KH, s.KW)
	case min(s.StrideH, s.StrideW, s.DilationH, s.DilationW) < 1:
		return fmt.Errorf("strides %d %d, dilations %d %d: each must be at least 1", s.StrideH, s.StrideW, s.DilationH, s.DilationW)
	case s.In%s.Groups != 0 || s.Out%s.Groups != 0:
		return fmt.Errorf("%d and %d channels don't divide into %d groups", s.In, s.Out, s.Groups)
	case min(s.Top, s.Left) < 0:
		return fmt.Errorf("negative padding %d %d", s.Top, s.Left)
	}
	h := s.H + s.Top + s.Bottom - s.DilationH*(s.KH-1) - 1
	w := s.W + s.Left + s.Right - s.DilationW*(s.KW-1) - 1
	if min(h, w) < 0 {
		return fmt.Errorf("kernel %d x %d, dilation %d %d, doesn't fit %d x %d pixels with their padding", s.KH, s.KW, s.DilationH, s.DilationW, s.H, s.W)
	}
	s.OutH, s.OutW = h/s.StrideH+1, w/s.StrideW+1
	return nil
}

// Terms is the number of weights of an output channel.
func (s *Shape) Terms() int { return s.KH * s.KW * s.In / s.Groups }

// depthwise tells whether each channel has a kernel of its own.
func (s *Shape) depthwise() bool { return s.Groups == s.In && s.Out == s.In && s.In > 1 }

func (s *Shape) check(x, y, w int) {
	need("x", x, s.N*s.H*s.W*s.In)
	need("y", y, s.N*s.OutH*s.OutW*s.Out)
	need("weights", w, s.Out*s.Terms())
}

func need(what string, have, want int) {
	if have < want {
		panic(fmt.Sprintf("conv: %s holds %d numbers, needs %d", what, have, want))
	}
}
