package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

func open(t *testing.T, path string, o Options) *Dir {
	t.Helper()
	d, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Training that is cut in two goes on with the same bits, on the real disk.
func TestResume(t *testing.T) {
	straight, first := newTraining(t), newTraining(t)
	path := filepath.Join(t.TempDir(), "new", "folder")
	d := open(t, path, Options{Recipe: "r"})
	if _, err := d.Latest(); !errors.Is(err, ErrNone) {
		t.Errorf("an empty folder: %v, want ErrNone", err)
	}
	for range 3 {
		first.step()
	}
	if err := d.Save(3, first.state()); err != nil {
		t.Fatal(err)
	}
	second := newTraining(t)
	second.loop.Track = []float64{1, 2, 3, 4, 5} // to be forgotten
	at, err := open(t, path, Options{Recipe: "r"}).Latest()
	if err != nil {
		t.Fatal(err)
	}
	if err := at.Load(second.state()); err != nil {
		t.Fatal(err)
	}
	if at.Step != 3 || at.Recipe != "r" || at.Mica == "" {
		t.Errorf("step %d of recipe %q by mica %q", at.Step, at.Recipe, at.Mica)
	}
	for range 6 {
		straight.step()
	}
	for range 3 {
		second.step()
	}
	if second.print() != straight.print() {
		t.Error("resumed training gives other bits")
	}
}

// Every float32, NaNs and all, comes back bit by bit.
func TestBits(t *testing.T) {
	x := []float32{0, float32(math.Copysign(0, -1)), math.MaxFloat32, math.SmallestNonzeroFloat32,
		float32(math.Inf(-1)), math.Float32frombits(0x7fc12345), math.Float32frombits(0x7f812345), 0.1}
	d := open(t, t.TempDir(), Options{})
	w := op.NewWeight("w", tensor.FromFloat32(2, 4, x))
	if err := d.Save(0, State{Weights: []*op.Weight{w}}); err != nil {
		t.Fatal(err)
	}
	v := op.NewWeight("w", tensor.FromFloat32(2, 4, make([]float32, 8)))
	at, err := d.Latest()
	if err != nil {
		t.Fatal(err)
	}
	if err := at.Load(State{Weights: []*op.Weight{v}}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(v.Bytes(), w.Bytes()) {
		t.Errorf("% x, want % x", v.Bytes(), w.Bytes())
	}
}

func TestKeep(t *testing.T) {
	d := open(t, t.TempDir(), Options{Keep: 2})
	tr := newTraining(t)
	for step := 1; step <= 6; step++ {
		tr.step()
		if err := d.Save(step, tr.state()); err != nil {
			t.Fatal(err)
		}
		if step == 2 {
			if _, err := d.Best(); !errors.Is(err, ErrNone) {
				t.Errorf("best before there is one: %v", err)
			}
			if err := d.MarkBest(2); err != nil {
				t.Fatal(err)
			}
		}
	}
	if steps, err := d.Steps(); err != nil || !slices.Equal(steps, []int{2, 5, 6}) {
		t.Errorf("steps %v, want the best and the last two (%v)", steps, err)
	}
	if best, err := d.Best(); err != nil || best.Step != 2 {
		t.Errorf("best %+v, %v", best, err)
	}
	if err := d.MarkBest(3); !errors.Is(err, ErrNone) {
		t.Errorf("mark one that is gone: %v", err)
	}
	if err := d.MarkBest(6); err != nil {
		t.Fatal(err)
	}
	tr.step()
	if err := d.Save(7, tr.state()); err != nil {
		t.Fatal(err)
	}
	if steps, _ := d.Steps(); !slices.Equal(steps, []int{6, 7}) {
		t.Errorf("steps %v, want 6 and 7", steps)
	}
}

// Damaged checkpoints are passed over, said to be so, and don't count as kept.
func TestPassedOver(t *testing.T) {
	var log bytes.Buffer
	d := open(t, t.TempDir(), Options{Keep: 2, Log: slog.New(slog.NewTextHandler(&log, nil))})
	tr := newTraining(t)
	save := func(step int) {
		t.Helper()
		tr.step()
		if err := d.Save(step, tr.state()); err != nil {
			t.Fatal(err)
		}
	}
	spoil := func(step int) {
		t.Helper()
		if err := os.Truncate(filepath.Join(d.path, nameOf(step), "adam.safetensors"), 10); err != nil {
			t.Fatal(err)
		}
	}
	save(1)
	save(2)
	spoil(2)
	at, err := d.Latest()
	if err != nil || at.Step != 1 {
		t.Fatalf("latest %+v, %v, want step 1", at, err)
	}
	if !strings.Contains(log.String(), "step-00000002: adam.safetensors has 10 bytes, it should have 936") {
		t.Errorf("log %q", log.String())
	}
	save(2) // in the place of the damaged one
	if at, err := d.Latest(); err != nil || at.Step != 2 {
		t.Errorf("latest %+v, %v, want step 2", at, err)
	}
	spoil(2)
	save(3)
	if steps, _ := d.Steps(); !slices.Equal(steps, []int{1, 2, 3}) {
		t.Errorf("steps %v: 1 is the second newest that is whole", steps)
	}
	save(4)
	if steps, _ := d.Steps(); !slices.Equal(steps, []int{3, 4}) {
		t.Errorf("steps %v, want 3 and 4", steps)
	}
}

func TestSaveAgain(t *testing.T) {
	d := open(t, t.TempDir(), Options{})
	tr := newTraining(t)
	tr.step()
	for range 2 {
		if err := d.Save(5, tr.state()); err != nil {
			t.Errorf("the same again: %v", err)
		}
	}
	path := filepath.Join(d.path, nameOf(5))
	tr.step()
	for step, want := range map[int]string{
		5: "checkpoint: save step 5: " + path + " is there already and is another one: remove it or save to another folder",
		4: "checkpoint: save step 4: " + path + " is of a later step: remove it or save to another folder",
	} {
		if err := d.Save(step, tr.state()); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if entries, err := os.ReadDir(d.path); err != nil || len(entries) != 1 {
		t.Errorf("%v is left, %v", entries, err)
	}
}

func TestRefused(t *testing.T) {
	q4, err := tensor.NewStorage(tensor.Q4_1, 1, 32, make([]byte, 20))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tr := newTraining(t)
	twice := []*op.Weight{tr.w[0], tr.w[0]}
	save := func(step int, s State) error { return open(t, t.TempDir(), Options{}).Save(step, s) }
	for want, err := range map[string]error{
		"keep -1 checkpoints: 0 keeps all": second(Open("x", Options{Keep: -1})),
		"use a digest":                     second(Open("x", Options{Recipe: strings.Repeat("x", 5000)})),
		"not a directory: a file is where a folder should be: choose another path":    second(Open(file, Options{})),
		"checkpoint: step -1: steps go from 0 to 1000000000000000":                    save(-1, State{}),
		`weight "q" is Q4_1, which is not for training: leave frozen weights out`:     save(1, State{Weights: []*op.Weight{op.NewWeight("q", q4)}}),
		`part "a/b": use a name of letters, digits, '-' and '_' other than "weights"`: save(1, State{Parts: map[string]Part{"a/b": tr.o}}),
		`part "weights": use a name`:         save(1, State{Parts: map[string]Part{"weights": tr.o}}),
		"loop: json: unsupported value: NaN": save(1, State{Loop: math.NaN()}),
		`safetensors: tensor "blk.0.weight": duplicate name; what was saved before is untouched`: save(1, State{Weights: twice}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	d, _ := saved(t)
	at, err := d.Latest()
	if err != nil {
		t.Fatal(err)
	}
	s := newTraining(t).state()
	s.Loop = struct{}{}
	if err := at.Load(s); err == nil || err.Error() != "checkpoint: load: Loop is a struct {}, not a pointer that can be set" {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(filepath.Join(d.path, bestName), []byte("step-1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("checkpoint: %s: \"step-1\" names no checkpoint: remove the file", filepath.Join(d.path, bestName))
	if _, err := d.Best(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func second[T any](_ T, err error) error { return err }

// Other things in the folder are left alone and not taken for checkpoints.
func TestOtherThings(t *testing.T) {
	d := open(t, t.TempDir(), Options{Keep: 1})
	tr := newTraining(t)
	for _, name := range []string{"step-1", "step-0000001", "step-x", "step-00000009", "notes.txt", ".git"} {
		if err := os.WriteFile(filepath.Join(d.path, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(d.path, "step-+0000001"), 0o755); err != nil {
		t.Fatal(err)
	}
	for step := range 3 {
		tr.step()
		if err := d.Save(step, tr.state()); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(d.path)
	if err != nil || len(entries) != 8 {
		t.Errorf("%v, %v: want 7 other things and a checkpoint", entries, err)
	}
	// Half-made ones are removed.
	left := filepath.Join(d.path, ".step-00000007.0123456789abcdef.tmp")
	if err := os.MkdirAll(filepath.Join(left, "deeper"), 0o755); err != nil {
		t.Fatal(err)
	}
	tr.step()
	if err := d.Save(3, tr.state()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", left, err)
	}
}
