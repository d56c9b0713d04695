package nn_test

import (
	"fmt"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// lowRank adds x Aᵀ Bᵀ to what another layer gives: an adapter.
type lowRank struct {
	nn.Layer
	a, b *nn.Linear
}

func (l lowRank) Apply(c *op.Ctx, x op.Val) op.Val {
	return op.Add(c, l.Layer.Apply(c, x), l.b.Apply(c, l.a.Apply(c, x)))
}

func linear(out, in int, x ...float32) *nn.Linear {
	return &nn.Linear{W: op.NewWeight("w", tensor.FromFloat32(out, in, x))}
}

// Whatever maps rows to rows is a layer, and can stand where a Linear stands.
func Example() {
	base := linear(2, 2, 1, 0, 0, 1)
	adapted := lowRank{base, linear(1, 2, 1, 1), linear(2, 1, 10, 20)}
	c := op.NewCtx(op.Exact, nil)
	x := c.From([]float32{1, 2}, 1, 2)
	for _, l := range []nn.Layer{base, adapted} {
		fmt.Println(l.In(), l.Out(), c.Data(l.Apply(c, x)))
	}
	// Output:
	// 2 2 [1 2]
	// 2 2 [31 62]
}
