package optim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// AdamW in bytes takes bitsandbytes' steps. Where float32 rounds otherwise a number
// may go to the next code; that is rare, and moves a weight by little.
func TestBitsandbytes(t *testing.T) {
	b, err := os.ReadFile("testdata/bytes.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Args struct {
			LR, Eps float64
			Betas   [2]float64
			Decay   float64 `json:"weight_decay"`
		}
		After []struct {
			Step         int
			Weight       array
			Mean, Square string
			MeanScale    array `json:"mean_scale"`
			SquareScale  array `json:"square_scale"`
		}
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	const n = 5000
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i*31%997-498) / 512
	}
	w := op.NewWeight("w", tensor.FromFloat32(1, n, x))
	w.Train()
	a := f.Args
	o := newOptimizer(t, nil, optim.AdamW{Beta1: a.Betas[0], Beta2: a.Betas[1], Eps: a.Eps, Decay: a.Decay, Bytes: true}, []*op.Weight{w})
	step := 0
	for _, want := range f.After {
		for step < want.Step {
			step++
			for i := range w.Grad {
				k := (i*7919+step*104729)%2003 - 1001
				if k == 0 {
					k = 1
				}
				w.Grad[i] = float32(k) / 1024 * float32(math.Pow(2, float64(i/256%5-2)))
			}
			o.Step(a.LR)
		}
		state := map[string]optim.Slot{}
		for _, s := range o.State().Slots {
			state[s.Name] = s
		}
		others := 0
		for slot, codes := range map[string]string{"w/mean": want.Mean, "w/square": want.Square} {
			ref := decode[uint8](t, codes)
			for i, c := range state[slot].Bytes {
				if d := int(c) - int(ref[i]); d != 0 {
					others++
					if d*d > 1 {
						t.Errorf("step %d: %s[%d] is %d, want %d", step, slot, i, c, ref[i])
					}
				}
			}
		}
		for slot, scales := range map[string]array{"w/mean.scale": want.MeanScale, "w/square.scale": want.SquareScale} {
			for i, v := range decode[float32](t, scales.F32) {
				if got := state[slot].Data[i]; math.Abs(float64(got-v)) > 2e-6*float64(v) {
					t.Errorf("step %d: %s[%d] is %v, want %v", step, slot, i, got, v)
				}
			}
		}
		got, _ := w.F32()
		off, worst := 0, 0.0
		for i, v := range decode[float32](t, want.Weight.F32) {
			d := math.Abs(float64(got[i] - v))
			worst = max(worst, d)
			if d > 1e-6 {
				off++
			}
		}
		t.Logf("step %d: of %d codes %d differ by one; the worst weight is off by %.2g, %d by over 1e-6", step, 2*n, others, worst, off)
		if others > n/500 || off > n/250 || worst > 0.02*a.LR {
			t.Errorf("step %d: too many", step)
		}
	}
}

// In bytes training comes to the same loss.
func TestBytesTrainAsWell(t *testing.T) {
	for seed := range uint64(3) {
		full, small := fit(t, seed, optim.AdamW{Decay: 0.01}), fit(t, seed, optim.AdamW{Decay: 0.01, Bytes: true})
		t.Logf("seed %d: loss %.5f in float32, %.5f in bytes", seed, full, small)
		if math.Abs(small-full) > 0.1*full {
			t.Errorf("seed %d: loss %v in bytes, %v in float32", seed, small, full)
		}
	}
}

