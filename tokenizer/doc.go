// Package tokenizer turns text into token ids and back for models with a
// byte-level BPE vocabulary: GPT-2 and what came after it (SmolLM2, Llama 3,
// Qwen 2).
//
// A loader fills a [Config] from a model file; [NewBPE] checks it and returns a
// [BPE], which any number of goroutines may use at once. The ids are those of
// Hugging Face tokenizers for the same vocabulary, merges and pre-tokenizer.
//
// The pre-tokenizers are written by hand and the merge loop is a heap, because
// regular expressions and quadratic merging let a crafted text stall a server
// for minutes, no Go library has the reference's Unicode version, and this way
// is more than ten times as fast as the Rust reference on one thread.
package tokenizer
