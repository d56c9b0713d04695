package grad_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// The task: random symbols, and then the same ones again. Only the second
// half counts, so a network has to look up what followed the symbol before:
// an induction head, which takes two layers.
const (
	symbols = 16
	half    = 12
	batch   = 8
)

// sample is a batch of step: it depends on the step alone, so that a resumed
// run sees what an uninterrupted one sees.
func sample(step int) (seqs []*pass.Seq, targets []int32) {
	r := rand.New(rand.NewPCG(uint64(step), 99))
	for range batch {
		ids := make([]int32, 2*half)
		for i := range half {
			ids[i] = int32(r.IntN(symbols))
			ids[half+i] = ids[i]
		}
		seqs = append(seqs, pass.NewSeq(ids...))
		for i := range ids {
			t := int32(op.Ignore)
			if i >= half && i+1 < len(ids) {
				t = ids[i+1]
			}
			targets = append(targets, t)
		}
	}
	return seqs, targets
}

// trainer is Adam (Kingma and Ba 2015, algorithm 1) on a small network.
type trainer struct {
	eng     *pass.Engine
	weights []*op.Weight
	m, v    [][]float32 // moments of each weight
	step    int
}

func newTrainer(t *testing.T, threads int) *trainer {
	t.Helper()
	n, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 2, Width: 48, Heads: 4, KVHeads: 2, HeadDim: 16, MLP: 96,
		Vocabulary: symbols, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 8)
	if err != nil {
		t.Fatal(err)
	}
	tr := &trainer{eng: pass.NewEngine(n, pass.Options{Mode: op.Exact, Threads: threads}), weights: n.Weights()}
	t.Cleanup(tr.eng.Close)
	for _, w := range tr.weights {
		w.Train()
		tr.m = append(tr.m, make([]float32, w.Rows*w.Cols))
		tr.v = append(tr.v, make([]float32, w.Rows*w.Cols))
	}
	return tr
}

// loss runs a batch, and with a tape the gradients of its loss, too.
func (tr *trainer) loss(t *testing.T, step int, learn bool) float64 {
	t.Helper()
	seqs, targets := sample(step)
	c := tr.eng.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	p, err := tr.eng.BeginTaped(c, seqs...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.End()
	if err := p.Run(context.Background(), 0, tr.eng.Depth()); err != nil {
		t.Fatal(err)
	}
	rows := make([]int, len(targets))
	for i := range rows {
		rows[i] = i
	}
	logits, err := p.HeadVal("logits", rows...)
	if err != nil {
		t.Fatal(err)
	}
	l := op.CrossEntropy(c, logits, targets)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	x := float64(c.Data(l)[0])
	if learn {
		if err := tape.Backward(l); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

func (tr *trainer) learn(t *testing.T) float64 {
	t.Helper()
	const rate, beta1, beta2, eps = 4e-3, 0.9, 0.99, 1e-8
	l := tr.loss(t, tr.step, true)
	tr.step++
	warm := min(1, float64(tr.step)/40)
	unbias1, unbias2 := 1-math.Pow(beta1, float64(tr.step)), 1-math.Pow(beta2, float64(tr.step))
	for i, w := range tr.weights {
		x, ok := w.F32()
		if !ok {
			t.Fatalf("%s is %v", w.Name, w.DType)
		}
		for j, g := range w.Grad {
			m := beta1*float64(tr.m[i][j]) + (1-beta1)*float64(g)
			v := beta2*float64(tr.v[i][j]) + (1-beta2)*float64(g)*float64(g)
			tr.m[i][j], tr.v[i][j] = float32(m), float32(v)
			x[j] -= float32(rate * warm * (m / unbias1) / (math.Sqrt(v/unbias2) + eps))
		}
		clear(w.Grad)
	}
	return l
}

// save writes the step, the weights and the moments: little-endian float32
// behind an int64.
func (tr *trainer) save(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	parts := []any{int64(tr.step)}
	for i, w := range tr.weights {
		x, _ := w.F32()
		parts = append(parts, x, tr.m[i], tr.v[i])
	}
	for _, p := range parts {
		if err := binary.Write(&b, binary.LittleEndian, p); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func (tr *trainer) restore(t *testing.T, saved []byte) {
	t.Helper()
	r := bytes.NewReader(saved)
	var step int64
	parts := []any{&step}
	for i, w := range tr.weights {
		x, _ := w.F32()
		parts = append(parts, x, tr.m[i], tr.v[i])
	}
	for _, p := range parts {
		if err := binary.Read(r, binary.LittleEndian, p); err != nil {
			t.Fatal(err)
		}
	}
	if tr.step = int(step); r.Len() != 0 {
		t.Fatalf("%d bytes are left over", r.Len())
	}
}

// Two layers learn induction; the weights are the same bits for 1, 2 and 3
// threads, and after an interruption at step 150.
func TestTraining(t *testing.T) {
	const total, stop = 400, 150
	whole := newTrainer(t, 1)
	first := whole.learn(t)
	if chance := math.Log(symbols); first < 0.9*chance {
		t.Fatalf("the loss is %.3f before training; chance is %.3f", first, chance)
	}
	var saved []byte
	for whole.step < total {
		whole.learn(t)
		if whole.step == stop {
			saved = whole.save(t)
		}
	}
	// On batches that training has not seen.
	after := 0.0
	for i := range 8 {
		after += whole.loss(t, 1_000_000+i, false) / 8
	}
	t.Logf("loss %.3f before, %.3f after %d steps", first, after, total)
	if after > 0.1 {
		t.Errorf("the loss is %.3f after %d steps, want at most 0.1", after, total)
	}
	want := whole.save(t)
	for threads := 1; threads <= 3; threads++ {
		resumed := newTrainer(t, threads)
		resumed.restore(t, saved)
		for resumed.step < total {
			resumed.learn(t)
		}
		if !bytes.Equal(resumed.save(t), want) {
			t.Errorf("resumed at step %d with %d threads: not the same bits", stop, threads)
		}
		early := newTrainer(t, threads)
		for early.step < stop {
			early.learn(t)
		}
		if !bytes.Equal(early.save(t), saved) {
			t.Errorf("%d threads: not the same bits after %d steps", threads, stop)
		}
	}
}
