package cli

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
)

var benchVerb = verb{
	name: "bench", args: "MODEL", maxArgs: 1,
	short: "measure reading and generating",
	long: `bench measures how fast a model reads prompts (pp512: 512 tokens at once) and how
fast it generates (tg128: 128 tokens, one after the other). Each test runs once
unmeasured and then as often as --repeat says; the table has mean and standard
deviation. The tokens are random, the same for the same --seed.`,
	example: `  mica bench smollm2
  mica bench smollm2 --prompt 512,4096 --gen 64 --threads 1 --json`,
	flags: []string{"model", "bench-prompt", "gen", "repeat", "mode", "threads", "seed"},
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
}

type benchRow struct {
	Test    string  `json:"test"`
	Mean    float64 `json:"tokens_per_s_mean"`
	SD      float64 `json:"tokens_per_s_sd"`
	Repeat  int     `json:"repeat"`
	Threads int     `json:"threads"`
	Kernels string  `json:"kernel_tier"`
}

// benchTest is a test: prompt tokens read at once, or tokens generated.
type benchTest struct {
	name   string
	tokens int
	gen    bool
}

func runBench(ctx context.Context, c *call) error {
	tests, err := c.benchTests()
	if err != nil {
		return err
	}
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	for _, t := range tests {
		if t.tokens > m.config().Context {
			return usage("give at most "+count(m.config().Context), "%s: longer than the model's context", t.name)
		}
	}
	eng, err := c.engine(m)
	if err != nil {
		return err
	}
	defer eng.Close()
	doc := benchmark{Mode: eng.Mode().String(), LoadMS: millis(m.load), WeightsBytes: m.Weights}
	for _, t := range tests {
		row, err := c.measure(ctx, eng, m, t)
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
	return nil
}

func (c *call) benchTests() ([]benchTest, error) {
	var tests []benchTest
	for _, f := range strings.Split(c.set.prompts, ",") {
		n, err := parseWhole(strings.TrimSpace(f), 0, 1<<20)
		if err != nil {
			return nil, usage("write lengths like 512 or 512,4096", "--prompt %s: %w", quoted(c.set.prompts), err)
		}
		if n > 0 {
			tests = append(tests, benchTest{fmt.Sprint("pp", n), n, false})
		}
	}
	if c.set.gen > 0 {
		tests = append(tests, benchTest{fmt.Sprint("tg", c.set.gen), c.set.gen, true})
	}
	if len(tests) == 0 {
		return nil, usage("give --prompt N or --gen N above 0", "nothing to measure")
	}
	return tests, nil
}

func (c *call) measure(ctx context.Context, eng *pass.Engine, m *model, t benchTest) (benchRow, error) {
	row := benchRow{Test: t.name, Repeat: c.set.repeat, Threads: eng.Threads(), Kernels: cpu.Kernels().String()}
	stop := c.working("measuring %s", t.name)
	defer stop()
	rng := rand.New(rand.NewPCG(c.set.seed, uint64(t.tokens)))
	ids := make([]int32, t.tokens)
	for i := range ids {
		ids[i] = int32(rng.IntN(m.config().Vocabulary))
	}
	var rates []float64
	for i := range c.set.repeat + 1 {
		start := time.Now()
		if err := t.once(ctx, eng, ids); err != nil {
			return row, err
		}
		if i > 0 { // the first run maps pages and wakes threads
			rates = append(rates, rate(t.tokens, time.Since(start)))
		}
	}
	row.Mean, row.SD = meanSD(rates)
	return row, nil
}

// once runs a test: all tokens in one pass, or one by one with the logits of
// each read as a sampler would.
func (t *benchTest) once(ctx context.Context, eng *pass.Engine, ids []int32) error {
	if !t.gen {
		return readOnce(ctx, eng, pass.NewSeq(ids...))
	}
	seq := pass.NewSeq()
	seq.Reserve(len(ids))
	for _, id := range ids {
		seq.Append(id)
		if err := readOnce(ctx, eng, seq); err != nil {
			return err
		}
	}
	return nil
}

func readOnce(ctx context.Context, eng *pass.Engine, seq *pass.Seq) error {
	p, err := eng.Begin(seq)
	if err != nil {
		return err
	}
	defer p.End()
	if err := p.Run(ctx, 0, eng.Depth()); err != nil {
		return err
	}
	logits, err := p.Logits(-1)
	if err == nil {
		lm.Argmax(logits)
	}
	return err
}

// meanSD is the mean and the sample standard deviation.
func meanSD(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	if len(x) < 2 {
		return mean, 0
	}
	for _, v := range x {
		sd += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(sd / float64(len(x)-1))
}
