package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// layers of the real model.
const layers = 30

func scenarioRows() []*row {
	var rows []*row
	tg := modelTest{model: "Q4_0", kind: "tg", n: 64, threads: 2}
	rows = append(rows, &row{
		name: "both cores busy", group: scenarios, runs: 3, est: 25, work: work{tokens: 64},
		series: []series{tg.mica("mica"), busy(tg.mica("mica busy")), tg.llama(1), busy(tg.llama(1)), tg.llama(2), busy(tg.llama(2))},
		target: "a third of idle speed", judge: judgeBusy,
		note: "`both cores busy`: two endless loops at the same priority beside the generation of 64 tokens (Q4_0). A fair share of the two cores is half.",
	})
	var pairs []series
	for _, model := range []string{"Q4_0", "F16"} {
		pp := modelTest{model: model, kind: "pp", n: 512, threads: 2}
		pairs = append(pairs, pp.mica("avx512 "+model), pp.mica("avx2 "+model, "MICA_KERNELS=avx2"))
	}
	rows = append(rows,
		&row{name: "AVX2 tier", group: scenarios, runs: 5, est: 6, work: work{tokens: 512}, series: pairs,
			target: "0.5x AVX-512", judge: judgeTiers, note: "`AVX2 tier` is MICA_KERNELS=avx2, a prompt of 512; equal bits are tested by `go test`."},
		&row{name: "1 thread to 2, prompt", group: scenarios, target: "1.8x", judge: judgeThreads},
		&row{name: "load, warm", group: scenarios, target: "150 ms", judge: judgeLoad},
		&row{name: "the price of the same bits", group: scenarios, target: "at most 10 %", judge: judgePrice,
			note: "`the price of the same bits` is bounded by what the products lack to the limit, since kernels free to add in any order have the same limit. What it costs attention is in ARCHITECTURE.md."},
		&row{name: "peak resident memory", group: scenarios, target: "weights + cache + 100 MB", judge: judgeMemory},
		&row{name: "GemFilter, 8000 tokens, keep 1024", group: scenarios, runs: 3, est: 22,
			series: []series{gemFilter("full", ""), gemFilter("mica", "gemfilter:keep=1024"), gemFilter("second pass", "last:keep=1024")},
			target: "at most 1.1x the parts", judge: judgeGemFilter,
			note: "`GemFilter`: time to the first token, beside (filter layer / layers) x the full prompt's + that of a prompt of 1024 tokens. How right the answers are is for `mica needle` to say."},
	)
	return rows
}

// busy runs a series beside one endless loop for each of two cores.
func busy(s series) series {
	run := s.run
	if !strings.HasSuffix(s.name, "busy") {
		s.name += " busy"
	}
	s.run = func(ctx context.Context, b *bench) (sample, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for range 2 {
			self, err := os.Executable()
			if err != nil {
				return sample{}, err
			}
			load := exec.CommandContext(ctx, self, "spin")
			if err := load.Start(); err != nil {
				return sample{}, err
			}
			defer load.Wait() // after cancel, which ends it
			defer cancel()
		}
		return run(context.WithoutCancel(ctx), b)
	}
	return s
}

// gemFilter is the time to the first token of a long prompt under a selection.
func gemFilter(name, selection string) series {
	return series{name, func(ctx context.Context, b *bench) (sample, error) {
		path := filepath.Join(b.cache, "long.txt")
		if err := os.WriteFile(path, []byte(longText()), 0o644); err != nil {
			return sample{}, err
		}
		args := []string{"run", b.models["Q4_1"], "--raw", "-f", path, "-n", "1", "--temp", "0", "--threads", "2", "--json", "--quiet"}
		if selection != "" {
			args = append(args, "--select", selection)
		}
		var doc struct {
			FirstMS float64 `json:"first_token_ms"`
			Prompt  float64 `json:"prompt_tokens"`
			Kept    float64 `json:"kept_tokens"`
			Select  struct {
				Layer float64 `json:"layer"`
			} `json:"select"`
		}
		if err := b.micaJSON(ctx, &doc, nil, args...); err != nil {
			return sample{}, err
		}
		return sample{doc.FirstMS / 1e3, map[string]float64{"prompt_tokens": doc.Prompt, "kept_tokens": doc.Kept, "layer": doc.Select.Layer}}, nil
	}}
}

// longText is about 8000 tokens of sentences; what they say does not matter here.
func longText() string {
	var b strings.Builder
	things := []string{"lamp", "river", "station", "garden", "letter", "window", "market"}
	for i := range 575 {
		fmt.Fprintf(&b, "On day %d the %s stood beside the %s.\n", i, things[i%7], things[i*3%7])
	}
	return b.String()
}

