package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// productRows are float32 products y = x w^T, and the 8-bit ones for their share
// of the limit.
func productRows() []*row {
	var rows []*row
	add := func(shape string, m, n, k int, backward bool, peers []series, targetRatio, targetShare float64) {
		name := fmt.Sprintf("%s %dx%dx%d", shape, m, k, n)
		times := 1.0
		if backward {
			times = 3
		}
		rows = append(rows, &row{
			name: name, group: products, runs: 5, est: 0.6 * float64(1+len(peers)),
			series: append([]series{kernel(linear(m, n, k, tensor.F32, backward))}, peers...),
			work: work{flops: times * 2 * float64(m) * float64(n) * float64(k),
				bytes: times * 4 * float64(m*k+n*k+m*n), threads: 2},
			target: target(targetRatio, "OpenBLAS", targetShare),
			judge:  against(targetRatio, targetShare, "numpy"),
		})
	}
	for _, s := range []struct {
		shape        string
		m, n, k      int
		ratio, share float64
		gomlx        bool
	}{
		{"f32 square", 1024, 1024, 1024, 1.6, 0.8, true},
		{"f32 layer", 512, 1536, 576, 1.6, 0.8, true},
		{"f32 tall", 8192, 256, 256, 0, 0, false},
		{"f32 wide", 64, 8192, 1024, 0, 0, false},
		{"f32 2 rows", 2, 4096, 1024, 0, 0, false},
		{"f32 4 rows", 4, 4096, 1024, 0, 0, false},
		{"f32 8 rows", 8, 4096, 1024, 0, 0, false},
		{"f32 16 rows", 16, 4096, 1024, 0, 0, false},
		{"f32 1 row", 1, 16384, 1024, 0, 0, true},
	} {
		q := request{"kind": "matmul", "m": s.m, "n": s.n, "k": s.k}
		peers := []series{python("numpy", q), python("torch", q), python("onnxruntime", q)}
		if s.gomlx {
			peers = append(peers, gomlx("gomlx", q), gomlx("gomlx-simd", q))
		}
		add(s.shape, s.m, s.n, s.k, false, peers, s.ratio, s.share)
	}
	q := request{"kind": "matmul", "m": 512, "n": 1536, "k": 576, "backward": true}
	add("f32 layer, forward and backward", 512, 1536, 576, true, []series{python("torch", q)}, 0, 0)
	for _, dt := range []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q4_1} {
		rows = append(rows, &row{
			name: fmt.Sprintf("8-bit layer %s 512x576x1536", dt), group: products, runs: 5, est: 0.5,
			series: []series{kernel(linear(512, 1536, 576, dt, false))},
			work:   work{byteOps: 2 * 512 * 1536 * 576, threads: 2},
			judge:  against(0, 0),
			note:   "The share of the 8-bit limit bounds the price of one order of additions from above: at most what is missing from 100 %.",
		})
	}
	return rows
}

// convRows are convolutions of 64x64 pictures with 32 channels.
func convRows() []*row {
	var rows []*row
	for _, s := range []struct {
		name         string
		batch        int
		size, groups int
	}{{"3x3", 1, 3, 1}, {"3x3", 8, 3, 1}, {"depthwise 3x3", 8, 3, 32}, {"1x1", 8, 1, 1}} {
		for _, backward := range []bool{false, true} {
			if backward && s.batch == 1 {
				continue
			}
			q := request{"kind": "conv", "n": s.batch, "h": 64, "w": 64, "c": 32, "out": 32, "size": s.size, "groups": s.groups}
			last := request{"layout": "channels last"}
			maps.Copy(last, q)
			name, times := fmt.Sprintf("conv %s 64x64x32, batch %d", s.name, s.batch), 1.0
			peers := []series{}
			if backward {
				q["backward"], last["backward"], times, name = true, true, 3, name+", forward and backward"
			}
			peers = append(peers, python("torch", q), pythonAs("torch channels last", "torch", last))
			if !backward {
				peers = append(peers, python("onnxruntime", q))
			}
			if s.batch == 1 { // more would take it minutes
				peers = append(peers, gomlx("gomlx", q), gomlx("gomlx-simd", q))
			}
			pixels := float64(s.batch * 64 * 64 * 32)
			rows = append(rows, &row{
				name: name, group: convs, runs: 5, est: 0.6 * float64(1+len(peers)), series: append(convMica(s.batch, s.size, s.groups, backward), peers...),
				work:   work{flops: times * 2 * pixels * float64(32/s.groups*s.size*s.size), bytes: times * 2 * 4 * pixels, threads: 2},
				target: target(1.5, "PyTorch", 0), judge: against(1.5, 0, "torch"),
			})
		}
	}
	return rows
}

