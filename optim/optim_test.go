package optim_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// rules are all of them, with settings that use every part.
var rules = []optim.Rule{
	optim.SGD{}, optim.SGD{Decay: 0.1}, optim.SGD{Momentum: 0.9, Decay: 0.1}, optim.SGD{Momentum: 0.9, Nesterov: true},
	optim.Adam{}, optim.Adam{Beta1: 0.8, Beta2: 0.9, Eps: 1e-6, Decay: 0.1}, optim.AdamW{Decay: 0.1},
	optim.Adam{Bytes: true}, optim.AdamW{Decay: 0.1, Bytes: true},
}

func forEachRule(t *testing.T, f func(t *testing.T, r optim.Rule)) {
	for _, r := range rules {
		t.Run(fmt.Sprintf("%T%+v", r, r), func(t *testing.T) { f(t, r) })
	}
}

// weights are some small ones and one of several cuts.
func weights() []*op.Weight {
	r := rand.New(rand.NewPCG(1, 2))
	var all []*op.Weight
	for i, n := range [][2]int{{3, 5}, {1, 1}, {1, 33}, {7, 7001}} {
		x := make([]float32, n[0]*n[1])
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		w := op.NewWeight(fmt.Sprint("w", i), tensor.FromFloat32(n[0], n[1], x))
		w.Train()
		all = append(all, w)
	}
	return all
}

// train takes steps from one on; the gradients depend on the step alone.
func train(o *optim.Optimizer, w []*op.Weight, from, to int, lr float64) {
	for step := from; step < to; step++ {
		r := rand.New(rand.NewPCG(uint64(step), 3))
		o.Zero()
		for _, w := range w {
			for i := range w.Grad {
				w.Grad[i] += float32(r.NormFloat64())
			}
		}
		optim.Clip(100, o) // their norm is about 220
		o.Step(lr)
	}
}

