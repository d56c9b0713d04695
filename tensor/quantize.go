package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Quantize stores data, [rows, cols] in row-major order, as dt: F32, F16, BF16,
// Q8_0, Q4_0 or Q4_1. The block types follow ggml's reference quantisers
// (quantize_row_*_ref) bit for bit. It is an error if the sizes do not fit, and,
// for block types, if a number is not finite or a block's scale is beyond the
// range of binary16: stored, such a block would read as NaN or infinity.
func Quantize(dt DType, rows, cols int, data []float32) (*Storage, error) {
	if rows <= 0 || cols <= 0 {
		return nil, fmt.Errorf("quantize: matrix of %d x %d: both must be positive", rows, cols)
	}
	n, err := mul(rows, cols)
	if err != nil || n != len(data) {
		return nil, fmt.Errorf("quantize: %d numbers are not a matrix of %d x %d", len(data), rows, cols)
	}
	rowBytes, err := dt.RowBytes(cols)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	size, err := mul(rows, rowBytes)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	var encode func(b []byte, x []float32) error // one block
	switch dt {
	case F32:
		f := make([]float32, n) // float32 memory, so that NewStorage need not copy again
		copy(f, data)
		return NewStorage(dt, rows, cols, bytesOf(f))
	case F16:
		encode = func(b []byte, x []float32) error {
			binary.LittleEndian.PutUint16(b, F32ToF16(x[0]))
			return nil
		}
	case BF16:
		encode = func(b []byte, x []float32) error {
			binary.LittleEndian.PutUint16(b, F32ToBF16(x[0]))
			return nil
		}
	case Q8_0:
		encode = encodeQ8_0
	case Q4_0:
		encode = encodeQ4_0
	case Q4_1:
		encode = encodeQ4_1
	default:
		return nil, fmt.Errorf("quantize: no quantiser to %v", dt)
	}
	elems, block := dt.Block()
	b := make([]byte, size)
	for i := range n / elems {
		x := data[i*elems:][:elems]
		if err := encode(b[i*block:][:block], x); err != nil {
			return nil, fmt.Errorf("quantize: row %d, column %d: %w", i*elems/cols, i*elems%cols, err)
		}
	}
	return NewStorage(dt, rows, cols, b)
}

// putScale stores a block's scale or minimum as binary16.
func putScale(b []byte, d float32) error {
	h := F32ToF16(d)
	if h&0x7c00 == 0x7c00 {
		return fmt.Errorf("block scale %g is outside float16", d)
	}
	binary.LittleEndian.PutUint16(b, h)
	return nil
}

// inverse returns 1/d, or 0 where that is infinite: there the stored scale is 0
// as well, and whatever is stored beside it reads as 0.
func inverse(d float32) float32 {
	id := 1 / d
	if math.IsInf(float64(id), 0) {
		return 0
	}
	return id
}

func encodeQ8_0(b []byte, x []float32) error {
	var amax float32
	for _, v := range x {
		amax = max(amax, float32(math.Abs(float64(v)))) // max of a NaN is NaN, which putScale refuses
	}
	d := amax / 127
	if err := putScale(b, d); err != nil {
		return err
	}
	id := inverse(d)
	for j, v := range x {
		b[2+j] = byte(int8(math.Round(float64(v * id)))) // halves away from zero, as roundf
	}
	return nil
}

func encodeQ4_0(b []byte, x []float32) error {
	var amax, ext float32 // ext is the number of largest magnitude, with its sign; it becomes -8
	for _, v := range x {
		if v != v {
			ext = v
			break
		}
		if a := float32(math.Abs(float64(v))); a > amax {
			amax, ext = a, v
		}
	}
	d := ext / -8
	if err := putScale(b, d); err != nil {
		return err
	}
	id := inverse(d)
	for j := range 16 {
		lo := min(15, int(float32(x[j]*id)+8.5))
		hi := min(15, int(float32(x[j+16]*id)+8.5))
		b[2+j] = byte(lo | hi<<4)
	}
	return nil
}

func encodeQ4_1(b []byte, x []float32) error {
	lowest, highest := x[0], x[0]
	for _, v := range x {
		lowest, highest = min(lowest, v), max(highest, v)
	}
	d := (highest - lowest) / 15
	if err := putScale(b, d); err != nil {
		return err
	}
	if err := putScale(b[2:], lowest); err != nil {
		return err
	}
	id := inverse(d)
	for j := range 16 {
		lo := min(15, int(float32((x[j]-lowest)*id)+0.5))
		hi := min(15, int(float32((x[j+16]-lowest)*id)+0.5))
		b[4+j] = byte(lo | hi<<4)
	}
	return nil
}
