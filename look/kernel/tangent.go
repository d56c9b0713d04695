package kernel

import (
	"errors"
	"fmt"
	"math"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"gonum.org/v1/gonum/mat"
)

// Limit is how many bytes a Jacobian takes at most if nothing else is said.
const Limit = 1 << 30

// Jacobian is how outputs depend on a weight: row k holds d y_k/d w.
type Jacobian struct {
	Rows, Cols int
	Data       []float32 // [Rows, Cols]
}

// NewJacobian computes what f gives for each of n examples, and goes back from every
// number of it to w, one at a time, through all steps in time that lie between. f runs
// once for each number, and must give the same each time, of the same size for every
// example. limit is how many bytes the result may take, 0 for [Limit].
//
// w's own Grad is left alone. Other weights that have one get it added to: their
// gradients should be nil meanwhile, which saves time too.
func NewJacobian(c *op.Ctx, w *op.Weight, n int, limit int64, f func(c *op.Ctx, example int) op.Val) (*Jacobian, error) {
	if n < 1 {
		return nil, fmt.Errorf("kernel: %d examples", n)
	}
	if _, ok := w.F32(); !ok {
		return nil, fmt.Errorf("kernel: weight %s is stored as %v: only float32 has gradients", w.Name, w.DType)
	}
	if limit <= 0 {
		limit = Limit
	}
	own := w.Grad
	w.Grad = make([]float32, w.Rows*w.Cols)
	defer func() { w.Grad = own }()

	j := &Jacobian{Cols: len(w.Grad)}
	each := 0
	for i := range n {
		for k := 0; k == 0 || k < each; k++ {
			clear(w.Grad)
			size, err := back(c, i, k, f)
			if err != nil {
				return nil, fmt.Errorf("kernel: output %d of example %d: %w", k, i, err)
			}
			if each == 0 {
				each = size
				if int64(each) > limit/4/int64(n)/int64(j.Cols) {
					return nil, fmt.Errorf("kernel: %d examples of %d outputs and %d weights take more than %d bytes: fewer examples, or a higher limit", n, each, j.Cols, limit)
				}
			}
			if size != each {
				return nil, fmt.Errorf("kernel: example %d has %d outputs, and the first has %d", i, size, each)
			}
			j.Data = append(j.Data, w.Grad...)
			j.Rows++
		}
	}
	return j, nil
}

// back adds the gradient of output k to the weights' and returns how many outputs there
// are.
func back(c *op.Ctx, example, k int, f func(*op.Ctx, int) op.Val) (int, error) {
	tape := grad.Start(c)
	defer tape.End()
	y := f(c, example)
	if err := c.Err(); err != nil {
		return 0, err
	}
	one := make([]float32, c.Shape(y).Len())
	if len(one) == 0 {
		return 0, errors.New("there is none")
	}
	if k >= len(one) {
		return len(one), nil // the caller tells of it
	}
	one[k] = 1
	// An output that w isn't on the way to has a gradient of 0.
	if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: one}); err != nil && !errors.Is(err, grad.ErrNoPath) {
		return 0, err
	}
	return len(one), nil
}

// Kernel is J Jᵀ [Rows, Rows].
func (j *Jacobian) Kernel(c *op.Ctx) (*mat.SymDense, error) {
	for i, x := range j.Data {
		if x != x || math.IsInf(float64(x), 0) {
			return nil, fmt.Errorf("kernel: the gradient of output %d is not finite", i/j.Cols)
		}
	}
	return Gram(c, j.Data, j.Rows)
}

// Tangent is the tangent kernel of a weight: that of [NewJacobian].
func Tangent(c *op.Ctx, w *op.Weight, n int, limit int64, f func(c *op.Ctx, example int) op.Val) (*mat.SymDense, error) {
	j, err := NewJacobian(c, w, n, limit, f)
	if err != nil {
		return nil, err
	}
	return j.Kernel(c)
}
