package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
)

// report writes RESULTS.md and the pictures from the results of this machine. A
// quick run has its own folder, so that it does not overwrite a whole one.
func (b *bench) report() error {
	dir := b.dir
	if b.quick {
		dir = filepath.Join(b.cache, "quick")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, c := range curves() {
		if err := atomicfile.WriteBytes(filepath.Join(dir, c.file), 0o644, c.svg(b.results)); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, "RESULTS.md")
	if err := atomicfile.WriteBytes(path, 0o644, []byte(b.document())); err != nil {
		return err
	}
	b.say("wrote %s", path)
	return nil
}

const preface = `# Results

Written by ` + "`go run ./bench report`" + ` from ` + "`%s`" + `; ` + "`%s`" + ` measures anew.

`

const method = `
**How.** The series of a row take turns, one run of each after the other, and only
one of them works at a time. The table has medians of 5 runs (of 3, 2 or 1 where a
run takes many seconds; the JSON file has them all). mica runs models as
` + "`mica bench`" + ` in fast mode (8-bit rows, float16 cache) and kernels in the driver;
llama.cpp has the same file, lengths and threads, flash attention and a float16
cache, and its own clock. Peers wait for work in their own default way, since that
is their fastest, and have 0.15 s to stop spinning before the next one runs.
Products, convolutions and steps use 2 threads everywhere. Q4_0, Q8_0 and F16 are
SmolLM2-135M-Instruct made from its Q4_1 file; K is a Llama of random weights, 18
layers of 1024 in llama.cpp's Q4_K_M mixture.

**Share of the limit** is the least time that the row's arithmetic (float32 and
8-bit products at their own rates) or its reading takes at the limits above, over
mica's time. More than 100 % means that data came from a cache. Ratios in bold
are below 1: rows that mica loses.
`

// document is RESULTS.md.
func (b *bench) document() string {
	var s strings.Builder
	rel := "results/" + b.name + ".json"
	command := cmp.Or(b.results.Command, "bench/run.sh")
	fmt.Fprintf(&s, preface, rel, command)
	b.writeHead(&s)
	s.WriteString(method)
	yes, no := 0, 0
	var tables strings.Builder
	for g, name := range groupNames {
		b.writeGroup(&tables, group(g), name, &yes, &no)
	}
	fmt.Fprintf(&s, "\n**%d targets are met, %d are not.**\n", yes, no)
	s.WriteString(tables.String())
	s.WriteString("\n## Curves\n")
	for _, c := range curves() {
		fmt.Fprintf(&s, "\n![%s](%s)\n", c.title, c.file)
	}
	return s.String()
}

func (b *bench) writeHead(s *strings.Builder) {
	m := b.results.Machine
	fmt.Fprintf(s, "- **Machine**: %s, %d cores, %.0f GB, %s/%s, %s kernels\n", m.CPU, m.Cores, float64(m.Memory)/1e9, m.OS, m.Arch, m.Kernels)
	var names []string
	for k := range b.results.Versions {
		names = append(names, k)
	}
	slices.Sort(names)
	for i, k := range names {
		names[i] = k + " " + strings.TrimPrefix(strings.TrimPrefix(b.results.Versions[k], k+" "), k)
	}
	fmt.Fprintf(s, "- **Versions**: %s\n", strings.Join(names, "; "))
	for _, threads := range []int{1, 2} {
		if l, ok := b.results.Limits[threads]; ok {
			fmt.Fprintf(s, "- **Limits, %d thread%s** (%s): %.0f GFLOP/s float32, %.0f GOP/s in 8 bits, reading %.1f GB/s\n",
				threads, map[bool]string{true: "s"}[threads > 1], b.results.LimitsBy, l.Flops, l.ByteOps, l.Read)
		}
	}
	var first, last time.Time
	for _, r := range b.results.Rows {
		if first.IsZero() || r.Date.Before(first) {
			first = r.Date
		}
		if r.Date.After(last) {
			last = r.Date
		}
	}
	if !first.IsZero() {
		fmt.Fprintf(s, "- **Measured** %s to %s UTC\n", first.Format("2006-01-02 15:04"), last.Format("2006-01-02 15:04"))
	}
}

func (b *bench) writeGroup(s *strings.Builder, g group, name string, yes, no *int) {
	fmt.Fprintf(s, "\n## %s\n\n| row | mica | share of limit | peers (mica is so many times as fast) | target | met |\n|---|---|---|---|---|---|\n", name)
	var notes []string
	for _, r := range b.rows {
		if r.group != g {
			continue
		}
		v := verdict{measured: "not measured"}
		if res := b.results.Rows[r.name]; res != nil || len(r.series) == 0 {
			v = r.judge(r, res, b.results)
		}
		switch v.met {
		case "yes":
			*yes++
		case "no":
			*no++
		}
		share := ""
		if v.share > 0 {
			share = fmt.Sprintf("%.0f %%", 100*v.share)
		}
		fmt.Fprintf(s, "| %s | %s | %s | %s | %s | %s |\n", r.name, v.measured, share, v.peers, r.target, v.met)
		if r.note != "" && !slices.Contains(notes, r.note) {
			notes = append(notes, r.note)
		}
	}
	for _, n := range notes {
		fmt.Fprintf(s, "\n%s\n", n)
	}
}
