package keep_test

import (
	"fmt"
	"testing"

	"github.com/micaml/mica/internal/testmodel"
	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/h2o"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

func realModel(b *testing.B) *pass.Engine {
	b.Helper()
	m, err := lm.Open(testmodel.Path(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	return engine(b, m.Net, pass.Options{Mode: op.Fast})
}

// BenchmarkPrompt reads 4,000 tokens. method-% is the part of the time that
// the method took, beside attention's own sums for H2O.
func BenchmarkPrompt(b *testing.B) {
	for _, c := range []struct {
		name string
		m    keep.Compressor
	}{
		{"full", nil},
		{"snapkv", snapkv.Method{Budget: 1024}},
		{"snapkv per query head", snapkv.Method{Budget: 1024, PerQuery: true}},
		{"h2o", h2o.Method{Budget: 1024, Recent: 32}},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := realModel(b)
			ids := tokens(1, 4000)
			part := 0.0
			for b.Loop() {
				s := pass.NewSeq(ids...)
				if c.m == nil {
					run(b, e, s)
					continue
				}
				k, err := keep.Compress(e, s, len(ids), c.m)
				must(b, err)
				run(b, e, s)
				part += k.Report().Prompt.Seconds()
			}
			b.ReportMetric(100*part/b.Elapsed().Seconds(), "method-%")
		})
	}
}

// BenchmarkStep generates a token where budget entries are left of the prompt.
// With eviction there are as many after it.
func BenchmarkStep(b *testing.B) {
	for _, budget := range []int{256, 400, 1024} {
		for _, steps := range []bool{false, true} {
			b.Run(fmt.Sprintf("budget=%d/evict=%v", budget, steps), func(b *testing.B) {
				e := realModel(b)
				s, _ := compress(b, e, h2o.Method{Budget: budget, Recent: budget / 2, Steps: steps}, tokens(1, budget+1))
				p, err := e.Begin(s)
				must(b, err)
				defer p.End()
				must(b, p.Run(bg, 0, e.Depth()))
				for b.Loop() {
					s.Append(7)
					must(b, p.Restart(s))
					must(b, p.Run(bg, 0, e.Depth()))
					_, err := p.Logits(-1)
					must(b, err)
				}
			})
		}
	}
}
