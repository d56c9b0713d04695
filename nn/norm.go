package nn

import "github.com/micaml/mica/op"

// LayerNorm brings each row to mean 0 and variance 1, multiplies it by a gain
// [1, D] and adds a bias [1, D], which may be nil.
type LayerNorm struct {
	W, B *op.Weight
	Eps  float32 // 1e-5 in most networks
}

// Apply maps x [T, D] to [T, D].
func (l *LayerNorm) Apply(c *op.Ctx, x op.Val) op.Val { return op.LayerNorm(c, x, l.W, l.B, l.Eps) }

// BatchNorm brings each column to mean 0 and variance 1 over the rows, multiplies
// it by a gain [1, D] and adds a bias [1, D], which may be nil. For images the rows
// are the pixels of all images and the columns the channels.
type BatchNorm struct {
	W, B *op.Weight
	Run  *op.Running
	Eps  float32 // 1e-5 in most networks
	// Training says that mean and variance are the batch's own and that Run takes
	// them in; otherwise they are Run's. Where nothing is trained, a BatchNorm is a
	// row-wise layer.
	Training bool
}

// Apply maps x [T, D] to [T, D].
func (l *BatchNorm) Apply(c *op.Ctx, x op.Val) op.Val {
	return op.BatchNorm(c, x, l.W, l.B, l.Run, l.Eps, l.Training)
}

// GroupNorm brings the groups of an image's channels to mean 0 and variance 1 over
// its pixels, multiplies by a gain [1, C] and adds a bias [1, C], which may be nil.
type GroupNorm struct {
	W, B   *op.Weight
	Groups int
	Eps    float32 // 1e-5 in most networks
}

// Apply maps x [N*H*W, C], the pixels of n images, to the same shape.
func (l *GroupNorm) Apply(c *op.Ctx, x op.Val, n int) op.Val {
	return op.GroupNorm(c, x, l.W, l.B, n, l.Groups, l.Eps)
}
