package contrast

import (
	"errors"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

// Spectral is the spectral contrastive loss (HaoChen, Wei, Gaidon, Ma 2021, equation 6),
// which theory likes:
//
//	L = -2 E[f(x)ᵀ f(x+)] + E[(f(x)ᵀ f(x-))²]
//
// x+ is another view of x's example, x- a view of another one. From a batch it is an
// unbiased estimate: the first mean is over all pairs of views, the second over all
// pairs of rows of two examples. Every example must be there in two views.
type Spectral struct{}

// Terms are "attract", which counts -2 times, and "repel".
func (Spectral) Terms(c *op.Ctx, y op.Val, b *dataset.Batch, _ train.Step) ([]train.Term, error) {
	partner, err := partners(b.Index)
	if err != nil {
		return nil, err
	}
	n, err := rows(c, y, len(partner))
	if err != nil {
		return nil, err
	}
	if n < 4 {
		return nil, errors.New("contrast: a batch of one example has nothing to compare it with")
	}
	others := make([]int32, 0, n*(n-2))
	for i, p := range partner {
		for j := range n {
			if j != i && j != int(p) {
				others = append(others, int32(j))
			}
		}
	}
	g := op.MatMulT(c, y, y, 1)
	return []train.Term{
		{Name: "attract", Val: op.Mean(c, op.Pick(c, g, partner), op.All), Weight: -2},
		{Name: "repel", Val: op.Mean(c, op.Squared(c, op.Pick(c, g, others)), op.All), Weight: 1},
	}, c.Err()
}
