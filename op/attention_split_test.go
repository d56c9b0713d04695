package op_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Few rows over long memories give the same bits on any number of cores, though
// several share the entries of a head.
func TestAttentionAcrossCores(t *testing.T) {
	h := op.Heads{Query: 6, KV: 2, Dim: 24}
	for _, kind := range []tensor.DType{tensor.F32, tensor.F16} {
		for _, past := range []int{0, 900, 2500} {
			var want []float32
			for _, threads := range []int{1, 2, 3, 8} {
				p := par.New(threads)
				c := op.NewCtx(op.Exact, p)
				r := rand.New(rand.NewPCG(uint64(past), 1))
				leaf := func(rows, width int) op.Val {
					x := make([]float32, rows*width)
					for i := range x {
						x[i] = float32(r.NormFloat64())
					}
					return c.From(x, rows, width)
				}
				// Two sequences: one with the memory, one with its own row alone.
				runs := []op.Run{{Queries: 2, Keys: past + 2, Cache: op.NewCache(h.KV, h.Dim, kind)}, {Queries: 1, Keys: 1, KeyFrom: past + 2}}
				k, v := leaf(past+3, h.KV*h.Dim), leaf(past+3, h.KV*h.Dim)
				y := op.Attention(c, leaf(3, h.Query*h.Dim), k, v, &op.AttentionSpec{Heads: h, Causal: true, Runs: runs})
				if err := c.Err(); err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = slices.Clone(c.Data(y))
				}
				kerneltest.CheckBits(t, "attention", c.Data(y), want)
				p.Close()
			}
		}
	}
}