// opRows are attention and the operations on rows.
func opRows() []*row {
	var rows []*row
	add := func(name string, q request, times float64, flops, bytes float64, shapes [][]int, backward bool, f graph, peers ...string) {
		if backward {
			q["backward"], name = true, name+", forward and backward"
		}
		r := &row{name: name, group: rowOps, runs: 5, est: 0.6 * float64(1+len(peers)), judge: against(0, 0, peers...),
			work: work{flops: times * flops, bytes: times * bytes, threads: 2}}
		if f != nil {
			r.series = append(r.series, kernel(viaOps(shapes, backward, f)))
		}
		for _, p := range peers {
			r.series = append(r.series, python(p, q))
		}
		rows = append(rows, r)
	}
	heads := op.Heads{Query: 9, KV: 3, Dim: 64}
	for _, t := range []int{512, 2048} {
		attend := func(c *op.Ctx, x []op.Val) op.Val {
			return op.Attention(c, x[0], x[1], x[2], &op.AttentionSpec{Heads: heads, Causal: true, Runs: []op.Run{{Queries: t, Keys: t}}})
		}
		shapes := [][]int{{t, 576}, {t, 192}, {t, 192}}
		flops := 2 * float64(t) * float64(t) * 576 // two products, half of the keys
		bytes := 4 * float64(t) * (2*576 + 2*192)
		for _, backward := range []bool{false, true} {
			times := 1.0
			if backward {
				times = 3.5 // five products more, one of them the scores again
			}
			add(fmt.Sprintf("attention %d tokens, 9 heads of 64, 3 kv", t), request{"kind": "attention", "t": t, "heads": 9, "kv": 3, "dim": 64},
				times, flops, bytes, shapes, backward, attend, "torch")
		}
	}
	const t, d, f, v = 2048, 576, 1536, 8192
	w := gain(d)
	plain := func(kind string, width int) request { return request{"kind": kind, "rows": t, "width": width} }
	for _, backward := range []bool{false, true} {
		times := 1.0
		if backward {
			times = 2.5
		}
		add("RMS norm 2048x576", plain("rmsnorm", d), times, 0, 8*t*d, [][]int{{t, d}}, backward,
			func(c *op.Ctx, x []op.Val) op.Val { return op.RMSNorm(c, x[0], w, 1e-5) }, "torch")
		add("SwiGLU 2048x1536", plain("swiglu", f), times, 0, 12*t*f, [][]int{{t, f}, {t, f}}, backward,
			func(c *op.Ctx, x []op.Val) op.Val { return op.SwiGLU(c, x[0], x[1]) }, "torch")
	}
	add("softmax 2048x8192", plain("softmax", v), 1, 0, 8*t*v, [][]int{{t, v}}, false,
		func(c *op.Ctx, x []op.Val) op.Val { return op.Softmax(c, x[0]) }, "torch", "onnxruntime", "numpy")
	targets := make([]int32, t)
	for i := range targets {
		targets[i] = int32(i * 7919 % v)
	}
	add("cross-entropy 2048x8192", plain("crossentropy", v), 2, 0, 8*t*v, [][]int{{t, v}}, true,
		func(c *op.Ctx, x []op.Val) op.Val { return op.CrossEntropy(c, x[0], slices.Clone(targets)) }, "torch")
	bias := gain(d)
	add("layer norm 2048x576", plain("layernorm", d), 1, 0, 8*t*d, [][]int{{t, d}}, false,
		func(c *op.Ctx, x []op.Val) op.Val { return op.LayerNorm(c, x[0], w, bias, 1e-5) }, "torch", "onnxruntime")
	add("layer norm 2048x576", plain("layernorm", d), 2.5, 0, 8*t*d, [][]int{{t, d}}, true,
		func(c *op.Ctx, x []op.Val) op.Val { return op.LayerNorm(c, x[0], w, bias, 1e-5) }, "torch")
	const count = 10_000_000
	rows = append(rows, &row{name: "AdamW, 10 million numbers", group: rowOps, runs: 5, est: 1.2, work: work{bytes: 28 * count, threads: 2},
		series: []series{kernel(adamW(count)), python("torch", request{"kind": "adam", "count": count})}, judge: against(0, 0, "torch")})
	return rows
}

// trainingRows are whole steps: forward, backward, AdamW. The networks are described in
// train.go and peers/python/nets_torch.py. Of the language model there is the step without
// AdamW, too.
func trainingRows() []*row {
	const tokens, weights = 8 * 256, 6*(4*256*256+3*256*704) + 4096*256
	gradients := &row{
		name: "gradients of LM, 6 layers of 256, 8x256 tokens", group: training, runs: 5, est: 3,
		series: []series{kernel(lmGradients), python("torch", request{"kind": "train", "net": "lm", "optimize": false})},
		work:   work{flops: 6*weights*tokens + 3.5*2*8*256*256*256*6, threads: 2},
		target: target(1.2, "PyTorch", 0), judge: against(1.2, 0, "torch"),
	}
	rows := []*row{gradients}
	for _, s := range []struct {
		name, net string
		mica      setup
		est       float64
	}{
		{"train LM, 6 layers of 256, 8x256 tokens", "lm", trainLM, 4},
		{"train MLP 784-512-512-10, batch 128", "mlp", trainMLP, 1},
		{"train CNN with batch norm, 28x28, batch 128", "cnn", trainCNN, 1.5},
		{"train ViT-tiny, 32x32 patch 4, batch 64", "vit", trainViT, 12},
	} {
		rows = append(rows, &row{
			name: s.name, group: training, runs: 5, est: s.est, target: target(1.2, "PyTorch", 0), judge: against(1.2, 0, "torch"),
			series: []series{kernel(s.mica), python("torch", request{"kind": "train", "net": s.net})},
		})
	}
	return rows
}
