package nn

import "github.com/micaml/mica/op"

// Conv is a convolution of images, of sequences or, transposed, its adjoint: see
// [op.Conv] for the layout of W. B [1, Out] may be nil.
type Conv struct {
	W, B *op.Weight
	Spec op.ConvSpec
}

// Apply maps x [N*H*W, In] to [N*OutH*OutW, Out].
func (l *Conv) Apply(c *op.Ctx, x op.Val) op.Val {
	y := op.Conv(c, x, l.W, &l.Spec)
	if l.B != nil {
		y = op.Bias(c, y, l.B)
	}
	return y
}
