// Package trial makes trials of tasks from neuroscience, which are synthetic: a network
// sees stimuli, step by step, and says at the last step what it decides.
//
// The timing is that of 100 ms steps in Liu et al. 2023 (arXiv 2310.08513), whose trials
// come from neurogym. A trial is an example [Steps, Inputs], and its label the decision, 1
// or 2. Before the last step the right output is 0: to fixate. [Targets] has all steps.
package trial

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/micaml/mica/dataset"
)

// Task draws trials.
type Task struct {
	Name                   string
	Steps, Inputs, Outputs int
	draw                   func(rng *rand.Rand, x []float32) int32 // x is zeros, [Steps, Inputs]
}

// Perceptual is the two-alternative decision: over seven steps, which of two noisy
// stimuli is stronger? They are (1 ± c/100)/2, and the coherence c is drawn from a list.
// Inputs: fixation and the stimuli; at the eighth step all are 0. noise is the deviation
// of a stimulus at a step.
func Perceptual(noise float64, coherences ...float64) (Task, error) {
	if len(coherences) == 0 {
		return Task{}, errors.New("trial: no coherences")
	}
	for _, c := range coherences {
		if !(c >= 0 && c <= 100) {
			return Task{}, fmt.Errorf("trial: a coherence of %v %% is not in [0, 100]", c)
		}
	}
	return Task{"2AF", 8, 3, 3, func(rng *rand.Rand, x []float32) int32 {
		label, c := int32(1+rng.IntN(2)), coherences[rng.IntN(len(coherences))]/100
		for t := range 7 {
			x[3*t] = 1
			pair(rng, x[3*t+1:3*t+3], label, c, noise)
		}
		return label
	}}, checkNoise(noise)
}

// Match is the delayed match to sample: one step of a sample, one of two; five steps of
// delay; one of a test, which is the same (1) or the other (2); the decision. Inputs:
// fixation and the two stimuli, 1 for the one that is shown.
func Match(noise float64) (Task, error) {
	return Task{"DMS", 8, 3, 3, func(rng *rand.Rand, x []float32) int32 {
		label, sample := int32(1+rng.IntN(2)), rng.IntN(2)
		shown := [7]int{0: sample, 6: (sample + int(label) - 1) % 2}
		for t := range 7 {
			x[3*t] = 1
			if t != 0 && t != 6 {
				continue
			}
			x[3*t+1+shown[t]] = 1
			for i := range 2 {
				x[3*t+1+i] += float32(noise * rng.NormFloat64())
			}
		}
		return label
	}}, checkNoise(noise)
}

// Context is the decision by context: two steps of two pairs of stimuli, one pair of each
// modality, each as in [Perceptual] with a coherence of 5, 15 or 50 %; five steps of
// delay; the decision, which is about the modality that the context names. Inputs:
// fixation, four stimuli, two contexts of which one is 1 until the decision.
func Context(noise float64) (Task, error) {
	coherences := [3]float64{0.05, 0.15, 0.5}
	return Task{"CXT", 8, 7, 3, func(rng *rand.Rand, x []float32) int32 {
		context := rng.IntN(2)
		var labels [2]int32
		var cs [2]float64
		for m := range 2 {
			labels[m], cs[m] = int32(1+rng.IntN(2)), coherences[rng.IntN(3)]
		}
		for t := range 7 {
			x[7*t], x[7*t+5+context] = 1, 1
			for m := 0; t < 2 && m < 2; m++ {
				pair(rng, x[7*t+1+2*m:7*t+3+2*m], labels[m], cs[m], noise)
			}
		}
		return labels[context]
	}}, checkNoise(noise)
}

// pair writes two stimuli of which the label's is the stronger.
func pair(rng *rand.Rand, x []float32, label int32, coherence, noise float64) {
	for i := range 2 {
		sign := -1.0
		if i == int(label)-1 {
			sign = 1
		}
		x[i] = float32((1+sign*coherence)/2 + noise*rng.NormFloat64())
	}
}

func checkNoise(noise float64) error {
	if !(noise >= 0) || math.IsInf(noise, 1) {
		return fmt.Errorf("trial: a noise of %v", noise)
	}
	return nil
}

// set is trials that are drawn when they are read.
type set struct {
	Task
	n    int
	seed uint64
}

// Set is n trials. Trial i depends on the seed and i alone.
func (t Task) Set(n int, seed uint64) (dataset.Set, error) {
	if t.draw == nil || n < 1 {
		return nil, fmt.Errorf("trial: %d trials of task %q", n, t.Name)
	}
	return &set{t, n, seed}, nil
}

func (s *set) Len() int     { return s.n }
func (s *set) Dims() []int  { return []int{s.Steps, s.Inputs} }
func (s *set) Classes() int { return s.Outputs }

func (s *set) Read(b *dataset.Batch, index []int) error {
	width := s.Steps * s.Inputs
	for _, i := range index {
		if i < 0 || i >= s.n {
			return fmt.Errorf("%w: %d of %d", dataset.ErrIndex, i, s.n)
		}
		had := len(b.X)
		b.X = slices.Grow(b.X, width)[:had+width]
		clear(b.X[had:])
		b.Index = append(b.Index, i)
		b.Labels = append(b.Labels, s.draw(rand.New(rand.NewPCG(s.seed, uint64(i)+1<<40)), b.X[had:]))
	}
	return nil
}

// Targets appends the right output at every step of trials with these labels, one trial
// after the other: fixation, 0, and at the end the label.
func Targets(buf, labels []int32, steps int) []int32 {
	for _, l := range labels {
		for range steps - 1 {
			buf = append(buf, 0)
		}
		buf = append(buf, l)
	}
	return buf
}
