package optim_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

func one(name string, x ...float32) *op.Weight {
	w := op.NewWeight(name, tensor.FromFloat32(1, len(x), x))
	w.Train()
	return w
}

// An average of a weight that is 1, 2, 3 ..., by the formula in float64.
func TestAverage(t *testing.T) {
	for name, decay := range map[string]optim.Schedule{
		"constant": optim.Constant(0.9), "ramp": optim.Ramp{To: 0.997, Steps: 5}, "growing": optim.Growing(0.8),
	} {
		w := one("w", 0, 0)
		a, err := optim.NewAverage(nil, decay, []*op.Weight{w})
		if err != nil {
			t.Fatal(err)
		}
		x, _ := w.F32()
		want := 0.0
		for n := 1; n <= 12; n++ {
			x[0] = float32(n)
			a.Update()
			d := decay.At(n)
			want = d*want + (1-d)*float64(n)
			if got := a.State().Slots[0].Data[0]; math.Abs(float64(got)-want) > 1e-6*want {
				t.Errorf("%s: %v after %d updates, want %v", name, got, n, want)
			}
			if name == "growing" && n <= 5 && math.Abs(want-float64(n+1)/2) > 1e-12 {
				t.Errorf("growing: %v is not the mean of 1 to %d", want, n)
			}
		}
	}
}

func TestAverageWith(t *testing.T) {
	w := one("w", 1, 2)
	a, err := optim.NewAverage(nil, optim.Constant(0.5), []*op.Weight{w})
	if err != nil {
		t.Fatal(err)
	}
	o := newOptimizer(t, nil, optim.SGD{}, []*op.Weight{w})
	w.Grad[0] = 2
	o.Step(1) // to -1
	a.Update()
	failed := errors.New("failed")
	err = a.With(func() error {
		if x, _ := w.F32(); !slices.Equal(x, []float32{0, 2}) {
			t.Errorf("with: %v, want 0 and 2", x)
		}
		return failed
	})
	if err != failed {
		t.Errorf("error %v", err)
	}
	if x, _ := w.F32(); !slices.Equal(x, []float32{-1, 2}) {
		t.Errorf("after: %v, want -1 and 2", x)
	}
	o.Step(1)
	if x, _ := w.F32(); x[0] != -3 {
		t.Errorf("the optimizer went on from %v", x[0]+2)
	}
}

// The same bits for any number of threads, and after a resume.
func TestAverageAndSumResume(t *testing.T) {
	run := func(p *par.Pool, stop int) []uint32 {
		w := weights()
		parts := func() (*optim.Average, *optim.Sum) {
			a, err := optim.NewAverage(p, optim.Growing(0.9), w)
			if err != nil {
				t.Fatal(err)
			}
			s, err := optim.NewSum(p, w)
			if err != nil {
				t.Fatal(err)
			}
			return a, s
		}
		a, s := parts()
		o := newOptimizer(t, p, optim.AdamW{Bytes: true}, w)
		for step := range 12 {
			if step == stop { // in the middle of a sum
				old, oldSum := a.State(), s.State()
				a, s = parts()
				if err := a.Restore(old); err != nil {
					t.Fatal(err)
				}
				if err := s.Restore(oldSum); err != nil {
					t.Fatal(err)
				}
			}
			for i, w := range w {
				for j := range w.Grad {
					w.Grad[j] += float32(math.Sin(float64(step*7 + i*3 + j)))
				}
			}
			s.Add()
			if s.Len() == 3 {
				s.Mean()
				o.Step(0.1)
				o.Zero()
				a.Update()
			}
		}
		all := bits(w)
		for _, x := range a.State().Slots {
			for _, v := range x.Data {
				all = append(all, math.Float32bits(v))
			}
		}
		return all
	}
	want := run(nil, -1)
	for _, threads := range []int{1, 2, 5} {
		p := par.New(threads)
		defer p.Close()
		if !slices.Equal(run(p, 7), want) {
			t.Errorf("%d threads and a resume give other bits", threads)
		}
	}
}

