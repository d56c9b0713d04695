package op_test

import (
	"github.com/micaml/mica/op"
)

var mathForward = map[string]func(r *run){
	"broadcast": func(r *run) {
		f := map[string]func(c *op.Ctx, x, y op.Val) op.Val{"add": op.Add, "sub": op.Sub, "mul": op.Mul, "div": op.Div}[r.Name[:3]]
		r.check(f(r.c, r.leaf("a"), r.leaf("b")))
	},
	"sub":      func(r *run) { r.check(op.Sub(r.c, r.leaf("a"), r.leaf("b"))) },
	"div":      func(r *run) { r.check(op.Div(r.c, r.leaf("a"), r.leaf("b"))) },
	"exp":      func(r *run) { r.check(op.Exp(r.c, r.leaf("x"))) },
	"log":      func(r *run) { r.check(op.Log(r.c, r.leaf("x"))) },
	"sqrt":     func(r *run) { r.check(op.Sqrt(r.c, r.leaf("x"))) },
	"squared":  func(r *run) { r.check(op.Squared(r.c, r.leaf("x"))) },
	"abs":      func(r *run) { r.check(op.Abs(r.c, r.leaf("x"))) },
	"softplus": func(r *run) { r.check(op.Softplus(r.c, r.leaf("x"))) },
	"clamp":    func(r *run) { r.check(op.Clamp(r.c, r.leaf("x"), -0.5, 1.5)) },
	"sum":      func(r *run) { r.check(op.Sum(r.c, r.leaf("x"), op.Axis(r.Attrs.N))) },
	"max":      func(r *run) { r.check(op.Max(r.c, r.leaf("x"), op.Axis(r.Attrs.N))) },
	"cumsum":   func(r *run) { r.check(op.CumSum(r.c, r.leaf("x"), op.Axis(r.Attrs.N))) },
	"norm": func(r *run) {
		if r.Name == "normalize" {
			r.check(op.Normalize(r.c, r.leaf("x"), r.Attrs.Eps))
			return
		}
		r.check(op.Norm(r.c, r.leaf("x")))
	},
	"log_softmax": func(r *run) { r.check(op.LogSoftmax(r.c, r.leaf("x"))) },
	"kl":          func(r *run) { r.check(op.KL(r.c, r.leaf("p"), r.leaf("q"))) },
	"matmul": func(r *run) {
		if r.Attrs.Transp {
			r.check(op.MatMulT(r.c, r.leaf("x"), r.leaf("y"), r.Attrs.N))
			return
		}
		r.check(op.MatMul(r.c, r.leaf("x"), r.leaf("y"), r.Attrs.N))
	},
	"composed": func(r *run) {
		c := r.c
		switch r.Name {
		case "logsumexp_row", "logsumexp_column", "logsumexp_all":
			r.check(op.LogSumExp(c, r.leaf("x"), op.Axis(r.Attrs.N)))
		case "mean":
			r.check(op.Mean(c, r.leaf("x"), op.EachColumn))
		case "cosine":
			r.check(op.Cosine(c, r.leaf("x"), r.leaf("y"), r.Attrs.Eps))
		case "soft_cross_entropy":
			r.check(op.SoftCrossEntropy(c, r.leaf("x"), r.leaf("y")))
		case "mse":
			r.check(op.MSE(c, r.leaf("x"), r.leaf("y")))
		case "l1":
			r.check(op.L1(c, r.leaf("x"), r.leaf("y")))
		case "huber":
			r.check(op.Huber(c, r.leaf("x"), r.leaf("y"), r.Attrs.F))
		case "binary_cross_entropy":
			r.check(op.BinaryCrossEntropy(c, r.leaf("x"), r.leaf("y")))
		case "instance_norm":
			r.check(op.GroupNorm(c, r.leaf("x"), r.weight("weight"), r.weight("bias"), r.Attrs.Samples, r.Attrs.Groups, r.Attrs.Eps))
		case "biased_attention":
			h := op.Heads{Query: r.Attrs.Heads, KV: r.Attrs.KVHeads, Dim: r.Attrs.HeadDim}
			r.check(op.BiasedAttention(c, r.leaf("q"), r.leaf("k"), r.leaf("v"), r.leaf("bias"), h, r.Attrs.N))
		default:
			r.t.Fatalf("no case %s", r.Name)
		}
	},
}
