package lm

import (
	"fmt"
	"math"
	"strings"

	"github.com/micaml/mica/format/gguf"
)

// Config is the shape of a Llama-style decoder.
type Config struct {
	Name         string
	Architecture string
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
	Eps          float32 // of RMS norm
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

// readConfig reads and checks the metadata of a Llama-style GGUF.
func readConfig(m *gguf.Meta) (Config, error) {
	var c Config
	var err error
	if c.Architecture, err = m.String("general.architecture"); err != nil {
		return c, err
	}
	if c.Architecture != "llama" {
		return c, fmt.Errorf("key %q: architecture %q: not supported; supported are llama", "general.architecture", c.Architecture)
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
	c.Eps = r.float("attention.layer_norm_rms_epsilon", 1e-5)
	if r.err != nil {
		return c, r.err
	}
	c.HeadDim = r.optional("attention.key_length", c.Width/c.Heads, 1, maxWidth)
	c.RopeDim = r.optional("rope.dimension_count", c.HeadDim, 2, maxWidth)
	if r.err != nil {
		return c, r.err
	}
	return c, c.check(r)
}

// check compares the numbers with each other.
func (c *Config) check(r reader) error {
	at := func(key, format string, args ...any) error {
		return fmt.Errorf("key %q: %w", r.arch+"."+key, fmt.Errorf(format, args...))
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return at("attention.head_count_kv", "%d query heads can't share %d KV heads", c.Heads, c.KVHeads)
	case !r.m.Has(r.arch+".attention.key_length") && c.Width%c.Heads != 0:
		return at("attention.head_count", "width %d isn't a multiple of %d heads", c.Width, c.Heads)
	case c.HeadDim > maxHeadDim:
		return at("attention.key_length", "heads of %d: at most %d is supported", c.HeadDim, maxHeadDim)
	case c.RopeDim%2 != 0 || c.RopeDim > c.HeadDim:
		return at("rope.dimension_count", "%d rotary dimensions in a head of %d", c.RopeDim, c.HeadDim)
	case !(c.RopeBase > 1) || math.IsInf(float64(c.RopeBase), 0):
		return at("rope.freq_base", "base %v", c.RopeBase)
	case !(c.Eps >= 0) || c.Eps > 1:
		return at("attention.layer_norm_rms_epsilon", "epsilon %v", c.Eps)
	}
	if n := r.optional("attention.value_length", c.HeadDim, 1, maxWidth); n != c.HeadDim {
		r.fail(at("attention.value_length", "values of %d beside keys of %d are not supported", n, c.HeadDim))
	}
	for _, k := range [...]string{"rope.scaling.type", "rope.scaling.factor", "rope.scale_linear", "expert_count", "attention.sliding_window"} {
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
