package lora_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/learn/lora"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/train"
)

const vocabulary = 64

var every = []pass.Role{pass.QueryProj, pass.KeyProj, pass.ValueProj, pass.OutputProj, pass.GateProj, pass.UpProj, pass.DownProj, pass.Unembed}

func decoder(t testing.TB, layers int, kind tensor.DType) *lm.Decoder {
	t.Helper()
	n, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: layers, Width: 64, Heads: 4, KVHeads: 2, HeadDim: 16, MLP: 96,
		Vocabulary: vocabulary, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, kind, 8)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// random returns an adapter that changes something.
func random(t testing.TB, n pass.Net, s lora.Settings, seed uint64) *lora.Adapter {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	a, err := lora.New(n, s, rng)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range a.Weights() {
		x, _ := w.F32()
		for i := range x {
			x[i] = float32(rng.NormFloat64()) / 8
		}
	}
	return a
}

func tokens(seed uint64, n int) []int32 {
	r := rand.New(rand.NewPCG(seed, 9))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = r.Int32N(vocabulary)
	}
	return ids
}

// logits runs sequences in one pass and returns the logits of each.
func logits(t *testing.T, n pass.Net, o pass.Options, seqs ...*pass.Seq) [][]float32 {
	t.Helper()
	eng := pass.NewEngine(n, o)
	defer eng.Close()
	p, err := eng.Begin(seqs...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.End()
	if err := p.Run(context.Background(), 0, eng.Depth()); err != nil {
		t.Fatal(err)
	}
	var rows []int
	for i := range p.Rows() {
		rows = append(rows, i)
	}
	y, err := p.Logits(rows...)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float32
	for _, s := range seqs {
		k := len(s.Tokens) * vocabulary
		all = append(all, slices.Clone(y[:k]))
		y = y[k:]
	}
	return all
}

// Sequences with different adapters and without any, in one pass, each give what they
// give alone on a network with that adapter.
func TestSeveralAdaptersInOneBatch(t *testing.T) {
	base := decoder(t, 3, tensor.Q8_0)
	a := random(t, base, lora.Settings{Rank: 5, Roles: every, RSLoRA: true}, 1)
	b := random(t, base, lora.Settings{Rank: 16, Layers: []int{0, 2}}, 2)
	carries := []*lora.Adapter{a, nil, b, a}
	for _, mode := range []op.Mode{op.Exact, op.Fast} {
		for _, o := range []pass.Options{{Mode: mode, Threads: 1}, {Mode: mode, Threads: 2, Tile: 7}} {
			var seqs []*pass.Seq
			var want [][]float32
			for i, x := range carries {
				ids := tokens(uint64(i), 9+3*i)
				q, n := pass.NewSeq(ids...), pass.Net(base)
				if x != nil {
					q.Adapter = x
					var err error
					if n, err = x.Net(base); err != nil {
						t.Fatal(err)
					}
				}
				seqs = append(seqs, q)
				want = append(want, logits(t, n, pass.Options{Mode: mode}, pass.NewSeq(ids...))[0])
			}
			for i, got := range logits(t, base, o, seqs...) {
				if !slices.Equal(got, want[i]) {
					t.Errorf("%v, %+v: sequence %d is not what it is alone", mode, o, i)
				}
				if plain := logits(t, base, o, pass.NewSeq(seqs[i].Tokens...))[0]; slices.Equal(got, plain) != (carries[i] == nil) {
					t.Errorf("%v: sequence %d and its adapter: equal to the base is %v", mode, i, carries[i] != nil)
				}
			}
		}
	}
}

// A new adapter changes no bit.
func TestBeginsAsNothing(t *testing.T) {
	base := decoder(t, 2, tensor.Q4_0)
	a, err := lora.New(base, lora.Settings{Roles: every}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	over, err := a.Net(base)
	if err != nil {
		t.Fatal(err)
	}
	q := tokens(1, 10)
	if !slices.Equal(logits(t, over, pass.Options{}, pass.NewSeq(q...))[0], logits(t, base, pass.Options{}, pass.NewSeq(q...))[0]) {
		t.Error("a new adapter changes logits")
	}
	if w := a.Weights()[0]; w.Name != "dec.0.q.lora_A" || optim.LayerOf(w.Name) != 0 {
		t.Errorf("weight %q", w.Name)
	}
	x, _ := a.Weights()[0].F32()
	if m := slices.Max(x); m > 0.125 || m < 0.11 || slices.Min(x) > -0.11 { // 1/√64
		t.Errorf("A goes from %v to %v", slices.Min(x), m)
	}
}

// text is lines of a language that is easy to learn: each token is the one before plus
// a step that the line's first token says.
func text() dataset.Set {
	return dataset.Make(256, []int{16}, 0, func(b *dataset.Batch, i int) error {
		ids := make([]int32, 16)
		for j := range ids {
			ids[j] = int32((i + j*(1+i%3)) % vocabulary)
		}
		b.Tokens = append(b.Tokens, ids)
		return nil
	})
}

// run is a training of an adapter on a quantised base.
type run struct {
	base    *lm.Decoder
	a       *lora.Adapter
	loop    *train.Loop
	losses  []float64
	cleanup func()
}

func training(t *testing.T, threads int, dir string, s lora.Settings, mode op.Mode) *run {
	t.Helper()
	r := &run{base: decoder(t, 3, tensor.Q8_0)}
	var err error
	if r.a, err = lora.New(r.base, s, rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	net, err := r.a.Net(r.base)
	if err != nil {
		t.Fatal(err)
	}
	eng := pass.NewEngine(net, pass.Options{Threads: threads, Mode: mode})
	task := lora.Task{Task: &train.Language{Engine: eng, Trained: nn.Train(r.a), Checkpointed: true}, Adapter: r.a}
	data, err := dataset.NewLoader(text(), dataset.Options{Batch: 8, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	opt, err := optim.New(eng.Pool(), optim.AdamW{}, task.Weights())
	if err != nil {
		t.Fatal(err)
	}
	o := train.Options{Steps: 40, SaveEvery: 17, Rate: optim.Constant(0.01), Seed: 3, Progress: func(p train.Progress) { r.losses = append(r.losses, p.Loss) }}
	if dir != "" {
		if o.Checkpoints, err = checkpoint.Open(dir, checkpoint.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if r.loop, err = train.New(task, data, opt, o); err != nil {
		t.Fatal(err)
	}
	r.cleanup = func() { data.Close(); eng.Close() }
	return r
}

func (r *run) weights() [][]float32 {
	var all [][]float32
	for _, w := range r.a.Weights() {
		x, _ := w.F32()
		all = append(all, slices.Clone(x))
	}
	return all
}

// An adapter of a quantised base learns in both modes: the loss falls, the base's bytes
// stay, and the weights are the same bits for any number of threads and after a resume,
// with dropout too.
func TestTraining(t *testing.T) {
	ctx := context.Background()
	s := lora.Settings{Rank: 4, Roles: every, Dropout: 0.1}
	for _, mode := range []op.Mode{op.Exact, op.Fast} {
		whole := training(t, 1, "", s, mode)
		defer whole.cleanup()
		var before [][]byte
		for _, w := range whole.base.Weights() {
			before = append(before, bytes.Clone(w.Bytes()))
		}
		if err := whole.loop.Run(ctx); err != nil {
			t.Fatal(err)
		}
		first, last := whole.losses[0], whole.losses[len(whole.losses)-1]
		t.Logf("%v: loss from %.3f to %.3f", mode, first, last)
		if last > first/2 {
			t.Errorf("%v: the loss went from %v to %v", mode, first, last)
		}
		for i, w := range whole.base.Weights() {
			if !bytes.Equal(w.Bytes(), before[i]) || w.Grad != nil {
				t.Errorf("%s of the base has changed", w.Name)
			}
		}
		dir := t.TempDir()
		half := training(t, 2, dir, s, mode) // saves after 17 steps
		if err := half.loop.RunTo(ctx, 17); err != nil {
			t.Fatal(err)
		}
		half.cleanup()
		rest := training(t, 2, dir, s, mode)
		defer rest.cleanup()
		if at, err := rest.loop.Resume(); err != nil || at != 17 {
			t.Fatalf("resumed at %d: %v", at, err)
		}
		if err := rest.loop.Run(ctx); err != nil {
			t.Fatal(err)
		}
		for i, w := range whole.weights() {
			if !slices.Equal(w, rest.weights()[i]) {
				t.Errorf("%v: %s differs after a resume on two threads", mode, whole.a.Weights()[i].Name)
			}
		}
	}
}

// taped returns how many ops a tape keeps of a loss, and the gradients of an adapter.
func taped(t *testing.T, base *lm.Decoder, a *lora.Adapter, on bool, step uint64) (int, []float32) {
	t.Helper()
	n, q := pass.Net(base), pass.NewSeq(tokens(1, 12)...)
	if on {
		q.Adapter = a
	} else {
		var err error
		if n, err = a.Net(base); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range nn.Train(a) {
		clear(w.Grad)
	}
	eng := pass.NewEngine(n, pass.Options{})
	defer eng.Close()
	c := eng.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	p, err := eng.BeginTaped(c, q)
	if err != nil {
		t.Fatal(err)
	}
	defer p.End()
	if err := p.Run(context.Background(), 0, eng.Depth()); err != nil {
		t.Fatal(err)
	}
	y, err := p.HeadVal("logits", -1)
	if err != nil {
		t.Fatal(err)
	}
	loss := op.CrossEntropy(c, y, []int32{5})
	entries := tape.Len()
	if err := tape.Backward(loss); err != nil {
		t.Fatal(err)
	}
	var all []float32
	for _, w := range a.Weights() {
		all = append(all, w.Grad...)
	}
	return entries, all
}

// Below the first adapter nothing is recorded, and a sequence's adapter has the same
// gradients as an overlay.
func TestRecords(t *testing.T) {
	base := decoder(t, 4, tensor.Q8_0)
	all, _ := taped(t, base, random(t, base, lora.Settings{Roles: every[:7]}, 1), false, 0)
	top := random(t, base, lora.Settings{Roles: every[:7], Layers: []int{3}}, 1)
	one, over := taped(t, base, top, false, 0)
	if 3*one > all {
		t.Errorf("%d ops on the tape with an adapter of the last of 4 layers, and %d with one of all", one, all)
	}
	_, on := taped(t, base, top, true, 0)
	if !slices.Equal(over, on) {
		t.Error("gradients on a sequence are not those of an overlay")
	}
}

func TestErrors(t *testing.T) {
	base := decoder(t, 2, tensor.F32)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		s    lora.Settings
		want string
	}{
		{lora.Settings{Rank: -1}, "lora: rank -1 is not in [1, 4096]"},
		{lora.Settings{Dropout: 1}, "lora: dropout 1 is not in [0, 1)"},
		{lora.Settings{Layers: []int{2}}, "lora: layer 2: the network has 2 (0 to 1)"},
	} {
		if _, err := lora.New(base, c.s, rng); err == nil || err.Error() != c.want {
			t.Errorf("%+v: error %v, want %s", c.s, err, c.want)
		}
	}
	a := random(t, decoder(t, 3, tensor.F32), lora.Settings{}, 1)
	if _, err := a.Net(base); !errors.Is(err, lora.ErrMismatch) || !strings.HasSuffix(err.Error(), "dec.2.q: no such map; dec.2.v: no such map") {
		t.Errorf("error %v", err)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"lora":                         "{8 16 [q v] [] false 0}",
		"lora:rank=4,roles=q+k+q":      "{4 8 [q k] [] false 0}",
		"lora:alpha=3,rslora=true":     "{8 3 [q v] [] true 0}",
		"lora:roles=all,layers=0-2+-1": "{8 16 [q k v o gate up down] [0 1 2 5] false 0}",
		"lora:layers=all,dropout=0.5":  "{8 16 [q v] [] false 0.5}",
	} {
		s, err := lora.Parse(text, 6)
		if got := fmt.Sprint(s); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"dora":                `adapter "dora": want ` + lora.Usage,
		"lora:rank":           `adapter "lora:rank": "rank": want each key once, as in ` + lora.Usage,
		"lora:rank=4,rank=4":  `adapter "lora:rank=4,rank=4": "rank=4": want each key once, as in ` + lora.Usage,
		"lora:rank=0":         `adapter "lora:rank=0": rank=0: less than 1`,
		"lora:rank=5000":      `lora: rank 5000 is not in [1, 4096]`,
		"lora:roles=q+x":      `adapter "lora:roles=q+x": roles=q+x: role "x": not one of q, k, v, o, gate, up, down, unembed, all`,
		"lora:layers=6":       `adapter "lora:layers=6": layers=6: layers "6": want 0-11, 0+4, -1 (the last) or all, within 0 to 5`,
		"lora:colour=red":     `adapter "lora:colour=red": colour=red: no such key; want ` + lora.Usage,
		"lora:dropout=1":      `lora: dropout 1 is not in [0, 1)`,
		"lora:alpha=NaN":      `lora: alpha NaN`,
		"lora:rslora=perhaps": `adapter "lora:rslora=perhaps": rslora=perhaps: strconv.ParseBool: parsing "perhaps": invalid syntax`,
	} {
		if _, err := lora.Parse(text, 6); err == nil || err.Error() != want {
			t.Errorf("%s: error %v\nwant %s", text, err, want)
		}
	}
}
