package qgemm

import (
	"math"

	"github.com/micaml/mica/internal/f32"
)

// quantizeGo is the plain-Go twin of quantizeRow: it rounds the row x to the
// first of each step blocks of the outputs.
func quantizeGo(x []float32, step int, q []int8, d, s []float32, bias, halves []int32) {
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
		var sums [2]int32
		for j, v := range block {
			r := int8(-127) // for NaN; -128 has no negative in 8 bits
			if f := math.RoundToEven(float64(float32(v * inv))); f == f {
				r = int8(f)
			}
			q[b*step*elems+j] = r
			sums[j/(elems/2)] += int32(r)
		}
		sum := sums[0] + sums[1]
		d[b*step] = scale
		s[b*step] = scale * float32(sum)
		bias[b*step] = -8 * sum
		halves[2*b*step], halves[2*b*step+1] = -32*sums[0], -32*sums[1]
	}
}

// unitsGo is the plain-Go twin of the products.
func (t *mulTask) unitsGo(work *scratch, lo, hi int) {
	for u := lo; u < hi; u++ {
		t.unitGo(work.blocks, u)
	}
}

// unitGo unpacks each row of weights once for all rows of activations.
func (t *mulTask) unitGo(unpacked []block, u int) {
	f := &formats[t.format]
	col, cols, row, rows := t.unit(u)
	for j := col; j < col+cols; j++ {
		stored := t.w.Row(j)
		for b := range unpacked {
			f.unpack(&unpacked[b], stored, b)
		}
		for i := row; i < row+rows; i++ {
			t.c[i*t.w.Rows+j] = t.a.times(i, unpacked, f.chain)
		}
	}
}

// times multiplies row i by a row of weights.
func (a *Acts) times(i int, w []block, c chain) float32 {
	at, step := a.row(i)
	acc := float32(0)
	for b := range w {
		w, x := &w[b], (*[elems]int8)(a.q[at*elems:])
		lo, hi := dot(w.q[:elems/2], x[:elems/2]), dot(w.q[elems/2:], x[elems/2:])
		switch c {
		case oneScale:
			acc = f32.FMA(float32(lo+hi), w.d[0]*a.d[at], acc)
		case scaleAndMin:
			acc = f32.FMA(float32(lo+hi), w.d[0]*a.d[at], acc)
			acc = f32.FMA(w.m, a.s[at], acc)
		case twoScales:
			acc = f32.FMA(float32(lo), w.d[0]*a.d[at], acc)
			acc = f32.FMA(float32(hi), w.d[1]*a.d[at], acc)
		}
		at += step
	}
	return acc
}

func dot(w, x []int8) int32 {
	sum := int32(0)
	for i := range w {
		sum += int32(w[i]) * int32(x[i])
	}
	return sum
}
