// Package tensor turns bytes into checked blocks of weights, and blocks of
// weights into float32 numbers.
//
// A [Storage] is an immutable matrix of one [DType]: plain floats, half
// precision, or the quantised blocks of ggml. It is used in place, from a file
// opened by [OpenMapping] or from the heap. [NewStorage] is the only door from
// bytes to tensors: it compares every size with the bytes that are really there
// before anything is viewed, so no declared shape is ever trusted. Code that
// computes calls [Storage.DequantRow], [Storage.Row] or [Storage.F32].
//
// The package does no arithmetic on whole tensors and knows no file format; see
// format/gguf for a parser that ends here.
//
// All stored bytes are little-endian, and float32 storage is viewed without
// conversion, so the package expects a little-endian machine (amd64, arm64,
// riscv64, loong64, ppc64le, wasm). Big-endian machines are not supported.
package tensor
