// Package gguf reads and writes GGUF, the model file format of ggml and
// llama.cpp: typed metadata followed by a table of tensors and their data.
//
// [Parse] checks a whole file before anything in it is used, and reports where
// and what is wrong as a [*FormatError]. It needs an [io.ReaderAt] and a size,
// knows neither paths nor networks, and never reads tensor data. [File.Storage]
// is the only place where a tensor of a file becomes a [tensor.Storage].
//
// Versions 2 and 3, little-endian, are supported: every file that llama.cpp has
// written since August 2023. The format is described at
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; where that page
// leaves a choice, this package refuses what llama.cpp refuses.
package gguf
