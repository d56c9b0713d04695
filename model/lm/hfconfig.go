package lm

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/micaml/mica/format/hfconfig"
)

// readHFConfig reads and checks a config.json. tied says that the embedding is
// the output matrix too. Keys that are left out have transformers' defaults.
func readHFConfig(b []byte) (c Config, tied bool, err error) {
	f, err := hfconfig.Parse(b)
	if err != nil {
		return c, false, err
	}
	r := &hfReader{Config: f}
	fam := r.family()
	if fam == nil {
		return c, false, r.err
	}
	c.Architecture, c.Parallel = fam.name, fam.parallel
	if r.Has("_name_or_path") {
		c.Name, err = r.String("_name_or_path")
		r.keep(err)
	}
	tied = r.bool(fam.tied, "tie_word_embeddings")
	r.sizes(&c, fam)
	if r.err != nil {
		return c, false, r.err
	}
	r.rotary(&c, fam)
	r.windows(&c, fam)
	r.refuse(fam)
	if r.err == nil {
		r.compare(&c, fam)
	}
	return c, tied, r.err
}

// family returns the family of model_type.
func (r *hfReader) family() *family {
	kind, err := r.String("model_type")
	if err != nil {
		r.keep(err)
		return nil
	}
	var known []string
	for i := range families {
		if families[i].hfName == kind {
			return &families[i]
		}
		known = append(known, families[i].hfName)
	}
	r.fail("model_type", "%q: not supported; supported are %s", clip(kind), strings.Join(known, ", "))
	return nil
}

// sizes reads the numbers that say how large the model is.
func (r *hfReader) sizes(c *Config, f *family) {
	c.Vocabulary = r.need(1, maxVocab, "vocab_size")
	c.Width = r.need(1, maxWidth, "hidden_size", "n_embd")
	c.Layers = r.need(1, maxLayers, "num_hidden_layers", "n_layer")
	c.Heads = r.need(1, maxHeads, "num_attention_heads", "n_head")
	c.Context = r.need(1, maxLength, "max_position_embeddings", "n_positions")
	c.KVHeads = c.Heads
	if !f.fused {
		c.KVHeads = r.count(c.Heads, 1, maxHeads, "num_key_value_heads")
	}
	if f.learned { // GPT-2
		c.MLP = r.count(4*c.Width, 1, maxWidth, "n_inner")
	} else {
		c.MLP = r.need(1, maxWidth, "intermediate_size")
	}
	eps := float32(1e-6)
	if f.layerNorm {
		eps = 1e-5
	}
	c.Eps = r.float(eps, "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon")
	c.Parallel = r.bool(f.parallel, "use_parallel_residual")
	if c.HeadDim = r.count(f.headDim, 1, maxWidth, "head_dim"); c.HeadDim == 0 {
		if c.Width%c.Heads != 0 {
			r.fail("num_attention_heads", "width %d isn't a multiple of %d heads", c.Width, c.Heads)
		}
		c.HeadDim = c.Width / c.Heads
	}
}

// rotary reads how positions turn: in rope_parameters, or where older files
// have it.
func (r *hfReader) rotary(c *Config, f *family) {
	c.RopeBase, c.RopeDim = 10000, c.HeadDim
	if f.learned {
		return
	}
	base, share := float32(10000), float32(1)
	switch {
	case f.sliding:
		base = 1e6
	case f.parallel:
		share = 0.25
	}
	c.RopeBase = r.float(base, "rope_theta", "rotary_emb_base")
	share = r.float(share, "partial_rotary_factor", "rotary_pct")
	if f.sliding {
		c.LocalRopeBase = r.float(10000, "rope_local_base_freq")
	}
	const now, far, near = "rope_parameters", "rope_parameters.full_attention", "rope_parameters.sliding_attention"
	if f.sliding && (r.Has(far) || r.Has(near)) {
		r.rope(far, &c.RopeBase, &share)
		r.rope(near, &c.LocalRopeBase, &share)
	} else {
		r.rope(now, &c.RopeBase, &share)
	}
	r.rope("rope_scaling", &c.RopeBase, &share)
	if c.RopeDim = int(share * float32(c.HeadDim)); !(share > 0 && share <= 1) || c.RopeDim < 2 || c.RopeDim%2 != 0 {
		r.fail("partial_rotary_factor", "%v of a head of %d", share, c.HeadDim)
	}
}

