package lm

import (
	"fmt"
	"math"
	"strings"

	"github.com/micaml/mica/format/gguf"
)

// Config is the shape of a decoder.
type Config struct {
	Name         string
	Architecture string  // llama, qwen2, qwen3, gpt2, gptneox, gemma3
	Layers       int     // L
	Width        int     // D
	Heads        int     // H
	KVHeads      int     // G
	HeadDim      int     // Dh
	MLP          int     // F
	Vocabulary   int     // V
	Context      int     // longest sequence that the model was made for
	RopeBase     float32 // theta
	RopeDim      int     // leading dimensions of a head that rotate
	Eps          float32 // of the norms

	// Parallel says that attention and MLP both read the layer's input, as in
	// GPT-J and Pythia; otherwise the MLP reads what attention has added to.
	Parallel bool
	// Window, if not 0, is how many positions a layer sees, but for the last
	// of every Pattern layers, which sees all.
	Window, Pattern int
	LocalRopeBase   float32 // theta of the layers with a window
	// Tied asks [NewRandom] for one matrix as both embedding and output; files say it
	// by having one.
	Tied bool
	// QueryDim says that queries are scaled by 1/sqrt(QueryDim); 0: HeadDim.
	QueryDim int
}

// Limits on what a file may claim. They are far above any model that runs on
// one machine and keep products of two of them within an int32.
const (
	maxLayers = 1024
	maxWidth  = 1 << 17
	maxHeads  = 1 << 12
	maxVocab  = 1 << 22
	maxLength = 1 << 28

	maxHeadDim = 256 // that the attention kernels can take
)

// readConfig reads and checks the metadata of a GGUF.
func readConfig(m *gguf.Meta) (Config, error) {
	var c Config
	var err error
	if c.Architecture, err = m.String("general.architecture"); err != nil {
		return c, err
	}
	f := familyOf(c.Architecture)
	if f == nil {
		return c, fmt.Errorf("key %q: architecture %q: not supported; supported are %s", "general.architecture", c.Architecture, supported())
	}
	if m.Has("general.name") {
		if c.Name, err = m.String("general.name"); err != nil {
			return c, err
		}
	}
	r := reader{m: m, arch: c.Architecture}
	c.Layers = r.count("block_count", 1, maxLayers)
	c.Width = r.count("embedding_length", 1, maxWidth)
	c.MLP = r.count("feed_forward_length", 1, maxWidth)
	c.Heads = r.count("attention.head_count", 1, maxHeads)
	c.KVHeads = r.optional("attention.head_count_kv", c.Heads, 1, maxHeads)
	c.Context = r.count("context_length", 1, maxLength)
	c.RopeBase = r.float("rope.freq_base", 10000)
	c.Eps = r.float(epsKey(f), 1e-5)
	c.Parallel = r.bool("use_parallel_residual", f.parallel)
	if f.sliding {
		c.Window = r.optional("attention.sliding_window", 0, 0, maxLength)
		c.Pattern = r.optional("attention.sliding_window_pattern", 6, 1, maxLayers)
		c.LocalRopeBase = r.float("rope.freq_base_swa", 10000)
	}
	if r.err != nil {
		return c, r.err
	}
	c.HeadDim = r.optional("attention.key_length", c.Width/c.Heads, 1, maxWidth)
	c.RopeDim = r.optional("rope.dimension_count", c.HeadDim, 2, maxWidth)
	if c.Architecture == "gemma3" && c.Layers == 62 {
		// The 27B model alone divides by the root of this; files don't say so.
		c.QueryDim = c.Width / c.Heads
	}
	if r.err != nil {
		return c, r.err
	}
	return c, c.check(f, r)
}

func epsKey(f *family) string {
	if f.layerNorm {
		return "attention.layer_norm_epsilon"
	}
	return "attention.layer_norm_rms_epsilon"
}

// check compares the numbers with each other.
func (c *Config) check(f *family, r reader) error {
	at := func(key, format string, args ...any) error {
		return fmt.Errorf("key %q: %w", r.arch+"."+key, fmt.Errorf(format, args...))
	}
	base := func(b float32) bool { return b > 1 && !math.IsInf(float64(b), 0) }
	switch {
	case c.Heads%c.KVHeads != 0:
		return at("attention.head_count_kv", "%d query heads can't share %d KV heads", c.Heads, c.KVHeads)
	case !r.m.Has(r.arch+".attention.key_length") && c.Width%c.Heads != 0:
		return at("attention.head_count", "width %d isn't a multiple of %d heads", c.Width, c.Heads)
	case c.HeadDim > maxHeadDim:
		return at("attention.key_length", "heads of %d: at most %d is supported", c.HeadDim, maxHeadDim)
	case c.RopeDim%2 != 0 || c.RopeDim > c.HeadDim:
		return at("rope.dimension_count", "%d rotary dimensions in a head of %d", c.RopeDim, c.HeadDim)
	case !base(c.RopeBase):
		return at("rope.freq_base", "base %v", c.RopeBase)
	case f.sliding && !base(c.LocalRopeBase):
		return at("rope.freq_base_swa", "base %v", c.LocalRopeBase)
	case !(c.Eps >= 0) || c.Eps > 1:
		return at(epsKey(f), "epsilon %v", c.Eps)
	}
	if n := r.optional("attention.value_length", c.HeadDim, 1, maxWidth); n != c.HeadDim {
		r.fail(at("attention.value_length", "values of %d beside keys of %d are not supported", n, c.HeadDim))
	}
	refused := []string{"rope.scaling.type", "rope.scaling.factor", "rope.scale_linear", "expert_count",
		"attn_logit_softcapping", "final_logit_softcapping"}
	if !f.sliding {
		refused = append(refused, "attention.sliding_window")
	}
	for _, k := range refused {
		if r.m.Has(r.arch+"."+k) && !r.harmless(k) {
			r.fail(at(k, "not supported"))
		}
	}
	return r.err
}

// reader reads the keys of one architecture and keeps the first error.
type reader struct {
	m    *gguf.Meta
	arch string
	err  error
}

func (r *reader) count(key string, lo, hi int) int {
	n, err := r.m.Uint(r.arch + "." + key)
	if err != nil {
		r.fail(err)
		return lo
	}
	if n < uint64(lo) || n > uint64(hi) {
		r.fail(fmt.Errorf("key %q: %d is not in [%d, %d]", r.arch+"."+key, n, lo, hi))
		return lo
	}
	return int(n)
}

func (r *reader) optional(key string, def, lo, hi int) int {
	if !r.m.Has(r.arch + "." + key) {
		return def
	}
	return r.count(key, lo, hi)
}

func (r *reader) float(key string, def float32) float32 {
	if !r.m.Has(r.arch + "." + key) {
		return def
	}
	f, err := r.m.Float(r.arch + "." + key)
	if err != nil {
		r.fail(err)
	}
	return float32(f)
}

func (r *reader) bool(key string, def bool) bool {
	if !r.m.Has(r.arch + "." + key) {
		return def
	}
	b, err := r.m.Bool(r.arch + "." + key)
	if err != nil {
		r.fail(err)
	}
	return b
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// harmless reports whether a key has a value that means "not in use": none or
// 0, or for the factor of a scaling 1.
func (r *reader) harmless(key string) bool {
	if s, err := r.m.String(r.arch + "." + key); err == nil {
		return s == "" || s == "none"
	}
	f, err := r.m.Float(r.arch + "." + key)
	return err == nil && (f == 0 || f == 1 && strings.HasPrefix(key, "rope."))
}