func judgeBusy(_ *row, res *result, _ *results) verdict {
	share := func(idle, loaded string) float64 {
		if res.seconds(loaded) == 0 {
			return 0
		}
		return res.seconds(idle) / res.seconds(loaded)
	}
	mica := share("mica", "mica busy")
	llama := max(share("llama.cpp t1", "llama.cpp t1 busy"), share("llama.cpp t2", "llama.cpp t2 busy"))
	v := verdict{measured: fmt.Sprintf("%.2f of idle", mica), met: met(mica >= 1.0/3)}
	if llama > 0 {
		v.peers = fmt.Sprintf("llama.cpp t1 %.2f, t2 %.2f of idle", share("llama.cpp t1", "llama.cpp t1 busy"), share("llama.cpp t2", "llama.cpp t2 busy"))
	}
	return v
}

func judgeTiers(_ *row, res *result, _ *results) verdict {
	ratio := func(model string) float64 {
		if res.seconds("avx2 "+model) == 0 {
			return 0
		}
		return res.seconds("avx512 "+model) / res.seconds("avx2 "+model)
	}
	q, f := ratio("Q4_0"), ratio("F16")
	return verdict{measured: fmt.Sprintf("%.2fx (Q4_0), %.2fx (F16)", q, f), met: met(min(q, f) >= 0.5)}
}

func judgeThreads(_ *row, _ *result, all *results) verdict {
	v := verdict{}
	least := 99.0
	for _, n := range []int{512, 2048} {
		two := all.Rows[promptRow(curveModel, n, 2, prompts).name]
		one := all.Rows[promptRow(curveModel, n, 1, scaling).name]
		if one.seconds("mica") == 0 || two.seconds("mica") == 0 {
			return verdict{measured: "not measured"}
		}
		x := one.seconds("mica") / two.seconds("mica")
		least = min(least, x)
		v.measured += fmt.Sprintf("%.2fx (%d) ", x, n)
		if y := two.seconds("llama.cpp t2"); y > 0 && n == 512 {
			v.peers = fmt.Sprintf("llama.cpp %.2fx (512)", one.seconds("llama.cpp t1")/y)
		}
	}
	v.met = met(least >= 1.8)
	return v
}

// judgePrice bounds what one order of additions costs.
func judgePrice(_ *row, _ *result, all *results) verdict {
	var parts []string
	worst := 0.0
	for _, r := range productRows() {
		short, ok := map[string]string{"f32 layer 512x576x1536": "float32", "8-bit layer Q8_0 512x576x1536": "Q8_0", "8-bit layer Q4_0 512x576x1536": "Q4_0",
			"8-bit layer Q4_1 512x576x1536": "Q4_1"}[r.name]
		if res := all.Rows[r.name]; ok && res.seconds("mica") > 0 {
			missing := max(0, 1-all.Limits[2].least(r.work)/res.seconds("mica"))
			worst = max(worst, missing)
			parts = append(parts, fmt.Sprintf("%s %.0f %%", short, 100*missing))
		}
	}
	if len(parts) == 0 {
		return verdict{measured: "not measured"}
	}
	v := verdict{measured: "at most: " + strings.Join(parts, ", ")}
	if worst <= 0.1 {
		v.met = "yes"
	} // else it isn't shown either way
	return v
}

func judgeLoad(_ *row, _ *result, all *results) verdict {
	res := all.Rows[promptRow("Q4_1", 512, 2, prompts).name]
	ms := res.extra("mica", "load_ms")
	if ms == 0 {
		return verdict{measured: "not measured"}
	}
	v := verdict{measured: fmt.Sprintf("%.0f ms", ms), met: met(ms <= 150)}
	if y := res.extra("llama.cpp t2", "load_ms"); y > 0 {
		v.peers = fmt.Sprintf("llama.cpp %.0f ms (%s)", y, times(y/ms))
	}
	return v
}

func judgeMemory(_ *row, _ *result, all *results) verdict {
	const n = 8000
	res := all.Rows[promptRow("Q4_1", n, 2, prompts).name]
	peak, weights := res.extra("mica", "peak_rss_bytes"), res.extra("mica", "weights_bytes")
	if peak == 0 {
		return verdict{measured: "not measured"}
	}
	cache := networkOf("Q4_1").cache(n)
	over := (peak - weights - cache) / 1e6
	return verdict{measured: fmt.Sprintf("weights + cache + %.0f MB", over), met: met(over <= 100)}
}

func judgeGemFilter(r *row, res *result, _ *results) verdict {
	full, filtered, second := res.seconds("full"), res.seconds("mica"), res.seconds("second pass")
	if full == 0 || filtered == 0 || second == 0 {
		return verdict{measured: "not measured"}
	}
	parts := res.extra("mica", "layer")/layers*full + second
	return verdict{
		measured: fmt.Sprintf("%s, %.2fx the parts (layer %.0f of %d)", duration(filtered), filtered/parts, res.extra("mica", "layer"), layers),
		peers:    fmt.Sprintf("all tokens: %s (%s)", duration(full), times(full/filtered)), met: met(filtered <= 1.1*parts),
	}
}
