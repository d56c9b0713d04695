package train

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/op"
)

// state is what the next step depends on, besides weights and parts.
type state struct {
	Step     int              `json:"step"`
	Position dataset.Position `json:"position"`
	// Evaluated is the step of the last evaluation.
	Evaluated int `json:"evaluated"`
	// Best is the best of the metric that decides so far, after BestStep, and Worse how
	// many evaluations have come since.
	Best     *float64 `json:"best,omitempty"`
	BestStep int      `json:"best_step,omitempty"`
	Worse    int      `json:"worse,omitempty"`
	// Sums are of the terms since the last line of the log, over Summed steps.
	Sums   Metrics `json:"sums"`
	Summed int     `json:"summed"`
}

// judge takes in the metrics of an evaluation and says whether they are the best.
func (s *state) judge(name string, m Metrics) (better bool, err error) {
	if name == "" {
		return false, nil
	}
	key, less := strings.CutPrefix(name, "-")
	x, ok := m[key]
	if !ok {
		return false, fmt.Errorf("train: the best checkpoint is that of the metric %q, and the evaluation measures %s", key, strings.Join(slices.Sorted(maps.Keys(m)), ", "))
	}
	finite := !math.IsNaN(x) && !math.IsInf(x, 0)
	if finite && (s.Best == nil || less && x < *s.Best || !less && x > *s.Best) {
		s.Best, s.BestStep, s.Worse = &x, s.Step, 0
		return true, nil
	}
	s.Worse++
	return false, nil
}

// The parts that belong to the loop itself.
const optimizerPart = "optimizer"

// parts returns what checkpoints hold besides the weights.
func (l *Loop) parts() (map[string]checkpoint.Part, error) {
	parts := map[string]checkpoint.Part{optimizerPart: l.opt}
	more := []map[string]checkpoint.Part{l.o.Parts}
	if t, ok := l.task.(Stateful); ok {
		more = append(more, t.Parts())
	}
	for _, m := range more {
		for name, p := range m {
			if _, twice := parts[name]; twice {
				return nil, fmt.Errorf("train: two parts of the state are called %q", name)
			}
			parts[name] = p
		}
	}
	return parts, nil
}

func (l *Loop) state() (checkpoint.State, error) {
	parts, err := l.parts()
	if err != nil {
		return checkpoint.State{}, err
	}
	var trained []*op.Weight
	for _, w := range l.task.Weights() {
		if w.Grad != nil {
			trained = append(trained, w)
		}
	}
	return checkpoint.State{Weights: trained, Parts: parts, Loop: &l.at}, nil
}

// save keeps a checkpoint of the steps so far, unless there is one.
func (l *Loop) save() error {
	if l.o.Checkpoints == nil || l.saved == l.at.Step {
		return nil
	}
	s, err := l.state()
	if err != nil {
		return err
	}
	if err := l.o.Checkpoints.Save(l.at.Step, s); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	l.saved = l.at.Step
	return nil
}

// Resume goes on from the newest whole checkpoint, and returns its step; without one
// training begins at step 0. It is called before the first step.
func (l *Loop) Resume() (int, error) {
	if l.o.Checkpoints == nil {
		return 0, nil
	}
	c, err := l.o.Checkpoints.Latest()
	if errors.Is(err, checkpoint.ErrNone) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("train: %w", err)
	}
	return c.Step, l.ResumeFrom(c)
}

// ResumeFrom goes on from a checkpoint, the best one say.
func (l *Loop) ResumeFrom(c *checkpoint.Checkpoint) error {
	s, err := l.state()
	if err != nil {
		return err
	}
	if err := c.Load(s); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if l.at.Sums == nil {
		l.at.Sums = Metrics{}
	}
	if err := l.data.Seek(l.at.Position); err != nil {
		return fmt.Errorf("train: %s: %w", c.Path, err)
	}
	l.saved = l.at.Step
	if l.at.Best != nil && l.at.BestStep == c.Step && l.o.Checkpoints != nil {
		return l.o.Checkpoints.MarkBest(c.Step) // the process may have died before it did
	}
	return nil
}

// pace tells how long steps take: a mean in which newer ones count more.
type pace struct {
	mean  float64 // seconds
	steps int
}

func (p *pace) took(d time.Duration) {
	p.steps++
	share := max(0.02, 1/float64(p.steps))
	p.mean += share * (d.Seconds() - p.mean)
}

func (p *pace) left(steps int) time.Duration {
	return time.Duration(p.mean * float64(steps) * float64(time.Second)).Round(time.Second)
}
