// Package tokenizer turns text into token ids and back for models with a
// byte-pair vocabulary: byte-level ones (GPT-2, GPT-NeoX and Pythia, SmolLM2,
// Llama 3, Qwen 2 to 3) and SentencePiece's with byte fallback (Gemma 2 and 3).
//
// A loader fills a [Config] from the metadata of a GGUF file, or has
// [ConfigFromJSON] fill it from a Hugging Face tokenizer.json; [NewBPE] checks it
// and returns a [BPE], which any number of goroutines may use at once. [FromJSON]
// does both. The ids are those of Hugging Face tokenizers for the same
// tokenizer.json, and for a GGUF file with scores those of llama.cpp.
//
// Text never becomes a control token unless [EncodeOptions].Special asks for it.
// What a file itself calls user-defined (runs of spaces, <tool_call>, HTML tags in
// Gemma) is found in any text, as it is by both references.
//
// The pre-tokenizers are written by hand and the merge loop is a heap, because
// regular expressions and quadratic merging let a crafted text stall a server
// for minutes, no Go library has the reference's Unicode version, and this way
// is eight times as fast as the Rust reference on one thread, or more.
package tokenizer
