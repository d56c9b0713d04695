package gguf

import (
	"fmt"
	"math/bits"

	"github.com/micaml/mica/tensor"
)

// Type is a ggml tensor type as stored in the file (enum ggml_type).
type Type uint32

// The types that have a [tensor.DType].
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	I8   Type = 24
	I16  Type = 25
	I32  Type = 26
	I64  Type = 27
	BF16 Type = 30
)

// types holds the block sizes of every type that ggml still has, so that files
// can be checked and shown even where mica cannot compute with a type.
var types = map[Type]struct {
	name         string
	elems, bytes uint64 // of one block
}{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2}, 28: {"F64", 1, 8},
	I8: {"I8", 1, 1}, I16: {"I16", 1, 2}, I32: {"I32", 1, 4}, I64: {"I64", 1, 8},
	Q4_0: {"Q4_0", 32, 18}, Q4_1: {"Q4_1", 32, 20}, Q5_0: {"Q5_0", 32, 22}, Q5_1: {"Q5_1", 32, 24},
	Q8_0: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 40},
	10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110}, Q4_K: {"Q4_K", 256, 144},
	Q5_K: {"Q5_K", 256, 176}, Q6_K: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50},
	20: {"IQ4_NL", 32, 18}, 21: {"IQ3_S", 256, 110}, 22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136},
	29: {"IQ1_M", 256, 56}, 34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66},
	39: {"MXFP4", 32, 17}, 40: {"NVFP4", 64, 36}, 41: {"Q1_0", 128, 18},
}

var dtypes = map[Type]tensor.DType{
	F32: tensor.F32, F16: tensor.F16, BF16: tensor.BF16,
	Q8_0: tensor.Q8_0, Q4_0: tensor.Q4_0, Q4_1: tensor.Q4_1, Q5_0: tensor.Q5_0, Q5_1: tensor.Q5_1,
	Q4_K: tensor.Q4_K, Q5_K: tensor.Q5_K, Q6_K: tensor.Q6_K,
	I8: tensor.I8, I16: tensor.I16, I32: tensor.I32, I64: tensor.I64,
}

// String returns ggml's name of the type, such as "Q4_1".
func (t Type) String() string {
	if i, ok := types[t]; ok {
		return i.name
	}
	return fmt.Sprintf("Type(%d)", uint32(t))
}

// DType returns the storage type that mica computes with, or an error if it has
// none for t.
func (t Type) DType() (tensor.DType, error) {
	if d, ok := dtypes[t]; ok {
		return d, nil
	}
	return 0, fmt.Errorf("gguf: tensor type %v is not supported", t)
}

// TypeOf returns the file type of a storage type.
func TypeOf(d tensor.DType) (Type, error) {
	for t, have := range dtypes {
		if have == d {
			return t, nil
		}
	}
	return 0, fmt.Errorf("gguf: no tensor type for %v", d)
}

// size returns the bytes of a tensor, or what is wrong with its type or shape.
func (t Type) size(dims []uint64) (int64, string) {
	info, ok := types[t]
	if !ok {
		return 0, fmt.Sprintf("type %d is unknown", uint32(t))
	}
	if len(dims) < 1 || len(dims) > maxDims {
		return 0, fmt.Sprintf("%d dimensions, want 1 to %d", len(dims), maxDims)
	}
	n := uint64(1) // the number of elements, then of bytes
	for i, d := range dims {
		if d == 0 {
			return 0, fmt.Sprintf("dimension %d is zero", i)
		}
		hi, lo := bits.Mul64(n, d)
		if hi != 0 || lo>>63 != 0 {
			return 0, fmt.Sprintf("shape %d overflows", dims)
		}
		n = lo
	}
	if dims[0]%info.elems != 0 {
		return 0, fmt.Sprintf("%d columns are not a multiple of the %v block of %d", dims[0], t, info.elems)
	}
	hi, lo := bits.Mul64(n/info.elems, info.bytes)
	if hi != 0 || lo>>63 != 0 {
		return 0, fmt.Sprintf("shape %d of %v overflows", dims, t)
	}
	return int64(lo), ""
}
