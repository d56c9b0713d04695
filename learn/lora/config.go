package lora

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/micaml/mica/format/hfconfig"
)

// harmless keys of adapter_config.json change nothing of what a saved adapter
// computes: they are about training, or say where weights are, which the file of
// weights says too.
var harmless = []string{"task_type", "auto_mapping", "peft_version", "revision", "inference_mode", "target_modules", "exclude_modules",
	"fan_in_fan_out", "layers_to_transform", "layers_pattern", "megatron_core", "eva_config", "lora_ga_config", "qalora_group_size",
	"ensure_weight_tying", "runtime_config"}

// read keys are the ones that readConfig reads.
var read = []string{"peft_type", "base_model_name_or_path", "r", "lora_alpha", "lora_dropout", "use_rslora", "bias", "init_lora_weights"}

// refused says what keys mean that mica lacks.
var refused = map[string]string{
	"use_dora":        "DoRA's magnitudes are not supported",
	"modules_to_save": "whole modules in an adapter are not supported",
	"rank_pattern":    "ranks of their own for some modules are not supported",
	"alpha_pattern":   "alphas of their own for some modules are not supported",
	"lora_bias":       "biases of an adapter are not supported",
}

// initial are values of init_lora_weights that leave the base as it is. Others, such as
// PiSSA, begin with a change of it, and their adapters are of the changed one.
var initial = []string{"gaussian", "eva", "orthogonal"}

// readConfig reads adapter_config.json. Keys that it doesn't know are errors, unless
// they are empty.
func readConfig(b []byte) (s Settings, base string, err error) {
	c, err := hfconfig.Parse(b)
	if err != nil {
		return s, "", err
	}
	fail := func(key, format string, args ...any) (Settings, string, error) {
		return s, "", fmt.Errorf("key %q: %s", key, fmt.Sprintf(format, args...))
	}
	kind, err := c.String("peft_type")
	if err != nil {
		return s, "", err
	}
	if kind != "LORA" {
		return fail("peft_type", "%q is not supported; LORA is", clip(kind))
	}
	for _, key := range c.Keys("") {
		switch {
		case c.Empty(key) || slices.Contains(harmless, key) || slices.Contains(read, key):
		case refused[key] != "":
			return fail(key, "%s", refused[key])
		default:
			return fail(clip(key), "mica doesn't know what this changes; take it out if it changes nothing")
		}
	}
	if c.Has("bias") {
		if v, err := c.String("bias"); err != nil || v != "none" {
			return fail("bias", "only \"none\" is supported: an adapter with biases needs a base of its own")
		}
	}
	if v, err := c.String("init_lora_weights"); err == nil && !slices.Contains(initial, v) {
		return fail("init_lora_weights", "%q begins with changed weights of the base, which mica doesn't do: save the adapter as one of the unchanged base", clip(v))
	}
	rank, err := c.Uint("r")
	if err != nil {
		return s, "", err
	}
	if rank < 1 || rank > MaxRank {
		return fail("r", "%d is not in [1, %d]", rank, MaxRank)
	}
	s.Rank = int(rank)
	if s.Alpha, err = c.Float("lora_alpha"); err != nil {
		return s, "", err
	}
	if c.Has("use_rslora") {
		if s.RSLoRA, err = c.Bool("use_rslora"); err != nil {
			return s, "", err
		}
	}
	if c.Has("lora_dropout") {
		p, err := c.Float("lora_dropout")
		if err != nil {
			return s, "", err
		}
		s.Dropout = float32(p)
	}
	if c.Has("base_model_name_or_path") {
		if base, err = c.String("base_model_name_or_path"); err != nil {
			return s, "", err
		}
	}
	return s, base, s.check()
}

// config returns adapter_config.json.
func (a *Adapter) config() ([]byte, error) {
	b, err := json.MarshalIndent(map[string]any{
		"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": a.Base, "r": a.settings.Rank,
		"lora_alpha": a.settings.Alpha, "lora_dropout": a.settings.Dropout, "use_rslora": a.settings.RSLoRA, "target_modules": a.targets(),
		"bias": "none", "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true, "modules_to_save": nil, "use_dora": false,
	}, "", "  ")
	return append(b, '\n'), err
}

// targets lists the adapted modules as target_modules does: by the ends of their names,
// or in full if not every layer has them.
func (a *Adapter) targets() []string {
	count := map[string]int{}
	for _, p := range a.products {
		count[p.target]++
	}
	var list []string
	for _, p := range a.products {
		name := p.module
		if count[p.target] == a.depth {
			name = p.target
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}
