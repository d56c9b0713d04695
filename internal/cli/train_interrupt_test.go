//go:build unix

package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ctrl-C leaves a checkpoint and says how to go on, and so it does.
func TestInterruptTraining(t *testing.T) {
	path, err := exec.LookPath("mica") // TestMain has put it there
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const text = `{"network": {"kind": "mlp", "hidden": [8]}, "data": {"kind": "generated", "what": "blobs", "examples": 128},
		"batch": 16, "steps": 100000000, "evaluate": {"every": 10}}`
	if err := os.WriteFile(filepath.Join(dir, "long.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	start := func(args ...string) (*exec.Cmd, *firstByte) {
		cmd, out := exec.Command(path, append([]string{"train", "long.json"}, args...)...), &firstByte{first: make(chan struct{})}
		cmd.Dir, cmd.Stderr = dir, out
		cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+dir, "HOME="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		t.Cleanup(func() { kill.Stop(); _ = cmd.Process.Kill() })
		return cmd, out
	}
	cmd, out := start()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) { // until a step has been taken
		if info, err := os.Stat(filepath.Join(dir, "mica-long", "metrics.jsonl")); err == nil && info.Size() > 0 {
			break
		}
		if time.Since(begin) > 30*time.Second {
			t.Fatal("nothing is logged")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	wantExit(t, cmd, exitInterrupted)
	said := regexp.MustCompile("(?m)^saved after step ([0-9,]+); `mica train long.json --resume` goes on from there\nmica train: interrupted\n$").FindStringSubmatch(out.b.String())
	if said == nil {
		t.Fatalf("standard error: %s", out.b.String())
	}
	for _, f := range []string{"metrics.jsonl", "metrics.csv", "curve.svg", "recipe.json"} {
		if _, err := os.Stat(filepath.Join(dir, "mica-long", f)); err != nil {
			t.Error(err)
		}
	}
	steps := strings.ReplaceAll(said[1], ",", "")
	cmd, out = start("--resume", "--set", "steps="+steps+"1")
	if err := cmd.Wait(); err != nil || !strings.Contains(out.b.String(), "going on after step "+said[1]+"\n") {
		t.Errorf("%v: %s", err, out.b.String())
	}
}
