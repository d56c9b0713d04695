package op_test

import (
	"errors"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Code that chains ops checks once, at the end: so after an error every op,
// on values that are still good, does nothing and keeps the first error.
func TestOpsAfterAnError(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	w := op.NewWeight("w", tensor.FromFloat32(2, 2, []float32{1, 2, 3, 4}))
	row := op.NewWeight("row", tensor.FromFloat32(1, 2, []float32{1, 2}))
	x := c.From([]float32{1, 2, 3, 4}, 2, 2)
	heads := op.Heads{Query: 1, KV: 1, Dim: 2}
	turn := op.NewRotary(op.Halves, 2, 2, 10000)
	cache := op.NewCache(1, 2, tensor.F32)
	state := [][]float32{{5, 6}}
	first := errors.New("first")
	c.Fail(first)
	for name, f := range map[string]func() op.Val{
		"from":      func() op.Val { return c.From([]float32{1}, 1, 1) },
		"view":      func() op.Val { return c.View([]float32{1}, 1, 1) },
		"linear":    func() op.Val { return op.Linear(c, x, w) },
		"embedding": func() op.Val { return op.Embedding(c, w, []int32{1}) },
		"rms norm":  func() op.Val { return op.RMSNorm(c, x, row, 1e-5) },
		"rotate":    func() op.Val { return op.Rotate(c, x, turn, []int32{0, 1}) },
		"attention": func() op.Val {
			return op.Attention(c, x, x, x, &op.AttentionSpec{Heads: heads, Causal: true, Runs: []op.Run{{Queries: 2, Keys: 2, Cache: cache}}})
		},
		"pattern": func() op.Val { return op.Pattern(c, x, cache, heads) },
		"softmax": func() op.Val { return op.Softmax(c, x) },
		"relu":    func() op.Val { return op.ReLU(c, x) },
		"gelu":    func() op.Val { return op.GELU(c, x) },
		"silu":    func() op.Val { return op.SiLU(c, x) },
		"swiglu":  func() op.Val { return op.SwiGLU(c, x, x) },
		"add":     func() op.Val { return op.Add(c, x, x) },
		"mul":     func() op.Val { return op.Mul(c, x, x) },
		"scale":   func() op.Val { return op.Scale(c, x, 2) },
		"bias":    func() op.Val { return op.Bias(c, x, row) },
		"rows":    func() op.Val { return op.Rows(c, x, []int32{0}) },
		"put":     func() op.Val { return op.Put(c, x, x, []int32{1, 0}) },
		"reshape": func() op.Val { return op.Reshape(c, x, 4, 1) },
		"scan":    func() op.Val { return op.Scan(c, x, x, []int32{2}, state) },
		"selective scan": func() op.Val {
			return op.SelectiveScan(c, x, x, x, op.NewWeight("w", tensor.FromFloat32(2, 1, []float32{1, 2})), nil, []int32{2}, state)
		},
		"linear attention": func() op.Val {
			return op.LinearAttention(c, x, x, x, &op.LinearAttentionSpec{Heads: heads, Causal: true, Runs: []int32{2}, State: [][]float32{make([]float32, 4)}})
		},
		"causal conv": func() op.Val { return op.CausalConv(c, x, w, []int32{2}, state) },
		"gru": func() op.Val {
			return op.GRU(c, c.View(make([]float32, 12), 2, 6), op.NewWeight("w", tensor.FromFloat32(6, 2, make([]float32, 12))), nil, []int32{2}, state)
		},
		"resize":        func() op.Val { return op.Resize(c, x, &op.ResizeSpec{H: 2, W: 1, OutH: 1, OutW: 1}) },
		"planes":        func() op.Val { return op.Planes(c, x, &op.PlaneSpec{Depth: 2}) },
		"cross-entropy": func() op.Val { return op.CrossEntropy(c, x, []int32{0, 1}) },
	} {
		if f().Valid() {
			t.Errorf("%s made a value", name)
		}
		if c.Err() != first {
			t.Errorf("%s: error %v", name, c.Err())
		}
	}
	if cache.Len(0) != 0 || state[0][0] != 5 {
		t.Errorf("something was remembered: %d entries, state %v", cache.Len(0), state)
	}
}
