// Package safetensors reads and writes safetensors, the weight file format of
// Hugging Face: a JSON header that names each tensor's type, shape and place,
// followed by the data.
//
// [Parse] checks a whole file before anything in it is used, and reports where
// and what is wrong as a [*FormatError]. It takes the bytes of the file, as a rule
// a mapping, knows neither paths nor networks, and never reads tensor data.
// [File.Storage] is the only place where a tensor of a file becomes a
// [tensor.Storage]. [ParseIndex] reads the index of a model in several files.
//
// The format is described at https://github.com/huggingface/safetensors. This
// package refuses what the reference library refuses, and where that page leaves
// a choice is strict: duplicate keys, unknown fields, empty names, names of more
// than 256 bytes, more than 8 dimensions and a header that does not begin with '{'
// are errors. [Write] gives the same bytes as the reference library.
package safetensors
