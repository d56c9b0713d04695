package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/peak"
	"github.com/micaml/mica/internal/par"
)

// machine is where results are from.
type machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Memory  int64  `json:"memory_bytes"`
	Kernels string `json:"kernels"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func thisMachine() machine {
	m := machine{CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Kernels: cpu.Kernels().String(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if m.CPU == "" {
		m.CPU = runtime.GOARCH
	}
	fmt.Sscan(field("/proc/meminfo", "MemTotal"), &m.Memory)
	m.Memory <<= 10
	return m
}

// slug is the machine as a file name.
func (m machine) slug() string {
	s := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(m.CPU))
	return fmt.Sprintf("%s-%d", strings.Trim(s, "-"), m.Cores)
}

// field returns the first value of a key in a file of "key : value" lines, or "".
func field(path, key string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// versions asks each program which one it is.
func (b *bench) versions(ctx context.Context) map[string]string {
	v := map[string]string{"go": runtime.Version()}
	first := func(dir, name string, args ...string) string {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		out, _ := cmd.Output()
		return strings.TrimSpace(string(out))
	}
	if line := first("", b.mica, "version"); line != "" {
		v["mica"], _, _ = strings.Cut(line, "\n")
	}
	if rev := first(b.dir, "git", "describe", "--always", "--dirty"); rev != "" {
		v["mica revision"] = rev
	}
	release := first(filepath.Join(b.cache, "node"), "node", "-p", `require("./node_modules/node-llama-cpp/llama/binariesGithubRelease.json").release + " in node-llama-cpp " + require("./node_modules/node-llama-cpp/package.json").version`)
	if release != "" {
		v["llama.cpp"] = release
	}
	python := first("", b.python(), "-c", `
import importlib.metadata as m, json
print(json.dumps({p: m.version(p) for p in ("numpy", "torch", "onnxruntime")}))`)
	json.Unmarshal([]byte(python), &v)
	if mod := first(filepath.Join(b.dir, "peers", "_gomlx"), "go", "list", "-m", "-f", "{{.Version}}", "github.com/gomlx/gomlx"); mod != "" {
		v["GoMLX"] = mod
	}
	return v
}

// python is the interpreter that has the peers.
func (b *bench) python() string { return filepath.Join(b.cache, "python", "bin", "python") }

// measureLimits asks the program of --limits, or else mica's own kernels that do
// nothing useful.
func (b *bench) measureLimits(ctx context.Context, threads int) (limits, string, error) {
	if b.limits == "" {
		l := peak.Measure(b.pools.of(threads))
		return limits{threads, l.Flops / 1e9, l.ByteOps / 1e9, l.Read / 1e9}, "internal/kernel/peak", nil
	}
	out, err := exec.CommandContext(ctx, b.limits, fmt.Sprint(threads)).Output()
	if err != nil {
		return limits{}, "", fmt.Errorf("%s: %w", b.limits, err)
	}
	var l limits
	if err := json.Unmarshal(out, &l); err != nil || l.Flops <= 0 || l.ByteOps <= 0 || l.Read <= 0 {
		return limits{}, "", fmt.Errorf("%s: not the limits of a machine: %.80q", b.limits, out)
	}
	return l, filepath.Base(b.limits), nil
}

// pools are the worker pools of kernels that run in this process, by threads.
type pools map[int]*par.Pool

func (p *pools) of(threads int) *par.Pool {
	if *p == nil {
		*p = pools{}
	}
	if (*p)[threads] == nil {
		(*p)[threads] = par.New(threads)
	}
	return (*p)[threads]
}

func (p *pools) close() {
	for _, pool := range *p {
		pool.Close()
	}
}
