package trial_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/dataset/trial"
)

func read(t *testing.T, task trial.Task, n int, seed uint64) dataset.Batch {
	t.Helper()
	s, err := task.Set(n, seed)
	if err != nil {
		t.Fatal(err)
	}
	index := make([]int, n)
	for i := range index {
		index[i] = i
	}
	var b dataset.Batch
	if err := s.Read(&b, index); err != nil {
		t.Fatal(err)
	}
	return b
}

func made(t *testing.T) func(task trial.Task, err error) trial.Task {
	return func(task trial.Task, err error) trial.Task {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return task
	}
}

// near is within four standard errors of a share.
func near(t *testing.T, what string, got, want float64, n int) {
	t.Helper()
	if d := 4 * math.Sqrt(want*(1-want)/float64(n)); math.Abs(got-want) > d {
		t.Errorf("%s: %v, want %v ± %v", what, got, want, d)
	}
}

// The best observer of the stimuli is right by chance without coherence, and as often as
// its normal distribution says with one.
func TestPerceptual(t *testing.T) {
	const n, sd = 20000, 0.1
	for _, c := range []struct{ coherence, right float64 }{
		// The sum of seven differences has the mean 7c and the deviation sd sqrt(14).
		{0, 0.5}, {6.4, phi(7 * 0.064 / (sd * math.Sqrt(14)))}, {12.8, phi(7 * 0.128 / (sd * math.Sqrt(14)))},
	} {
		b := read(t, made(t)(trial.Perceptual(sd, c.coherence)), n, 3)
		right, ones := 0.0, 0.0
		for i, label := range b.Labels {
			x, sum := b.X[i*24:(i+1)*24], float32(0)
			for step := range 7 {
				if x[3*step] != 1 {
					t.Fatal("no fixation")
				}
				sum += x[3*step+1] - x[3*step+2]
			}
			if x[21] != 0 || x[22] != 0 || x[23] != 0 {
				t.Fatal("the decision step shows something")
			}
			if (sum > 0) == (label == 1) {
				right++
			}
			if label == 1 {
				ones++
			} else if label != 2 {
				t.Fatalf("label %d", label)
			}
		}
		near(t, "right", right/n, c.right, n)
		near(t, "label 1", ones/n, 0.5, n)
	}
}

func phi(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

func TestMatch(t *testing.T) {
	const n = 5000
	b := read(t, made(t)(trial.Match(0)), n, 4)
	same := 0.0
	count := map[[2]int]int{}
	for i, label := range b.Labels {
		x := b.X[i*24 : (i+1)*24]
		which := func(step int) int {
			if x[3*step+1]+x[3*step+2] != 1 {
				t.Fatalf("step %d shows %v", step, x[3*step:3*step+3])
			}
			return int(x[3*step+2])
		}
		a, z := which(0), which(6)
		if (a == z) != (label == 1) {
			t.Fatalf("sample %d, test %d and the label %d", a, z, label)
		}
		for step := 1; step < 6; step++ {
			if x[3*step] != 1 || x[3*step+1] != 0 || x[3*step+2] != 0 {
				t.Fatalf("delay %v", x[3*step:3*step+3])
			}
		}
		if x[21] != 0 || x[22] != 0 || x[23] != 0 {
			t.Fatal("the decision step shows something")
		}
		if label == 1 {
			same++
		}
		count[[2]int{a, z}]++
	}
	near(t, "match", same/n, 0.5, n)
	for _, c := range count {
		near(t, "pair", float64(c)/n, 0.25, n)
	}
	if len(count) != 4 {
		t.Errorf("pairs %v", count)
	}
	// Noise comes with the stimuli alone.
	b = read(t, made(t)(trial.Match(0.1)), 1, 4)
	if b.X[1] == 0 || b.X[2] == 0 || b.X[4] != 0 {
		t.Errorf("%v", b.X)
	}
}

func TestContext(t *testing.T) {
	const n = 20000
	b := read(t, made(t)(trial.Context(0)), n, 5)
	agree, first := 0.0, 0.0
	coherences := map[int]int{}
	for i, label := range b.Labels {
		x := b.X[i*56 : (i+1)*56]
		context := 0
		if x[6] == 1 {
			context = 1
		}
		if x[0] != 1 || x[5]+x[6] != 1 {
			t.Fatalf("%v", x[:7])
		}
		choice := func(m int) int32 {
			d := x[1+2*m] - x[2+2*m]
			coherences[int(math.Round(100*math.Abs(float64(d))))]++
			if d > 0 {
				return 1
			}
			return 2
		}
		if choice(context) != label {
			t.Fatalf("context %d, stimuli %v, label %d", context, x[1:5], label)
		}
		if choice(1-context) == label {
			agree++
		}
		if context == 0 {
			first++
		}
		for step := 2; step < 7; step++ {
			want := make([]float32, 7)
			want[0], want[5+context] = 1, 1
			if !reflect.DeepEqual(x[7*step:7*step+7], want) {
				t.Fatalf("delay %v", x[7*step:7*step+7])
			}
		}
		if !reflect.DeepEqual(x[49:], make([]float32, 7)) {
			t.Fatal("the decision step shows something")
		}
	}
	near(t, "the other modality agrees", agree/n, 0.5, n)
	near(t, "context", first/n, 0.5, n)
	if len(coherences) != 3 {
		t.Errorf("coherences %v", coherences)
	}
	for _, c := range []int{5, 15, 50} {
		near(t, "coherence", float64(coherences[c])/(2*n), 1.0/3, 2*n)
	}
}

// A trial depends on the seed and its place alone.
func TestTrialsByIndex(t *testing.T) {
	task := made(t)(trial.Context(0.1))
	all := read(t, task, 20, 8)
	s, err := task.Set(20, 8)
	if err != nil {
		t.Fatal(err)
	}
	var b dataset.Batch
	for _, i := range []int{13, 2} {
		if err := s.Read(&b, []int{i}); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(b.X, append(append([]float32(nil), all.X[13*56:14*56]...), all.X[2*56:3*56]...)) || b.Labels[0] != all.Labels[13] || !reflect.DeepEqual(b.Index, []int{13, 2}) {
		t.Error("a trial alone differs from the same one in a batch")
	}
	if other := read(t, task, 20, 9); reflect.DeepEqual(other.X, all.X) {
		t.Error("another seed draws the same")
	}
	for _, i := range []int{-1, 20} {
		if err := s.Read(&b, []int{i}); !errors.Is(err, dataset.ErrIndex) {
			t.Errorf("trial %d: %v", i, err)
		}
	}
}

func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		want string
		f    func() error
	}{
		{"trial: no coherences", func() error { _, err := trial.Perceptual(0.1); return err }},
		{"trial: a coherence of 101 % is not in [0, 100]", func() error { _, err := trial.Perceptual(0.1, 5, 101); return err }},
		{"trial: a coherence of NaN % is not in [0, 100]", func() error { _, err := trial.Perceptual(0.1, math.NaN()); return err }},
		{"trial: a noise of -1", func() error { _, err := trial.Perceptual(-1, 5); return err }},
		{"trial: a noise of NaN", func() error { _, err := trial.Match(math.NaN()); return err }},
		{"trial: a noise of +Inf", func() error { _, err := trial.Context(math.Inf(1)); return err }},
		{`trial: 3 trials of task ""`, func() error { _, err := trial.Task{}.Set(3, 1); return err }},
		{`trial: 0 trials of task "DMS"`, func() error { _, err := made(t)(trial.Match(0)).Set(0, 1); return err }},
	} {
		if err := c.f(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}