// fit trains a student of two layers on what a teacher says, and returns its mean
// loss on the last steps.
func fit(t *testing.T, seed uint64, rule optim.Rule) float64 {
	const in, hidden, rows, steps, last = 64, 96, 16, 800, 100
	r := rand.New(rand.NewPCG(seed, 5))
	matrix := func(name string, out, in int) *op.Weight {
		x := make([]float32, out*in)
		for i := range x {
			x[i] = float32(r.NormFloat64() / math.Sqrt(float64(in)))
		}
		return op.NewWeight(name, tensor.FromFloat32(out, in, x))
	}
	net := func(c *op.Ctx, w []*op.Weight, x op.Val) op.Val {
		return op.Linear(c, op.Tanh(c, op.Linear(c, x, w[0])), w[1])
	}
	teacher := []*op.Weight{matrix("t0", hidden, in), matrix("t1", 8, hidden)}
	student := []*op.Weight{matrix("s0", hidden, in), matrix("s1", 8, hidden)}
	for _, w := range student {
		w.Train()
	}
	o := newOptimizer(t, nil, rule, student)
	rate := optim.Warmup{Steps: 50, Then: optim.Cosine{From: 0.01, To: 0.001, Steps: steps - 50}}
	c := op.NewCtx(op.Exact, nil)
	sum := 0.0
	for step := range steps {
		x := make([]float32, rows*in)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		tape := grad.Start(c)
		v := c.From(x, rows, in)
		loss := op.MSE(c, net(c, student, v), net(c, teacher, v))
		if err := tape.Backward(loss); err != nil {
			t.Fatal(err)
		}
		if step >= steps-last {
			sum += float64(c.Data(loss)[0]) / last
		}
		tape.End()
		o.Step(rate.At(step))
		o.Zero()
	}
	return sum
}

// Small weights and those of other rules stay in float32.
func TestBytesSlots(t *testing.T) {
	var names []string
	for _, s := range newOptimizer(t, nil, optim.AdamW{Bytes: true}, weights()[2:]).State().Slots {
		names = append(names, fmt.Sprint(s.Name, " ", len(s.Data), "+", len(s.Bytes)))
	}
	want := []string{"w2/mean 33+0", "w2/square 33+0", "w3/mean 0+49007", "w3/mean.scale 192+0", "w3/square 0+49007", "w3/square.scale 192+0"}
	if !slices.Equal(names, want) {
		t.Errorf("state %q, want %q", names, want)
	}
}

// Gradients of nothing, of very different size and of NaN.
func TestBytesExtremes(t *testing.T) {
	const n = 8192
	w := op.NewWeight("w", tensor.FromFloat32(1, n, make([]float32, n)))
	w.Train()
	o := newOptimizer(t, nil, optim.Adam{Bytes: true}, []*op.Weight{w})
	o.Step(1)
	x, _ := w.F32()
	for i := range x {
		if x[i] != 0 {
			t.Fatalf("a gradient of 0 moves a weight to %v", x[i])
		}
	}
	// Steps are bounded also where a number is a millionth of its neighbour's.
	for i := range w.Grad {
		w.Grad[i] = 1e-6
		if i%256 == 0 {
			w.Grad[i] = 1
		}
	}
	o.Step(0.1)
	o.Zero()
	for range 5 {
		before := slices.Clone(x)
		o.Step(0.1)
		x, _ = w.F32()
		for i := range x {
			if d := math.Abs(float64(x[i] - before[i])); !(d <= 0.2) {
				t.Fatalf("a weight moves by %v at a rate of 0.1", d)
			}
		}
	}
	// A NaN is not hidden.
	w.Grad[300] = float32(math.NaN())
	o.Step(0.1)
	o.Zero()
	o.Step(0.1)
	if x, _ := w.F32(); x[300] == x[300] || x[0] != x[0] {
		t.Errorf("after a NaN: %v, in another block %v", x[300], x[0])
	}
}

func TestBytesAreCopied(t *testing.T) {
	w := weights()[3:]
	o := newOptimizer(t, nil, optim.AdamW{Bytes: true}, w)
	train(o, w, 0, 2, 0.1)
	s := o.State()
	kept := bytes.Clone(s.Slots[0].Bytes)
	other := newOptimizer(t, nil, optim.AdamW{Bytes: true}, weights()[3:])
	if err := other.Restore(s); err != nil {
		t.Fatal(err)
	}
	train(o, w, 2, 3, 0.1)
	if !bytes.Equal(other.State().Slots[0].Bytes, kept) {
		t.Error("Restore took the slice and not its bytes")
	}
	s.Slots[0].Bytes = s.Slots[0].Bytes[:1]
	if err := other.Restore(s); err == nil || err.Error() != `optim: state "w3/mean" has 1 bytes, want 49007` {
		t.Errorf("error %v", err)
	}
}
