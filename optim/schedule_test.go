package optim_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/micaml/mica/optim"
)

// The schedules of PyTorch and transformers, step by step.
func TestSchedules(t *testing.T) {
	b, err := os.ReadFile("testdata/schedules.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Cases map[string][]float64 }
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	ours := map[string]optim.Schedule{
		"constant":            optim.Constant(0.3),
		"linear":              optim.Linear{From: 0.3, To: 0.03, Steps: 20},
		"cosine":              optim.Cosine{From: 0.3, To: 0.01, Steps: 40},
		"restarts":            optim.Restarts{From: 0.02, To: 1e-3, Steps: 10},
		"growing_restarts":    optim.Restarts{From: 0.02, Steps: 5, Mult: 2},
		"milestones":          optim.Milestones{From: 0.02, Factor: 0.01, Steps: []int{4, 8, 9}},
		"warm_cosine":         optim.Warmup{From: 0.1, Steps: 10, Then: optim.Cosine{From: 0.3, To: 0.01, Steps: 30}},
		"warm_linear":         optim.Warmup{Steps: 7, Then: optim.Linear{From: 0.3, Steps: 23}},
		"transformers_cosine": optim.Warmup{Steps: 7, Then: optim.Cosine{From: 0.3, Steps: 23}},
		"ramp":                optim.Ramp{To: 0.997, Steps: 40},
	}
	for name, s := range ours {
		if len(f.Cases[name]) == 0 {
			t.Errorf("no case %s", name)
		}
		for step, want := range f.Cases[name] {
			if got := s.At(step); math.Abs(got-want) > 1e-14+1e-12*want {
				t.Errorf("%s at step %d: %v, want %v", name, step, got, want)
			}
		}
	}
	for i, want := range f.Cases["growing"] {
		if got := optim.Growing(0.9).At(i + 1); math.Abs(got-want) > 1e-15 {
			t.Errorf("growing at %d: %v, want %v", i+1, got, want)
		}
	}
}

// What there is no scheduler for: before the start, after the end, nothing to do.
func TestScheduleEdges(t *testing.T) {
	for _, c := range []struct {
		s    optim.Schedule
		step int
		want float64
	}{
		{optim.Linear{From: 1, To: 3}, 0, 3},
		{optim.Linear{From: 1, To: 3, Steps: 4}, -5, 1},
		{optim.Cosine{From: 1, To: 3, Steps: 4}, 1000, 3},
		{optim.Restarts{From: 2}, 7, 2},
		{optim.Restarts{From: 2, Steps: 4}, 1<<62 + 2, 1},
		{optim.Restarts{From: 2, Steps: 1 << 61, Mult: 8}, math.MaxInt, 1},
		{optim.Warmup{Then: optim.Constant(5)}, 0, 5},
		{optim.Ramp{To: 3}, 0, 3},
		{optim.Growing(0.5), 0, 0},
	} {
		got := c.s.At(c.step)
		if math.Abs(got-c.want) > 1e-9 && !(c.step == math.MaxInt && got <= 2 && got >= 0) {
			t.Errorf("%T%+v at %d: %v, want %v", c.s, c.s, c.step, got, c.want)
		}
	}
}
