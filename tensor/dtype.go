package tensor

import (
	"errors"
	"fmt"
	"math"
)

// DType is the way in which numbers are stored. Its zero value is F32. The
// block types and their names are ggml's.
type DType uint8

// The dtypes. QK_0 and QK_1 hold blocks of 32 numbers, QK_K blocks of 256.
const (
	F32  DType = iota // IEEE 754 binary32
	F16               // IEEE 754 binary16
	BF16              // upper half of a binary32
	Q8_0              // 32 numbers in 34 bytes: d*q, q in -128..127
	Q4_0              // 32 in 18: d*(q-8), q in 0..15
	Q4_1              // 32 in 20: d*q+m
	Q5_0              // 32 in 22: d*(q-16), q in 0..31
	Q5_1              // 32 in 24: d*q+m
	Q4_K              // 256 in 144: eight sub-blocks of 32, each (d*scale)*q - dmin*min, 6-bit scales and mins
	Q5_K              // 256 in 176: as Q4_K with q in 0..31
	Q6_K              // 256 in 210: sixteen sub-blocks of 16, each (d*scale)*(q-32), 8-bit scales
	I8                // integers, little-endian two's complement
	I16
	I32
	I64
)

// dtypes describes every DType; the order is that of the constants.
var dtypes = [...]struct {
	name         string
	elems, bytes int                           // of one block
	decode       func(dst []float32, b []byte) // whole blocks; nil if the numbers are not floats
}{
	F32:  {"F32", 1, 4, decodeF32},
	F16:  {"F16", 1, 2, decodeF16},
	BF16: {"BF16", 1, 2, decodeBF16},
	Q8_0: {"Q8_0", 32, 2 + 32, decodeQ8_0},
	Q4_0: {"Q4_0", 32, 2 + 16, decodeQ4_0},
	Q4_1: {"Q4_1", 32, 2 + 2 + 16, decodeQ4_1},
	Q5_0: {"Q5_0", 32, 2 + 4 + 16, decodeQ5_0},
	Q5_1: {"Q5_1", 32, 2 + 2 + 4 + 16, decodeQ5_1},
	Q4_K: {"Q4_K", 256, 2 + 2 + 12 + 128, decodeQ4_K},
	Q5_K: {"Q5_K", 256, 2 + 2 + 12 + 32 + 128, decodeQ5_K},
	Q6_K: {"Q6_K", 256, 128 + 64 + 16 + 2, decodeQ6_K},
	I8:   {"I8", 1, 1, nil},
	I16:  {"I16", 1, 2, nil},
	I32:  {"I32", 1, 4, nil},
	I64:  {"I64", 1, 8, nil},
}

// Valid reports whether d is one of the dtypes above.
func (d DType) Valid() bool { return int(d) < len(dtypes) }

// String returns ggml's name of the dtype, such as "Q4_1".
func (d DType) String() string {
	if !d.Valid() {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Block returns how many numbers one block holds and how many bytes it takes.
// Both are 0 for an invalid dtype.
func (d DType) Block() (elems, bytes int) {
	if !d.Valid() {
		return 0, 0
	}
	return dtypes[d].elems, dtypes[d].bytes
}

// IsFloat reports whether the stored numbers stand for floats, that is, whether
// DequantRow can read them.
func (d DType) IsFloat() bool { return d.Valid() && dtypes[d].decode != nil }

var errOverflow = errors.New("size overflows")

// RowBytes returns the bytes taken by a row of n numbers. It is an error if n is
// negative or not a multiple of the block, or if the result overflows an int.
func (d DType) RowBytes(n int) (int, error) {
	if !d.Valid() {
		return 0, fmt.Errorf("unknown dtype %v", d)
	}
	elems, size := d.Block()
	if n < 0 || n%elems != 0 {
		return 0, fmt.Errorf("%d columns are not a multiple of the %v block of %d", n, d, elems)
	}
	b, err := mul(n/elems, size)
	if err != nil {
		return 0, fmt.Errorf("row of %d %v: %w", n, d, err)
	}
	return b, nil
}

// mul multiplies two non-negative ints.
func mul(a, b int) (int, error) {
	if b != 0 && a > math.MaxInt/b {
		return 0, errOverflow
	}
	return a * b, nil
}
