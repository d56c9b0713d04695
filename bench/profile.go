package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/micaml/mica/bench/step"
	"github.com/micaml/mica/internal/atomicfile"
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/peak"
	"github.com/micaml/mica/op"
)

const profileHead = "# Profile\n\n" +
	"Written by `bench/run.sh profile`: where the time goes, by op, on 2 cores of\n" +
	"%s (%s kernels). `mica bench MODEL --by-op` prints it for any model.\n\n" +
	"**Of limit** is the time that an op's arithmetic or its reading takes at the\n" +
	"machine's limits, the longer of the two, over the time that it took; more than\n" +
	"100 %% is data that came from a cache. A backward pass counts as the forward one,\n" +
	"once for each gradient. Ops under 1 %% are left out.\n\n" +
	"Limits: %.0f GFLOP/s in float32, %.0f GOP/s in 8 bits, %.1f GB/s read.\n"

// profile writes PROFILE.md: a prompt, a generated token, with and without a long
// context, and a training step.
func (b *bench) profile(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	limits := peak.Measure(b.pools.of(2))
	var out strings.Builder
	fmt.Fprintf(&out, profileHead, b.results.Machine.CPU, cpu.Kernels(), limits.Flops/1e9, limits.ByteOps/1e9, limits.Read/1e9)
	b.say("profiling prompts and tokens")
	var doc struct {
		Rows []struct {
			Test string       `json:"test"`
			Mean float64      `json:"tokens_per_s_mean"`
			ByOp []profileRow `json:"by_op"`
		} `json:"rows"`
	}
	if err := b.micaJSON(ctx, &doc, nil, "bench", b.models["Q4_1"], "--prompt", "512,2048", "--gen", "64", "--depth", "0,7900",
		"--rows", "8", "--threads", "2", "--repeat", "3", "--by-op", "--json", "--quiet"); err != nil {
		return err
	}
	for _, r := range doc.Rows {
		fmt.Fprintf(&out, "\n## %s: SmolLM2-135M Q4_1, fast mode, %s tokens/s\n\n", r.Test, rate(r.Mean))
		writeProfile(&out, r.ByOp)
	}
	b.say("profiling a training step")
	rows, seconds, err := profileLM(limits)
	if err != nil {
		return err
	}
	fmt.Fprintf(&out, "\n## Training: a language model of 6 layers of 256, 8 x 256 tokens, %s a batch, without the update\n\n", duration(seconds))
	writeProfile(&out, rows)
	path := filepath.Join(b.dir, "PROFILE.md")
	if err := atomicfile.WriteBytes(path, 0o644, []byte(out.String())); err != nil {
		return err
	}
	b.say("wrote %s", path)
	return nil
}

// profileRow is a line of mica bench --by-op.
type profileRow struct {
	Op      string  `json:"op"`
	Calls   int     `json:"calls"`
	MS      float64 `json:"ms"`
	Share   float64 `json:"share"`
	Flops   int64   `json:"flops"`
	ByteOps int64   `json:"byte_ops"`
	Bytes   int64   `json:"bytes"`
	Limit   float64 `json:"of_limit"`
	Bound   string  `json:"bound_by"`
}

func profileLM(l peak.Limits) (rows []profileRow, seconds float64, err error) {
	const runs = 5
	var p op.Profile
	m, err := step.NewLM(2, &p)
	if err != nil {
		return nil, 0, err
	}
	defer m.Close()
	for i := range runs + 1 {
		if i == 1 { // the first one gets its memory
			p.Start()
		}
		if _, err := m.Gradients(); err != nil {
			return nil, 0, err
		}
	}
	lines := p.Lines()
	for _, x := range lines {
		seconds += x.Time.Seconds() / runs
	}
	for _, x := range lines {
		t := x.Time.Seconds() / runs
		least, bound := l.Least(x.Cost.Flops, x.Cost.ByteOps, x.Cost.Bytes)
		r := profileRow{Op: x.Op, Calls: x.Calls / runs, MS: 1e3 * t, Share: t / seconds, Flops: x.Cost.Flops / runs,
			ByteOps: x.Cost.ByteOps / runs, Bytes: x.Cost.Bytes / runs, Limit: least / runs / t, Bound: bound}
		if x.Backward {
			r.Op += ", backward"
		}
		rows = append(rows, r)
	}
	return rows, seconds, nil
}

func writeProfile(out *strings.Builder, rows []profileRow) {
	out.WriteString("| op | calls | ms | share | GOP/s | GB/s | of limit | bound by |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		if r.Share < 0.01 {
			continue
		}
		fmt.Fprintf(out, "| %s | %d | %.2f | %.1f %% | %.1f | %.1f | %.0f %% | %s |\n", r.Op, r.Calls, r.MS, 100*r.Share,
			float64(r.Flops+r.ByteOps)/r.MS/1e6, float64(r.Bytes)/r.MS/1e6, 100*r.Limit, r.Bound)
	}
}
