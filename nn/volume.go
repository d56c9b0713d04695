package nn

import "github.com/micaml/mica/op"

// Conv3D is a convolution of volumes, made of one of images: the planes that the
// kernel sees together are laid side by side first, which takes as many times x's
// memory as the kernel has planes. Volumes are packed as op.PlaneSpec says.
type Conv3D struct {
	// W is [Out, KH*KW*KD*In], its columns in the order (kernel row, kernel column,
	// kernel plane, channel): PyTorch's weight.permute(0, 3, 4, 2, 1), flattened.
	W      *op.Weight
	B      *op.Weight   // [1, Out], may be nil
	Planes op.PlaneSpec // Pixels are those of Window
	Window op.Window
}

// Apply maps x [N*D*H*W, In] to [N*OutD*OutH*OutW, Out].
func (l *Conv3D) Apply(c *op.Ctx, x op.Val) op.Val {
	planes := l.Planes
	planes.Pixels = pixels(l.Window)
	y := op.Conv(c, op.Planes(c, x, &planes), l.W, &op.ConvSpec{Window: l.Window})
	if l.B != nil {
		y = op.Bias(c, y, l.B)
	}
	return y
}

// MaxPool3D is the largest number of each window of volumes, in each channel: x
// [N*D*H*W, C] -> [N*OutD*OutH*OutW, C]. It takes the largest of each plane, and
// then of the planes, which gives the first of equal ones.
func MaxPool3D(c *op.Ctx, x op.Val, planes op.PlaneSpec, window op.Window) op.Val {
	depth := max(1, planes.Depth)
	images := c.Shape(x).Rows() / (depth * pixels(window))
	y := op.MaxPool(c, x, &op.PoolSpec{Window: window})
	if images == 0 {
		return y
	}
	stride := planes.Stride
	if stride == 0 {
		stride = planes.Kernel // as in op.PoolSpec
	}
	along := op.Window{H: depth, W: c.Shape(y).Rows() / (images * depth), KernelH: planes.Kernel, StrideH: stride,
		DilationH: planes.Dilation, Top: planes.Front, Bottom: planes.Back, KernelW: 1, StrideW: 1}
	return op.MaxPool(c, y, &op.PoolSpec{Window: along})
}

func pixels(w op.Window) int { return max(1, w.H) * max(1, w.W) }
