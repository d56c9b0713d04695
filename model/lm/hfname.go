package lm

import "strings"

// names maps the names of GGUF tensors, without ".weight" or ".bias", to those
// of transformers. Tensors of block i are "blk.i." and then the name; so are
// layers and a name in transformers.
type names struct {
	base   string // that a file may leave out, for models saved without their head
	layers string
	of     map[string]string
}

var (
	llamaNames = names{"model.", "model.layers.", map[string]string{
		"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
		"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
		"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
		"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
		"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
	}}
	gemma3Names = names{"model.", "model.layers.", map[string]string{
		"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
		"attn_norm": "input_layernorm", "post_attention_norm": "post_attention_layernorm",
		"ffn_norm": "pre_feedforward_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
		"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
		"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
		"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
	}}
	gpt2Names = names{"transformer.", "transformer.h.", map[string]string{
		"token_embd": "transformer.wte", "position_embd": "transformer.wpe", "output_norm": "transformer.ln_f", "output": "lm_head",
		"attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj",
		"ffn_norm": "ln_2", "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
	}}
	neoxNames = names{"gpt_neox.", "gpt_neox.layers.", map[string]string{
		"token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm", "output": "embed_out",
		"attn_norm": "input_layernorm", "attn_qkv": "attention.query_key_value", "attn_output": "attention.dense",
		"ffn_norm": "post_attention_layernorm", "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h",
	}}
)

// buffers end the names of tensors that old checkpoints hold beside their
// weights: masks and frequencies, which the configuration gives too.
var buffers = []string{".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"}

// name returns transformers' name of a GGUF tensor.
func (n *names) name(gguf string) string {
	dot := strings.LastIndexByte(gguf, '.')
	name, suffix := gguf[:dot], gguf[dot:]
	rest, ok := strings.CutPrefix(name, "blk.")
	if !ok {
		return n.of[name] + suffix
	}
	layer, part, _ := strings.Cut(rest, ".")
	return n.layers + layer + "." + n.of[part] + suffix
}
