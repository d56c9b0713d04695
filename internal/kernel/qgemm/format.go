package qgemm

import (
	"encoding/binary"

	"github.com/micaml/mica/tensor"
)

// A chain is how a block of 32 weights enters the sum of an output.
type chain uint8

const (
	oneScale    chain = iota // d*q
	scaleAndMin              // d*q + m
	twoScales                // d*q, another d for the second half
)

// block is 32 weights unpacked: quants that Go's int8 can hold, one scale or one
// for each half, and the minimum.
type block struct {
	q [elems]int8
	d [2]float32
	m float32
}

// formats describes the block types. unpack reads the 32 weights from 32*b on of
// a stored row; the scales of K-quants are products, rounded to float32, and
// their minimum is -(dmin*m), so that all kinds are the same to the chains.
var formats = [...]struct {
	dtype  tensor.DType
	chain  chain
	unpack func(dst *block, row []byte, b int)
}{
	{tensor.Q8_0, oneScale, unpackQ8_0},
	{tensor.Q4_0, oneScale, unpackQ4_0},
	{tensor.Q4_1, scaleAndMin, unpackQ4_1},
	{tensor.Q5_0, oneScale, unpackQ5_0},
	{tensor.Q5_1, scaleAndMin, unpackQ5_1},
	{tensor.Q4_K, scaleAndMin, unpackQ4_K},
	{tensor.Q5_K, scaleAndMin, unpackQ5_K},
	{tensor.Q6_K, twoScales, unpackQ6_K},
}

// formatOf returns the index in formats, or -1.
func formatOf(dt tensor.DType) int {
	for i := range formats {
		if formats[i].dtype == dt {
			return i
		}
	}
	return -1
}

func float16(b []byte) float32 { return tensor.F16ToF32(binary.LittleEndian.Uint16(b)) }

func unpackQ8_0(dst *block, row []byte, b int) {
	x := (*[34]byte)(row[34*b:])
	dst.d[0] = float16(x[:])
	for j, q := range x[2:] {
		dst.q[j] = int8(q)
	}
}

func unpackQ4_0(dst *block, row []byte, b int) {
	x := (*[18]byte)(row[18*b:])
	dst.d[0] = float16(x[:])
	for j, q := range x[2:] {
		dst.q[j], dst.q[j+16] = int8(q&15)-8, int8(q>>4)-8
	}
}

func unpackQ4_1(dst *block, row []byte, b int) {
	x := (*[20]byte)(row[20*b:])
	dst.d[0], dst.m = float16(x[:]), float16(x[2:])
	for j, q := range x[4:] {
		dst.q[j], dst.q[j+16] = int8(q&15), int8(q>>4)
	}
}

func unpackQ5_0(dst *block, row []byte, b int) {
	x := (*[22]byte)(row[22*b:])
	dst.d[0] = float16(x[:])
	fifths(dst, (*[4]byte)(x[2:]), (*[16]byte)(x[6:]), 16)
}

func unpackQ5_1(dst *block, row []byte, b int) {
	x := (*[24]byte)(row[24*b:])
	dst.d[0], dst.m = float16(x[:]), float16(x[2:])
	fifths(dst, (*[4]byte)(x[4:]), (*[16]byte)(x[8:]), 0)
}

// fifths puts 4-bit quants and the fifth bits together, less offset.
func fifths(dst *block, high *[4]byte, low *[16]byte, offset int8) {
	bits := binary.LittleEndian.Uint32(high[:])
	for j, q := range low {
		dst.q[j] = int8(uint32(q&15)|bits>>j&1<<4) - offset
		dst.q[j+16] = int8(uint32(q>>4)|bits>>(j+16)&1<<4) - offset
	}
}

// scaleMin returns the products of sub-block j of Q4_K or Q5_K with the scales
// of the block: bytes 0 to 7 of the packed ones hold the 6-bit scales and minima
// of the first four, whose upper two bits belong to those of the last four, which
// have their lower four in bytes 8 to 11.
func scaleMin(j int, head *[16]byte) (scale, least float32) {
	d, dmin, x := float16(head[:]), float16(head[2:]), head[4:]
	if j < 4 {
		return d * float32(x[j]&63), -dmin * float32(x[j+4]&63)
	}
	return d * float32(x[j+4]&15|x[j-4]>>6<<4), -dmin * float32(x[j+4]>>4|x[j]>>6<<4)
}

func unpackQ4_K(dst *block, row []byte, b int) {
	x, j := (*[144]byte)(row[b/8*144:]), b%8
	dst.d[0], dst.m = scaleMin(j, (*[16]byte)(x[:]))
	for l, q := range x[16+j/2*elems:][:elems] {
		dst.q[l] = int8(q >> (4 * (j & 1)) & 15)
	}
}

func unpackQ5_K(dst *block, row []byte, b int) {
	x, j := (*[176]byte)(row[b/8*176:]), b%8
	dst.d[0], dst.m = scaleMin(j, (*[16]byte)(x[:]))
	high := x[16:][:elems]
	for l, q := range x[48+j/2*elems:][:elems] {
		dst.q[l] = int8(q>>(4*(j&1))&15 | high[l]>>j&1<<4)
	}
}

func unpackQ6_K(dst *block, row []byte, b int) {
	x, half, k := (*[210]byte)(row[b/8*210:]), b%8/4, b%4
	low, high := x[half*64+k%2*elems:][:elems], x[128+half*elems:][:elems]
	d, scales := float16(x[208:]), x[192+half*8+k*2:][:2]
	for i, s := range scales {
		dst.d[i] = d * float32(int8(s))
	}
	for l, q := range low {
		dst.q[l] = int8(q>>(k/2*4)&15|high[l]>>(2*k)&3<<4) - 32
	}
}
