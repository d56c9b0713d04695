package tensor

import (
	"encoding/binary"
	"fmt"
)

// Each decoder reproduces ggml's dequantize_row_* bit for bit: the same formula,
// every product rounded to float32 before the addition. The conversions in
// float32(d*q) + m are what forbids the compiler to fuse the two on machines
// with a multiply-add.

// DequantRow writes row i, Cols numbers, to dst, which must have that length.
// It returns an error if i or len(dst) does not fit or the dtype is an integer.
func (s *Storage) DequantRow(i int, dst []float32) error {
	return s.DequantCols(i, 0, s.Cols, dst)
}

// DequantCols writes columns [from, to) of row i to dst, which must have length
// to-from. Both ends must be multiples of the block; so a kernel can decode one
// panel of a matrix at a time.
func (s *Storage) DequantCols(i, from, to int, dst []float32) error {
	if !s.DType.IsFloat() {
		return fmt.Errorf("dequantize: %v does not hold floats", s.DType)
	}
	elems, size := s.DType.Block()
	switch {
	case i < 0 || i >= s.Rows:
		return fmt.Errorf("dequantize: row %d outside 0..%d", i, s.Rows-1)
	case from < 0 || to < from || to > s.Cols:
		return fmt.Errorf("dequantize: columns %d..%d outside 0..%d", from, to, s.Cols)
	case from%elems != 0 || to%elems != 0:
		return fmt.Errorf("dequantize: columns %d..%d are not multiples of the %v block of %d", from, to, s.DType, elems)
	case len(dst) != to-from:
		return fmt.Errorf("dequantize: %d columns into %d numbers", to-from, len(dst))
	}
	dtypes[s.DType].decode(dst, s.Row(i)[from/elems*size:to/elems*size])
	return nil
}

// A decoder reads len(dst)/elems whole blocks; DequantCols has made sure that b
// holds exactly those.

func decodeF32(dst []float32, b []byte) { copy(bytesOf(dst), b) }

func decodeF16(dst []float32, b []byte) {
	for i := range dst {
		dst[i] = F16ToF32(binary.LittleEndian.Uint16(b[2*i:]))
	}
}

func decodeBF16(dst []float32, b []byte) {
	for i := range dst {
		dst[i] = BF16ToF32(binary.LittleEndian.Uint16(b[2*i:]))
	}
}

// f16 reads the binary16 at the start of b.
func f16(b []byte) float32 { return F16ToF32(binary.LittleEndian.Uint16(b)) }

func decodeQ8_0(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[32:], b[34:] {
		y, x := (*[32]float32)(dst), (*[34]byte)(b)
		d := f16(x[:])
		for j := range y {
			y[j] = float32(int8(x[2+j])) * d
		}
	}
}

// In the 4- and 5-bit types of 32, byte j holds number j in its low and number
// j+16 in its high nibble.

func decodeQ4_0(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[32:], b[18:] {
		y, x := (*[32]float32)(dst), (*[18]byte)(b)
		d := f16(x[:])
		for j, q := range x[2:] {
			y[j] = float32(int(q&15)-8) * d
			y[j+16] = float32(int(q>>4)-8) * d
		}
	}
}

func decodeQ4_1(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[32:], b[20:] {
		y, x := (*[32]float32)(dst), (*[20]byte)(b)
		d, m := f16(x[:]), f16(x[2:])
		for j, q := range x[4:] {
			y[j] = float32(d*float32(q&15)) + m
			y[j+16] = float32(d*float32(q>>4)) + m
		}
	}
}

func decodeQ5_0(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[32:], b[22:] {
		y, x := (*[32]float32)(dst), (*[22]byte)(b)
		d, high := f16(x[:]), binary.LittleEndian.Uint32(x[2:]) // bit j is the fifth bit of number j
		for j, q := range x[6:] {
			y[j] = float32(int(q&15)|int(high>>j&1)<<4-16) * d
			y[j+16] = float32(int(q>>4)|int(high>>(j+16)&1)<<4-16) * d
		}
	}
}

func decodeQ5_1(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[32:], b[24:] {
		y, x := (*[32]float32)(dst), (*[24]byte)(b)
		d, m, high := f16(x[:]), f16(x[2:]), binary.LittleEndian.Uint32(x[4:])
		for j, q := range x[8:] {
			y[j] = float32(d*float32(uint32(q&15)|high>>j&1<<4)) + m
			y[j+16] = float32(d*float32(uint32(q>>4)|high>>(j+16)&1<<4)) + m
		}
	}
}
