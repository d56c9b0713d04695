package lm

import (
	"slices"
	"strings"

	"github.com/micaml/mica/op"
)

// family is an entry of the table of decoders: what the blocks of an
// architecture are made of. How large they are is in [Config]. A flag is what
// an architecture does otherwise than most.
type family struct {
	name   string   // general.architecture of a GGUF file
	hfName string   // model_type of config.json
	hfAct  []string // what config.json calls the activation
	names  *names   // of tensors in transformers

	hidden func(c *op.Ctx, gate, up op.Val) op.Val // of the MLP, gated
	plain  func(c *op.Ctx, up op.Val) op.Val       // of an MLP without a gate

	layerNorm      bool // LayerNorm with a bias, and not RMSNorm
	qkvBias        bool // queries, keys and values have a bias
	bias           bool // all maps of a block have one
	fused          bool // files hold queries, keys and values as one tensor
	pairs          bool // GGUF files hold rotary pairs as neighbours, and not as halves
	learned        bool // positions are a table that is added to the embedding, and nothing rotates
	parallel       bool // attention and MLP both read the layer's input, unless the file says otherwise
	headNorm       bool // queries and keys are normed, head by head, before they rotate
	postNorm       bool // what attention and MLP give is normed before it joins the stream
	scaleEmbedding bool // by the square root of the width
	sliding        bool // most layers see a window

	// Of checkpoints of transformers alone:
	headDim    int  // of heads, where config.json leaves it out; 0: width / heads
	tied       bool // the output matrix is the embedding, likewise
	turned     bool // maps of the blocks are [in, out]
	headByHead bool // fused queries, keys and values alternate
	gainLess1  bool // gains are kept less 1
}

// families is the table.
var families = [...]family{
	// Touvron et al. 2023; SmolLM, TinyLlama and many others.
	{name: "llama", hfName: "llama", hfAct: silu, names: &llamaNames, hidden: op.SwiGLU, pairs: true},
	// Yang et al. 2024; Qwen2.5 too.
	{name: "qwen2", hfName: "qwen2", hfAct: silu, names: &llamaNames, hidden: op.SwiGLU, qkvBias: true},
	// Yang et al. 2025.
	{name: "qwen3", hfName: "qwen3", hfAct: silu, names: &llamaNames, hidden: op.SwiGLU, headNorm: true, headDim: 128},
	// Radford et al. 2019.
	{name: "gpt2", hfName: "gpt2", hfAct: geluTanh, names: &gpt2Names, plain: op.GELUTanh, layerNorm: true, qkvBias: true, bias: true,
		fused: true, learned: true, turned: true, tied: true},
	// Black et al. 2022; Pythia.
	{name: "gptneox", hfName: "gpt_neox", hfAct: []string{"gelu"}, names: &neoxNames, plain: op.GELU, layerNorm: true, qkvBias: true, bias: true,
		fused: true, parallel: true, headByHead: true},
	// Gemma Team 2025; text only.
	{name: "gemma3", hfName: "gemma3_text", hfAct: geluTanh, names: &gemma3Names, hidden: geGLU, headNorm: true, postNorm: true,
		scaleEmbedding: true, sliding: true, gainLess1: true, headDim: 256, tied: true},
}

var (
	silu     = []string{"silu", "swish"}
	geluTanh = []string{"gelu_new", "gelu_pytorch_tanh"}
)

// geGLU is gelu(gate) * up (Shazeer 2020), with the tanh form of GELU.
func geGLU(c *op.Ctx, gate, up op.Val) op.Val { return op.Mul(c, op.GELUTanh(c, gate), up) }

// familyOf returns the entry of an architecture, or nil.
func familyOf(architecture string) *family {
	i := slices.IndexFunc(families[:], func(f family) bool { return f.name == architecture })
	if i < 0 {
		return nil
	}
	return &families[i]
}

// supported names the architectures.
func supported() string {
	var names []string
	for _, f := range families {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}
