package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/baseline"
	"github.com/micaml/mica/keep/h2o"
	"github.com/micaml/mica/keep/pyramid"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/keep/streaming"
	"github.com/micaml/mica/keep/tova"
	"github.com/micaml/mica/pass"
)

// Parameters that several methods have.
var (
	budgetParam = param{name: "budget", def: strconv.Itoa(defaultKeep), lo: 1, hi: most}
	windowParam = param{name: "window", def: "32", lo: 1, hi: most}
	poolParam   = param{name: "pool", def: "5", lo: 1, hi: most}
	meanParam   = param{name: "kind", of: []string{"mean", "max"}}
	headsParam  = param{name: "heads", of: []string{"kv", "query"}}
	kvParam     = param{name: "kv", of: []string{"mode", "f32", "f16", "q8"}} // in the order of pass.KVKind
)

// caches is the one table of what --cache can name.
var caches = []method{
	{name: "full", params: []param{kvParam}, compress: func(params) (keep.Compressor, error) { return nil, nil }},
	{name: "snapkv", params: []param{budgetParam, windowParam, poolParam, meanParam, headsParam, kvParam}, compress: func(p params) (keep.Compressor, error) {
		return newSnapKV(p), nil
	}},
	{name: "pyramid", params: []param{budgetParam, windowParam, poolParam, meanParam, headsParam, {name: "beta", def: "20", lo: 1, hi: most}, kvParam},
		compress: func(p params) (keep.Compressor, error) {
			return pyramid.Method{Method: newSnapKV(p), Beta: p.or("beta", 20)}, nil
		}},
	{name: "h2o", params: []param{budgetParam, {name: "recent", def: "32", hi: most}, headsParam, kvParam}, compress: func(p params) (keep.Compressor, error) {
		return h2o.Method{Budget: p.or("budget", defaultKeep), Recent: p.or("recent", 32), PerQuery: p["heads"] == 1}, nil
	}},
	{name: "h2o-step", params: []param{budgetParam, {name: "recent", def: "half", hi: most}, {name: "percent", def: "none", lo: 2, hi: 100}, headsParam, kvParam},
		compress: newH2OStep},
	{name: "streaming", params: []param{budgetParam, {name: "sinks", def: "4", hi: most}, kvParam}, compress: func(p params) (keep.Compressor, error) {
		return streaming.Method{Budget: p.or("budget", defaultKeep), Sinks: p.or("sinks", 4)}, nil
	}},
	{name: "tova", params: []param{budgetParam, kvParam}, compress: func(p params) (keep.Compressor, error) {
		return tova.Method{Budget: p.or("budget", defaultKeep)}, nil
	}},
	{name: "last", params: []param{budgetParam, kvParam}, compress: func(p params) (keep.Compressor, error) {
		return streaming.Method{Budget: p.or("budget", defaultKeep)}, nil
	}},
	{name: "random", params: []param{budgetParam, windowParam, {name: "seed", def: "0", hi: most}, kvParam}, compress: func(p params) (keep.Compressor, error) {
		return baseline.RandomCache{Budget: p.or("budget", defaultKeep), Window: p.or("window", 32), Seed: uint64(p.or("seed", 0))}, nil
	}},
}

func newSnapKV(p params) snapkv.Method {
	return snapkv.Method{Budget: p.or("budget", defaultKeep), Window: p.or("window", snapkv.Window), Pool: p.or("pool", snapkv.Pool),
		Max: p["kind"] == 1, PerQuery: p["heads"] == 1}
}

func newH2OStep(p params) (keep.Compressor, error) {
	m := h2o.Method{Steps: true, PerQuery: p["heads"] == 1}
	if percent, ok := p["percent"]; ok {
		if p.has("budget") || p.has("recent") {
			return nil, errors.New("percent: the parts are halves of it, so leave out budget and recent")
		}
		m.HeavyRatio = float64(percent) / 200
		m.RecentRatio = m.HeavyRatio
		return m, nil
	}
	m.Budget = p.or("budget", defaultKeep)
	m.Recent = p.or("recent", m.Budget/2)
	return m, nil
}

// parseCache reads a --cache as typed. It returns nil for none, and a nil
// Compressor for one that changes nothing.
func parseCache(s string) (name string, c keep.Compressor, err error) {
	sel, err := parseMethod("--cache", caches, s)
	if sel == nil || err != nil {
		return "", nil, err
	}
	if c, err = sel.method.compress(sel.params); err == nil && c != nil {
		_, err = c.Plan(1)
	}
	if kv := pass.KVKind(sel.params["kv"]); err == nil && kv != pass.KVByMode {
		c = keep.Stored{Method: c, KV: kv}
	}
	if err != nil {
		return "", nil, usage("write it like "+sel.method.usage(), "--cache %s: %w", quoted(s), err)
	}
	return sel.method.name, c, nil
}

// cached tells in run --json what a --cache has done to the keys and values
// of the prompt.
type cached struct {
	Method        string  `json:"method"`
	EntriesBefore int     `json:"entries_before"` // of all layers and heads together
	EntriesAfter  int     `json:"entries_after"`
	BytesBefore   int64   `json:"bytes_before"`
	BytesAfter    int64   `json:"bytes_after"`
	CompressMS    float64 `json:"compress_ms"` // part of prefill_ms
	StepsMS       float64 `json:"steps_ms"`    // of the tokens after the prompt
}

// compressed starts a compression of seq, which holds the prompt; the report
// is to be asked for when the answer has ended.
func compressed(eng *pass.Engine, seq *pass.Seq, m keep.Compressor) (report func() *cached, err error) {
	c, err := keep.Compress(eng, seq, len(seq.Tokens), m)
	if err != nil {
		return nil, err
	}
	return func() *cached {
		r := c.Report()
		return &cached{EntriesBefore: r.Before.Entries, EntriesAfter: r.After.Entries, BytesBefore: r.Before.Bytes, BytesAfter: r.After.Bytes,
			CompressMS: millis(r.Prompt), StepsMS: millis(r.Steps)}
	}, nil
}

// String is the line of --verbose.
func (c *cached) String() string {
	return fmt.Sprintf("%s: %s of keys and values became %s, %s entries %s", c.Method, size(c.BytesBefore), size(c.BytesAfter),
		count(c.EntriesBefore), count(c.EntriesAfter))
}
