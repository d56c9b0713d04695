package safetensors

import (
	"fmt"
	"math/bits"

	"github.com/micaml/mica/tensor"
)

// Type is the type of a tensor's elements. The order is the reference library's,
// by rising alignment: files hold the types in the opposite order.
type Type uint8

// The types of the format.
const (
	Bool Type = iota
	F4
	F6E2M3
	F6E3M2
	U8
	I8
	F8E5M2
	F8E4M3
	F8E8M0
	F8E4M3FNUZ
	F8E5M2FNUZ
	I16
	U16
	F16
	BF16
	I32
	U32
	F32
	C64 // two F32
	F64
	I64
	U64
)

// types describes every Type; the names are those in a file.
var types = [...]struct {
	name string
	bits uint64 // of one element
}{
	Bool: {"BOOL", 8}, F4: {"F4", 4}, F6E2M3: {"F6_E2M3", 6}, F6E3M2: {"F6_E3M2", 6},
	U8: {"U8", 8}, I8: {"I8", 8}, F8E5M2: {"F8_E5M2", 8}, F8E4M3: {"F8_E4M3", 8}, F8E8M0: {"F8_E8M0", 8},
	F8E4M3FNUZ: {"F8_E4M3FNUZ", 8}, F8E5M2FNUZ: {"F8_E5M2FNUZ", 8},
	I16: {"I16", 16}, U16: {"U16", 16}, F16: {"F16", 16}, BF16: {"BF16", 16},
	I32: {"I32", 32}, U32: {"U32", 32}, F32: {"F32", 32},
	C64: {"C64", 64}, F64: {"F64", 64}, I64: {"I64", 64}, U64: {"U64", 64},
}

// typeByName finds a Type by its name in a file.
var typeByName = func() map[string]Type {
	m := make(map[string]Type, len(types))
	for t, info := range types {
		m[info.name] = Type(t)
	}
	return m
}()

var dtypes = map[Type]tensor.DType{
	F32: tensor.F32, F16: tensor.F16, BF16: tensor.BF16,
	I8: tensor.I8, I16: tensor.I16, I32: tensor.I32, I64: tensor.I64,
}

// String returns the type's name in a file, such as "BF16".
func (t Type) String() string {
	if int(t) < len(types) {
		return types[t].name
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// DType returns the storage type that mica computes with, or an error if it has
// none for t.
func (t Type) DType() (tensor.DType, error) {
	if d, ok := dtypes[t]; ok {
		return d, nil
	}
	return 0, fmt.Errorf("safetensors: type %v is not supported", t)
}

// TypeOf returns the file type of a storage type. Block types have none.
func TypeOf(d tensor.DType) (Type, error) {
	for t, have := range dtypes {
		if have == d {
			return t, nil
		}
	}
	return 0, fmt.Errorf("safetensors: no type for %v", d)
}

// size returns the bytes of a tensor, or what is wrong with its type or shape.
func (t Type) size(shape []uint64) (int64, string) {
	if int(t) >= len(types) {
		return 0, fmt.Sprintf("type %d is unknown", uint8(t))
	}
	if len(shape) > maxDims {
		return 0, fmt.Sprintf("%d dimensions exceed the limit of %d", len(shape), maxDims)
	}
	n := types[t].bits
	for _, d := range shape {
		hi, lo := bits.Mul64(n, d)
		// A zero does not hide an overflow before it.
		if hi != 0 || lo>>63 != 0 {
			return 0, fmt.Sprintf("shape %d of %v overflows", shape, t)
		}
		n = lo
	}
	if n%8 != 0 {
		return 0, fmt.Sprintf("shape %d of %v ends within a byte", shape, t)
	}
	return int64(n / 8), ""
}
