package main

import "fmt"

// network is what the least work of a model file follows from.
type network struct {
	linear float64 // weights of the linear maps in the layers
	layers int
	width  int // of all query heads together
	kv     int // numbers of the cache for each token and layer, keys and values
	eight  bool
}

// networkOf describes a model file. The 8-bit products are those of fast mode.
func networkOf(model string) network {
	if model == "K" {
		k := kShape
		kv := k.width / k.heads * k.kv
		each := 2*k.width*k.width + 2*k.width*kv + 3*k.width*k.mlp
		return network{float64(k.layers * each), k.layers, k.width, 2 * kv, true}
	}
	return network{30 * (2*576*576 + 2*576*192 + 3*576*1536), 30, 576, 2 * 192, model != "F16"}
}

// read is the work of n tokens after depth tokens of context: products of 8-bit or of float32
// numbers, and attention in float32.
func (n network) read(tokens, depth, threads int) work {
	t, d := float64(tokens), float64(depth)
	w := work{flops: 4 * (t*t/2 + t*d) * float64(n.width*n.layers), threads: threads, tokens: t}
	if n.eight {
		w.byteOps = 2 * n.linear * t
	} else {
		w.flops += 2 * n.linear * t
	}
	return w
}

// cache is the bytes of the float16 cache of so many tokens.
func (n network) cache(tokens int) float64 { return float64(2 * n.kv * n.layers * tokens) }

// curveModel is the file of the scaling rows: the 4-bit type that llama.cpp is fastest at.
const curveModel = "Q4_0"

var promptRatio = map[string]float64{"Q4_0": 1.3, "Q4_1": 1.3, "Q8_0": 1.3, "F16": 2, "K": 1.2}

// promptSeconds guesses how long mica and llama.cpp read n tokens: so many milliseconds a token,
// and attention.
func promptSeconds(model string, n, threads int) (mica, llama float64) {
	each := map[string][2]float64{"Q4_0": {0.5, 0.6}, "Q4_1": {0.5, 3.5}, "Q8_0": {0.5, 0.9}, "F16": {1.2, 2.5}, "K": {1, 1.5}}[model]
	x, attention, scale := float64(n), float64(n)*float64(n)/1e6, 2e-3/float64(threads)
	return (x*each[0] + 0.2*attention) * scale, (x*each[1] + 0.45*attention) * scale
}

func promptRows() []*row {
	var rows []*row
	for _, model := range modelNames {
		for _, n := range []int{512, 2048, 8000} {
			rows = append(rows, promptRow(model, n, 2, prompts))
		}
	}
	return rows
}

func promptRow(model string, n, threads int, g group) *row {
	t := modelTest{model: model, kind: "pp", n: n, threads: threads}
	mica, llama := promptSeconds(model, n, threads)
	r := &row{
		name: fmt.Sprintf("prompt %d, %s", n, model), group: g, runs: 5, est: 2*mica + llama + 0.4,
		series: []series{t.mica("mica"), t.llama(threads)}, work: networkOf(model).read(n, 0, threads),
		target: target(promptRatio[model], "llama.cpp", 0), judge: against(promptRatio[model], 0, "llama.cpp"),
	}
	switch { // the whole must stay within half an hour or so
	case n > 4096 && threads == 1:
		r.runs = 1
	case n > 4096:
		r.runs = 2
	case n > 2048:
		r.runs = 3
	}
	if g == scaling {
		r.target, r.judge = "", against(0, 0, "llama.cpp")
	}
	if threads == 1 {
		r.name += ", 1 thread"
		r.runs = min(r.runs, 3)
	}
	return r
}

func generationRows() []*row {
	var rows []*row
	for _, model := range modelNames {
		rows = append(rows, generationRow(model, 0, generation))
	}
	return append(rows, generationRow(curveModel, 8000, generation))
}

// generationRow is 64 tokens after depth tokens of context. llama.cpp runs on one thread and on
// two, and the better one counts.
func generationRow(model string, depth int, g group) *row {
	t := modelTest{model: model, kind: "tg", n: 64, depth: depth, threads: 2}
	mica, _ := promptSeconds(model, depth, 2)
	r := &row{
		name: "generation, " + model, group: g, runs: 5, est: 4 + float64(depth)/2500 + mica,
		series: []series{t.mica("mica"), t.llama(1), t.llama(2)}, work: work{threads: 2, tokens: 64},
		judge: judgeGeneration(model, depth, 1.3, 0.6), target: target(1.3, "llama.cpp at its best", 0.6),
	}
	if depth > 0 {
		r.name = fmt.Sprintf("generation after %d tokens, %s", depth, model)
		r.judge, r.target = judgeGeneration(model, depth, 0, 0.5), target(0, "", 0.5)
		r.runs = 3
	} else {
		one := t
		one.threads = 1
		r.series = append(r.series, one.mica("mica t1"))
	}
	if g == scaling {
		r.judge, r.target = judgeGeneration(model, depth, 0, 0), ""
	}
	return r
}

// rowsRow passes n tokens at once.
func rowsRow(n int) *row {
	t := modelTest{model: curveModel, kind: "rows", n: n, threads: 2}
	w := networkOf(curveModel).read(n, 0, 2)
	w.byteOps += 2 * 49152 * 576 * float64(n) // mica gives the logits of each
	r := &row{
		name: fmt.Sprintf("rows %d, %s", n, curveModel), group: scaling, runs: 5, est: 1.2,
		series: []series{t.mica("mica"), t.llama(1), t.llama(2)}, work: w, judge: judgeRows(n),
	}
	if n == 8 {
		r.target = "at most 2x the time of 1 row"
		r.note = "`rows N` passes N tokens through the same weights at once. mica computes the logits of each, as verification needs them; llama.cpp's clock has no way to be asked for that here, so it computes none: a fifth less arithmetic, and a third less to read."
	}
	return r
}

// The points of the curves.
var (
	promptPoints = []int{512, 1024, 2048, 4096, 8000}
	depthPoints  = []int{0, 2000, 4000, 8000}
	rowPoints    = []int{1, 2, 4, 8, 16, 32, 64}
)

// scalingRows are the points that the rows above lack.
func scalingRows() []*row {
	rows := []*row{promptRow(curveModel, 1024, 2, scaling), promptRow(curveModel, 4096, 2, scaling)}
	for _, n := range promptPoints {
		rows = append(rows, promptRow(curveModel, n, 1, scaling))
	}
	rows = append(rows, generationRow(curveModel, 2000, scaling), generationRow(curveModel, 4000, scaling))
	for _, n := range rowPoints {
		rows = append(rows, rowsRow(n))
	}
	return rows
}
