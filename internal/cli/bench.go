package cli

import (
	"context"
	"fmt"

	"github.com/micaml/mica/op"
)

var benchVerb = verb{
	name: "bench", args: "MODEL", maxArgs: 1,
	short: "measure reading and generating",
	long: `bench measures how fast a model reads prompts (pp512: 512 tokens at once), how
fast it generates (tg128: 128 tokens, one after the other; tg128@d4000: after
4,000 tokens of context), and how fast some tokens pass at once, with the logits
of each, as in verification and batching (rows8). Each test runs once unmeasured
and then as often as --repeat says; the table has mean and standard deviation.
The tokens are random, the same for the same --seed.

--by-op tells where the time went: for each kind of op its share of the time,
arithmetic (8-bit operations where weights are quantised and the mode is fast)
and memory traffic, and what share that is of what this machine can do. More
than 100 % is data that came from a cache.`,
	example: `  mica bench smollm2
  mica bench smollm2 --prompt 512,4096 --gen 64 --threads 1 --json
  mica bench smollm2 --prompt 0 --gen 32 --depth 0,2000,8000
  mica bench smollm2 --prompt 0 --depth 4000 --cache full:kv=q8
  mica bench smollm2 --prompt 512 --gen 0 --by-op`,
	flags: []string{"model", "bench-prompt", "gen", "depth", "rows", "by-op", "repeat", "mode", "kv-cache", "threads", "seed"},
	run:   runBench,
}

// benchmark is the document of bench --json.
type benchmark struct {
	head
	Mode         string     `json:"mode"`
	Rows         []benchRow `json:"rows"`
	LoadMS       float64    `json:"load_ms"`
	PeakRSS      int64      `json:"peak_rss_bytes"`
	WeightsBytes int64      `json:"weights_bytes"`
	Limits       *limits    `json:"limits,omitempty"`
}

type benchRow struct {
	Test    string  `json:"test"`
	Mean    float64 `json:"tokens_per_s_mean"`
	SD      float64 `json:"tokens_per_s_sd"`
	Repeat  int     `json:"repeat"`
	Threads int     `json:"threads"`
	Kernels string  `json:"kernel_tier"`
	ByOp    []opRow `json:"by_op,omitempty"`
}

func runBench(ctx context.Context, c *call) error {
	tests, err := c.benchTests()
	if err != nil {
		return err
	}
	kv, err := benchCache(c.set.cache)
	if err != nil {
		return err
	}
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	for _, t := range tests {
		if t.depth+t.tokens > m.config().Context {
			return usage("give at most "+count(m.config().Context), "%s: longer than the model's context", t.name)
		}
	}
	var profile *op.Profile
	var trace op.Tracer
	if c.set.byOp {
		profile = &op.Profile{}
		trace = profile
	}
	eng, err := c.engine(m, trace)
	if err != nil {
		return err
	}
	defer eng.Close()
	for i := range tests {
		tests[i].kv = kv
	}
	doc := benchmark{Mode: eng.Mode().String(), LoadMS: millis(m.load), WeightsBytes: m.Weights}
	if profile != nil {
		doc.Limits = measureLimits(eng.Threads())
	}
	for _, t := range tests {
		row, err := c.measure(ctx, eng, m, t, profile, doc.Limits)
		if err != nil {
			return err
		}
		doc.Rows = append(doc.Rows, row)
	}
	doc.PeakRSS = peakRSS()
	if c.set.json {
		digest, err := m.digest()
		if err != nil {
			return err
		}
		doc.head = c.head(digest)
		return c.printJSON(doc)
	}
	var rows [][]string
	for _, r := range doc.Rows {
		rows = append(rows, []string{r.Test, fmt.Sprintf("%.1f", r.Mean), fmt.Sprintf("± %.1f", r.SD)})
	}
	table(c.out, c.outTTY, []string{"TEST", " TOKENS/S", " "}, rows, nil)
	mc := thisMachine()
	fmt.Fprintf(c.out, "\n%s, %s weights, %s mode, %d threads, %s kernels\n%s, peak memory %s\n",
		harmless(m.file.Name), size(m.Weights), doc.Mode, eng.Threads(), mc.Kernels, mc.CPU, size(doc.PeakRSS))
	for _, r := range doc.Rows {
		if r.ByOp != nil {
			fmt.Fprintf(c.out, "\n%s by op\n", r.Test)
			byOpTable(c.out, c.outTTY, r.ByOp)
		}
	}
	if l := doc.Limits; l != nil {
		fmt.Fprintf(c.out, "\nLimits of %d threads: %.0f GFLOP/s, %.0f GOP/s of 8 bits, %.1f GB/s read\n",
			eng.Threads(), l.Flops/1e9, l.ByteOps/1e9, l.Read/1e9)
	}
	return nil
}
