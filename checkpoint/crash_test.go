package checkpoint

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// crashes is how many crash points TestCrash goes through at least.
var crashes = flag.Int("crashes", 1500, "crash points for TestCrash")

// folder is where the tests' checkpoints are, on a disk in memory.
var folder = filepath.FromSlash("/runs/a")

// training is a small one whose every step depends on all of its state.
type training struct {
	w    []*op.Weight
	o    *optim.Optimizer
	loop struct {
		Step  int
		Seed  uint64
		Track []float64
	}
}

func newTraining(t testing.TB) *training {
	tr := &training{}
	for i, n := range []int{15, 1, 40} {
		w := op.NewWeight(fmt.Sprintf("blk.%d.weight", i), tensor.FromFloat32(1, n, make([]float32, n)))
		w.Train()
		tr.w = append(tr.w, w)
	}
	var err error
	if tr.o, err = optim.New(nil, optim.AdamW{Decay: 0.1}, tr.w); err != nil {
		t.Fatal(err)
	}
	return tr
}

func (tr *training) state() State {
	return State{Weights: tr.w, Parts: map[string]Part{"adam": tr.o}, Loop: &tr.loop}
}

func (tr *training) step() {
	tr.loop.Step++
	tr.loop.Seed = tr.loop.Seed*6364136223846793005 + 1442695040888963407
	r := rand.New(rand.NewPCG(tr.loop.Seed, uint64(tr.loop.Step)))
	for _, w := range tr.w {
		for i := range w.Grad {
			w.Grad[i] = float32(r.NormFloat64())
		}
	}
	tr.o.Step(0.1)
	tr.loop.Track = append(tr.loop.Track, r.Float64())
}

// print is all of the state in bits.
func (tr *training) print() string {
	s := fmt.Sprintf("%+v", tr.loop)
	for _, w := range tr.w {
		x, _ := w.F32()
		for _, v := range x {
			s += fmt.Sprintf(" %x", math.Float32bits(v))
		}
	}
	for _, x := range tr.o.State().Slots {
		for _, v := range x.Data {
			s += fmt.Sprintf(" %x", math.Float32bits(v))
		}
	}
	return s + fmt.Sprint(tr.o.State().Steps)
}

// TestCrash crashes after every operation of trainings that save, prune, mark the
// best and go on after a crash, with all, half or none of what was not flushed
// kept. What was saved before must always be there, and whatever is found must be
// exactly what was saved.
func TestCrash(t *testing.T) {
	const steps = 6
	want := []string{newTraining(t).print()}
	for tr := newTraining(t); len(want) <= 3*steps; {
		tr.step()
		want = append(want, tr.print())
	}

	points, lost, torn, seed := 0, 0, 0, uint64(0)
	for ; points < *crashes; seed++ {
		r := rand.New(rand.NewPCG(seed, 1))
		s := story{t: t, r: r, want: want, saved: -1, best: -1, keep: 1 + r.IntN(3)}
		s.crashed = func(m *memory, saved, best int) {
			for _, p := range []float64{0, 0.5, 1} {
				after := m.crash(p, r)
				points++
				l, x := s.check(after, saved, best)
				lost, torn = lost+l, torn+x
				// Go on, and crash once more at some operation.
				again := story{t: t, r: r, want: want, saved: saved, best: best, keep: s.keep}
				at := 1 + r.IntN(40)
				again.crashed = func(m *memory, saved, best int) {
					if at--; at == 0 {
						points++
						l, x := again.check(m.crash(p, r), saved, best)
						lost, torn = lost+l, torn+x
					}
				}
				again.run(after, 2)
			}
		}
		s.run(newMemory(), steps)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d crash points: %d checkpoints lost, %d damaged ones accepted", points, lost, torn)
}

// story is one life of a program that trains.
type story struct {
	t           *testing.T
	r           *rand.Rand
	want        []string // by step
	keep        int
	saved, best int // the newest that Save and MarkBest have said to be there
	crashed     func(m *memory, saved, best int)
}

// run resumes on m and takes some steps, each with a Save.
func (s *story) run(m *memory, steps int) {
	m.after = func() {
		after := m.after
		m.after = nil // what the check does is not the story
		s.crashed(m, s.saved, s.best)
		m.after = after
	}
	d, err := openOn(m, folder, Options{Keep: s.keep})
	if err != nil {
		s.t.Fatal(err)
	}
	tr := newTraining(s.t)
	if c, err := d.Latest(); err == nil {
		if err := c.Load(tr.state()); err != nil {
			s.t.Fatal(err)
		}
		s.saved = max(s.saved, tr.loop.Step)
	} else if !errors.Is(err, ErrNone) {
		s.t.Fatal(err)
	}
	for range steps {
		tr.step()
		if err := d.Save(tr.loop.Step, tr.state()); err != nil {
			s.t.Fatal(err)
		}
		s.saved = tr.loop.Step
		if s.r.IntN(3) == 0 {
			if err := d.MarkBest(s.saved); err != nil {
				s.t.Fatal(err)
			}
			s.best = s.saved
		}
	}
	m.after = nil
	if names, err := m.list(folder); err != nil || len(names) > s.keep+2 {
		s.t.Errorf("%d things are left, with %d to keep: %v (%v)", len(names), s.keep, names, err)
	}
}

// check looks at a disk after a crash, when saved and best were sure to be there,
// and counts what is lost and what is there but not what was saved.
func (s *story) check(m *memory, saved, best int) (lost, torn int) {
	d, err := openOn(m, folder, Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	steps, _ := d.Steps()
	for _, step := range steps {
		tr := newTraining(s.t)
		c, err := d.At(step)
		if err == nil {
			err = c.Load(tr.state())
		}
		if err == nil && tr.print() != s.want[step] {
			s.t.Errorf("step %d is not what was saved", step)
			torn++
		}
	}
	latest := -1
	if c, err := d.Latest(); err == nil {
		latest = c.Step
	} else if !errors.Is(err, ErrNone) {
		s.t.Errorf("after step %d was saved: %v", saved, err)
	}
	if latest < saved {
		s.t.Errorf("the newest is step %d, but %d was saved", latest, saved)
		lost++
	}
	if best >= 0 {
		if c, err := d.Best(); err != nil || c.Step < best {
			s.t.Errorf("best: %v, but %d was marked", err, best)
			lost++
		}
	}
	return lost, torn
}

// A disk that keeps no promise loses checkpoints: the test above can fail.
func TestCrashTestCanFail(t *testing.T) {
	for _, c := range []struct {
		name string
		lazy func(m *memory) fileSystem
		want error
	}{
		{"folders", func(m *memory) fileSystem { return lazyFolders{m} }, ErrNone},
		{"files", func(m *memory) fileSystem { return lazyFiles{m} }, ErrTorn},
	} {
		m := newMemory()
		d, err := openOn(c.lazy(m), folder, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Save(1, newTraining(t).state()); err != nil {
			t.Fatal(err)
		}
		after, err := openOn(m.crash(0, rand.New(rand.NewPCG(1, 1))), folder, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := after.Latest(); !errors.Is(err, c.want) {
			t.Errorf("%s that are not flushed: %v, want %v", c.name, err, c.want)
		}
	}
}

type lazyFolders struct{ *memory }

func (lazyFolders) syncDir(string) error { return nil }

type lazyFiles struct{ *memory }

func (l lazyFiles) create(path string) (file, error) {
	f, err := l.memory.create(path)
	return lazyFile{f}, err
}

type lazyFile struct{ file }

func (lazyFile) Sync() error { return nil }