func TestSum(t *testing.T) {
	w := one("w", 0, 0)
	s, err := optim.NewSum(nil, []*op.Weight{w})
	if err != nil {
		t.Fatal(err)
	}
	// 2^24 + 1 + 1 in order: each 1 is lost; as a whole, 1+1 is not.
	for _, g := range []float32{1, 1, 1 << 24} {
		w.Grad[0], w.Grad[1] = g, -g
		s.Add()
		if w.Grad[0] != 0 {
			t.Error("Add leaves a gradient")
		}
	}
	s.Take(0.5)
	if want := []float32{1<<23 + 1, -(1<<23 + 1)}; !slices.Equal(w.Grad, want) {
		t.Errorf("gradient %v, want %v", w.Grad, want)
	}
	if s.Len() != 0 {
		t.Error("Take begins no new sum")
	}
	w.Grad[0] = 6
	s.Add()
	w.Grad[0] = 3
	s.Add()
	s.Mean()
	if w.Grad[0] != 4.5 {
		t.Errorf("mean %v, want 4.5", w.Grad[0])
	}
	s.Mean()
	if w.Grad[0] != 0 {
		t.Errorf("mean of nothing is %v", w.Grad[0])
	}
}

func TestPartErrors(t *testing.T) {
	w := weights()
	a, err := optim.NewAverage(nil, optim.Constant(1), w)
	if err != nil {
		t.Fatal(err)
	}
	s, err := optim.NewSum(nil, w)
	if err != nil {
		t.Fatal(err)
	}
	frozen := op.NewWeight("frozen", tensor.FromFloat32(1, 1, []float32{0}))
	for want, f := range map[string]func() error{
		`average: optim: state "w0/average" is missing`:                              func() error { return a.Restore(optim.State{}) },
		`sum: optim: state after -1 steps`:                                           func() error { return s.Restore(optim.State{Steps: -1}) },
		`optim: two weights are called "w0"`:                                         func() error { _, err := optim.NewAverage(nil, nil, []*op.Weight{w[0], w[0]}); return err },
		`optim: weight "frozen" has 1 numbers and a gradient of 0: call Train first`: func() error { _, err := optim.NewSum(nil, []*op.Weight{frozen}); return err },
	} {
		if err := f(); fmt.Sprint(err) != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// A weight whose storage is replaced is trained on from there.
func TestReplacedStorage(t *testing.T) {
	w := one("w", 1, 1)
	o := newOptimizer(t, nil, optim.SGD{}, []*op.Weight{w})
	w.Grad[0] = 1
	o.Step(1)
	x := []float32{10, 20}
	w.Storage = tensor.FromFloat32(1, 2, x)
	o.Step(1)
	if got, _ := w.F32(); !slices.Equal(got, []float32{9, 20}) || x[0] != 10 {
		t.Errorf("weight %v, want 9 and 20, and %v left alone", got, x)
	}
	w.Storage = tensor.FromFloat32(1, 3, make([]float32, 3))
	if err := o.Restore(o.State()); fmt.Sprint(err) != `optim: weight "w" of F32 1 x 2 has become F32 1 x 3` {
		t.Errorf("error %v", err)
	}
}

// A step allocates nothing.
func TestNoAllocation(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	forEachRule(t, func(t *testing.T, r optim.Rule) {
		w := weights()
		o := newOptimizer(t, p, r, w)
		a, err := optim.NewAverage(p, optim.Ramp{To: 0.9, Steps: 3}, w)
		if err != nil {
			t.Fatal(err)
		}
		s, err := optim.NewSum(p, w)
		if err != nil {
			t.Fatal(err)
		}
		var rate optim.Schedule = optim.Warmup{Steps: 2, Then: optim.Restarts{From: 1, Steps: 3, Mult: 2}}
		n := testing.AllocsPerRun(20, func() {
			s.Add()
			s.Mean()
			optim.Clip(1, o)
			o.Step(rate.At(7))
			o.Zero()
			a.Update()
		})
		if n != 0 {
			t.Errorf("%v allocations a step", n)
		}
	})
}
