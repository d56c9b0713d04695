// Package nn holds the layers that networks are made of. A layer owns weights
// and says how they are applied; what it computes is in package op, so the
// same layer serves, looks and trains.
package nn

import "github.com/micaml/mica/op"

// Layer maps rows [T, In] to rows [T, Out]. Linear is one; adapters that wrap
// a Linear are others.
type Layer interface {
	Apply(c *op.Ctx, x op.Val) op.Val
	In() int  // width of the rows that it takes
	Out() int // width of the rows that it gives
}

// Linear is y = x Wᵀ + b. B [1, Out] may be nil.
type Linear struct{ W, B *op.Weight }

// Apply maps x [T, In] to [T, Out].
func (l *Linear) Apply(c *op.Ctx, x op.Val) op.Val {
	y := op.Linear(c, x, l.W)
	if l.B != nil {
		y = op.Bias(c, y, l.B)
	}
	return y
}

// In returns the width of the rows that l takes.
func (l *Linear) In() int { return l.W.Cols }

// Out returns the width of the rows that l gives.
func (l *Linear) Out() int { return l.W.Rows }

// RMSNorm scales rows to unit root mean square and multiplies them by a gain
// [1, D].
type RMSNorm struct {
	W   *op.Weight
	Eps float32
}

// Apply maps x [T, D] to [T, D].
func (l *RMSNorm) Apply(c *op.Ctx, x op.Val) op.Val { return op.RMSNorm(c, x, l.W, l.Eps) }

// Embedding is a table [V, D] of rows by token.
type Embedding struct{ W *op.Weight }

// Apply returns the rows of ids, [T, D].
func (l *Embedding) Apply(c *op.Ctx, ids []int32) op.Val { return op.Embedding(c, l.W, ids) }
