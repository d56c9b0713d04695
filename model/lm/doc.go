// Package lm holds language models: networks that turn tokens into logits,
// with the tokenizer and chat template that belong to them.
//
//	m, err := lm.Open("SmolLM2-135M-Instruct.Q4_1.gguf")
//	defer m.Close()
//	eng := pass.NewEngine(m.Net, pass.Options{Mode: op.Fast})
//	for tok, err := range lm.Generate(ctx, eng, seq, lm.Options{Max: 64}) { ... }
//
// [Open] maps a GGUF file, or a folder as Hugging Face lays them out, and checks
// every size in it; [Generate] is the loop from a prompt to tokens. Methods that
// do something else on the way drive a pass.Pass themselves and hand what they
// kept to Generate.
//
// There is one network, [Decoder], and a table of what Llama, Qwen 2 and 3, GPT-2,
// GPT-NeoX and Gemma 3 do differently. [Verify] compares it with another program,
// site by site.
//
// Dimension letters: T rows, D width, H query heads, G KV heads, Dh head
// dimension, F MLP width, V vocabulary, L layers.
package lm