func newOptimizer(t *testing.T, p *par.Pool, r optim.Rule, w []*op.Weight) *optim.Optimizer {
	t.Helper()
	o, err := optim.New(p, r, w)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func bits(w []*op.Weight) []uint32 {
	var all []uint32
	for _, w := range w {
		x, _ := w.F32()
		for _, v := range x {
			all = append(all, math.Float32bits(v))
		}
	}
	return all
}

func TestThreadsDontMatter(t *testing.T) {
	forEachRule(t, func(t *testing.T, r optim.Rule) {
		var want []uint32
		for _, threads := range []int{1, 2, 5} {
			p := par.New(threads)
			defer p.Close()
			w := weights()
			train(newOptimizer(t, p, r, w), w, 0, 4, 0.1)
			if got := bits(w); want == nil {
				want = got
			} else if !slices.Equal(got, want) {
				t.Errorf("%d threads give other bits", threads)
			}
		}
	})
}

func TestResume(t *testing.T) {
	forEachRule(t, func(t *testing.T, r optim.Rule) {
		w := weights()
		straight := newOptimizer(t, nil, r, w)
		train(straight, w, 0, 5, 0.1)

		v := weights()
		first := newOptimizer(t, nil, r, v)
		train(first, v, 0, 2, 0.1)
		state := first.State()
		if state.Steps != 2 {
			t.Errorf("%d steps in the state", state.Steps)
		}
		for i := range state.Slots { // a checkpoint is a copy, in any order
			state.Slots[i].Data, state.Slots[i].Bytes = slices.Clone(state.Slots[i].Data), slices.Clone(state.Slots[i].Bytes)
		}
		slices.Reverse(state.Slots)
		second := newOptimizer(t, nil, r, v)
		if err := second.Restore(state); err != nil {
			t.Fatal(err)
		}
		train(second, v, 2, 5, 0.1)
		if !slices.Equal(bits(v), bits(w)) {
			t.Error("resumed training gives other bits")
		}
		a, b := straight.State(), second.State()
		for i := range a.Slots {
			if a.Slots[i].Name != b.Slots[i].Name || !slices.Equal(a.Slots[i].Data, b.Slots[i].Data) || !slices.Equal(a.Slots[i].Bytes, b.Slots[i].Bytes) {
				t.Errorf("state %s differs", a.Slots[i].Name)
			}
		}
	})
}

func TestNoRateNoChange(t *testing.T) {
	forEachRule(t, func(t *testing.T, r optim.Rule) {
		w := weights()
		before := bits(w)
		train(newOptimizer(t, nil, r, w), w, 0, 3, 0)
		if !slices.Equal(bits(w), before) {
			t.Error("a learning rate of 0 changes weights")
		}
	})
}

func TestStateNames(t *testing.T) {
	for _, c := range []struct {
		rule optim.Rule
		want string
	}{
		{optim.SGD{}, ""},
		{optim.SGD{Momentum: 0.5}, "w0/velocity w1/velocity w2/velocity w3/velocity"},
		{optim.AdamW{}, "w0/mean w0/square w1/mean w1/square w2/mean w2/square w3/mean w3/square"},
	} {
		var names []string
		for _, s := range newOptimizer(t, nil, c.rule, weights()).State().Slots {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%T: state %q, want %q", c.rule, got, c.want)
		}
	}
}

// The numbers that a weight was made of are not written: they may be a file's.
func TestStorageIsLeftAlone(t *testing.T) {
	x := []float32{1, 2}
	w := op.NewWeight("w", tensor.FromFloat32(1, 2, x))
	w.Train()
	o := newOptimizer(t, nil, optim.SGD{}, []*op.Weight{w})
	w.Grad[0], w.Grad[1] = 1, 2
	o.Step(0.5)
	if got, _ := w.F32(); !slices.Equal(got, []float32{0.5, 1}) {
		t.Errorf("weight %v", got)
	}
	if !slices.Equal(x, []float32{1, 2}) {
		t.Errorf("the storage's own numbers became %v", x)
	}
}

func TestClip(t *testing.T) {
	two := func() (*optim.Optimizer, *op.Weight) {
		w := op.NewWeight("w", tensor.FromFloat32(1, 2, []float32{0, 0}))
		w.Train()
		return newOptimizer(t, nil, optim.SGD{}, []*op.Weight{w}), w
	}
	a, v := two()
	b, w := two()
	v.Grad[0], w.Grad[1] = 3, 4
	if n := optim.Clip(1, a, b); n != 5 {
		t.Errorf("norm %v, want 5", n)
	}
	a.Step(1)
	b.Step(1)
	x, _ := v.F32()
	y, _ := w.F32()
	if math.Abs(float64(x[0])+0.6) > 1e-6 || math.Abs(float64(y[1])+0.8) > 1e-6 {
		t.Errorf("steps of %v and %v, want 0.6 and 0.8", x, y)
	}
	if v.Grad[0] != 3 {
		t.Error("Clip changed a gradient")
	}
	a.Step(1) // clipped once only
	if x, _ := v.F32(); math.Abs(float64(x[0])+3.6) > 1e-6 {
		t.Errorf("after another step %v, want -3.6", x[0])
	}
	if n := optim.Clip(10, a); n != 3 {
		t.Errorf("norm %v, want 3", n)
	}
	v.Grad[1] = float32(math.NaN())
	if n := optim.Clip(1, a); n == n {
		t.Errorf("norm of a NaN is %v", n)
	}
}

func TestErrors(t *testing.T) {
	half, err := tensor.NewStorage(tensor.F16, 1, 2, make([]byte, 4))
	if err != nil {
		t.Fatal(err)
	}
	frozen := op.NewWeight("frozen", tensor.FromFloat32(1, 2, make([]float32, 2)))
	twice := weights()
	twice[1].Name = "w0"
	for want, f := range map[string]func() error{
		`"h" is F16`:       func() error { _, err := optim.New(nil, optim.SGD{}, []*op.Weight{op.NewWeight("h", half)}); return err },
		`gradient of 0`:    func() error { _, err := optim.New(nil, optim.SGD{}, []*op.Weight{frozen}); return err },
		`two weights`:      func() error { _, err := optim.New(nil, optim.SGD{}, twice); return err },
		`momentum 1`:       func() error { _, err := optim.New(nil, optim.SGD{Momentum: 1}, nil); return err },
		`needs a momentum`: func() error { _, err := optim.New(nil, optim.SGD{Nesterov: true}, nil); return err },
		`betas 2`:          func() error { _, err := optim.New(nil, optim.Adam{Beta1: 2}, nil); return err },
		`eps -1`:           func() error { _, err := optim.New(nil, optim.AdamW{Eps: -1}, nil); return err },
		`is missing`:       func() error { return restore(t, func(s *optim.State) { s.Slots = s.Slots[1:] }) },
		`is there twice`:   func() error { return restore(t, func(s *optim.State) { s.Slots[1].Name = s.Slots[0].Name }) },
		`has 1 numbers`:    func() error { return restore(t, func(s *optim.State) { s.Slots[0].Data = s.Slots[0].Data[:1] }) },
		`after -1 steps`:   func() error { return restore(t, func(s *optim.State) { s.Steps = -1 }) },
		`belongs to no wei`: func() error {
			return restore(t, func(s *optim.State) { s.Slots = append(s.Slots, optim.Slot{Name: "x"}) })
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func restore(t *testing.T, spoil func(s *optim.State)) error {
	o := newOptimizer(t, nil, optim.SGD{Momentum: 0.9}, weights())
	s := o.State()
	spoil(&s)
	return o.Restore(s)
}

func BenchmarkStep(b *testing.B) {
	const n = 1 << 20
	for _, r := range []optim.Rule{optim.SGD{Momentum: 0.9}, optim.AdamW{Decay: 0.1}, optim.AdamW{Decay: 0.1, Bytes: true}} {
		b.Run(fmt.Sprintf("%T%+v", r, r), func(b *testing.B) {
			p := par.New(0)
			defer p.Close()
			var all []*op.Weight
			for i := range 8 {
				w := op.NewWeight(fmt.Sprint(i), tensor.FromFloat32(1024, n/1024, make([]float32, n)))
				w.Train()
				all = append(all, w)
			}
			o, err := optim.New(p, r, all)
			if err != nil {
				b.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 2))
			for _, w := range all {
				for i := range w.Grad {
					w.Grad[i] = float32(r.NormFloat64())
				}
			}
			b.SetBytes(8 * n * 28)
			for b.Loop() {
				o.Step(0.1)
			}
		})
	}
}
