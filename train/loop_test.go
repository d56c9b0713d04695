package train_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/train"
)

// setting is a tiny language model with text to learn: a cycle of 7 tokens.
type setting struct {
	task    *train.Language
	data    *dataset.Loader
	opt     *optim.Optimizer
	options train.Options
}

func newSetting(t *testing.T, threads int) *setting {
	t.Helper()
	n, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 2, Width: 32, Heads: 2, KVHeads: 1, HeadDim: 16,
		MLP: 48, Vocabulary: 11, RopeBase: 10000, RopeDim: 16, Eps: 1e-5, Context: 64}, tensor.F32, 3)
	if err != nil {
		t.Fatal(err)
	}
	eng := pass.NewEngine(n, pass.Options{Mode: op.Exact, Threads: threads})
	t.Cleanup(eng.Close)
	for _, w := range n.Weights() {
		w.Train()
	}
	ids := make([]int32, 300)
	for i := range ids {
		ids[i] = int32(i * i % 7)
	}
	set, err := dataset.Windows(ids, 12, 5)
	if err != nil {
		t.Fatal(err)
	}
	data, err := dataset.NewLoader(set, dataset.Options{Batch: 4, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(data.Close)
	opt, err := optim.New(nil, optim.AdamW{Decay: 0.01}, n.Weights())
	if err != nil {
		t.Fatal(err)
	}
	return &setting{&train.Language{Engine: eng, Trained: n.Weights()}, data, opt,
		train.Options{Steps: 30, Rate: optim.Constant(3e-3), Clip: 1, Seed: 9, LogEvery: 4}}
}

func (s *setting) loop(t *testing.T) *train.Loop {
	t.Helper()
	l, err := train.New(s.task, s.data, s.opt, s.options)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *setting) weights() (all []uint32) {
	for _, w := range s.task.Trained {
		x, _ := w.F32()
		for _, v := range x {
			all = append(all, math.Float32bits(v))
		}
	}
	return all
}

func (s *setting) checkpoints(t *testing.T, path string) {
	t.Helper()
	d, err := checkpoint.Open(path, checkpoint.Options{Keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	s.options.Checkpoints = d
}

var bg = context.Background()

func TestLossFallsAndThreadsDontMatter(t *testing.T) {
	var want []uint32
	for _, threads := range []int{1, 2, 3} {
		s := newSetting(t, threads)
		before, err := s.task.Perplexity(bg, s.data.Set(), 8)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.loop(t).Run(bg); err != nil {
			t.Fatal(err)
		}
		after, err := s.task.Perplexity(bg, s.data.Set(), 8)
		if err != nil {
			t.Fatal(err)
		}
		if !(after["loss"] < before["loss"]/2) {
			t.Errorf("loss was %v and is %v", before["loss"], after["loss"])
		}
		if want == nil {
			want = s.weights()
		} else if !slices.Equal(s.weights(), want) {
			t.Errorf("other bits with %d threads", threads)
		}
	}
}

// Training that is interrupted after any step, by the end of its context, and goes on
// in a new process ends with the same weights and the same log.
func TestResumeIsTheSameBits(t *testing.T) {
	run := func(dir string, stops ...int) (*setting, []train.Line) {
		log := filepath.Join(dir, "log.jsonl")
		for i := 0; ; i++ {
			s := newSetting(t, 2)
			s.checkpoints(t, filepath.Join(dir, "ckpt"))
			s.options.Log = log
			s.options.SaveEvery = 8
			s.options.Accumulate = 2
			s.options.EvaluateEvery = 5
			s.options.Best = "-loss"
			s.options.Evaluate = func(ctx context.Context) (train.Metrics, error) {
				return s.task.Perplexity(ctx, s.data.Set(), 16)
			}
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			if i < len(stops) {
				s.options.Progress = func(p train.Progress) {
					if p.Step == stops[i] {
						cancel()
					}
				}
			}
			l := s.loop(t)
			if _, err := l.Resume(); err != nil {
				t.Fatal(err)
			}
			err := l.Run(ctx)
			if err == nil {
				lines, err := train.ReadLog(log)
				if err != nil {
					t.Fatal(err)
				}
				return s, lines
			}
			if !errors.Is(err, context.Canceled) || l.Step() != stops[i] {
				t.Fatalf("stopped at step %d: %v", l.Step(), err)
			}
		}
	}
	whole, log := run(t.TempDir())
	for _, stops := range [][]int{{1}, {5, 6}, {8, 10, 29}, {30}} {
		s, lines := run(t.TempDir(), stops...)
		if !slices.Equal(s.weights(), whole.weights()) {
			t.Errorf("stopped at %v: other weights", stops)
		}
		if !reflect.DeepEqual(lines, log) {
			t.Errorf("stopped at %v: log\n%v\nwant\n%v", stops, lines, log)
		}
	}
}

// After a kill the log may have lines of steps that are taken again, and half a line.
func TestLogIsCutToTheCheckpoint(t *testing.T) {
	dir := t.TempDir()
	s := newSetting(t, 1)
	s.checkpoints(t, filepath.Join(dir, "ckpt"))
	s.options.Log = filepath.Join(dir, "log.jsonl")
	l := s.loop(t)
	if err := l.RunTo(bg, 12); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(s.options.Log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"step":16,"training":{"loss":7}}` + "\n" + `{"step":20,"tra`)
	f.Close()
	if err := l.Run(bg); err != nil {
		t.Fatal(err)
	}
	lines, err := train.ReadLog(s.options.Log)
	if err != nil {
		t.Fatal(err)
	}
	var steps []int
	for _, l := range lines {
		steps = append(steps, l.Step)
		if l.Training["loss"] == 7 {
			t.Error("a line of a step that was taken again is still there")
		}
	}
	if !slices.Equal(steps, []int{4, 8, 12, 16, 20, 24, 28, 30}) {
		t.Errorf("lines of steps %v", steps)
	}
}

func TestPatience(t *testing.T) {
	s := newSetting(t, 1)
	s.checkpoints(t, t.TempDir())
	s.options.Steps = 100
	scores := []float64{1, 3, 2, 2, 9}
	s.options.EvaluateEvery, s.options.Best, s.options.Patience = 2, "score", 2
	i := -1
	s.options.Evaluate = func(context.Context) (train.Metrics, error) {
		i++
		return train.Metrics{"score": scores[i]}, nil
	}
	l := s.loop(t)
	if err := l.Run(bg); err != nil {
		t.Fatal(err)
	}
	best, err := s.options.Checkpoints.Best()
	if err != nil {
		t.Fatal(err)
	}
	if l.Step() != 8 || !l.Stopped() || best.Step != 4 {
		t.Errorf("stopped %v after step %d, the best is of step %d", l.Stopped(), l.Step(), best.Step)
	}
}

// A number that isn't finite ends training before it reaches the weights, and the
// error names what made it.
func TestNotFinite(t *testing.T) {
	s := newSetting(t, 1)
	s.checkpoints(t, t.TempDir())
	s.options.SaveEvery = 3
	var before []uint32
	s.options.Progress = func(p train.Progress) {
		if p.Step == 7 {
			before = s.weights()
			for _, w := range s.task.Trained {
				if strings.Contains(w.Name, "1.attn_q") || strings.Contains(w.Name, "1.attn_output") {
					x, _ := w.F32()
					x[0] = float32(math.Inf(1))
					before = s.weights()
				}
			}
		}
	}
	err := s.loop(t).Run(bg)
	var not *op.NotFiniteError
	if !errors.As(err, &not) || !strings.Contains(err.Error(), "layer 1") || !strings.Contains(err.Error(), "step 7") {
		t.Fatalf("error: %v", err)
	}
	if not.Weight == "" {
		t.Errorf("no weight named: %v", err)
	}
	if !slices.Equal(s.weights(), before) {
		t.Error("the weights changed")
	}
	at, err := s.options.Checkpoints.Latest()
	if err != nil || at.Step != 6 {
		t.Errorf("the last checkpoint is %v, %v", at, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *setting)
		want   string
	}{
		{"steps", func(s *setting) { s.options.Steps = 0 }, "train: 0 steps"},
		{"rate", func(s *setting) { s.options.Rate = nil }, "train: no learning rate"},
		{"clip", func(s *setting) { s.options.Clip = -1 }, "train: clip gradients to a norm of -1"},
		{"evaluation", func(s *setting) { s.options.EvaluateEvery = 3 }, "train: evaluate every 3 steps: nothing to evaluate"},
		{"patience", func(s *setting) { s.options.Patience = 3 }, "train: the best checkpoint and patience need evaluations"},
		{"parts", func(s *setting) { s.options.Parts = map[string]checkpoint.Part{"optimizer": s.opt} }, `train: two parts of the state are called "optimizer"`},
		{"frozen", func(s *setting) {
			for _, w := range s.task.Trained {
				w.Grad = nil
			}
		}, "train: no weight is to be trained"},
	} {
		s := newSetting(t, 1)
		c.change(s)
		if _, err := train.New(s.task, s.data, s.opt, s.options); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
