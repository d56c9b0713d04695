package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestFaults makes each call of a save, a mark, a look and a load fail, in each of
// the ways in which a disk does.
func TestFaults(t *testing.T) {
	faults := []struct {
		err error
		out string // what the error must say
		ops string // at which operations it can happen
	}{
		{syscall.EMFILE, "raise the limit on open files", "list open create syncdir"},
		{syscall.EIO, "the disk may be failing", "list open read mkdir create write sync close rename remove syncdir"},
		{syscall.EACCES, "make the folder writable", "list open mkdir create rename remove syncdir"},
		{syscall.EROFS, "make the folder writable", "mkdir create write rename remove"},
		{syscall.ENOSPC, "free some space", "mkdir create write sync close rename syncdir"},
		{io.ErrShortWrite, "is it full?", "write"},
	}
	calls := 0
	for _, f := range faults {
		for _, phase := range []string{"save", "mark", "load"} {
			for n := 1; ; n++ {
				reached := faultAt(t, phase, n, f.err, f.out, strings.Fields(f.ops))
				if !reached {
					break
				}
				calls++
			}
		}
	}
	t.Logf("%d calls failed", calls)
	if calls < 100 {
		t.Errorf("only %d calls failed", calls)
	}
}

// faultAt fails the n-th call of a phase that can fail so, and reports whether there
// was one.
func faultAt(t *testing.T, phase string, n int, fault error, out string, ops []string) bool {
	t.Helper()
	m := newMemory()
	d, err := openOn(m, folder, Options{Keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	tr := newTraining(t)
	prints := map[int]string{}
	save := func() error {
		tr.step()
		prints[tr.loop.Step] = tr.print()
		return d.Save(tr.loop.Step, tr.state())
	}
	for range 3 { // the third one lets the first go
		if err := save(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.MarkBest(2); err != nil {
		t.Fatal(err)
	}

	at := ""
	m.before = func(op, path string) error {
		if !slices.Contains(ops, op) || at != "" {
			return nil
		}
		if n--; n > 0 {
			return nil
		}
		at = op + " " + path
		return fault
	}
	other := newTraining(t)
	before := other.print()
	switch phase {
	case "save":
		err = save()
	case "mark":
		err = d.MarkBest(3)
	case "load":
		var c *Checkpoint
		if c, err = d.Latest(); err == nil {
			err = c.Load(other.state())
		}
	}
	m.before = nil
	what := fmt.Sprintf("%s: %v at %s", phase, fault, at)
	switch {
	case at == "":
		if err != nil {
			t.Errorf("%s: %v without a fault", phase, err)
		}
		return false
	case err == nil:
		t.Errorf("%s: no error", what)
	case !errors.Is(err, fault) || !strings.Contains(err.Error(), folder) || !strings.Contains(err.Error(), out):
		t.Errorf("%s: error %v, want the path and %q", what, err, out)
	}
	if phase == "load" && other.print() != before {
		t.Errorf("%s: a Load that failed changed something", what)
	}

	// What was there is there, and the next save works and leaves nothing behind.
	for _, step := range []int{2, 3} {
		again := newTraining(t)
		c, err := d.At(step)
		if phase == "save" && errors.Is(err, ErrNone) && step == 2 {
			t.Errorf("%s: step 2, the best, is gone", what)
			continue
		}
		if err == nil {
			err = c.Load(again.state())
		}
		if err != nil || again.print() != prints[step] {
			t.Errorf("%s: step %d: %v, or other bits", what, step, err)
		}
	}
	if _, err := d.Latest(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if err := save(); err != nil {
		t.Errorf("%s: the next save: %v", what, err)
	}
	names, err := m.list(folder)
	for _, e := range names {
		if err != nil || isHidden(e.name) {
			t.Errorf("%s: %s is left", what, e.name)
		}
	}
	return true
}

// A message as users see it.
func TestFaultText(t *testing.T) {
	m := newMemory()
	d, err := openOn(m, folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.before = func(op, path string) error {
		if op == "create" {
			return syscall.EMFILE
		}
		return nil
	}
	err = d.Save(7, newTraining(t).state())
	text := fmt.Sprint(err)
	from, to := strings.Index(text, "."), strings.Index(text, ".tmp")
	if from < 0 || to < 0 {
		t.Fatal(text)
	}
	text = text[:from] + "*" + text[to:]
	want := "checkpoint: save step 7: " + filepath.Join(folder, "*.tmp", "weights.safetensors") + ": too many open files: close files or raise the limit on open files; what was saved before is untouched"
	if text != want {
		t.Errorf("error %q, want %q", text, want)
	}
}
