package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A modelTest is something to do with a model file: read a prompt (pp), generate
// after a context (tg), or run rows tokens at once after one token (rows), with the
// logits of each.
type modelTest struct {
	model   string
	kind    string // "pp", "tg", "rows"
	n       int
	depth   int
	threads int
}

// test is what `mica bench` calls it.
func (t modelTest) test() string {
	if t.depth > 0 {
		return fmt.Sprintf("%s%d@d%d", t.kind, t.n, t.depth)
	}
	return fmt.Sprint(t.kind, t.n)
}

// mica is a series of mica's command; env is for settings that have no flag.
func (t modelTest) mica(name string, env ...string) series {
	return series{name, func(ctx context.Context, b *bench) (sample, error) { return t.runMica(ctx, b, env) }}
}

func (t modelTest) runMica(ctx context.Context, b *bench, env []string) (sample, error) {
	args := []string{"bench", b.models[t.model], "--repeat", "1", "--threads", fmt.Sprint(t.threads), "--json", "--quiet"}
	switch t.kind {
	case "pp":
		args = append(args, "--prompt", fmt.Sprint(t.n), "--gen", "0")
	case "tg":
		args = append(args, "--prompt", "0", "--gen", fmt.Sprint(t.n))
		if t.depth > 0 {
			args = append(args, "--depth", fmt.Sprint(t.depth))
		}
	case "rows":
		args = append(args, "--prompt", "0", "--gen", "0", "--rows", fmt.Sprint(t.n))
	}
	var doc struct {
		Rows []struct {
			Test string  `json:"test"`
			Mean float64 `json:"tokens_per_s_mean"`
		} `json:"rows"`
		LoadMS  float64 `json:"load_ms"`
		Peak    float64 `json:"peak_rss_bytes"`
		Weights float64 `json:"weights_bytes"`
	}
	if err := b.micaJSON(ctx, &doc, env, args...); err != nil {
		return sample{}, err
	}
	extra := map[string]float64{"load_ms": doc.LoadMS, "peak_rss_bytes": doc.Peak, "weights_bytes": doc.Weights}
	for _, r := range doc.Rows {
		if r.Test == t.test() && r.Mean > 0 {
			return sample{float64(t.n) / r.Mean, extra}, nil
		}
	}
	return sample{}, fmt.Errorf("mica bench has no row %s", t.test())
}

// micaJSON runs mica and reads the document that it prints.
func (b *bench) micaJSON(ctx context.Context, doc any, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, b.mica, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return errors.New(strings.TrimSpace(strings.ReplaceAll(string(exit.Stderr), "\n", " ")))
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(out, doc)
}

// llama is llama.cpp at the same, on threads threads.
func (t modelTest) llama(threads int) series {
	return series{fmt.Sprintf("llama.cpp t%d", threads), func(ctx context.Context, b *bench) (sample, error) {
		return t.runLlama(ctx, b, threads)
	}}
}

func (t modelTest) runLlama(ctx context.Context, b *bench, threads int) (sample, error) {
	key := fmt.Sprintf("llama.cpp %s t%d", t.model, threads)
	argv := []string{"node", filepath.Join(b.dir, "peers", "llama.mjs"), "--peers", filepath.Join(b.cache, "node"),
		"--model", b.models[t.model], "--threads", fmt.Sprint(threads)}
	var reply struct {
		Seconds float64 `json:"seconds"`
		Wall    float64 `json:"wall_seconds"`
		LoadMS  float64 `json:"load_ms"`
	}
	err := b.servers.ask(ctx, key, argv, nil, map[string]any{"test": t.kind, "n": t.n, "depth": t.depth}, &reply)
	return sample{reply.Seconds, map[string]float64{"wall_seconds": reply.Wall, "load_ms": reply.LoadMS}}, err
}
