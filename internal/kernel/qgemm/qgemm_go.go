package qgemm

import (
	"encoding/binary"
	"math"

	"github.com/micaml/mica/internal/f32"
	"github.com/micaml/mica/tensor"
)

// formats describes the block types: a scale (and a minimum) as binary16 at the
// front, then quants, that is integers that Go's int8 can hold.
var formats = [...]struct {
	dtype  tensor.DType
	bytes  int // of a block
	quants func(dst *[elems]int8, block []byte)
	min    bool
}{
	{tensor.Q8_0, 34, quantsQ8_0, false},
	{tensor.Q4_0, 18, quantsQ4_0, false},
	{tensor.Q4_1, 20, quantsQ4_1, true},
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

func quantsQ8_0(dst *[elems]int8, block []byte) {
	for j, q := range (*[elems]byte)(block[2:]) {
		dst[j] = int8(q)
	}
}

func quantsQ4_0(dst *[elems]int8, block []byte) {
	for j, q := range (*[elems / 2]byte)(block[2:]) {
		dst[j], dst[j+16] = int8(q&15)-8, int8(q>>4)-8
	}
}

func quantsQ4_1(dst *[elems]int8, block []byte) {
	for j, q := range (*[elems / 2]byte)(block[4:]) {
		dst[j], dst[j+16] = int8(q&15), int8(q>>4)
	}
}

// quantizeGo is the plain-Go twin of quantizeRow: it rounds the row x to the
// first of each step blocks of the outputs.
func quantizeGo(x []float32, step int, q []int8, d, s []float32, bias []int32) {
	for b := range len(x) / elems {
		block := (*[elems]float32)(x[b*elems:])
		amax := uint32(0) // magnitudes are ordered as integers, NaN last
		for _, v := range block {
			amax = max(amax, math.Float32bits(v)&0x7fffffff)
		}
		scale := math.Float32frombits(amax) / 127
		inv := float32(0)
		if scale >= 0x1p-126 {
			inv = 1 / scale
		}
		sum := int32(0)
		for j, v := range block {
			r := int8(-128) // what the vector unit makes of NaN
			if f := math.RoundToEven(float64(float32(v * inv))); f == f {
				r = int8(f)
			}
			q[b*step*elems+j] = r
			sum += int32(r)
		}
		d[b*step] = scale
		s[b*step] = scale * float32(sum)
		bias[b*step] = -8 * sum
	}
}

// unitsGo is the plain-Go twin of the products.
func (t *mulTask) unitsGo(work *scratch, lo, hi int) {
	for u := lo; u < hi; u++ {
		t.unitGo(work.quant, u)
	}
}

func (t *mulTask) unitGo(unpacked []int8, u int) {
	a, f := t.a, &formats[t.format]
	col, cols, row, rows := t.unit(u)
	blocks := a.k / elems
	for j := col; j < col+cols; j++ {
		stored := t.w.Row(j)
		for b := range blocks {
			f.quants((*[elems]int8)(unpacked[b*elems:]), stored[b*f.bytes:])
		}
		for i := row; i < row+rows; i++ {
			at, step := a.row(i)
			acc := float32(0)
			for b := range blocks {
				block := stored[b*f.bytes:]
				sum := dot((*[elems]int8)(unpacked[b*elems:]), (*[elems]int8)(a.q[at*elems:]))
				acc = f32.FMA(float32(sum), float16(block)*a.d[at], acc)
				if f.min {
					acc = f32.FMA(float16(block[2:]), a.s[at], acc)
				}
				at += step
			}
			t.c[i*t.w.Rows+j] = acc
		}
	}
}

func dot(w, x *[elems]int8) int32 {
	sum := int32(0)
	for i := range w {
		sum += int32(w[i]) * int32(x[i])
	}
	return sum
}

func float16(b []byte) float32 { return tensor.F16ToF32(binary.LittleEndian.Uint16(b)) }