// rope reads an object of rotary settings.
func (r *hfReader) rope(key string, base, share *float32) {
	if !r.object(key) {
		return
	}
	for _, k := range [...]string{key + ".rope_type", key + ".type"} {
		if r.Has(k) {
			kind, err := r.String(k)
			if r.keep(err); err == nil && kind != "default" {
				r.fail(k, "%q: not supported; supported is default", clip(kind))
			}
		}
	}
	*base = r.float(*base, key+".rope_theta")
	*share = r.float(*share, key+".partial_rotary_factor")
}

// windows reads which layers see a window, and how queries are scaled.
func (r *hfReader) windows(c *Config, f *family) {
	kinds, err := r.Strings("layer_types")
	if errors.Is(err, hfconfig.ErrNoKey) {
		kinds, err = nil, nil
	}
	if r.keep(err); err != nil {
		return
	}
	if kinds != nil && len(kinds) != c.Layers {
		r.fail("layer_types", "%d for %d layers", len(kinds), c.Layers)
		return
	}
	if !f.sliding {
		for i, k := range kinds {
			if k != "full_attention" {
				r.fail("layer_types", "layer %d: %q: not supported in %s", i, clip(k), f.name)
				return
			}
		}
		if r.bool(false, "use_sliding_window") {
			r.fail("use_sliding_window", "not supported in %s", f.name)
		}
		return
	}
	c.Window = r.count(4096, 0, maxLength, "sliding_window")
	c.Pattern = r.count(6, 1, maxLayers, "sliding_window_pattern", "_sliding_window_pattern")
	if kinds != nil {
		if c.Pattern = slices.Index(kinds, "full_attention") + 1; c.Pattern == 0 {
			c.Pattern = c.Layers + 1
		}
	}
	for i, k := range kinds {
		want := "sliding_attention"
		if (i+1)%c.Pattern == 0 {
			want = "full_attention"
		}
		if k != want {
			r.fail("layer_types", "layer %d: %q where every layer number %d would be %q", i, clip(k), c.Pattern, want)
			return
		}
	}
	if c.QueryDim = r.count(256, 1, maxWidth, "query_pre_attn_scalar"); c.QueryDim == c.HeadDim {
		c.QueryDim = 0
	}
}

// refuse reports settings that change what is computed and aren't supported.
func (r *hfReader) refuse(f *family) {
	act := "hidden_act"
	switch {
	case f.learned:
		act = "activation_function"
	case f.sliding:
		act = "hidden_activation"
	}
	if r.Has(act) {
		name, err := r.String(act)
		if r.keep(err); err == nil && !slices.Contains(f.hfAct, name) {
			r.fail(act, "%q: not supported in %s; supported is %s", clip(name), f.name, f.hfAct[0])
		}
	}
	for _, flag := range [...]struct {
		key   string
		means bool
	}{
		{"attention_bias", f.bias}, {"mlp_bias", f.bias}, {"scale_attn_weights", true}, {"scale_attn_by_inverse_layer_idx", false},
		{"use_bidirectional_attention", false}, {"add_cross_attention", false},
	} {
		if v := r.bool(flag.means, flag.key); v != flag.means {
			r.fail(flag.key, "%v: not supported in %s", v, f.name)
		}
	}
	for _, key := range [...]string{"attn_logit_softcapping", "final_logit_softcapping", "num_local_experts", "quantization_config"} {
		if r.Has(key) {
			r.fail(key, "not supported in %s", f.name)
		}
	}
}

// compare compares the numbers with each other.
func (r *hfReader) compare(c *Config, f *family) {
	base := func(b float32) bool { return b > 1 && !math.IsInf(float64(b), 0) }
	switch {
	case c.Heads%c.KVHeads != 0:
		r.fail("num_key_value_heads", "%d query heads can't share %d KV heads", c.Heads, c.KVHeads)
	case c.HeadDim > maxHeadDim:
		r.fail("head_dim", "heads of %d: at most %d is supported", c.HeadDim, maxHeadDim)
	case f.fused && c.Heads*c.HeadDim != c.Width:
		r.fail("head_dim", "%d heads of %d for a width of %d", c.Heads, c.HeadDim, c.Width)
	case !base(c.RopeBase):
		r.fail("rope_theta", "base %v", c.RopeBase)
	case f.sliding && !base(c.LocalRopeBase):
		r.fail("rope_local_base_freq", "base %v", c.LocalRopeBase)
	case !(c.Eps >= 0) || c.Eps > 1:
		r.fail("rms_norm_eps", "epsilon %v", c.Eps)
	}
}
